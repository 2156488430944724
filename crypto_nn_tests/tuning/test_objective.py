"""What a trial does, in this process: it trains as training alone would, and judges honestly."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from crypto_nn.features.panel import Panel
from crypto_nn.store.models import ModelStore
from crypto_nn.training import Lineage, Recipe, TrainConfig
from crypto_nn.training.version import train_version
from crypto_nn.tuning.config import Range, TuningConfig
from crypto_nn.tuning.job import Values
from crypto_nn.tuning.objective import KEPT, PANEL, WORK, TrainingObjective
from crypto_nn.tuning.optimizer import HyperparameterOptimizer, Question, optimizer_of
from crypto_nn.tuning.result import TrialResult, TuningResult
from crypto_nn.tuning.rows import remove_panel, save_panel
from crypto_nn_tests.training.market import LABELS, MINUTE, START, fold, panel
from crypto_nn_tests.training.tasks import TINY

LEARN = TrainConfig(
    window=10, max_windows=200, max_epochs=2, batch_size=50, max_validation_windows=200
)
RECIPE = Recipe("LSTMPricePredictor", TINY, LEARN, LABELS, "features-1")
FOLD = fold((2, 2, 1))
PARAMS = {"training.learning_rate": 2e-3, "model.settings.hidden": 4}
CONFIG = TuningConfig(
    space={
        "training.learning_rate": Range(low=1e-4, high=1e-2, log=True),
        "model.settings.hidden": Range(choices=(4, 8)),
    }
)


@dataclass
class Told:
    """A trial that writes down what it is told."""

    params: Mapping[str, Any] = field(default_factory=lambda: PARAMS)
    number: int = 0
    reports: list[tuple[int, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    known: Values | None = None

    def report(self, step: int, value: float) -> None:
        self.reports.append((step, value))

    def note(self, **facts: Any) -> None:
        self.facts |= facts

    def twin(self, version: str) -> Values | None:
        return self.known


def asked(folder: Path) -> tuple[HyperparameterOptimizer, TuningResult]:
    """A search, and a result whose best trial trained in several folds."""
    question = Question(panel(days=5.5), (FOLD,), RECIPE, CONFIG, lineage=Lineage(universe="SYN"))
    optimizer = optimizer_of(question, folder)
    best = TrialResult(0, "complete", PARAMS, (0.5,), {}, None, None, None, 0, None, None, None)
    return optimizer, TuningResult(optimizer.job, (best,), 0, {})


def ready(folder: Path, config: TuningConfig = CONFIG, folds: int = 1) -> TrainingObjective:
    """The objective of a question, with its rows laid out."""
    shift = 0.5 * 1440 * MINUTE
    moved = tuple(
        replace(FOLD, roles=tuple(replace(r, start=r.start + n * shift, end=r.end + n * shift)
                                  for r in FOLD.roles))
        for n in range(folds)
    )  # fmt: skip
    question = Question(
        panel(days=5.5), moved, RECIPE, config, lineage=Lineage(universe="SYN-USDT")
    )
    optimizer = optimizer_of(question, folder)
    save_panel(question.panel, optimizer.job.folder / PANEL)
    return TrainingObjective.of(optimizer.job)


def test_a_trial_trains_the_version_that_training_alone_makes(tmp_path: Path) -> None:
    """The same bytes, kept; its value is the validation loss, its work is gone."""
    objective, told = ready(tmp_path), Told()
    values = objective(told)
    train = LEARN.model_copy(update={"learning_rate": 2e-3})
    recipe = replace(RECIPE, config=TINY.model_copy(update={"hidden": 4}), train=train)
    alone = train_version(panel(days=5.5), FOLD, recipe)
    kept = ModelStore(objective.job.folder / KEPT).load("LSTMPricePredictor", alone.version)
    assert told.facts["version"] == alone.version
    assert kept["model.safetensors"] == alone.files["model.safetensors"]
    assert values == (alone.validation_loss,)
    assert told.facts["skill"] == {str(h): alone.metrics[f"skill_{h}m"] for h in (5, 15)}
    assert told.facts["p99_ms"] > 0
    assert np.isfinite(told.facts["sharpe"])
    assert told.reports == [(1, alone.history[0].validation_loss)]
    assert [path.name for path in (objective.job.folder / WORK).glob("*[!k]")] == []


def test_the_same_version_is_not_trained_twice(tmp_path: Path) -> None:
    """Settings that another trial had before have the values that it had."""
    objective, told = ready(tmp_path), Told(known=(0.5,))
    assert objective(told) == (0.5,)
    assert not told.reports
    assert not (objective.job.folder / KEPT).exists()


def test_several_folds_are_reported_one_by_one(tmp_path: Path) -> None:
    """The value is the mean over folds; after each the mean so far is told."""
    objective, told = ready(tmp_path, CONFIG.model_copy(update={"rows": "walk_forward"}), 2), Told()
    (value,) = objective(told)
    assert [step for step, _ in told.reports] == [1, 2]
    assert told.reports[-1] == (2, value)
    assert "version" not in told.facts


def test_two_objectives_are_skill_and_latency(tmp_path: Path) -> None:
    """The mean skill over horizons, and the time of one window."""
    objective, told = ready(tmp_path, CONFIG.model_copy(update={"objective": "multi"})), Told()
    skill, ms = objective(told)
    assert skill == pytest.approx(np.mean(list(told.facts["skill"].values())))
    assert ms == told.facts["p99_ms"]


def test_another_question_is_another_study(tmp_path: Path) -> None:
    """Rows, space and what is fixed decide the name; what varies and how many trials do not."""

    rows = panel(days=5.5)
    seen = rows.between(START, FOLD.end)

    def name(recipe: Recipe = RECIPE, config: TuningConfig = CONFIG, rows: Panel = rows) -> str:
        return optimizer_of(Question(rows, (FOLD,), recipe, config), tmp_path).job.study

    def learn(**changes: Any) -> Recipe:
        return replace(RECIPE, train=LEARN.model_copy(update=changes))

    same = {name(), name(learn(learning_rate=1e-3)), name(rows=seen),
            name(config=CONFIG.model_copy(update={"trials": 99, "workers": 7}))}  # fmt: skip
    others = {name(learn(window=12)), name(learn(seed=1)),
              name(config=CONFIG.model_copy(update={"space": {}})),
              name(config=CONFIG.model_copy(update={"objective": "multi"})),
              name(config=CONFIG.model_copy(update={"training": {"max_windows": 9}}))}  # fmt: skip
    assert len(same) == 1
    assert len(same | others) == 6


def test_a_version_that_is_kept_already_is_the_best_one(tmp_path: Path) -> None:
    """With the bytes that it has: it may come from a training before the search."""
    optimizer, result = asked(tmp_path)
    models = ModelStore(tmp_path / "models")
    trained = optimizer.best_version(result, FOLD, models)
    assert trained is not None
    files = {**trained.files, "card.md": b"of another lineage"}
    models.save(trained.model, trained.version, files)
    again = optimizer.best_version(result, FOLD, models)
    assert again is not None
    assert (again.version, again.files["card.md"]) == (trained.version, b"of another lineage")


def test_rows_that_workers_map_are_not_written_again(tmp_path: Path) -> None:
    """Another call of the same study leaves them; they go once no trial is open."""
    optimizer, result = asked(tmp_path)
    folder = optimizer.job.folder / PANEL
    save_panel(optimizer.question.panel, folder)
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    save_panel(optimizer.question.panel.between(START, START + 60 * MINUTE), folder)
    optimizer.clean_up(replace(result, open=1))
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == before
    optimizer.clean_up(result)
    remove_panel(folder)
    assert not folder.exists()


def test_a_version_that_a_trial_has_begun_is_not_removed(tmp_path: Path) -> None:
    """Though it began after we looked: it holds the version's lock."""
    optimizer, _ = asked(tmp_path)
    folder = optimizer.job.folder / WORK / "v1"
    folder.mkdir(parents=True)
    with FileLock(folder.with_name("v1.lock")):
        optimizer._remove(folder)
        assert folder.exists()
    optimizer._remove(folder)
    assert not folder.exists()
