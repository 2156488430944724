"""Killed with SIGKILL anywhere, training goes on to the very same bits.

`CRYPTO_NN_TRAIN_KILLS` and `CRYPTO_NN_KILLS` ask for more kills than the quick run has.
"""

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch

from crypto_nn.training.checkpoints import CheckpointFolder, TrainingState
from crypto_nn.training.loop import fit
from crypto_nn.training.progress import Progress
from crypto_nn_tests.training.tasks import QUICK, fingerprint_of, noise_task, tiny_model

pytestmark = pytest.mark.kill

TRAIN_KILLS = int(os.environ.get("CRYPTO_NN_TRAIN_KILLS", "3"))
WRITE_KILLS = int(os.environ.get("CRYPTO_NN_KILLS", "20"))
SEED = int(os.environ.get("CRYPTO_NN_KILL_SEED", "0"))
# A fresh server that has loaded torch once: children are forked from it, not from this process,
# whose threads a fork would break.
FORKS = multiprocessing.get_context("forkserver")
# torch loads _dynamo with the first optimizer, which takes seconds in every child.
FORKS.set_forkserver_preload([__name__, "torch._dynamo"])


def train_in_child(folder: Path, told: Connection) -> None:
    """Train, with a checkpoint after every fifth step, and say which steps are done."""
    torch.set_num_threads(1)
    config = QUICK.model_copy(update={"checkpoint_steps": 5})

    def tell(progress: Progress) -> None:
        told.send_bytes(progress.step.to_bytes(4))

    fit(tiny_model(), noise_task(), config, CheckpointFolder(folder, "v1"), tell)
    told.send_bytes((0).to_bytes(4))


def kill_after(folder: Path, step: int, delay: float) -> bool:
    """Start training, kill it `delay` seconds after it has done `step`; False if it had ended."""
    here, there = FORKS.Pipe(duplex=False)
    child = FORKS.Process(target=train_in_child, args=(folder, there))
    child.start()
    there.close()
    done = -1
    while done != 0 and done < step:
        assert here.poll(120), "training says nothing"
        done = int.from_bytes(here.recv_bytes())
    time.sleep(delay)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    return done != 0


def test_killed_training_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Twice killed at random steps and moments, then resumed: weights and history do not differ."""
    config = QUICK.model_copy(update={"checkpoint_steps": 5})
    due = fingerprint_of(fit(tiny_model(), noise_task(), config))
    chance = random.Random(SEED)
    for trial in range(TRAIN_KILLS):
        folder = tmp_path / str(trial)
        first = chance.randrange(1, 24)
        for step in (first, chance.randrange(first + 1, 29)):
            assert kill_after(folder, step, chance.uniform(0, 0.02)), "it ended before the kill"
        ended = fit(tiny_model(), noise_task(), config, CheckpointFolder(folder, "v1"))
        assert fingerprint_of(ended) == due, f"seed {SEED}, trial {trial}"


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
