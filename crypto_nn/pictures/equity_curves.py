"""What trading on the predictions would have earned, at several costs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Float = NDArray[np.float64]
MAX_POINTS = 400
MAX_FALLS = 200
LOST = 1e-4  # what is below a ten-thousandth of the capital is drawn there


@canvas.drawn
def equity_curves(
    ts: NDArray[Any],
    curves: Mapping[str, NDArray[Any]],
    buy_and_hold: NDArray[Any] | None = None,
    title: str = "",
) -> "Figure | None":
    """Growth of one unit of capital, on a logarithmic scale, with buying and holding beside it.

    Below, how far each stands under its highest point so far.

    Args:
        ts: datetime64 of each point; at most 400 are drawn, and nothing below a loss of 99.99 %.
        curves: per line (such as "5 bp") the equity at each point; it starts near 1.
        buy_and_hold: the equity of the one who bought at the start and never sold.
    """
    if not len(ts) or not curves:
        return None
    picked = np.unique(np.linspace(0, len(ts) - 1, MAX_POINTS).astype(np.int64))
    sheet = canvas.figure(760, 440, title or "Equity, net of costs")
    growth, fall = sheet.subplots(2, 1, sharex=True, height_ratios=[7, 3])
    lines = {name: (curve, canvas.SERIES[n % len(canvas.SERIES)]) for n, (name, curve)
             in enumerate(curves.items())}  # fmt: skip
    if buy_and_hold is not None:
        lines = {"buy & hold": (buy_and_hold, canvas.PALE), **lines}
    for name, (curve, colour) in lines.items():
        equity = np.asarray(curve, dtype=np.float64)
        growth.plot(ts[picked], np.maximum(equity[picked], LOST), color=colour, label=name, lw=1.3)
        last, deepest = _deepest(drawdown(equity))
        fall.plot(ts[last], 100 * deepest, color=colour, lw=1.0)
    growth.set_yscale("log")
    growth.axhline(1.0, color=canvas.GREY, lw=0.8)
    _label_growth(growth)
    fall.set_ylim(top=0.0)
    fall.set_ylabel("below its high, %")
    canvas.date_axis(fall)
    canvas.legend_above(growth, len(lines))
    fall.margins(x=0.01)
    return sheet


def drawdown(equity_T: Float) -> Float:
    """How far equity that began at 1 stands below its highest point so far: 0, or down to -1."""
    high = np.maximum.accumulate(np.maximum(equity_T, 1.0))
    fallen: Float = equity_T / high - 1
    return fallen


def _deepest(fall_T: Float) -> tuple[NDArray[np.int64], Float]:
    """At most 200 stretches of time, each by its last point and its deepest fall."""
    first = np.unique(np.linspace(0, len(fall_T), MAX_FALLS + 1).astype(np.int64))[:-1]
    last = np.append(first[1:], len(fall_T)) - 1
    return last, np.minimum.reduceat(fall_T, first)


def _label_growth(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axes.get_ylim()
    locator = LogLocator(subs=(1.0,)) if high / low > 30 else MaxNLocator(nbins=6)
    axes.yaxis.set_major_locator(locator)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _growth(value)))
    axes.set_ylabel("gain since the start")


def _growth(value: float) -> str:
    gain = 100 * (value - 1)
    if abs(gain) < 0.005:
        return "0 %"
    digits = 2 if gain < -99.5 else 1 if abs(gain) < 10 or gain < -98.5 else 0
    return f"{gain:+,.{digits}f} %".replace("-", "−")
