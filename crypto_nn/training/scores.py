"""How a version did on its validation rows, beside what needs no network."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.features.labels import Classes
from crypto_nn.features.splits import TRAIN
from crypto_nn.metrics.calibration import fit_temperature
from crypto_nn.metrics.classification import (
    accuracy,
    class_prior,
    log_loss,
    log_loss_skill,
    majority_share,
)
from crypto_nn.models.baselines import BASELINES
from crypto_nn.training.preparation import Prepared

MODEL = "model"


@dataclass(frozen=True)
class Score:
    """What one forecaster reached at one horizon.

    Attributes:
        accuracy: share of rows whose class was told.
        majority: accuracy of always saying the commonest class of these rows.
        log_loss: mean surprise in nats.
        skill: share of the surprise of the training prior that is taken away; 0 is no skill.
    """

    forecaster: str
    horizon: int
    rows: int
    accuracy: float
    majority: float
    log_loss: float
    skill: float


@dataclass(frozen=True)
class Scores:
    """The scores of a version and of every baseline on the same rows."""

    rows: tuple[Score, ...]

    def of(self, forecaster: str) -> tuple[Score, ...]:
        return tuple(score for score in self.rows if score.forecaster == forecaster)

    def to_dict(self) -> list[dict[str, Any]]:
        return [asdict(score) for score in self.rows]

    @classmethod
    def from_dict(cls, rows: Iterable[Mapping[str, Any]]) -> "Scores":
        """The scores that `to_dict` wrote."""
        return cls(tuple(Score(**row) for row in rows))

    def metrics(self) -> dict[str, float]:
        """By name, `skill_5m` for the version and `logistic_skill_5m` for a baseline."""
        found = {}
        for score in self.rows:
            prefix = "" if score.forecaster == MODEL else f"{score.forecaster}_"
            for name in ("accuracy", "log_loss", "skill"):
                found[f"{prefix}{name}_{score.horizon}m"] = getattr(score, name)
        for score in self.of(MODEL):
            found[f"majority_share_{score.horizon}m"] = score.majority
        return found


def score_all(
    prepared: Prepared,
    ends: NDArray[np.int64],
    probabilities_RHC: NDArray[np.float64],
    baselines: Iterable[str] = tuple(BASELINES),
) -> Scores:
    """Score a version's answers to these rows, and those of baselines fitted where it was."""
    panel = replace(prepared.panel, classes_NH=prepared.classes_NH)
    train = prepared.ends[TRAIN]
    answers: dict[str, NDArray[np.float64]] = {MODEL: probabilities_RHC}
    for name in baselines:
        answers[name] = BASELINES[name]().fit(panel, train).predict(panel, ends)
    return Scores(tuple(_scored(answers, panel.horizons, prepared.classes_NH, train, ends)))


def _scored(
    answers: Mapping[str, NDArray[np.float64]],
    horizons: tuple[int, ...],
    classes_NH: Classes,
    train: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> list[Score]:
    scores = []
    for name, probabilities_RHC in answers.items():
        for column, horizon in enumerate(horizons):
            classes_R = classes_NH[ends, column]
            known_R = classes_R >= 0
            if not known_R.any():
                continue
            told, true = probabilities_RHC[known_R, column], classes_R[known_R]
            prior_C = class_prior(classes_NH[train, column])
            scores.append(
                Score(
                    name,
                    horizon,
                    len(true),
                    accuracy(told, true),
                    majority_share(true),
                    log_loss(told, true),
                    log_loss_skill(told, true, prior_C),
                )
            )
    return scores


def fit_temperatures(logits_RHC: NDArray[np.float64], classes_RH: Classes) -> list[float]:
    """One temperature per horizon, from rows that taught nothing."""
    temperatures = []
    for column in range(logits_RHC.shape[1]):
        known_R = classes_RH[:, column] >= 0
        temperatures.append(
            fit_temperature(logits_RHC[known_R, column], classes_RH[known_R, column])
        )
    assert all(math.isfinite(t) and t > 0 for t in temperatures)
    return temperatures
