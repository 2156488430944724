"""The four little plots that tell what a feature is like, as shapes for any kind of paper."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Float
from crypto_nn.features.statistics import LAGS, FeatureFacts

Kind = Literal["area", "band", "line", "rule"]
_LEAST_MISSING = 0.01  # the missing share is drawn against one per cent at least


@dataclass(frozen=True, eq=False)
class Shape:
    """A polygon (area, band) or a line (line, rule) in a box of 1 × 1, the origin below left."""

    kind: Kind
    x: Float
    y: Float


@dataclass(frozen=True, eq=False)
class Plot:
    """One little plot; it has no shapes where there is nothing to draw.

    Attributes:
        title: what is drawn.
        shapes: from back to front.
        left, right: what stands below the ends of the horizontal axis.
        top, bottom: what stands at the ends of the vertical axis.
        words: what is to be seen, for those who cannot.
    """

    title: str
    shapes: tuple[Shape, ...]
    left: str
    right: str
    top: str
    bottom: str
    words: str


def feature_plots(facts: FeatureFacts) -> tuple[Plot, ...]:
    """Distribution, autocorrelation, missing share by month, and drift over months."""
    return _distribution(facts), _autocorrelation(facts), _missing(facts), _drift(facts)


def short(value: float) -> str:
    """A number in few characters: 0.0123, -1.5, 12,300, 1.2e-7."""
    if not np.isfinite(value):
        return "–"
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e6:
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):g}"


def percent(share: float) -> str:
    """A share as per cent, never rounded to nothing."""
    if not share > 0:
        return "0 %" if share == 0 else "–"
    if share < 1e-4:
        return "< 0.01 %"
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def _distribution(facts: FeatureFacts) -> Plot:
    if not facts.count:
        return _nothing("distribution")
    low, high = float(facts.edges[0]), float(facts.edges[-1])
    x_E = (facts.edges - low) / (high - low)
    y_B = facts.shares / max(facts.shares.max(), 1e-12)
    shapes = [Shape("area", *_stairs(x_E, y_B, 0.0))]
    shapes += _upright((0.0 - low) / (high - low))
    first, last = (short(float(facts.edges[at].mean())) for at in (slice(2), slice(-2, None)))
    words = f"half of the values are above {short(facts.quantiles[3])}; "
    words += f"drawn from {first} to {last}"
    return Plot("distribution", tuple(shapes), first, last, "", "", words)


def _autocorrelation(facts: FeatureFacts) -> Plot:
    known = np.flatnonzero(~np.isnan(facts.autocorrelation_L))
    if not len(known):
        return _nothing("autocorrelation")
    value_L = facts.autocorrelation_L[known]
    bottom = -1.0 if value_L.min() < -0.25 else -0.25
    x_L = np.log(np.array(LAGS)[known]) / np.log(LAGS[-1])
    y_L = (value_L - bottom) / (1 - bottom)
    zero = -bottom / (1 - bottom)
    under = Shape(
        "area", np.concatenate([x_L, x_L[::-1]]), np.concatenate([y_L, np.full(len(y_L), zero)])
    )
    return Plot(
        "autocorrelation",
        (under, _level(zero), Shape("line", x_L, y_L)),
        f"{LAGS[0]} min",
        f"{LAGS[-1]} min",
        "1",
        short(bottom),
        f"{short(facts.autocorrelation(1))} after 1 row, "
        f"{short(facts.autocorrelation(60))} after 60",
    )


def _missing(facts: FeatureFacts) -> Plot:
    if not facts.months:
        return _nothing("missing")
    worst = int(facts.missing_M.argmax())
    top = max(float(facts.missing_M[worst]), _LEAST_MISSING)
    x_E = np.linspace(0, 1, len(facts.months) + 1)
    shapes = (Shape("area", *_stairs(x_E, facts.missing_M / top, 0.0)), _level(0.0))
    words = f"{percent(facts.missing)} in all, "
    words += f"at most {percent(float(facts.missing_M[worst]))} in {facts.months[worst]}"
    return Plot("missing", shapes, *_ends(facts.months), percent(top), "0 %", words)


def _drift(facts: FeatureFacts) -> Plot:
    known = np.asarray(np.isfinite(facts.band_M3).all(axis=1))
    if not known.any():
        return _nothing("drift")
    low, high = float(facts.band_M3[known].min()), float(facts.band_M3[known].max())
    if not high > low:
        low, high = low - 0.5 * max(abs(low), 1.0), high + 0.5 * max(abs(high), 1.0)
    x_E = np.linspace(0, 1, len(facts.months) + 1)
    y_M3 = (facts.band_M3 - low) / (high - low)
    zero = (0.0 - low) / (high - low)
    bands, lines = [], []
    for first, last in _stretches(known):
        x, y_S3 = x_E[first : last + 1], y_M3[first:last]
        upper, lower = _steps(x, y_S3[:, 2]), _steps(x, y_S3[:, 0])
        band = (np.concatenate([a, b[::-1]]) for a, b in zip(upper, lower))
        bands.append(Shape("band", *band))
        lines.append(Shape("line", *_steps(x, y_S3[:, 1])))
    rules = [_level(zero)] if 0 <= zero <= 1 else []
    farthest = facts.farthest
    words = "" if farthest is None else f"farthest from the first in {farthest[0]}, "
    words += "" if farthest is None else f"by {farthest[1]:.2f} of 1"
    return Plot(
        "drift", (*bands, *rules, *lines), *_ends(facts.months), short(high), short(low), words
    )


def _nothing(title: str) -> Plot:
    return Plot(title, (), "", "", "", "", "no values")


def _ends(months: tuple[str, ...]) -> tuple[str, str]:
    return months[0], months[-1] if len(months) > 1 else ""


def _level(y: float) -> Shape:
    return Shape("rule", np.array([0.0, 1.0]), np.array([y, y]))


def _upright(x: float) -> list[Shape]:
    """A rule from bottom to top, where that is inside."""
    return [Shape("rule", np.array([x, x]), np.array([0.0, 1.0]))] if 0 < x < 1 else []


def _steps(x_E: Float, y_B: Float) -> tuple[Float, Float]:
    """A line that is level between neighbouring edges."""
    return np.repeat(x_E, 2)[1:-1], np.repeat(y_B, 2)


def _stairs(x_E: Float, y_B: Float, ground: float) -> tuple[Float, Float]:
    """The polygon between such a line and the ground."""
    x, y = _steps(x_E, y_B)
    ends = np.array([ground])
    return np.concatenate([x[:1], x, x[-1:]]), np.concatenate([ends, y, ends])


def _stretches(known: NDArray[np.bool_]) -> Iterable[tuple[int, int]]:
    """The first and one past the last of each run of true values."""
    padded = np.concatenate([[False], known, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return zip(edges[::2].tolist(), edges[1::2].tolist())
