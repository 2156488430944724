"""When training ends: no better any more, or asked to stop from outside."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from crypto_nn.errors import TrainingError


class TrainingInterrupted(TrainingError):
    """Training was told to stop, and did so after writing a checkpoint."""


class EarlyStopping:
    """Stop after `patience` epochs in which the loss fell by no more than `min_gain`.

    The loss is whatever training is judged by: the lower, the better.
    """

    def __init__(self, patience: int, min_gain: float) -> None:
        self.patience = patience
        self.min_gain = min_gain
        self.best: float | None = None
        self.best_epoch = 0
        self.epochs_without_gain = 0

    def is_better(self, epoch: int, loss: float) -> bool:
        """Note an epoch's loss on the validation rows; true where it is the best so far."""
        if self.best is not None and loss >= self.best - self.min_gain:
            self.epochs_without_gain += 1
            return False
        self.best, self.best_epoch, self.epochs_without_gain = loss, epoch, 0
        return True

    @property
    def due(self) -> bool:
        return self.epochs_without_gain >= self.patience

    def state(self) -> dict[str, Any]:
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "epochs_without_gain": self.epochs_without_gain,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.best = state["best"]
        self.best_epoch = state["best_epoch"]
        self.epochs_without_gain = state["epochs_without_gain"]


class StopRequest:
    """Whether the process was asked to stop (SIGTERM, SIGINT), and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.previous: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def pass_on(self) -> None:
        """Hand the signal to whoever listened before, now that everything is safe on disk."""
        listener = self.previous.get(self.signal or 0)
        if callable(listener) and self.signal is not None:
            listener(self.signal, None)

    @contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        """Note stop signals instead of dying of them; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            self.previous[number] = signal.signal(number, self._note)
        try:
            yield self
        finally:
            for listened, listener in self.previous.items():
                signal.signal(listened, listener)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = number
