"""How far training is, for a person or a program that waits for it."""

import math
import time
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


def told_in_lines(
    say: Callable[[str], None],
    every_s: float = 30.0,
    clock: Callable[[], float] = time.monotonic,
) -> ProgressListener:
    """A listener for a log: a line for the first step, for each epoch, and every so many seconds.

    Args:
        say: is given each line.
        every_s: after how many seconds a line is due within an epoch.
        clock: seconds of a clock that never goes back.
    """
    last: Progress | None = None
    said: Progress | None = None
    said_at = 0.0

    def listen(told: Progress) -> None:
        nonlocal last, said, said_at
        now = clock()
        epoch_ended = last is not None and last.step == told.step
        if said is None or epoch_ended or now - said_at >= every_s:
            say(_line(told, said, now - said_at))
            said, said_at = told, now
        last = told

    return listen


def _line(told: Progress, before: Progress | None, seconds: float) -> str:
    line = (
        f"epoch {told.epoch} of {told.epochs}, step {told.step} of {told.steps}: "
        f"loss {told.train_loss:.4f}, validation {told.validation_loss:.4f}"
    )
    if before is None or seconds <= 0 or told.step == before.step:
        return line
    return f"{line}, {(told.step - before.step) / seconds:.1f} steps/s"


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
