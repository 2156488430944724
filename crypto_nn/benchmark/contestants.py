"""Those who compete: every baseline, and networks trained in the fold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from crypto_nn.benchmark.forecasts import Contestant, Forecast, Rows
from crypto_nn.errors import ConfigError
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TEST, Fold, rows_of
from crypto_nn.models.baselines import BASELINES
from crypto_nn.training.identity import code_hash, settings_hash
from crypto_nn.training.record import Recipe


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
    repeats: int = 30
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
        from crypto_nn.inference.latency import measure_latency
        from crypto_nn.inference.predictor import ModelInference
        from crypto_nn.training.version import train_version

        train = self.recipe.train.model_copy(update={"seed": seed})
        version = train_version(panel, fold, replace(self.recipe, train=train), folder)
        inference = ModelInference(version.files, self.recipe.train.threads)
        facts = {"parameters": float(version.parameters)}
        facts["train_seconds"] = float(sum(record.seconds for record in version.history))
        facts["epochs"] = float(len(version.history))
        for latency in measure_latency(inference, (1, 32), repeats=self.repeats):
            at = f"batch{latency.batch_size}"
            facts[f"latency_p50_ms_{at}"] = latency.p50_ms
            facts[f"latency_p99_ms_{at}"] = latency.p99_ms
            facts[f"windows_per_second_{at}"] = latency.windows_per_second
        return Forecast(inference.predict(panel, rows), facts)


def baselines(names: Sequence[str] = ()) -> tuple[Contestant, ...]:
    """These baselines; all where none is named.

    Raises:
        ConfigError: there is no such baseline.
    """
    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise ConfigError(
            f"benchmark.baselines names {', '.join(unknown)}; there are {', '.join(BASELINES)}."
        )
    return tuple(BaselineContestant(name) for name in names or BASELINES)
