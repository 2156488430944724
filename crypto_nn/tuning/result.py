"""What came of a study: each trial once, the best, and what it depended on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from crypto_nn.tuning.job import Job
from crypto_nn.tuning.space import from_choice
from crypto_nn.tuning.trials import ERROR, Trials

STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
ENOUGH = 5
"""Of fewer complete trials no importance is told."""


@dataclass(frozen=True)
class TrialResult:
    """One trial that has ended for good.

    Attributes:
        number: as the study counts.
        state: complete, pruned or failed.
        params: its settings, by dotted path.
        values: log-loss; or skill and p99 latency; none where it failed.
        skill: log-loss skill on validation rows, by horizon.
        sharpe: net Sharpe ratio on validation days at the headline cost, by the year.
        p99_ms: time of one window, 99th percentile.
        version: what it trained; None where a trial trains in several folds.
        started_at, ended_at: UTC.
        error: why it failed.
        stood: of a pruned trial, the last value that it reported.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    values: tuple[float, ...]
    skill: Mapping[str, float]
    sharpe: float | None
    p99_ms: float | None
    version: str | None
    seed: int | None
    started_at: datetime | None
    ended_at: datetime | None
    error: str | None
    stood: float | None = None

    @classmethod
    def of(cls, trial: FrozenTrial) -> "TrialResult":
        told = trial.user_attrs
        done = trial.state == TrialState.COMPLETE
        error = "its worker died again and again" if trial.state == TrialState.FAIL else None
        return cls(
            trial.number,
            STATES[trial.state],
            {path: from_choice(value) for path, value in sorted(trial.params.items())},
            tuple(trial.values) if done else (),
            told.get("skill") or {} if done else {},
            told.get("sharpe") if done else None,
            told.get("p99_ms") if done else None,
            told.get("version"),
            told.get("seed"),
            _utc(trial.datetime_start),
            _utc(trial.datetime_complete),
            told.get(ERROR, error),
            trial.value if trial.state == TrialState.PRUNED else None,
        )

    @property
    def mean_skill(self) -> float | None:
        return fmean(self.skill.values()) if self.skill else None


@dataclass(frozen=True)
class TuningResult:
    """A study at one moment.

    Attributes:
        job: what was asked.
        trials: those that have ended for good, by number.
        open: how many run or wait.
        importance: share of the differences between trials that a setting explains (fANOVA).
    """

    job: Job
    trials: tuple[TrialResult, ...]
    open: int
    importance: Mapping[str, float]

    @classmethod
    def of(cls, job: Job, trials: Trials, importance: bool = True) -> "TuningResult":
        ended = tuple(TrialResult.of(trial) for trial in trials.settled)
        open_ = trials.promised - len(ended)
        return cls(job, ended, open_, importance_of(job, trials.complete) if importance else {})

    def in_state(self, state: str) -> tuple[TrialResult, ...]:
        return tuple(trial for trial in self.trials if trial.state == state)

    @property
    def complete(self) -> tuple[TrialResult, ...]:
        return self.in_state("complete")

    @property
    def line(self) -> str:
        """How it stands, in one line."""
        best = self.best
        told = "none yet" if best is None else f"{best.values[0]:.5f} (trial {best.number})"
        return (
            f"{len(self.trials)} of {self.job.asked} trials: {len(self.complete)} complete, "
            f"{len(self.in_state('pruned'))} pruned, {len(self.in_state('failed'))} failed; "
            f"best {told}"
        )

    @property
    def best(self) -> TrialResult | None:
        """The complete trial with the best first value; the earlier one of equals."""
        sign = 1 if self.job.directions[0] == "minimize" else -1
        return min(self.complete, key=lambda trial: sign * trial.values[0], default=None)

    @property
    def front(self) -> tuple[TrialResult, ...]:
        """The trials that no other beats in every objective, by their first value."""
        signs = np.array([1 if way == "minimize" else -1 for way in self.job.directions])
        costs = [signs * trial.values for trial in self.complete]
        unbeaten = [
            trial
            for trial, own in zip(self.complete, costs)
            if not any((other <= own).all() and (other < own).any() for other in costs)
        ]
        return tuple(sorted(unbeaten, key=lambda trial: trial.values[0]))


def importance_of(job: Job, complete: Sequence[FrozenTrial]) -> dict[str, float]:
    """Share of the variance of the first value that each setting explains, largest first.

    By fANOVA (Hutter et al. 2014) over the complete trials, with a fixed seed; empty where there
    are too few of them, or none differ. PED-ANOVA, optuna's default, asks what sets the best tenth
    apart, which of twenty trials are two.
    """
    import optuna

    values = [trial.values[0] for trial in complete]
    varied = any(trial.params != complete[0].params for trial in complete)
    if len(complete) < ENOUGH or np.ptp(values) == 0 or not varied:
        return {}
    study = optuna.create_study(directions=list(job.directions))
    study.add_trials(complete)
    found = optuna.importance.get_param_importances(
        study,
        evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
        target=lambda trial: trial.values[0],
    )
    return {name: float(share) for name, share in found.items()}


def _utc(moment: datetime | None) -> datetime | None:
    """Naive UTC; optuna writes the machine's own time."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def to_json(facts: Any) -> str:
    """Facts as JSON, in the order of their keys."""
    return json.dumps(facts, sort_keys=True, allow_nan=False)
