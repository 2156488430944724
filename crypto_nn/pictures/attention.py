"""Where in the past a model looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.bars import Float
from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Attention:
    """Weights over the moments of a window, of many windows: they sum to one in each.

    Attributes:
        minutes: from one moment to the next.
        mean_T, low_T, high_T: mean, and the 10 % and 90 % quantiles, oldest moment first.
        newest: what the newest moment is.
    """

    minutes: int
    mean_T: Float
    low_T: Float
    high_T: Float
    newest: str = "bar"


@dataclass(frozen=True, eq=False)
class Glance:
    """One window: the price as it went, where the model looked, what it said, what came.

    Attributes:
        title: symbol and time.
        close_T: closes of the base window.
        attention_T: weights over its moments.
        p_C: probabilities of down, flat and up at one horizon.
        came: 0 down, 1 flat, 2 up, −1 not known.
    """

    title: str
    close_T: Float
    attention_T: Float
    p_C: Float
    came: int


@canvas.drawn
def attention_over_time(parts: Mapping[str, Attention], title: str = "") -> "Figure | None":
    """How much each moment weighs, beside what it would if all weighed the same.

    Args:
        parts: by what looks, such as "attention" or "attention 15m".
    """
    if not parts:
        return None
    columns = min(2, len(parts))
    rows = -(-len(parts) // columns)
    sheet = canvas.figure(330 * columns + 20, 190 * rows + 40, title or "Where the model looks")
    for axes, (name, part) in zip(canvas.panels(sheet, len(parts), columns), parts.items()):
        ages_T = -part.minutes * np.arange(len(part.mean_T))[::-1]
        axes.fill_between(ages_T, part.low_T, part.high_T, color=canvas.SKY, alpha=0.35, lw=0)
        axes.plot(ages_T, part.mean_T, color=canvas.BLUE, marker="o" if len(ages_T) < 2 else None)
        axes.axhline(1 / len(ages_T), color=canvas.GREY, lw=1, ls="--")
        axes.set_ylim(bottom=0)
        axes.set_title(name)
        axes.set_xlabel(f"minutes before the newest {part.newest}")
        axes.set_ylabel("weight")
    return sheet


@canvas.drawn
def attention_glances(glances: Sequence[Glance], title: str = "") -> "Figure | None":
    """Single windows: the price, where the model looked, what it said and what came."""
    if not glances:
        return None
    columns = min(3, len(glances))
    rows = -(-len(glances) // columns)
    sheet = canvas.figure(250 * columns, 170 * rows + 40, title or "Single windows")
    for axes, glance in zip(canvas.panels(sheet, len(glances), columns), glances):
        _draw_glance(axes, glance)
    return sheet


def _draw_glance(axes: "Axes", glance: Glance) -> None:
    ages_T = -np.arange(len(glance.close_T))[::-1]
    weights = axes.twinx()
    weights.bar(ages_T, glance.attention_T, width=1.0, color=canvas.ORANGE, alpha=0.55)
    weights.set_ylim(0, max(float(glance.attention_T.max()), 1e-12) * 3)
    weights.set_yticks([])
    axes.plot(ages_T, glance.close_T, color=canvas.BLACK, lw=1.1)
    axes.set_zorder(weights.get_zorder() + 1)
    axes.patch.set_visible(False)
    axes.set_yticks([])
    axes.set_title(glance.title, fontsize=8.5)
    said = " ".join(f"{name} {p:.0%}" for name, p in zip(canvas.CLASSES, glance.p_C))
    came = canvas.CLASSES[glance.came] if glance.came >= 0 else "not known"
    axes.set_xlabel(f"said {said}\ncame: {came}")
