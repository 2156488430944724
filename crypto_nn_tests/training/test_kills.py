"""Killed with SIGKILL anywhere, training goes on to the very same bits.

`CRYPTO_NN_TRAIN_KILLS` (twice killed runs) and `CRYPTO_NN_KILLS` (killed writers) ask for more than
the quick run has.
"""

import os
import random
import signal
import time
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

from crypto_nn.training.checkpoints import MANIFEST, CheckpointFolder, TrainingState
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.loop import fit
from crypto_nn.training.progress import Progress
from crypto_nn.training.record import EpochRecord
from crypto_nn_tests.training.forks import FORKS
from crypto_nn_tests.training.tasks import FAMILIES, QUICK, fingerprint_of, noise_task, tiny_model

pytestmark = pytest.mark.kill

TRAIN_KILLS = int(os.environ.get("CRYPTO_NN_TRAIN_KILLS", "4"))
WRITE_KILLS = int(os.environ.get("CRYPTO_NN_KILLS", "20"))
SEED = int(os.environ.get("CRYPTO_NN_KILL_SEED", "0"))


def settings(threads: int) -> TrainConfig:
    """A checkpoint after every fifth step of 30."""
    return QUICK.model_copy(update={"checkpoint_steps": 5, "threads": threads})


Ended = tuple[str, str, list[EpochRecord]]


def train_in_child(family: str, threads: int, folder: Path | None, told: Connection) -> None:
    """Train, and say which steps are done, and at last what came of it.

    The checkpoint after a step comes just after it was told.
    """
    checkpoints = CheckpointFolder(folder, "v1") if folder else None

    def tell(progress: Progress) -> None:
        told.send(progress.step)

    ended = fit(tiny_model(family=family), noise_task(), settings(threads), checkpoints, tell)
    told.send(fingerprint_of(ended))


def start(family: str, threads: int, folder: Path | None) -> tuple[BaseProcess, Connection]:
    here, there = FORKS.Pipe(duplex=False)
    child = FORKS.Process(target=train_in_child, args=(family, threads, folder, there))
    child.start()
    there.close()
    return child, here


def until(step: int | None, here: Connection) -> int | Ended:
    """What a training says after a step, or at its end."""
    while True:
        assert here.poll(120), "training says nothing"
        told: int | Ended = here.recv()
        if not isinstance(told, int) or (step is not None and told >= step):
            return told


def train(family: str, threads: int, folder: Path | None = None) -> Ended:
    child, here = start(family, threads, folder)
    ended = until(None, here)
    child.join()
    assert not isinstance(ended, int)
    return ended


@cache
def never_killed(family: str, threads: int) -> Ended:
    return train(family, threads)


def kill_after(step: int, delay: float, family: str, threads: int, folder: Path) -> bool:
    """Start training, kill it `delay` seconds after it has done `step`; False if it had ended."""
    child, here = start(family, threads, folder)
    told = until(step, here)
    time.sleep(delay)
    child.kill()
    child.join()
    return isinstance(told, int)


@pytest.mark.parametrize("run", range(TRAIN_KILLS))
def test_killed_training_ends_with_the_same_bits(run: int, tmp_path: Path) -> None:
    """Twice killed at random steps and moments, then resumed: weights and history do not differ.

    Runs go through four families of models and 1 and 2 threads in turn. Every other kill is aimed
    at the writing of a checkpoint.
    """
    family = list(FAMILIES)[run % len(FAMILIES)]
    threads = 1 + (run + run // len(FAMILIES)) % 2
    due = never_killed(family, threads)
    chance = random.Random(SEED + run)
    first = chance.randrange(1, 24)
    for step in (first, chance.randrange(first + 1, 29)):
        delay = chance.uniform(0, 0.02)
        if chance.random() < 0.5:
            step, delay = min(25, -(-step // 5) * 5), chance.uniform(0, 0.008)
        assert kill_after(step, delay, family, threads, tmp_path), "it ended before the kill"
        half = [path.name for path in tmp_path.glob("*/") if not (path / MANIFEST).exists()]
        print(f"run {run}, {family}, {threads} threads: killed after {step}, half written: {half}")
    assert train(family, threads, tmp_path) == due, f"seed {SEED}, run {run}"


def save_without_end(folder: Path, told: Connection) -> None:
    """Write one checkpoint after another, and tell of each that is complete."""
    checkpoints = CheckpointFolder(folder, "v1")
    for step in range(1, 100_000):
        checkpoints.save(step, contents(step))
        told.send_bytes(step.to_bytes(4))


def contents(step: int) -> dict[str, bytes]:
    """A checkpoint whose both files say which step they belong to."""
    return TrainingState({"step": torch.full((50_000,), step)}, {"step": step}).to_files()


def test_killed_in_writing_a_checkpoint_loses_nothing(tmp_path: Path) -> None:
    """Whatever moment the writer is killed in, every checkpoint that it told of is there, whole."""
    chance = random.Random(SEED)
    for trial in range(WRITE_KILLS):
        folder = tmp_path / str(trial)
        here, there = FORKS.Pipe(duplex=False)
        child = FORKS.Process(target=save_without_end, args=(folder, there))
        child.start()
        there.close()
        assert here.poll(120), "no checkpoint was written"
        time.sleep(chance.uniform(0, 0.05))
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        told = 0
        while here.poll(0):
            try:
                told = int.from_bytes(here.recv_bytes())
            except EOFError:
                break
        state = CheckpointFolder(folder, "v1").load_newest()
        assert state is not None
        assert state.facts["step"] >= told > 0, f"seed {SEED}, trial {trial}"
        assert (state.tensors["step"] == state.facts["step"]).all()
