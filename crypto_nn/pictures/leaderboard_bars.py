"""Who predicts better than knowing only how often each class comes."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = tuple[str, float, float, float]


@canvas.drawn
def leaderboard_bars(
    rows: Sequence[Row], baselines: Collection[str] = (), unit: str = "", title: str = ""
) -> "Figure | None":
    """Each contestant's score with its interval; what reaches across zero is not shown to differ.

    Args:
        rows: (name, value, low, high); NaN bounds draw no interval.
        baselines: the names that are baselines: grey, so that they are told from models.
        unit: written at the axis, such as "log-loss skill in %".
    """
    rows = [row for row in rows if np.isfinite(row[1])]
    if not rows:
        return None
    sheet = canvas.figure(640, 85 + 22 * len(rows), title or "Leaderboard")
    axes = sheet.subplots()
    for y, (name, value, low, high) in enumerate(rows):
        colour = canvas.GREY if name in baselines else canvas.BLUE
        if np.isfinite(low) and np.isfinite(high):
            axes.plot([low, high], [y, y], color=colour, lw=5, alpha=0.35, solid_capstyle="butt")
        axes.plot(value, y, "o", color=colour, ms=5.5)
    axes.set_yticks(np.arange(len(rows)), canvas.shorten([row[0] for row in rows]))
    axes.axvline(0.0, color=canvas.BLACK, lw=1)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0, labelcolor=canvas.BLACK)
    axes.set_xlabel(unit)
    for label, colour in (("model", canvas.BLUE), ("baseline", canvas.GREY)):
        axes.plot([], [], "o", color=colour, ms=5.5, label=label)
    canvas.legend_above(axes, 2)
    return sheet
