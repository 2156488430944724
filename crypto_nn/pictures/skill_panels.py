"""Everyone's skill side by side: one panel per horizon, one line per contestant."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Reach = tuple[float, float, float]
UNKNOWN = (np.nan, np.nan, np.nan)


@canvas.drawn
def skill_panels(
    panels: Mapping[str, Mapping[str, Reach]],
    baselines: Collection[str] = (),
    unit: str = "",
    title: str = "",
) -> "Figure | None":
    """The same contestants in every panel, the best on the whole first.

    Args:
        panels: per panel (such as "15 minutes") and name the value and its bounds; NaN bounds draw
            no interval.
        baselines: the names that are baselines: grey, so that they are told from models.
        unit: written at the axes.
    """
    known = {
        name: [of[name][0] for of in panels.values() if name in of and np.isfinite(of[name][0])]
        for name in dict.fromkeys(name for of in panels.values() for name in of)
    }
    names = [name for name in known if known[name]]
    if not names:
        return None
    names.sort(key=lambda name: (-float(np.mean(known[name])), name))
    sheet = canvas.figure(245 + 245 * len(panels), 95 + 19 * len(names), title)
    grid = sheet.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (panel, of) in zip(grid, panels.items()):
        _paint(axes, [(name, of.get(name, UNKNOWN)) for name in names], baselines)
        axes.set_title(panel)
        axes.set_xlabel(unit)
    grid[0].set_yticks(np.arange(len(names)), canvas.shorten(names, 34))
    grid[0].set_ylim(len(names) - 0.4, -0.6)
    for label, colour in (("model", canvas.BLUE), ("baseline", canvas.GREY)):
        grid[-1].plot([], [], "o", color=colour, ms=5, label=label)
    sheet.legend(*grid[-1].get_legend_handles_labels(), loc="upper right", ncols=2)
    return sheet


def _paint(axes: "Axes", rows: list[tuple[str, Reach]], baselines: Collection[str]) -> None:
    for y, (name, (value, low, high)) in enumerate(rows):
        colour = canvas.GREY if name in baselines else canvas.BLUE
        if np.isfinite(low) and np.isfinite(high):
            axes.plot([low, high], [y, y], color=colour, lw=4.5, alpha=0.35, solid_capstyle="butt")
        if np.isfinite(value):
            axes.plot(value, y, "o", color=colour, ms=4.5)
    axes.axvline(0.0, color=canvas.BLACK, lw=1)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0, labelcolor=canvas.BLACK)
