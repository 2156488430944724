"""Draws the picture of docs/retraining.md: invented days, judged by the code that ships.

`python docs/retraining_pictures.py` writes docs/images/retraining.png.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.monitoring.retraining import (
    DriftedDay,
    RetrainConfig,
    RetrainDecision,
    RetrainingRun,
    due_threshold,
    should_retrain,
)
from crypto_nn.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES = Path(__file__).parent / "images"
START, DAYS, SEED = np.datetime64("2024-01-01T02:00", "us"), 75, 7
DAY = np.timedelta64(1, "D")
CONFIG = RetrainConfig(cooldown_hours=240, max_per_year=4)
DRIFTS = {12: 16, 18: 24, 40: 45, 62: 68}  # first and last day of what moves the market
BEATEN = 2  # number of the retraining whose version does not pass the gate
WORSE = (49, 53)  # days on which labels say that the champion does worse


@dataclass(frozen=True)
class Judged:
    """One day, and what was decided on it."""

    at: np.datetime64
    day: DriftedDay
    due: float
    decision: RetrainDecision


def judge() -> list[Judged]:
    """Every day in order; all retrainings but one make the next champion."""
    chance = np.random.default_rng(SEED)
    found: list[Judged] = []
    runs: list[RetrainingRun] = []
    for number in range(DAYS):
        at = START + number * DAY
        drift = any(first <= number <= last for first, last in DRIFTS.items())
        worse = WORSE[0] <= number <= WORSE[1]
        score = float(chance.uniform(1.15, 1.7) if drift else chance.uniform(0.35, 0.7))
        score = float(chance.uniform(0.8, 0.95)) if worse else score
        evidence = 30.0 if worse else 1.0
        date = str(at.astype("datetime64[D]"))
        version = f"v{len(runs) + 1 - (len(runs) > BEATEN)}"
        day = DriftedDay("BTC-USDT", date, version, score > 1, score, evidence)
        history = [each.day for each in found]
        decision = should_retrain(day, history, runs, CONFIG, at)
        found.append(Judged(at, day, due_threshold(day, CONFIG, 1.0), decision))
        if decision.retrain:
            runs.append(RetrainingRun(decision.run_key, at))
    return found


@canvas.drawn
def timeline(days: list[Judged]) -> "Figure":
    """Score and bar of each day, and the answer to it."""
    sheet = canvas.figure(760, 320, "Drift score of each day, and what was decided")
    axes = sheet.subplots()
    at = np.array([each.at for each in days])
    scores = np.array([each.day.drift_score for each in days])
    axes.plot(at, scores, color=canvas.PALE, lw=1, zorder=1)
    axes.step(at, [each.due for each in days], where="mid", color=canvas.BLACK, lw=1.1, ls="--",
              label="score that is due")  # fmt: skip
    kinds = {
        "calm": ("o", canvas.PALE),
        "retraining starts": ("D", canvas.VERMILLION),
        "refused: the pause": ("s", canvas.ORANGE),
        "refused: its episode had one": ("o", canvas.SKY),
        "refused: the budget is spent": ("X", canvas.PURPLE),
    }
    told = np.array([_kind(each.decision) for each in days])
    for kind, (marker, colour) in kinds.items():
        mine = told == kind
        if mine.any():
            axes.scatter(at[mine], scores[mine], marker=marker, color=colour, s=34, label=kind,
                         zorder=3)  # fmt: skip
    for each, before in zip(days[1:], days):
        if each.day.model_version != before.day.model_version:
            axes.axvline(each.at, color=canvas.GREEN, lw=1, zorder=0)  # type: ignore[arg-type]
            axes.annotate(each.day.model_version, (each.at, 1.78), color=canvas.GREEN, fontsize=8,
                          xytext=(3, 0), textcoords="offset points")  # type: ignore[arg-type] # fmt: skip
    axes.set_ylim(0.2, 1.9)
    axes.set_ylabel("drift score")
    canvas.date_axis(axes)
    canvas.legend_above(axes, 3)
    return sheet


def _kind(decision: RetrainDecision) -> str:
    if decision.retrain:
        return "retraining starts"
    if decision.waits:
        return "refused: the pause"
    if "had its retraining" in decision.reason:
        return "refused: its episode had one"
    return "refused: the budget is spent" if "max_per_year" in decision.reason else "calm"


def main() -> None:
    """One picture."""
    (IMAGES / "retraining.png").write_bytes(timeline(judge()).png())


if __name__ == "__main__":
    main()
