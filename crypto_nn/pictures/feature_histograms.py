"""How the values of each feature are spread, and how they were before."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 12
BINS = 40


@canvas.drawn
def feature_histograms(
    values: Mapping[str, NDArray[Any]],
    reference: Mapping[str, NDArray[Any]] | None = None,
    title: str = "",
) -> "Figure | None":
    """One small histogram per feature, between its 0.5 % and 99.5 % quantiles.

    Args:
        values: per feature its values; the first twelve that have any are drawn.
        reference: the values to compare with, drawn as an outline.
    """
    shown = {name: _finite(column) for name, column in values.items()}
    shown = {name: column for name, column in shown.items() if len(column)}
    if not shown:
        return None
    first = dict(list(shown.items())[:MOST])
    columns = min(4, len(first))
    rows = -(-len(first) // columns)
    count = f"{len(first)} of {len(shown)} features" if len(shown) > len(first) else "Features"
    sheet = canvas.figure(190 * max(columns, 2), 45 + 120 * rows, title or count)
    for axes, (name, column) in zip(canvas.panels(sheet, len(first), columns), first.items()):
        before = _finite(reference[name]) if reference and name in reference else None
        _paint(axes, name, column, before)
    return sheet


def _finite(column: NDArray[Any]) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = np.asarray(column, dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def _paint(
    axes: "Axes", name: str, column: NDArray[np.float64], before: NDArray[np.float64] | None
) -> None:
    both = column if before is None or not len(before) else np.concatenate([column, before])
    low, high = np.quantile(both, (0.005, 0.995))
    if not high > low:
        low, high = low - max(abs(low), 1.0) * 0.5, high + max(abs(high), 1.0) * 0.5
    edges = np.linspace(low, high, BINS + 1)
    heights = np.histogram(column, edges)[0] / len(column)
    axes.stairs(heights, edges, fill=True, color=canvas.SKY, alpha=0.8)
    if before is not None and len(before):
        axes.stairs(np.histogram(before, edges)[0] / len(before), edges, color=canvas.BLACK, lw=0.9)
    axes.set_title(canvas.shorten([name], 24)[0], fontsize=7.5)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(labelsize=6.5)
    axes.locator_params(axis="x", nbins=4)
