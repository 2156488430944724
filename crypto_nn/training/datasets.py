"""Windows with their answers as torch's own `Dataset`, for loops other than ours."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import Answers, Windows
from crypto_nn.training.windows import LearningTask

Record = TypeVar("Record", Windows, Answers)


@dataclass(frozen=True)
class Batch:
    """Windows, and what came of them. Of a single window the tensors have no axis B."""

    windows: Windows
    answers: Answers

    def __len__(self) -> int:
        return len(self.windows.t_B)

    def to(self, device: str | torch.device, **how: Any) -> "Batch":
        """The same on another device; `how` as `Tensor.to` takes it."""
        move = lambda tensors: tensors[0].to(device, **how)  # noqa: E731
        return Batch(_combined([self.windows], move), _combined([self.answers], move))


class MultiHorizonDataset(Dataset[Batch]):
    """The windows that end in some rows of a task, with their answers at every horizon.

    No window is stored: each is gathered from the task's rows when it is asked for. A whole batch
    is gathered at once, which a `DataLoader` makes use of:

        DataLoader(dataset, batch_size=256, shuffle=True, collate_fn=collate)

    Args:
        task: rows and answers, such as `TimeSeriesDataModule.task`.
        ends: newest rows of the windows, such as `task.train_ends`.
    """

    def __init__(self, task: LearningTask, ends: Tensor) -> None:
        self.task = task
        self.ends = ends

    @property
    def inputs(self) -> Inputs:
        """The shape of a window and its answers, as a model is built with."""
        return self.task.inputs

    @property
    def symbol_R(self) -> Tensor:
        """The symbol of each window, as a position in the version's list."""
        return self.task.windows.symbol_N[self.ends.to(self.task.windows.symbol_N.device)]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, position: int) -> Batch:
        """One window; negative positions count from the end."""
        if not -len(self) <= position < len(self):
            raise IndexError(f"window {position} of {len(self)}")
        one = self.__getitems__([position])
        alone = lambda tensors: tensors[0][0]  # noqa: E731
        return Batch(_combined([one.windows], alone), _combined([one.answers], alone))

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        """Several windows as one batch, in this order; what a `DataLoader` asks for."""
        ends_B = self.ends[torch.as_tensor(positions, dtype=torch.int64)]
        return Batch(self.task.windows.gather(ends_B), self.task.answers(ends_B))


class CryptoDataset(MultiHorizonDataset):
    """The same with the answers at one horizon only; the axis H stays, with length 1.

    Args:
        horizon: minutes ahead, one of the task's.

    Raises:
        ConfigError: the task has no answers at this horizon.
    """

    def __init__(self, task: LearningTask, ends: Tensor, horizon: int) -> None:
        super().__init__(task.only(horizon), ends)


def collate(items: Batch | Sequence[Batch]) -> Batch:
    """What a `DataLoader` is to make of what a dataset gives: one batch."""
    if isinstance(items, Batch):
        return items
    return Batch(
        _combined([item.windows for item in items], torch.stack),
        _combined([item.answers for item in items], torch.stack),
    )


def _combined(records: Sequence[Record], combine: Any) -> Record:
    """One record whose every tensor is made of those of several."""
    first = records[0]
    assert is_dataclass(first)
    made: dict[str, Any] = {}
    for field in fields(first):
        values = [getattr(record, field.name) for record in records]
        if isinstance(values[0], dict):
            made[field.name] = {key: combine([v[key] for v in values]) for key in values[0]}
        else:
            made[field.name] = combine(values)
    return replace(first, **made)
