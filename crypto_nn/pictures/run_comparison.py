"""Two trainings beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Course:
    """How a training went: losses by epoch, and the log-loss skill that it reached by horizon."""

    name: str
    train: Sequence[float]
    validation: Sequence[float]
    skills: Mapping[int, float]


@canvas.drawn
def run_comparison(courses: Sequence[Course], title: str = "") -> "Figure | None":
    """Validation losses by epoch on the left, skills by horizon on the right; 0 is no skill."""
    courses = [course for course in courses if len(course.validation)]
    if not courses:
        return None
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    sheet = canvas.figure(760, 300, title or "Trainings compared")
    losses, skills = sheet.subplots(1, 2, width_ratios=[3, 2])
    horizons = sorted({horizon for course in courses for horizon in course.skills})
    width = 0.8 / len(courses)
    for number, course in enumerate(courses):
        colour = canvas.SERIES[number % len(canvas.SERIES)]
        epochs = np.arange(1, len(course.validation) + 1)
        losses.plot(epochs, course.validation, color=colour, marker="o", ms=3, label=course.name)
        losses.plot(epochs, course.train, color=colour, lw=1, ls=":", marker=".", ms=3)
        values = [course.skills.get(horizon, np.nan) for horizon in horizons]
        places = np.arange(len(horizons)) + (number - (len(courses) - 1) / 2) * width
        skills.bar(places, values, width=width * 0.92, color=colour)
    losses.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    losses.set_xlim(0.5, max(len(course.validation) for course in courses) + 0.5)
    losses.set_xlabel("epoch (dotted: training loss)")
    losses.set_ylabel("validation loss, nats")
    canvas.legend_above(losses, len(courses))
    skills.axhline(0, color=canvas.BLACK, lw=1)
    skills.set_xticks(np.arange(len(horizons)), [f"{horizon} min" for horizon in horizons])
    skills.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=2))
    skills.grid(axis="x", visible=False)
    skills.set_title("log-loss skill, validation rows", fontweight="normal")
    return sheet
