"""Who answered when, who shadowed, and what the days say of the shadows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW, SHOWN = 24, 12
COLOURS = {"answers": canvas.BLUE, "shadows": canvas.SKY}
MARKS = {
    "promote": ("^", canvas.GREEN),
    "rollback": ("v", canvas.VERMILLION),
    "reject": ("x", canvas.VERMILLION),
    "expire": ("x", canvas.GREY),
}
FLOOR, CEILING = 1e-3, 1e6  # evidence beyond is drawn there


@dataclass(frozen=True)
class Spell:
    """A version answers or shadows from `start` to `end` (UTC)."""

    version: str
    kind: str
    start: np.datetime64
    end: np.datetime64


@dataclass(frozen=True)
class Mark:
    """Something happened to a version: promote, rollback, reject or expire."""

    version: str
    action: str
    at: np.datetime64


@dataclass(frozen=True, eq=False)
class EvidenceCurve:
    """The evidence on a shadow after each of its days (T)."""

    label: str
    days_T: NDArray[Any]
    better_T: NDArray[np.float64]
    worse_T: NDArray[np.float64]


@canvas.drawn
def champion_timeline(
    spells: Sequence[Spell],
    marks: Sequence[Mark],
    curves: Sequence[EvidenceCurve] = (),
    level: float = 20.0,
    title: str = "",
) -> "Figure | None":
    """Above: which version answered or shadowed when. Below: the evidence on present shadows.

    Args:
        spells, marks: of one universe; the versions of the newest `SHOWN` are drawn.
        level: the evidence that decides.
    """
    if not spells:
        return None
    versions = list(dict.fromkeys(spell.version for spell in spells))[-SHOWN:]
    drawn = [curve for curve in curves if len(curve.days_T)]
    height = 110 + ROW * len(versions)
    sheet = canvas.figure(760, height + (230 if drawn else 0), title or "Who answered when")
    shape = [height, 230] if drawn else [height]
    axes = sheet.subplots(len(shape), 1, squeeze=False, gridspec_kw={"height_ratios": shape})[:, 0]
    _bars(axes[0], spells, marks, versions)
    if drawn:
        _curves(axes[1], drawn, level)
    return sheet


def _bars(
    axes: "Axes", spells: Sequence[Spell], marks: Sequence[Mark], versions: Sequence[str]
) -> None:
    place = {version: number for number, version in enumerate(versions)}
    told: set[str] = set()
    for spell in spells:
        if spell.version in place:
            axes.plot(
                [spell.start, spell.end],
                [place[spell.version]] * 2,
                color=COLOURS[spell.kind],
                lw=9 if spell.kind == "answers" else 4,
                solid_capstyle="butt",
                label=None if spell.kind in told else spell.kind,
            )
            told.add(spell.kind)
    for mark in marks:
        if mark.version in place and mark.action in MARKS:
            shape, colour = MARKS[mark.action]
            label = None if mark.action in told else mark.action
            axes.plot(
                mark.at, place[mark.version], shape, color=colour, ms=7, label=label, zorder=3
            )
            told.add(mark.action)
    axes.set_yticks(range(len(versions)), canvas.shorten(versions, 18))
    axes.set_ylim(len(versions) - 0.5, -0.7)
    canvas.date_axis(axes)
    canvas.legend_above(axes, 6)


def _curves(axes: "Axes", curves: Sequence[EvidenceCurve], level: float) -> None:
    colours = (canvas.BLUE, canvas.PURPLE, canvas.GREEN)
    for curve, colour in zip(curves, colours):
        for values, style, word in (
            (curve.better_T, "-", "better"),
            (curve.worse_T, "--", "worse"),
        ):
            axes.plot(
                curve.days_T,
                np.clip(values, FLOOR, CEILING),
                style,
                color=colour,
                marker="o" if len(values) < 40 else None,
                ms=3,
                label=f"{curve.label}: {word}",
            )
    axes.axhline(level, color=canvas.VERMILLION, lw=1, ls=":", label=f"decides: {level:g}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylabel("evidence")
    canvas.date_axis(axes)
    canvas.legend_above(axes, 5)
