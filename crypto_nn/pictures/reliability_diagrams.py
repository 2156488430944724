"""Whether a stated 60 % comes true six times in ten."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

TITLE = 16  # longer names are written smaller


@canvas.drawn
def reliability_diagrams(
    curves: Mapping[str, Curve], title: str = "", columns: int = 3
) -> "Figure | None":
    """Confidence against hit rate, one panel per horizon; on the diagonal they agree.

    The area of each point is the share of predictions in its bin.

    Args:
        curves: per panel (mean confidence, hit rate, number of predictions) of each bin.
        columns: panels in a row.
    """
    panels = {
        name: tuple(np.asarray(part, dtype=np.float64) for part in curve)
        for name, curve in curves.items()
    }
    panels = {name: curve for name, curve in panels.items() if np.nansum(curve[2]) > 0}
    if not panels:
        return None
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    sheet = canvas.figure(max(280, 245 * columns), 45 + 225 * rows, title or "Reliability")
    for axes, (name, curve) in zip(canvas.panels(sheet, len(panels), columns), panels.items()):
        _paint(axes, name, *curve)
    return sheet


def _paint(
    axes: "Axes",
    name: str,
    confidence: NDArray[np.float64],
    hits: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> None:
    used = (weights > 0) & np.isfinite(confidence) & np.isfinite(hits)
    confidence, hits, weights = confidence[used], hits[used], weights[used]
    axes.plot([0, 1], [0, 1], color=canvas.GREY, lw=1, ls="--")
    axes.plot(confidence, hits, color=canvas.BLUE, lw=1.2)
    axes.scatter(confidence, hits, s=8 + 140 * weights / weights.sum(), color=canvas.BLUE, lw=0)
    if len(confidence):
        low = min(confidence.min(), hits.min(), 1 / 3) - 0.04
        high = max(confidence.max(), hits.max(), 0.5) + 0.04
        axes.set_xlim(max(0, low), min(1, high))
        axes.set_ylim(max(0, low), min(1, high))
    axes.set_aspect("equal")
    axes.set_title(name, fontsize=7.5 if len(name) > TITLE else None)
    axes.set_xlabel("stated confidence")
    axes.set_ylabel("came true")
