"""Several processes learn what one would, and none of them is left behind or waited for."""

import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import torch
from torch import Tensor

from crypto_nn.errors import ConfigError, TrainingError
from crypto_nn.training.checkpoints import MANIFEST
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.distributed import Place, device_of
from crypto_nn.training.progress import Progress
from crypto_nn.training.stopping import TrainingInterrupted
from crypto_nn.training.trainer import DistributedTrainer, Trainer, create_trainer
from crypto_nn.training.windows import LearningTask
from crypto_nn_tests.training.diary import Diary
from crypto_nn_tests.training.forks import FORKS
from crypto_nn_tests.training.tasks import QUICK, fingerprint_of, noise_task, tiny_model

PAIR = QUICK.model_copy(update={"processes": 2, "processes_timeout_s": 60})
STEPS_50 = {"max_epochs": 5, "max_windows": 480, "accumulate": 3}


def pair(config: TrainConfig = PAIR, start: str = "forkserver") -> DistributedTrainer:
    return DistributedTrainer(config, start)


def weighted(task: LearningTask) -> LearningTask:
    """The task with class weights, so that what a batch is divided by matters."""
    return replace(task, class_weights_HC=torch.tensor([[1.0, 2.0, 0.5], [0.7, 1.0, 3.0]]))


def farthest(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> float:
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        if not tensor.is_floating_point():
            assert torch.equal(tensor, theirs[name]), name
    return max(
        float((tensor - theirs[name]).abs().max())
        for name, tensor in ours.items()
        if tensor.is_floating_point()
    )


def test_two_processes_learn_what_one_does() -> None:
    """After 50 steps of 3 batches, weights, memory and history are equal to 1e-6.

    Labels that are not known, class weights and a model that remembers take part; dropout is off.
    """
    config = PAIR.model_copy(update=STEPS_50)
    ones, twos = Diary(dropout=0.0), Diary(dropout=0.0)
    one = Trainer(config).fit(ones, weighted(noise_task()))
    two = pair(config).fit(twos, weighted(noise_task()))
    assert one.state.facts["step"] == two.state.facts["step"] == 50
    assert farthest(one.weights, two.weights) < 1e-6
    assert farthest(one.state.tensors, two.state.tensors) < 1e-6
    assert farthest(ones.state_dict(), twos.state_dict()) < 1e-6
    assert ones.state_dict()["seen_P"].min() >= 0
    for ours, theirs in zip(one.history, two.history, strict=True):
        assert ours.validation_loss == pytest.approx(theirs.validation_loss, abs=1e-6)
        assert ours.train_loss == pytest.approx(theirs.train_loss, abs=1e-6)


def pids_of_ranks() -> list[int]:
    """The processes of the training that this one has started, by rank."""
    children = {child.name: child.pid for child in multiprocessing.active_children()}
    found = [children[name] for name in sorted(children) if name.startswith("training, rank")]
    return [pid for pid in found if pid is not None]


def ended(pids: list[int]) -> bool:
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return not psutil.wait_procs(left, timeout=60)[1]


def at_step(step: int, do: Callable[[list[int]], None], seen: list[int]) -> object:
    """A listener that notes who trains, and does something at one step."""

    def listen(told: Progress) -> None:
        if told.step >= step and not seen:
            seen.extend(pids_of_ranks())
            do(seen)

    return listen


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_leaves_a_good_checkpoint(rank: int, tmp_path: Path) -> None:
    """Whichever is killed: an error says which one, how and where; one process can go on alone."""
    pids: list[int] = []
    listener = at_step(13, lambda ranks: os.kill(ranks[rank], signal.SIGKILL), pids)
    long = PAIR.model_copy(update={"max_epochs": 200, "patience": 200})
    told = rf"(?s)Process {rank} of 2 .*signal 9 \(SIGKILL.*{tmp_path}.* start again with as many"
    with pytest.raises(TrainingError, match=told):
        pair(long).fit(tiny_model(), noise_task(), tmp_path, listener)  # type: ignore[arg-type]
    assert len(pids) == 2
    assert ended(pids)
    steps: list[Progress] = []

    def until_well_beyond(told: Progress) -> None:
        steps.append(told)
        if told.step == steps[0].step + 15:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(TrainingInterrupted):
        Trainer(long).fit(tiny_model(), noise_task(), tmp_path, until_well_beyond)
    assert steps[0].step > 12


def test_asked_to_stop_all_do_after_one_checkpoint(tmp_path: Path) -> None:
    """SIGTERM to the one who started them: a checkpoint, a clean end, and the same bits later.

    Dropout is on: two processes make the same bits each time they are two.
    """
    due = fingerprint_of(pair().fit(tiny_model(), noise_task()))
    pids: list[int] = []
    listener = at_step(5, lambda _: os.kill(os.getpid(), signal.SIGTERM), pids)
    with pytest.raises(TrainingInterrupted, match=r"after step \d+.*go on"):
        pair().fit(tiny_model(), noise_task(), tmp_path, listener)  # type: ignore[arg-type]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert ended(pids)
    assert list(tmp_path.glob(f"*/{MANIFEST}"))
    assert fingerprint_of(pair().fit(tiny_model(), noise_task(), tmp_path)) == due


def train_and_tell(folder: Path, told: Connection) -> None:
    """Start a training of two, and tell who they are."""

    def tell(progress: Progress) -> None:
        if progress.step == 3:
            told.send(pids_of_ranks())

    long = PAIR.model_copy(update={"max_epochs": 10_000, "patience": 10_000})
    # This process has no threads yet, so that it may fork.
    pair(long, "fork").fit(tiny_model(), noise_task(), folder, tell)


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    """Killed, a training leaves no process behind that trains on for nobody."""
    here, there = FORKS.Pipe(duplex=False)
    parent = FORKS.Process(target=train_and_tell, args=(tmp_path, there))
    parent.start()
    there.close()
    assert here.poll(120), "training says nothing"
    pids = here.recv()
    assert len(pids) == 2
    parent.kill()
    parent.join()
    assert ended(pids)


def test_an_error_in_a_process_is_the_error_of_the_training() -> None:
    """What a process raised for a person to read reaches the person, with its own words."""
    task = noise_task()
    nothing = replace(task.windows, x_NF=torch.full_like(task.windows.x_NF, float("nan")))
    config = PAIR.model_copy(update={"max_skipped": 2})
    with pytest.raises(TrainingError, match="no number in 3 steps"):
        pair(config).fit(tiny_model(), replace(task, windows=nothing))


def as_torchrun_does(rank: int, port: int, told: Connection) -> None:
    """Train as one of two processes that know of each other by environment alone."""
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    torch.set_num_threads(1)
    # Another seed in each: the weights of the first count.
    fitted = create_trainer(QUICK).fit(tiny_model(seed=rank), noise_task())
    told.send(fingerprint_of(fitted)[:2])


def test_torchrun_starts_the_same_training() -> None:
    """Processes that torchrun started meet by its environment, and learn the same bits."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pipes = [FORKS.Pipe(duplex=False) for _ in range(2)]
    children = [
        FORKS.Process(target=as_torchrun_does, args=(rank, port, there))
        for rank, (_, there) in enumerate(pipes)
    ]
    for child in children:
        child.start()
    told = [here.recv() if here.poll(120) else None for here, _ in pipes]
    for child in children:
        child.join()
    due = fingerprint_of(pair().fit(tiny_model(), noise_task()))[:2]
    assert told == [due, due]


@pytest.mark.parametrize(
    ("place", "settings", "message"),
    [
        (Place(0, 2, 0), {"processes": 3}, "processes is 3, but torchrun started 2"),
        (Place(0, 20, 0), {"batch_size": 16}, "batch_size is 16: too small for 20"),
        (Place(1, 2, 999), {"device": "cuda"}, "needs GPU 999"),
    ],
)
def test_what_does_not_fit_together_is_said(
    place: Place, settings: dict[str, object], message: str
) -> None:
    """More processes than asked for, than windows in a batch, or than GPUs: an error says so."""
    with pytest.raises(ConfigError, match=message):
        device_of(place, TrainConfig.model_validate(settings))
