"""From tables of the lake to loaders: everything between the data and a training loop."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler, Sampler, WeightedRandomSampler

from crypto_nn.errors import TrainingError
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TEST, TRAIN, VALIDATION, Fold, rows_of
from crypto_nn.models.inputs import Inputs
from crypto_nn.store.lake import Lake
from crypto_nn.training.dataset import load_panel
from crypto_nn.training.datasets import Batch, CryptoDataset, MultiHorizonDataset, collate
from crypto_nn.training.preparation import MINUTE, Prepared, prepare
from crypto_nn.training.record import Recipe
from crypto_nn.training.version import learning_task
from crypto_nn.training.windows import LearningTask


class TimeSeriesDataModule:
    """The windows of one fold, for any loop: ours, a plain one over loaders, or Lightning's.

    `setup` reads the rows, and fits on training rows what must be fitted there: the scaler, what
    counts as flat (k) and the weights of the classes. Windows cross neither gaps nor symbols.

    Ours takes `task`. A plain loop takes the loaders, whose batches are `Batch`. Lightning's
    Trainer takes the loaders too, or the module itself where both are parents of a class:
    `class Data(TimeSeriesDataModule, LightningDataModule)`; this package does not import it.

    Args:
        load: reads the rows, all of the fold and `recipe.reach` minutes before it.
        fold: which rows are for what.
        recipe: model, window, batch size, labels and seed.
            Every training window is drawn once in an epoch, so that a symbol counts by how long
            it is; with `training.balance_symbols` each is drawn equally often, with repetition.
    """

    def __init__(self, load: Callable[[], Panel], fold: Fold, recipe: Recipe) -> None:
        super().__init__()
        self.load, self.fold, self.recipe = load, fold, recipe
        self._prepared: Prepared | None = None
        self._task: LearningTask | None = None
        self._test: LearningTask | None = None

    @classmethod
    def from_lake(
        cls, lake: Lake, symbols: Sequence[str], names: Sequence[str], fold: Fold, recipe: Recipe
    ) -> "TimeSeriesDataModule":
        """Of the features of these names, and the labels, that the lake has of these symbols.

        Raises (in `setup`):
            LakeError: a table or a feature is not there.
        """
        before = fold.start - (recipe.reach + max(recipe.labels.horizons)) * MINUTE
        return cls(lambda: load_panel(lake, symbols, names, before, fold.end), fold, recipe)

    def prepare_data(self) -> None:
        """Nothing: the platform has made the tables."""

    def setup(self, stage: str | None = None) -> None:
        """Read and fit, once; `stage` is Lightning's and makes no difference.

        Raises:
            TrainingError: a role of the fold has no complete window with a known answer.
        """
        if self._prepared is not None:
            return
        panel = self.load()
        self._prepared = prepare(panel, self.fold, self.recipe)
        self._task = learning_task(self._prepared, self.recipe)
        if any(role.name == TEST for role in self.fold.roles):
            self._test = self._test_task(panel, self._prepared)

    def teardown(self, stage: str | None = None) -> None:
        """Let go of the rows."""
        self._prepared = self._task = self._test = None

    @property
    def prepared(self) -> Prepared:
        """The rows with scaler, k and class weights."""
        self.setup()
        assert self._prepared is not None
        return self._prepared

    @property
    def task(self) -> LearningTask:
        """What `fit` learns from."""
        self.setup()
        assert self._task is not None
        return self._task

    @property
    def inputs(self) -> Inputs:
        """The shape of a window, as a model is built with."""
        return self.task.inputs

    def dataset(self, role: str = TRAIN, horizon: int | None = None) -> MultiHorizonDataset:
        """The windows of a role: train, validation, calibration or, where the fold has it, test.

        Args:
            horizon: minutes ahead; every horizon where not given.
        """
        task = self._task_of(role)
        ends = task.train_ends if role == TEST else torch.from_numpy(self.prepared.ends[role])
        if horizon is None:
            return MultiHorizonDataset(task, ends)
        return CryptoDataset(task, ends, horizon)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Training windows in a new random order each epoch; a rest that fills no batch is left."""
        dataset = self.dataset(TRAIN)
        return self._loader(dataset, self._sampler(dataset), drop_last=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Validation windows in order of time."""
        return self._loader(self.dataset(VALIDATION))

    def test_dataloader(self) -> DataLoader[Batch]:
        """Test windows in order of time."""
        return self._loader(self.dataset(TEST))

    def _loader(
        self,
        dataset: MultiHorizonDataset,
        sampler: Sampler[int] | None = None,
        drop_last: bool = False,
    ) -> DataLoader[Batch]:
        size = min(self.recipe.train.batch_size, len(dataset))
        return DataLoader(
            dataset, size, sampler=sampler, collate_fn=collate, drop_last=drop_last, num_workers=0
        )

    def _sampler(self, dataset: MultiHorizonDataset) -> Sampler[int]:
        generator = torch.Generator().manual_seed(self.recipe.train.seed)
        if not self.recipe.train.balance_symbols:
            return RandomSampler(dataset, generator=generator)
        weights = balanced_weights(dataset.symbol_R)
        return WeightedRandomSampler(weights.tolist(), len(dataset), generator=generator)

    def _task_of(self, role: str) -> LearningTask:
        if role != TEST:
            return self.task
        self.setup()
        if self._test is None:
            roles = ", ".join(part.name for part in self.fold.roles)
            raise TrainingError(
                f"Fold {self.fold.number} ({self.fold.layout}) has no test part; it has {roles}. "
                "Use a walk-forward fold, or `evaluate` a version on days of your choice."
            )
        return self._test

    def _test_task(self, panel: Panel, prepared: Prepared) -> LearningTask:
        """The test rows, scaled and classed by what the training rows have shown."""
        part = self.fold.role(TEST)
        context = (self.recipe.reach + max(panel.horizons)) * MINUTE
        panel = panel.between(part.start - context, part.end)
        whole = panel.window_ends(self.recipe.reach)
        inside = rows_of(self.fold, TEST, panel.ts_N[whole], panel.t1_NH[whole])
        ends = whole[inside & np.isfinite(panel.scores_NH[whole]).any(axis=1)]
        classes_NH = panel.classes_NH if prepared.k is None else panel.classes_at(prepared.k)
        parts = {TRAIN: ends, VALIDATION: ends[:0]}
        return learning_task(
            replace(prepared, panel=panel, ends=parts, classes_NH=classes_NH), self.recipe
        )


def balanced_weights(symbol_R: Tensor) -> Tensor:
    """Weights of windows by which each symbol is drawn equally often."""
    counts = symbol_R.bincount()
    return 1.0 / counts[symbol_R].double()
