"""Takes the picture of docs/monitor.md: evidence that crosses its level, by the code that ships.

`python docs/monitor_pictures.py` writes docs/images/monitor.png.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.monitoring.model_monitor import DayScores, ModelMonitor, MonitorConfig, Verdict
from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES = Path(__file__).parent / "images"
FIRST, BASELINE, CALM, WORSE, ROWS = np.datetime64("2024-03-01"), 14, 30, 30, 288


def day(number: int) -> DayScores:
    """A day of a made-up model that is right in 45 of 100 cases, later in 39."""
    rng = np.random.default_rng(number)
    p_RHC = rng.dirichlet((3.0, 3.0, 3.0), (ROWS, 1))
    accuracy = 0.45 if number < BASELINE + CALM else 0.39
    told = p_RHC.argmax(axis=2)
    classes_RH = np.where(rng.random((ROWS, 1)) < accuracy, told, (told + 1) % 3)
    return DayScores.of(FIRST + number, (5,), p_RHC, classes_RH)


@canvas.drawn
def crossing(days: list[DayScores], verdicts: list[Verdict]) -> "Figure":
    """Accuracy by the day, and below it the evidence of all metrics, on a scale of logs."""
    sheet = canvas.figure(760, 420, "Accuracy falls by six points on live day 31")
    above, below = sheet.subplots(2, 1, sharex=True)
    accuracy = [scores.values["accuracy", 5].value for scores in days]
    above.plot([scores.day for scores in days], accuracy, "o", ms=3, color=canvas.BLUE)
    above.axvline(FIRST + BASELINE, color=canvas.GREY, lw=1, ls="--")
    above.axvline(FIRST + BASELINE + CALM, color=canvas.VERMILLION, lw=1, ls="--")
    above.set_ylabel("accuracy")
    at = [verdict.day for verdict in verdicts]
    below.plot(at, [verdict.evidence for verdict in verdicts], color=canvas.BLUE)
    below.axhline(verdicts[0].level, color=canvas.VERMILLION, lw=1, ls=":")
    below.set_yscale("log")
    ticks = [1, verdicts[0].level, 1000, 100_000]
    below.set_yticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    below.set_ylabel("evidence")
    canvas.date_axis(below)
    return sheet


def main() -> None:
    """Thirty calm days, thirty worse ones."""
    days = [day(number) for number in range(BASELINE + CALM + WORSE)]
    monitor = ModelMonitor(MonitorConfig(), (5,), days[:BASELINE])
    verdicts = [monitor.update(scores) for scores in days[BASELINE:]]
    (IMAGES / "monitor.png").write_bytes(crossing(days, verdicts).png())


if __name__ == "__main__":
    main()
