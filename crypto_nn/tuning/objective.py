"""What a trial does: train a version with the proposed settings and score its validation rows."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.profits import trade
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import VALIDATION, Fold
from crypto_nn.inference.latency import measure_latency
from crypto_nn.inference.predictor import ModelInference
from crypto_nn.metrics import trading
from crypto_nn.store.models import ModelStore
from crypto_nn.training.preparation import Prepared, prepare
from crypto_nn.training.progress import Progress, ProgressListener
from crypto_nn.training.record import Lineage, Recipe, TrainedVersion
from crypto_nn.training.version import train_version, version_id
from crypto_nn.tuning.job import Job, Sitting, Values
from crypto_nn.tuning.rows import fold_from_dict, load_panel
from crypto_nn.tuning.space import SearchSpace, Settings

WORK, KEPT, PANEL = "work", "kept", "panel"
ROUNDS, REPEATS = 3, 100


@dataclass(frozen=True)
class Measured:
    """What one training came to, beside its loss."""

    loss: float
    skill: Mapping[str, float]
    sharpe: float | None
    p99_ms: float


@dataclass(frozen=True, eq=False)
class TrainingObjective:
    """Trains in each fold what a trial proposes.

    Values are the validation log-loss (nats; the mean over folds), or, with several objectives,
    the log-loss skill (the mean over horizons and folds) and the p99 latency of one window (ms).
    """

    job: Job
    panel: Panel
    folds: tuple[Fold, ...]
    recipe: Recipe
    space: SearchSpace
    benchmark: BenchmarkConfig
    lineage: Lineage

    @classmethod
    def of(cls, job: Job) -> "TrainingObjective":
        """The objective of a job."""
        torch.set_num_threads(1)
        facts = job.facts
        recipe = Recipe.from_dict(facts["recipe"])
        return cls(
            job,
            load_panel(job.folder / PANEL),
            tuple(fold_from_dict(fold) for fold in facts["folds"]),
            recipe,
            SearchSpace(Settings(recipe.config, recipe.train), job.ranges),
            BenchmarkConfig.model_validate(facts["benchmark"]),
            Lineage(**facts["lineage"]),
        )

    def __call__(self, sitting: Sitting) -> Values:
        settings = self.space.applied(sitting.params)
        recipe = replace(self.recipe, config=settings.model, train=settings.train)
        sitting.note(seed=recipe.train.seed)
        found: list[Measured] = []
        for step, fold in enumerate(self.folds, start=1):
            prepared = prepare(self.panel, fold, recipe)
            version = version_id(prepared, recipe)
            only = len(self.folds) == 1
            if only:
                sitting.note(version=version)
            with FileLock(self._work(f"{version}.lock")):
                twin = sitting.twin(version) if only else None
                if twin is not None:
                    return twin
                tell = _reporter(sitting) if only else False
                found.append(self.measured(prepared, fold, recipe, tell))
            if not only:
                sitting.report(step, fmean(each.loss for each in found))
        return self.values(sitting, found)

    def measured(
        self, prepared: Prepared, fold: Fold, recipe: Recipe, tell: ProgressListener | bool
    ) -> Measured:
        """Train in one fold; a training that was killed goes on from its last checkpoint."""
        trained = train_version(self.panel, fold, recipe, self._work(), self.lineage, tell)
        inference = ModelInference(trained.files, threads=1)
        skill = {str(h): trained.metrics[f"skill_{h}m"] for h in self.panel.horizons
                 if f"skill_{h}m" in trained.metrics}  # fmt: skip
        measured = Measured(
            trained.validation_loss,
            skill,
            validation_sharpe(inference, prepared, fold, self.benchmark),
            p99_ms(inference),
        )
        self.keep(trained)
        return measured

    def keep(self, trained: TrainedVersion) -> None:
        """Leave the version where whoever registers the best one finds it; forget the rest."""
        if len(self.folds) == 1:
            store = ModelStore(self.job.folder / KEPT)
            store.save(trained.model, trained.version, trained.files)
        shutil.rmtree(self._work(trained.version), ignore_errors=True)

    def values(self, sitting: Sitting, found: list[Measured]) -> Values:
        """Write down what was measured, and say what counts."""
        horizons = found[0].skill
        skill = {h: fmean(each.skill[h] for each in found) for h in horizons}
        sharpes = [each.sharpe for each in found if each.sharpe is not None]
        p99 = max(each.p99_ms for each in found)
        sitting.note(skill=skill, sharpe=fmean(sharpes) if sharpes else None, p99_ms=p99)
        if self.job.is_multi:
            return fmean(skill.values()), p99
        return (fmean(each.loss for each in found),)

    def _work(self, name: str = "") -> Path:
        folder = self.job.folder / WORK
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name


def _reporter(sitting: Sitting) -> ProgressListener:
    """Tells the study of each epoch, once its validation loss is known."""
    told = {"epoch": 0}

    def tell(progress: Progress) -> None:
        done = progress.epoch - 1  # of the running epoch nothing is known yet
        if done > told["epoch"] and not math.isnan(progress.validation_loss):
            told["epoch"] = done
            sitting.report(done, progress.validation_loss)

    return tell


def validation_sharpe(
    inference: ModelInference, prepared: Prepared, fold: Fold, config: BenchmarkConfig
) -> float | None:
    """Net Sharpe ratio by the year on the validation days, at the headline cost.

    All symbols and horizons have equal capital. None where nothing moved.
    """
    panel, ends = prepared.panel, prepared.ends[VALIDATION]
    p_RHC = inference.predict(panel, ends)
    part = fold.role(VALIDATION)
    paths = []
    for number, symbol in enumerate(panel.symbols):
        own = panel.symbol_N[ends] == number
        for column, horizon in enumerate(panel.horizons):
            path = trade(panel, symbol, ends[own], p_RHC[own, column], horizon, config)
            last = part.end - np.timedelta64(1, "us")
            paths.append(path.daily(config.headline_cost_bps, part.start, last))
    ratio = trading.sharpe(np.mean(paths, axis=0))
    return None if math.isnan(ratio) else ratio


def p99_ms(inference: ModelInference) -> float:
    """99th percentile of the time that one window takes, of the quietest of three rounds.

    Other workers of the machine train meanwhile: the loudest rounds say more about them.
    """
    rounds = [measure_latency(inference, (1,), REPEATS)[0].p99_ms for _ in range(ROUNDS)]
    return min(rounds)


def facts_of(
    recipe: Recipe, folds: list[dict[str, Any]], config: BenchmarkConfig, lineage: Lineage
) -> dict[str, Any]:
    """What `TrainingObjective.of` reads, as JSON can hold it."""
    return {
        "recipe": recipe.to_dict(),
        "folds": folds,
        "benchmark": config.model_dump(mode="json"),
        "lineage": {**lineage.__dict__},
    }
