"""How far training is, for a person or a program that waits for it."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where training stands after a step: counts from 1, losses in nats."""

    epoch: int
    epochs: int
    step: int
    steps: int
    train_loss: float
    validation_loss: float = math.nan


ProgressListener = Callable[[Progress], None]


@contextmanager
def listener(progress: bool | ProgressListener) -> Iterator[ProgressListener]:
    """A function to tell progress to: the one given, a bar on the terminal, or nobody."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda _: None
    else:
        from tqdm import tqdm

        with tqdm(unit="step", dynamic_ncols=True, mininterval=0.5) as bar:
            yield lambda told: _draw(bar, told)


def _draw(bar: "tqdm[None]", told: Progress) -> None:  # type: ignore[name-defined]  # noqa: F821
    bar.total = told.steps
    bar.set_description_str(f"epoch {told.epoch}/{told.epochs}", refresh=False)
    bar.set_postfix_str(
        f"loss {told.train_loss:.4f} validation {told.validation_loss:.4f}", refresh=False
    )
    bar.update(told.step - bar.n)
