"""A search over settings: asked, run by workers, summed up."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from filelock import FileLock, Timeout
from optuna.trial import TrialState

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.errors import ConfigError, TrainingError
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold
from crypto_nn.store.models import ModelStore
from crypto_nn.training.identity import code_hash, data_hash, digest, version_id
from crypto_nn.training.preparation import prepare
from crypto_nn.training.record import Lineage, Recipe, TrainedVersion
from crypto_nn.tuning.config import TuningConfig
from crypto_nn.tuning.job import MAXIMIZE, MINIMIZE, Direction, Job
from crypto_nn.tuning.objective import KEPT, PANEL, WORK, facts_of
from crypto_nn.tuning.result import TuningResult
from crypto_nn.tuning.rows import fold_to_dict, remove_panel, save_panel, without_test
from crypto_nn.tuning.space import SearchSpace, Settings, to_choice
from crypto_nn.tuning.storage import Place
from crypto_nn.tuning.study import OpenStudy
from crypto_nn.tuning.team import Team
from crypto_nn.tuning.trials import Trials

Listener = Callable[[TuningResult], None]
OBJECTIVE = "crypto_nn.tuning.objective:TrainingObjective.of"


@dataclass(frozen=True, eq=False)
class Question:
    """Which settings of this recipe are best on the validation rows of these folds?

    Attributes:
        panel: the rows; test parts of folds are not shown to anyone.
        folds: the nightly layout alone, or the walk-forward folds.
        recipe: what varies, and what it varies around.
        config: which settings, how many trials.
        benchmark: costs and sizing of the Sharpe ratio that is recorded.
        lineage: where a version comes from.
    """

    panel: Panel
    folds: tuple[Fold, ...]
    recipe: Recipe
    config: TuningConfig
    benchmark: BenchmarkConfig = field(default_factory=BenchmarkConfig)
    lineage: Lineage = field(default_factory=Lineage)

    @property
    def searched(self) -> Recipe:
        """The recipe as trials begin from it: cheaper where `tuning.training` says so."""
        train = {**self.recipe.train.model_dump(), **self.config.training, "threads": 1}
        train["processes"] = 1
        changed = replace(self.recipe, train=type(self.recipe.train).model_validate(train))
        return changed.from_nothing()

    @property
    def space(self) -> SearchSpace:
        base = self.searched
        ranges = self.config.space_of(base.model)
        return SearchSpace.of(Settings(base.config, base.train), ranges)


class HyperparameterOptimizer:
    """Searches the settings with the lowest log-loss on validation rows, neither test nor lock box.

    Trials that stand worse than others did after as many epochs are ended early. The same question
    is the same study: asked again, it goes on where it stopped, and it is answered when
    `config.trials` trials have ended. Its first trial are the settings in force.

    The best value of many trials on the same rows is too good; what a version is worth is for the
    benchmark's test rows and the gate to say.

    Args:
        question: what is searched.
        folder: where studies lie; each has a folder of its own there.

    Raises:
        ConfigError: a setting of the space is not known or not allowed.
    """

    directions: ClassVar[tuple[Direction, ...]] = (MINIMIZE,)

    def __init__(self, question: Question, folder: Path) -> None:
        self.question = question
        self.space = question.space
        self.folds = without_test(question.folds)
        name = self._name()
        self.job = self._job(name, folder / name)

    def _name(self) -> str:
        """Universe, model, and a hash of all that decides the values of its trials."""
        question = self.question
        searched = question.searched
        settings = searched.to_dict()
        for path in self.space.ranges:
            root = "model_config" if path.startswith("model.") else "training"
            settings[root].pop(path.split(".")[-1], None)
        rows = [data_hash(prepare(question.panel, fold, searched)) for fold in self.folds]
        asked = {
            "settings": settings,
            "space": self.space.to_dict(),
            "rows": rows,
            "directions": self.directions,
            "code": code_hash(),
        }
        universe = question.lineage.universe or "-".join(question.panel.symbols)
        return f"{universe}/{searched.model}/{digest(asked)[:12]}"

    def _job(self, name: str, folder: Path) -> Job:
        config, searched = self.question.config, self.question.searched
        folds = [fold_to_dict(fold) for fold in self.folds]
        epochs = searched.train.max_epochs
        return Job(
            study=name,
            folder=folder,
            asked=config.trials,
            seed=config.seed,
            sampler=config.sampler,
            pruner=config.pruner,
            num_steps=epochs if len(folds) == 1 else len(folds),
            max_retries=config.max_retries,
            ranges=self.space.ranges,
            kinds={path: self.space.kind(path).__name__ for path in self.space.ranges},
            directions=self.directions,
            objective=OBJECTIVE,
            facts=facts_of(searched, folds, self.question.benchmark, self.question.lineage),
            place=Place(
                config.storage, config.storage_variable, config.heartbeat_s, config.grace_s
            ),
        )

    def run(self, listener: Listener = lambda _: None) -> TuningResult:
        """Run what is missing of the trials, and tell of each that ends.

        Raises:
            TuningInterrupted: SIGTERM or SIGINT came; the next call goes on.
            TrainingError: workers cannot begin, every trial failed, or the database has gone.
        """
        job, config = self.job, self.question.config

        def tell(trials: Trials) -> None:
            self._forget(trials)
            listener(TuningResult.of(job, trials, importance=False))

        minutes = config.timeout_minutes
        with job.place.reached():
            self._begin()
            team = Team(job, config.workers, tell)
            trials = team.run(None if minutes is None else 60 * minutes)
        result = TuningResult.of(job, trials)
        if result.trials and not result.complete and len(result.trials) >= job.asked:
            raise TrainingError(
                f"All {len(result.trials)} trials of {job.study} failed; the first one: "
                f"{result.trials[0].error}"
            )
        return result

    def _begin(self) -> None:
        """Lay out the rows; a new study begins with the settings in force."""
        job = self.job
        save_panel(self.question.panel, job.folder / PANEL)
        opened = OpenStudy.of(job)
        with job.place.claim(job.folder, job.study):
            if not opened.study.get_trials(deepcopy=False):
                current = {path: to_choice(value) for path, value in self.space.current.items()}
                opened.study.enqueue_trial(current)
        opened.close()

    def _forget(self, trials: Trials) -> None:
        """Remove what only a losing trial needed: its checkpoints and its version."""
        open_ = (TrialState.RUNNING, TrialState.WAITING)
        running = {t.user_attrs.get("version") for t in trials.every if t.state in open_}
        for folder in (self.job.folder / WORK).glob("*"):
            if folder.is_dir() and len(self.folds) == 1 and folder.name not in running:
                self._remove(folder)
        best = TuningResult.of(self.job, trials, importance=False).best
        wanted = running | ({best.version} if best else set())
        for folder in (self.job.folder / KEPT).glob("*/*"):
            if folder.name not in wanted:
                self._remove(folder)

    def _remove(self, folder: Path) -> None:
        """Remove what is there of a version, unless a trial has begun it since we looked."""
        work = self.job.folder / WORK
        work.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(work / f"{folder.name}.lock").acquire(timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except Timeout:
            return

    def best_version(
        self, result: TuningResult, fold: Fold, models: ModelStore
    ) -> TrainedVersion | None:
        """The version of the best trial, with the very bytes that were trained.

        A version that the model store has is that one: it may have been trained before the search.
        Where the bytes are not on this machine, or the trial trained in several folds, it is
        trained again: the same inputs make the same version.

        Args:
            fold: what it is trained on where it must be: the trial's own fold; the nightly layout
                where the trial had several.
            models: where versions are kept.
        """
        from crypto_nn.training.reload import reload_version
        from crypto_nn.training.version import train_version

        if result.best is None:
            return None
        panel, recipe = self.question.panel, self.best_recipe(result)
        version = result.best.version or version_id(prepare(panel, fold, recipe), recipe)
        for store in (models, ModelStore(self.job.folder / KEPT)):
            if store.has(recipe.model, version):
                return reload_version(store, recipe.model, version)
        return train_version(panel, fold, recipe, self.job.folder / WORK, self.question.lineage)

    def best_recipe(self, result: TuningResult) -> Recipe:
        """The recipe of the best trial, as it was searched."""
        assert result.best is not None
        settings = self.space.applied(result.best.params)
        return replace(self.question.searched, config=settings.model, train=settings.train)

    def clean_up(self, result: TuningResult) -> None:
        """Once the best version is safe elsewhere, and no trial is open: remove rows and work.

        A trial that is open may run in another call's workers, or will go on in the next one's.
        """
        if result.open:
            return
        remove_panel(self.job.folder / PANEL)
        shutil.rmtree(self.job.folder / WORK, ignore_errors=True)


class MultiObjectiveOptimizer(HyperparameterOptimizer):
    """Searches settings that no others beat in both log-loss skill and p99 latency.

    No trial is ended early: a latency is only known at the end, and optuna prunes by one value.
    Latencies depend on the machine and on what else runs there, so that the same seed need not
    propose the same trials.
    """

    directions = (MAXIMIZE, MINIMIZE)


def optimizer_of(question: Question, folder: Path) -> HyperparameterOptimizer:
    """The optimizer that the config asks for."""
    if not question.folds:
        raise ConfigError("There is no fold to search in. Materialise `splits`.")
    if question.config.objective == "multi":
        return MultiObjectiveOptimizer(question, folder)
    return HyperparameterOptimizer(question, folder)
