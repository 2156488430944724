"""Whether tests whose answer is "no difference" reject as often as they say."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@canvas.drawn
def p_values(
    tests: Mapping[str, Sequence[NDArray[Any]]],
    bound: float,
    level: float = 0.05,
    bins: int = 20,
    title: str = "",
) -> "Figure | None":
    """Histograms of p-values, and how often each test rejects, one colour for each group.

    Args:
        tests: per group, the p-values (N,) of each of its tests; NaN is left out.
        bound: a larger share of rejections than this is no chance.
        level: at which the tests reject.
        bins: of the histogram.
    """
    kept = {
        name: [p_N[np.isfinite(p_N)] for p_N in map(np.asarray, group)]
        for name, group in tests.items()
    }
    kept = {name: [p_N for p_N in group if len(p_N)] for name, group in kept.items()}
    kept = {name: group for name, group in kept.items() if group}
    if not kept:
        return None
    sheet = canvas.figure(820, 90 + 34 * max(len(kept), 6), title or "Tests without a difference")
    left, right = canvas.panels(sheet, 2, 2)
    _histogram(left, np.concatenate([p_N for group in kept.values() for p_N in group]), bins)
    _rates(right, kept, bound, level)
    return sheet


def _histogram(axes: "Axes", p_N: NDArray[Any], bins: int) -> None:
    share, edges = np.histogram(p_N, bins, (0.0, 1.0))
    axes.bar(edges[:-1], share / len(p_N) * bins, 1 / bins, align="edge", color=canvas.BLUE,
             edgecolor=canvas.PAPER, lw=0.6)  # fmt: skip
    axes.axhline(1.0, color=canvas.VERMILLION, lw=1.2)
    axes.set_xlim(0, 1)
    axes.set_title("All p-values: flat is due")
    axes.set_xlabel("p-value")
    axes.set_ylabel("density")


def _rates(
    axes: "Axes", tests: Mapping[str, Sequence[NDArray[Any]]], bound: float, level: float
) -> None:
    for place, (_, group) in enumerate(tests.items()):
        rates = [100 * float((p_N < level).mean()) for p_N in group]
        colour = canvas.SERIES[place % len(canvas.SERIES)]
        axes.scatter(rates, np.full(len(rates), place), s=22, color=colour, alpha=0.7, lw=0)
    axes.axvline(100 * level, color=canvas.GREY, lw=1.2)
    axes.axvline(100 * bound, color=canvas.VERMILLION, lw=1.2, ls="--")
    axes.set_yticks(range(len(tests)), canvas.shorten(list(tests)))
    axes.set_ylim(len(tests) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_title(f"Rejections at {100 * level:g} %: a point for each test")
    axes.set_xlabel(f"% of markets; dashed: at most {100 * bound:.3g} % is chance")
