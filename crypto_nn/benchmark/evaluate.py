"""A kept version beside the baselines, on days of one's choice."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.contestants import baselines
from crypto_nn.benchmark.forecasts import Forecast, Rows
from crypto_nn.benchmark.leaderboard import leaderboard
from crypto_nn.benchmark.walk_forward import run_benchmark
from crypto_nn.errors import ConfigError
from crypto_nn.features.panel import MINUTE, Panel
from crypto_nn.features.splits import TEST, Fold, Role

if TYPE_CHECKING:
    from crypto_nn.inference.predictor import ModelInference


@dataclass(frozen=True)
class KeptContestant:
    """A version as it is kept: it learns nothing more."""

    inference: "ModelInference"
    kind: Literal["baseline", "model"] = "model"
    seeded: bool = False

    @property
    def name(self) -> str:
        return f"{self.inference.model} {self.inference.version}"

    @property
    def window(self) -> int:
        return self.inference.reach

    @property
    def fingerprint(self) -> str:
        return self.inference.version

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        return Forecast(self.inference.predict(panel, rows))


def test_fold(inference: "ModelInference", start: np.datetime64, end: np.datetime64) -> Fold:
    """The fold that the version was made from, with [start, end) as its test.

    Raises:
        ConfigError: the version learned from, or was set on, some of these days.
    """
    fold = inference.fold
    free = fold.end + fold.embargo * MINUTE
    if start < free:
        raise ConfigError(
            f"Version {inference.version} has seen data until {fold.end}; test data must begin at "
            f"{free} or later, and these begin at {start}. Choose later days, or a version that "
            "was trained earlier."
        )
    return replace(fold, roles=(*fold.roles, Role(TEST, start, end)))


def evaluate(
    inference: "ModelInference", panel: Panel, fold: Fold, config: BenchmarkConfig
) -> list[dict[str, str]]:
    """The leaderboard of a version and all baselines on the fold's test rows.

    Args:
        panel: rows of the version's own fold, which the baselines learn from, and of the test.
        fold: as `test_fold` gives it.
    """
    everyone = [KeptContestant(inference), *baselines(config.baselines)]
    if inference.k is None:  # its labels have none
        config = config.model_copy(update={"refit_k": False})
    with TemporaryDirectory() as folder:
        result = run_benchmark(panel, [fold], everyone, config, workdir=Path(folder))
    return leaderboard(result.table(), config.headline_cost_bps)
