"""Which part of a model is listened to, and when."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@canvas.drawn
def gate_shares(branches: Sequence[str], shares_QG: ArrayLike, title: str = "") -> "Figure | None":
    """The mean weight of each branch, from the calmest fifth of the windows to the wildest.

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
    bottom = np.zeros(len(shares))
    for number, name in enumerate(branches):
        colour = canvas.SERIES[number % len(canvas.SERIES)]
        axes.bar(places, shares[:, number], bottom=bottom, color=colour, label=name, width=0.8)
        for place, low, share in zip(range(len(shares)), bottom, shares[:, number]):
            if share >= 0.08:
                axes.text(place, low + share / 2, f"{share:.0%}", ha="center", va="center",
                          color=canvas.PAPER, fontsize=8)  # fmt: skip
        bottom += shares[:, number]
    axes.set_xticks(places, _names(len(shares)))
    axes.set_ylim(0, max(1.0, float(bottom.max())))
    axes.set_ylabel("mean weight")
    axes.grid(axis="x", visible=False)
    canvas.legend_above(axes, min(len(branches), 4))
    return sheet


def _names(groups: int) -> list[str]:
    if groups < 2:
        return ["all windows"]
    return ["calmest", *("" for _ in range(groups - 2)), "most volatile"]
