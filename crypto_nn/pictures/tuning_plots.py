"""How a search over settings went: trial by trial, setting by setting, gain against cost."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Told = tuple[int, float]


@canvas.drawn
def tuning_history(
    trials: Sequence[Told],
    pruned: Sequence[Told] = (),
    unit: str = "validation log-loss, nats",
    higher_is_better: bool = False,
    title: str = "",
) -> "Figure | None":
    """The value of each trial, and the best so far.

    Args:
        trials: (number, value) of complete trials.
        pruned: (number, last value) of those that were ended early.
        unit: what a value is.
        higher_is_better: else lower is.
        title: what the search was.
    """
    from matplotlib.ticker import MaxNLocator

    if not trials:
        return None
    numbers, values = np.array(sorted(trials)).T
    best = (np.maximum if higher_is_better else np.minimum).accumulate(values)
    sheet = canvas.figure(640, 300, title or "Trials")
    axes = sheet.subplots()
    axes.step(numbers, best, where="post", color=canvas.ORANGE, label="best so far")
    axes.plot(numbers, values, "o", color=canvas.BLUE, ms=4.5, label="complete")
    place = int(np.argmax(values == best[-1]))
    axes.plot(numbers[place], best[-1], "o", ms=9, mfc="none", mec=canvas.VERMILLION, mew=1.6)
    axes.set_xlabel("trial")
    axes.set_ylabel(unit)
    low, high = _most(axes, values, higher_is_better)
    if pruned:
        whom, told = np.array(pruned).T
        axes.plot(whom, np.clip(told, low, high), "x", color=canvas.GREY, ms=5, label="ended early")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    canvas.legend_above(axes, 3)
    return sheet


def _most(axes: "Axes", values: "np.ndarray", higher_is_better: bool) -> tuple[float, float]:
    """Let few hopeless trials not flatten all others: an axis for the best nine tenths.

    Returns the values between which something can be seen; what lies beyond stands at the edge.
    """
    best = (0.1, 1.0) if higher_is_better else (0.0, 0.9)
    low, high = (float(each) for each in np.quantile(values, best if len(values) > 9 else (0, 1)))
    room = 0.12 * (high - low) or 0.01
    axes.set_ylim(low - 1.5 * room, high + 1.5 * room)
    return low - room, high + room


@canvas.drawn
def setting_importance(shares: Mapping[str, float], title: str = "") -> "Figure | None":
    """Which settings the differences between trials come from; shares of one, largest first."""
    if not shares:
        return None
    rows = sorted(shares.items(), key=lambda row: -row[1])
    sheet = canvas.figure(640, 85 + 24 * len(rows), title or "Importance of settings")
    axes = sheet.subplots()
    places = np.arange(len(rows))
    axes.barh(places, [share for _, share in rows], color=canvas.BLUE, height=0.6)
    for place, (_, share) in enumerate(rows):
        axes.annotate(f"{share:.2f}", (share, place), xytext=(4, 0), va="center",
                      textcoords="offset points", color=canvas.GREY)  # fmt: skip
    axes.set_yticks(places, canvas.shorten([name for name, _ in rows]))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0, labelcolor=canvas.BLACK)
    axes.set_xlabel("share of the differences between trials (fANOVA)")
    return sheet


@canvas.drawn
def pareto_front(
    points: Sequence[tuple[int, float, float]], front: Collection[int] = (), title: str = ""
) -> "Figure | None":
    """Log-loss skill against latency; the front are the trials that no other beats in both.

    Args:
        points: (number, skill, p99 latency in ms) of complete trials.
        front: the numbers of those on it.
        title: what the search was.
    """
    if not points:
        return None
    sheet = canvas.figure(640, 360, title or "Skill against latency")
    axes = sheet.subplots()
    beaten = [(ms, skill) for number, skill, ms in points if number not in front]
    best = sorted((ms, skill, number) for number, skill, ms in points if number in front)
    if beaten:
        axes.plot(*np.array(beaten).T, "o", color=canvas.PALE, ms=5, label="beaten by others")
    if best:
        times, skills = [ms for ms, _, _ in best], [skill for _, skill, _ in best]
        axes.plot(times, skills, "o-", color=canvas.BLUE, ms=6, label="not beaten")
        for ms, skill, number in best:
            axes.annotate(f"{number}", (ms, skill), xytext=(5, 5), textcoords="offset points",
                          color=canvas.GREY)  # fmt: skip
    axes.set_xlabel("p99 latency of one window, ms (lower is better)")
    axes.set_ylabel("log-loss skill (higher is better)")
    axes.margins(0.12)
    canvas.legend_above(axes, 2)
    return sheet
