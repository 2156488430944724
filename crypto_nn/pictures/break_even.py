"""What costs leave of a round trip, by how sure a prediction must be to be followed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Float = NDArray[np.float64]


@canvas.drawn
def break_even(
    costs_bps_K: Float,
    rows: Sequence[str],
    net_QK: Float,
    break_even_bps_Q: Float,
    unit: str = "net basis points of a round trip",
    title: str = "",
) -> "Figure | None":
    """The break-even surface: blue cells gain, red ones lose, on the line nothing is left.

    The line is drawn between the columns, at the cost that would leave nothing; it runs along the
    edge where that cost is beyond the first or the last column.

    Args:
        costs_bps_K: costs of a round trip, ascending: the columns.
        rows: who is followed, such as "surest 25 %", one name for each row.
        net_QK: what is left; NaN (nothing was traded) is left blank.
        break_even_bps_Q: of each row the cost at which nothing is left.
        unit: of what is left, written below.
    """
    from matplotlib.colors import LinearSegmentedColormap

    known = np.abs(net_QK[np.isfinite(net_QK)])
    if not known.size:
        return None
    most = float(known.max()) or 1.0
    shades = LinearSegmentedColormap.from_list(
        "loss_to_gain", [canvas.VERMILLION, canvas.PAPER, canvas.BLUE]
    )
    height = 120 + 26 * len(rows)
    sheet = canvas.figure(190 + 56 * len(costs_bps_K), height, title or "Break-even")
    axes = sheet.subplots()
    axes.pcolormesh(np.ma.masked_invalid(net_QK), cmap=shades, vmin=-most, vmax=most)
    _write(axes, net_QK, most)
    _line(axes, costs_bps_K, break_even_bps_Q)
    axes.set_xticks(np.arange(len(costs_bps_K)) + 0.5, [f"{cost:g}" for cost in costs_bps_K])
    axes.set_yticks(np.arange(len(rows)) + 0.5, canvas.shorten(rows))
    axes.set_ylim(len(rows), 0)
    axes.set_xlim(0, len(costs_bps_K))
    axes.set_xlabel(f"cost of a round trip in basis points; in the cells {unit}")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", labelcolor=canvas.BLACK)
    axes.spines[:].set_visible(False)
    return sheet


def _write(axes: "Axes", net_QK: Float, most: float) -> None:
    for row, column in np.argwhere(np.isfinite(net_QK)):
        value = float(net_QK[row, column])
        colour = "white" if abs(value) > 0.7 * most else canvas.BLACK
        digits = 0 if abs(value) >= 99.5 else 1
        text = f"{value:+.{digits}f}".replace("-", "−")
        place: Any = {"ha": "center", "va": "center", "fontsize": 7.5}
        axes.text(column + 0.5, row + 0.52, text, color=colour, **place)


def _line(axes: "Axes", costs_K: Float, break_even_Q: Float) -> None:
    count = len(costs_K)
    middles = np.arange(count) + 0.5
    for row, cost in enumerate(break_even_Q):
        if np.isnan(cost):
            continue
        x = float(np.interp(cost, costs_K, middles))
        x = 0.04 if cost < costs_K[0] else count - 0.04 if cost > costs_K[-1] else x
        axes.plot([x, x], [row, row + 1], color=canvas.GREY, lw=1.6, zorder=1.5)
    axes.plot([], [], color=canvas.GREY, lw=1.6, label="nothing is left")
    canvas.legend_above(axes, 1)
