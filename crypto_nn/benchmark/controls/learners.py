"""Cheap contestants: the baselines on few rows, and models that are eager to believe noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from crypto_nn.benchmark.contestants import NetworkContestant
from crypto_nn.benchmark.forecasts import Contestant, Forecast, Rows
from crypto_nn.features.labels import LabelConfig
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TEST, Fold, rows_of
from crypto_nn.models import MODELS
from crypto_nn.models.baselines import BASELINES, Baseline, LightGBM, Logistic, thin
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.record import Recipe

MOST_ROWS = 2_000


class EagerTrees(LightGBM):
    """Trees that are held back by nothing, so that they learn the noise by heart."""

    name = "eager trees"
    ROUNDS: ClassVar[int] = 15
    SETTINGS: ClassVar[Mapping[str, Any]] = {
        **LightGBM.SETTINGS,
        "learning_rate": 0.1,
        "num_leaves": 16,
        "min_data_in_leaf": 20,
        "lambda_l2": 0.0,
        "feature_fraction": 1.0,
    }


class EagerLogistic(Logistic):
    """A logistic regression with hardly a ridge."""

    name = "eager logistic"
    STRENGTH: ClassVar[float] = 10.0


@dataclass(frozen=True)
class Learner:
    """A baseline of the panel, or a model of its make, fitted on at most so many rows."""

    make: type[Baseline]
    kind: Literal["baseline", "model"] = "baseline"
    most: int = MOST_ROWS
    seeded: bool = False
    window: int = 1

    @property
    def name(self) -> str:
        return self.make.name

    @property
    def fingerprint(self) -> str:
        return f"{self.make.__qualname__} {self.most}"

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        before = np.zeros(len(panel), dtype=np.bool_)
        for role in fold.roles:
            if role.name != TEST:
                before |= rows_of(fold, role.name, panel.ts_N, panel.t1_NH)
        known = np.flatnonzero(panel.finite_N & before)
        return Forecast(self.make().fit(panel, thin(known, self.most)).predict(panel, rows))


def linear_network() -> Contestant:
    """DLinear, trained for two epochs on few windows, as the benchmark's baseline of that name."""
    train = TrainConfig(
        window=16, max_windows=MOST_ROWS, max_epochs=2, batch_size=256, threads=1
    )  # fmt: skip
    recipe = Recipe("DLinear", MODELS["DLinear"].presets["small"], train, LabelConfig())
    return NetworkContestant("DLinear", recipe, kind="baseline")


def panel_of_learners(networks: bool) -> tuple[Contestant, ...]:
    """Every baseline on few rows, and two eager models that are to beat them."""
    eager = [Learner(make, "model") for make in (EagerTrees, EagerLogistic)]
    baselines = [Learner(make) for make in BASELINES.values()]
    return (*baselines, *((linear_network(),) if networks else ()), *eager)
