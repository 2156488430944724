"""Those who compete: every baseline, and networks trained in the fold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from crypto_nn.benchmark.forecasts import Contestant, Forecast, Rows
from crypto_nn.errors import ConfigError
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TEST, Fold, rows_of
from crypto_nn.models.baselines import BASELINES
from crypto_nn.training.identity import code_hash, settings_hash
from crypto_nn.training.record import Recipe

if TYPE_CHECKING:
    from crypto_nn.inference.predictor import ModelInference


@dataclass(frozen=True)
class BaselineContestant:
    """A baseline, fitted on every row before the test: it needs none to stop or to calibrate."""

    name: str
    kind: Literal["baseline", "model"] = "baseline"
    seeded: bool = False
    window: int = 1

    @property
    def fingerprint(self) -> str:
        return code_hash()

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        known = panel.finite_N.copy()
        before = np.zeros(len(panel), dtype=np.bool_)
        for role in fold.roles:
            if role.name != TEST:
                before |= rows_of(fold, role.name, panel.ts_N, panel.t1_NH)
        fitted = BASELINES[self.name]().fit(panel, np.flatnonzero(known & before))
        return Forecast(fitted.predict(panel, rows))


@dataclass(frozen=True)
class NetworkContestant:
    """A network of one recipe, trained in the fold by `training.version` and calibrated there."""

    name: str
    recipe: Recipe
    kind: Literal["baseline", "model"] = "model"
    seeded: bool = True

    @property
    def window(self) -> int:
        return self.recipe.reach

    @property
    def fingerprint(self) -> str:
        return f"{settings_hash(self.recipe)} {code_hash()}"

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        inference, facts = train_in_fold(self.recipe, panel, fold, seed, folder)
        return Forecast(inference.predict(panel, rows), facts)


def train_in_fold(
    recipe: Recipe, panel: Panel, fold: Fold, seed: int, folder: Path
) -> "tuple[ModelInference, dict[str, float]]":
    """A network trained and calibrated on a fold's earlier rows, and how it did while learning."""
    from crypto_nn.inference.predictor import ModelInference
    from crypto_nn.training.version import train_version

    train = recipe.train.model_copy(update={"seed": seed})
    version = train_version(panel, fold, replace(recipe, train=train), folder, with_card=False)
    inference = ModelInference(version.files, train.threads)
    facts = {
        "parameters": float(version.parameters),
        "validation_loss": version.validation_loss,
        "train_seconds": float(sum(record.seconds for record in version.history)),
        "epochs": float(len(version.history)),
    }
    for horizon, temperature in zip(panel.horizons, inference.temperature_H):
        facts[f"temperature_{horizon}m"] = float(temperature)
    return inference, facts


NETWORK_BASELINES = ("DLinear",)
"""Baselines that are networks: one linear layer over the window (Zeng et al. 2023)."""


def baselines(names: Sequence[str] = ()) -> tuple[Contestant, ...]:
    """These baselines; all that need no recipe where none is named.

    Raises:
        ConfigError: there is no such baseline.
    """
    unknown = [name for name in names if name not in (*BASELINES, *NETWORK_BASELINES)]
    if unknown:
        raise ConfigError(
            f"benchmark.baselines names {', '.join(unknown)}; there are "
            f"{', '.join((*BASELINES, *NETWORK_BASELINES))}."
        )
    return tuple(
        BaselineContestant(name) for name in names or BASELINES if name not in NETWORK_BASELINES
    )
