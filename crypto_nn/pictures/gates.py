"""Which part of a model is listened to, and when."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ROUNDING = 1e-3  # what a sum of shares may be away from one
WIDTH = 0.8  # of a group of windows


@canvas.drawn
def gate_shares(branches: Sequence[str], shares_QG: ArrayLike, title: str = "") -> "Figure | None":
    """The mean weight of each branch, from the calmest fifth of the windows to the wildest.

    Weights that are shares of one are stacked; those that each go from 0 to 1 stand side by side.

    Args:
        branches: what the gate chooses between.
        shares_QG: for each group of windows, by volatility, the weight of each branch.
    """
    shares = np.asarray(shares_QG, dtype=np.float64)
    if not shares.size or not np.isfinite(shares).all():
        return None
    sheet = canvas.figure(460, 240, title or "Which branch is listened to")
    axes = sheet.subplots()
    places = np.arange(len(shares))
    stacked = bool(np.allclose(shares.sum(axis=1), 1.0, rtol=0.0, atol=ROUNDING))
    width = WIDTH if stacked else WIDTH / len(branches)
    bottom = np.zeros(len(shares))
    for number, name in enumerate(branches):
        colour = canvas.SERIES[number % len(canvas.SERIES)]
        share_Q = shares[:, number]
        middles = places if stacked else places + width * (number - (len(branches) - 1) / 2)
        axes.bar(middles, share_Q, bottom=bottom, color=colour, label=name, width=width)
        for middle, low, share in zip(middles, bottom, share_Q):
            if share >= 0.08:
                axes.text(middle, low + share / 2, f"{share:.0%}", ha="center", va="center",
                          color=canvas.PAPER, fontsize=8)  # fmt: skip
        if stacked:
            bottom += share_Q
    axes.set_xticks(places, _names(len(shares)))
    axes.set_ylim(0, max(1.0, float(bottom.max()), float(shares.max())))
    axes.set_ylabel("mean weight")
    axes.grid(axis="x", visible=False)
    canvas.legend_above(axes, min(len(branches), 4))
    return sheet


def _names(groups: int) -> list[str]:
    if groups < 2:
        return ["all windows"]
    return ["calmest", *("" for _ in range(groups - 2)), "most volatile"]
