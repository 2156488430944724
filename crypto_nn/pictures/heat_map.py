"""A table of numbers around zero as colours: blue above, red below."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Float = NDArray[np.float64]


@canvas.drawn
def heat_map(
    values_RC: Float, rows: Sequence[str], columns: Sequence[str], unit: str = "", title: str = ""
) -> "Figure | None":
    """One coloured cell for each row and column, each with its number; NaN is left blank.

    Full colour is where nine cells in ten lie below, so that one wild cell does not pale the rest.

    Args:
        values_RC: numbers around zero.
        rows, columns: their names.
        unit: of the numbers, said in the title.
    """
    from matplotlib.colors import LinearSegmentedColormap

    known = np.abs(values_RC[np.isfinite(values_RC)])
    if not len(known):
        return None
    most = float(np.quantile(known, 0.9)) or float(known.max()) or 1.0
    shades = LinearSegmentedColormap.from_list(
        "down_to_up", [canvas.VERMILLION, canvas.PAPER, canvas.BLUE]
    )
    sheet = canvas.figure(250 + 46 * len(columns), 90 + 20 * len(rows), title)
    axes = sheet.subplots()
    axes.pcolormesh(
        np.ma.masked_invalid(values_RC), cmap=shades, vmin=-most, vmax=most,
        edgecolors=canvas.PAPER, lw=1.2,
    )  # fmt: skip
    for row, column in np.argwhere(np.isfinite(values_RC)):
        value = values_RC[row, column]
        colour = "white" if abs(value) > 0.7 * most else canvas.BLACK
        text = f"{round(value, 2) + 0.0:.2f}".replace("-", "−")  # no minus zero
        axes.text(
            column + 0.5, row + 0.52, text, ha="center", va="center", color=colour, fontsize=7
        )
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, fontsize=7.5)
    axes.set_yticks(np.arange(len(rows)) + 0.5, canvas.shorten(rows, 34))
    axes.set_ylim(len(rows), 0)
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", labelcolor=canvas.BLACK)
    axes.spines[:].set_visible(False)
    if unit:
        axes.set_xlabel(unit)
    return sheet
