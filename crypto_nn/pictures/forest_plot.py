"""Many differences with their intervals, one line each, so that zero can be seen in or out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW, BETWEEN = 17, 62
LONGEST = 70


@dataclass(frozen=True)
class ForestRow:
    """One difference: whose, where it lies, and whether a verdict hangs on it."""

    name: str
    value: float
    low: float
    high: float
    decides: bool = True


@canvas.drawn
def forest_plot(
    groups: Sequence[tuple[str, Sequence[ForestRow]]], title: str = ""
) -> "Figure | None":
    """Differences with intervals, a panel for each unit; what reaches across zero is not told.

    Args:
        groups: the unit, and its rows from top to bottom; NaN bounds draw no interval.
    """
    shown = [(unit, [row for row in rows if np.isfinite(row.value)]) for unit, rows in groups]
    shown = [(unit, rows) for unit, rows in shown if rows]
    if not shown:
        return None
    sizes = [len(rows) for _, rows in shown]
    height = sum(ROW * size + BETWEEN for size in sizes) + 30
    sheet = canvas.figure(820, height, title or "Differences with their intervals")
    grid = sheet.subplots(
        len(shown), 1, squeeze=False, gridspec_kw={"height_ratios": [size + 1 for size in sizes]}
    )
    for axes, (unit, rows) in zip(grid[:, 0], shown):
        _panel(axes, rows, unit)
    return sheet


def _panel(axes: "Axes", rows: Sequence[ForestRow], unit: str) -> None:
    for y, row in enumerate(rows):
        colour = _colour(row)
        if np.isfinite(row.low) and np.isfinite(row.high):
            axes.plot([row.low, row.high], [y, y], color=colour, lw=4, alpha=0.4,
                      solid_capstyle="butt")  # fmt: skip
        axes.plot(row.value, y, "o" if row.decides else "D", color=colour, ms=4.5,
                  mfc=colour if row.decides else canvas.PAPER)  # fmt: skip
    axes.axvline(0.0, color=canvas.BLACK, lw=1)
    axes.set_yticks(np.arange(len(rows)), canvas.shorten([row.name for row in rows], LONGEST))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0, labelcolor=canvas.BLACK, labelsize=7.5)
    axes.set_xlabel(unit)


def _colour(row: ForestRow) -> str:
    if row.low > 0:
        return canvas.BLUE
    return canvas.VERMILLION if row.high < 0 else canvas.GREY
