"""How often the price went down, stayed, and went up, per horizon."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@canvas.drawn
def class_balance(counts: Mapping[str, Sequence[float]], title: str = "") -> "Figure | None":
    """The share of each class, one bar per horizon; the widest part is what guessing earns.

    Args:
        counts: per row (such as "15m") the number of down, flat and up labels.
    """
    rows = {name: np.asarray(count, dtype=np.float64) for name, count in counts.items()}
    rows = {name: count for name, count in rows.items() if count.sum() > 0}
    if not rows:
        return None
    sheet = canvas.figure(640, 70 + 34 * len(rows), title or "Class balance")
    axes = sheet.subplots()
    names = list(rows)
    shares = np.stack([100 * count / count.sum() for count in rows.values()])
    left = np.zeros(len(names))
    for c, (label, colour) in enumerate(zip(canvas.CLASSES, canvas.CLASS_COLOURS)):
        axes.barh(names, shares[:, c], left=left, color=colour, height=0.68, label=label)
        for row, share in enumerate(shares[:, c]):
            if share >= 6:
                middle = left[row] + share / 2
                axes.text(middle, row, f"{share:.1f} %", ha="center", va="center", color="white")
        left += shares[:, c]
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    axes.axvline(100 / 3, color="white", lw=0.8, ls=":")
    axes.axvline(200 / 3, color="white", lw=0.8, ls=":")
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(left=False, labelcolor=canvas.BLACK)
    canvas.legend_above(axes, 3)
    return sheet
