"""What a memory was reminded of, and what had come of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Float, Times
from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNKNOWN = "#D1D5DB"


@dataclass(frozen=True, eq=False)
class Recall:
    """One window, and the episodes that it called to mind.

    Attributes:
        title: symbol and time of the window.
        at_K: when each episode was.
        weights_K: how much it counted.
        outcomes_K: what came of it at one horizon: 0 down, 1 flat, 2 up, −1 not known.
        came: what came of the window itself.
    """

    title: str
    at_K: Times
    weights_K: Float
    outcomes_K: NDArray[np.int64]
    came: int


@canvas.drawn
def recalled_episodes(recalls: Sequence[Recall], title: str = "") -> "Figure | None":
    """For single windows: when the episodes were, how much each counted, and what came of it."""
    if not recalls:
        return None
    columns = min(2, len(recalls))
    rows = -(-len(recalls) // columns)
    sheet = canvas.figure(360 * columns, 170 * rows + 50, title or "What the memory recalled")
    for axes, recall in zip(canvas.panels(sheet, len(recalls), columns), recalls):
        colours = [canvas.CLASS_COLOURS[o] if o >= 0 else UNKNOWN for o in recall.outcomes_K]
        if len(recall.at_K):
            axes.vlines(recall.at_K, 0, recall.weights_K, color=colours, lw=1.5)
            axes.scatter(recall.at_K, recall.weights_K, c=colours, s=28, zorder=3)
            canvas.date_axis(axes)
        else:
            axes.text(0.5, 0.5, "nothing", transform=axes.transAxes, ha="center", color=canvas.GREY)
        axes.set_ylim(bottom=0)
        came = canvas.CLASSES[recall.came] if recall.came >= 0 else "not known"
        axes.set_title(f"{recall.title}: came {came}", fontsize=8.5)
    first = sheet.axes[0]
    for name, colour in zip(canvas.CLASSES, canvas.CLASS_COLOURS):
        first.plot([], [], "o", color=colour, label=f"then came {name}", ms=5)
    sheet.legend(*first.get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return sheet
