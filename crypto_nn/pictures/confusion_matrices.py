"""What was predicted against what came."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = 16  # longer names are written smaller


@canvas.drawn
def confusion_matrices(
    matrices: Mapping[str, NDArray[Any]], title: str = "", columns: int = 3
) -> "Figure | None":
    """One matrix per horizon: rows are what came, columns what was predicted.

    Shades and the large numbers are shares of a row (of what came), the small ones are counts;
    a model that sees nothing has three equal rows.

    Args:
        matrices: per panel (such as "15m") counts [true, predicted] of down, flat, up.
        columns: panels in a row.
    """
    panels = {name: np.asarray(m, dtype=np.float64) for name, m in matrices.items()}
    panels = {name: matrix for name, matrix in panels.items() if matrix.sum() > 0}
    if not panels:
        return None
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    sheet = canvas.figure(max(280, 245 * columns), 45 + 225 * rows, title or "Confusion matrices")
    for axes, (name, matrix) in zip(canvas.panels(sheet, len(panels), columns), panels.items()):
        _paint(axes, name, matrix)
    return sheet


def _paint(axes: "Axes", name: str, matrix: NDArray[np.float64]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("paper_to_blue", [canvas.PAPER, canvas.BLUE])
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.pcolormesh(shares, cmap=shades, vmin=0, vmax=1, edgecolors=canvas.GRID, lw=0.7)
    for row in range(3):
        for column in range(3):
            colour = "white" if shares[row, column] > 0.55 else canvas.BLACK
            weight = "bold" if row == column else "normal"
            x, y = column + 0.5, row + 0.5
            share, count = f"{100 * shares[row, column]:.0f} %", f"{matrix[row, column]:,.0f}"
            axes.text(x, y - 0.08, share, ha="center", va="center", color=colour, weight=weight)
            axes.text(x, y + 0.2, count, ha="center", va="center", color=colour, fontsize=6.5)
    middles = (0.5, 1.5, 2.5)
    axes.set_xticks(middles, canvas.CLASSES)
    axes.set_yticks(middles, canvas.CLASSES)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(name, fontsize=7.5 if len(name) > TITLE else None)
    axes.set_xlabel("predicted")
    axes.set_ylabel("came")
