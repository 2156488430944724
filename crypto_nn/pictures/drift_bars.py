"""How far each feature has moved from what the model learned."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 20


@canvas.drawn
def drift_bars(
    names: Sequence[str], scores: Sequence[float], threshold: float = 1.0, title: str = ""
) -> "Figure | None":
    """The features that moved most, against the line above which it counts as drift.

    Args:
        names: of the features.
        scores: the drift statistic of each, in units in which `threshold` is the line.
        threshold: the calibrated line.
    """
    values = np.asarray(scores, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        return None
    order = known[np.argsort(-values[known], kind="stable")][:MOST]
    labels = canvas.shorten([names[i] for i in order])
    over = values[order] > threshold
    sheet = canvas.figure(640, 85 + 19 * len(order), title or f"Drift of {known.size} features")
    axes = sheet.subplots()
    colours = [canvas.VERMILLION if o else canvas.SKY for o in over]
    axes.barh(np.arange(len(order)), values[order], color=colours, height=0.72)
    axes.set_yticks(np.arange(len(order)), labels)
    axes.axvline(threshold, color=canvas.BLACK, lw=1.2, ls="--")
    right = max(float(values[order].max()), threshold) * 1.1
    axes.set_xlim(0, right if right > 0 else 1)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0, labelcolor=canvas.BLACK)
    axes.set_title(f"{int(over.sum())} above the line at {threshold:g}", fontweight="normal")
    axes.set_xlabel("drift statistic")
    return sheet
