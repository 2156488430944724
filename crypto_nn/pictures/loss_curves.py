"""How training went, epoch by epoch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@canvas.drawn
def loss_curves(
    train: Sequence[float],
    validation: Sequence[float],
    chance: float | None = None,
    title: str = "",
) -> "Figure | None":
    """Training and validation loss; the best epoch is the one that was kept.

    Args:
        train, validation: one value per epoch, NaN where there is none.
        chance: the loss of a model that knows only the class shares; drawn as a line.
    """
    from matplotlib.ticker import MaxNLocator

    curves = {
        "train": (np.asarray(train, dtype=np.float64), canvas.SKY),
        "validation": (np.asarray(validation, dtype=np.float64), canvas.BLUE),
    }
    if not any(np.isfinite(values).any() for values, _ in curves.values()):
        return None
    sheet = canvas.figure(640, 300, title or "Loss by epoch")
    axes = sheet.subplots()
    for name, (values, colour) in curves.items():
        marker = "o" if len(values) <= 40 else None
        axes.plot(
            np.arange(1, len(values) + 1), values, color=colour, label=name, marker=marker, ms=3
        )
    kept = curves["validation"][0]
    if np.isfinite(kept).any():
        best = int(np.nanargmin(kept))
        axes.plot(best + 1, kept[best], "o", ms=8, mfc="none", mec=canvas.VERMILLION, mew=1.6)
        axes.annotate(
            f"best {kept[best]:.4f}",
            (best + 1, kept[best]),
            xytext=(0, -14),
            textcoords="offset points",
            ha="center",
            color=canvas.VERMILLION,
        )
        axes.margins(y=0.15)
    if chance is not None:
        axes.axhline(chance, color=canvas.GREY, lw=1, ls="--", label="class shares only")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, max(len(values) for values, _ in curves.values()) + 0.5)
    canvas.legend_above(axes, 3)
    return sheet
