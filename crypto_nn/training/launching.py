"""The processes of one training on this machine: started, watched, and never left behind."""

import copy
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from torch import nn

from crypto_nn import environment
from crypto_nn.errors import CryptoNNError, TrainingError
from crypto_nn.training.checkpoints import FACTS, TENSORS, CheckpointFolder, TrainingState
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.distributed import Place, joined
from crypto_nn.training.loop import Fitted, fit, with_prefix
from crypto_nn.training.progress import Progress, ProgressListener, listener
from crypto_nn.training.ranks import RankLost
from crypto_nn.training.stopping import StopRequest, TrainingInterrupted
from crypto_nn.training.task_files import load_task, save_task
from crypto_nn.training.windows import LearningTask

# How long, in seconds, the reason may follow after a process that only lost the others.
REASON_S = 5.0
LOOK_S = 0.2


@dataclass(frozen=True)
class Job:
    """One training: what learns, from what, how, and where its checkpoints are."""

    model: nn.Module
    task: LearningTask
    config: TrainConfig
    checkpoints: CheckpointFolder | None = None


@dataclass(frozen=True)
class Failed:
    """What a process says before it ends with an error."""

    kind: type[CryptoNNError]
    message: str


def train_in_processes(job: Job, progress: bool | ProgressListener, start: str) -> Fitted:
    """Train in as many processes as the settings say; none of them outlives the call.

    Rows reach them through files in a temporary folder, which all map into the same memory. They
    end with this process, too, even where it is killed.

    Args:
        job: its model has the last weights afterwards.
        progress: see `fit`.
        start: how processes start, as `multiprocessing.get_context` names it.

    Raises:
        TrainingError: see `fit`; also where a process died, with which one, why, and where its
            checkpoints are.
        TrainingInterrupted: this process was asked to stop, and a checkpoint was written.
    """
    with (
        tempfile.TemporaryDirectory(prefix="crypto_nn_training_") as name,
        listener(progress) as tell,
        StopRequest().listening() as request,
    ):
        folder = Path(name)
        sent = replace(job, model=job.model.cpu(), task=save_task(job.task, folder))
        with _started(sent, folder, start) as (children, pipes):
            _Watch(job, children, pipes, tell).until_all_ended(request)
        state = TrainingState.from_files({n: (folder / n).read_bytes() for n in (TENSORS, FACTS)})
    job.model.load_state_dict(with_prefix(state.tensors, "model."))
    return Fitted.from_state(state)


@contextmanager
def _started(
    job: Job, folder: Path, start: str
) -> Iterator[tuple[Sequence[BaseProcess], Sequence[Connection]]]:
    context = multiprocessing.get_context(start)
    children: list[BaseProcess] = []
    pipes: list[Connection] = []
    try:
        for rank in range(job.config.processes):
            here, there = context.Pipe(duplex=False)
            pipes.append(here)
            child = context.Process(  # type: ignore[attr-defined]
                target=run_rank,
                args=(rank, job, folder, there),
                name=f"training, rank {rank}",
                daemon=True,
            )
            child.start()
            children.append(child)
            there.close()
        yield children, pipes
    finally:
        for child in children:
            child.kill()  # what is on disk is whole at any moment
        for child in children:
            child.join()
            child.close()
        for pipe in pipes:
            pipe.close()


def run_rank(rank: int, job: Job, folder: Path, told: Connection) -> None:
    """Be one process of a training: the target of those that `train_in_processes` starts."""
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C comes through the parent
    environment.talk_on_this_machine_only()
    # What came with the job lies in memory that all processes share.
    model, task = copy.deepcopy(job.model), load_task(job.task, folder)
    place = Place(rank, job.config.processes, rank, f"file://{folder / 'meeting'}")
    try:
        with joined(place, job.config) as ranks:
            config = job.config.model_copy(update={"device": ranks.device})
            fitted = fit(model, task, config, job.checkpoints, told.send, ranks)
    except CryptoNNError as error:
        told.send(Failed(type(error), str(error)))
        raise SystemExit(1) from None
    if ranks.leads:
        for name, content in fitted.state.to_files().items():
            (folder / name).write_bytes(content)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Watch:
    """Hears what the processes say, passes signals on, and finds out why one of them died."""

    def __init__(
        self,
        job: Job,
        children: Sequence[BaseProcess],
        pipes: Sequence[Connection],
        tell: ProgressListener,
    ) -> None:
        self.job = job
        self.children = children
        self.pipes = dict(enumerate(pipes))
        self.tell = tell
        self.failed: dict[int, Failed] = {}
        self.step = 0

    def until_all_ended(self, request: StopRequest) -> None:
        """Wait for the end of all.

        Raises:
            TrainingError: one of them failed.
        """
        passed_on, broke_at = False, None
        while any(child.is_alive() for child in self.children) or self.pipes:
            self._hear()
            if request.signal is not None and not passed_on:
                passed_on = True
                self._pass_on(request.signal)
            if self._broken():
                broke_at = broke_at or time.monotonic()
                if self._reason_is_known() or time.monotonic() - broke_at > REASON_S:
                    break
        if any(child.exitcode for child in self.children):
            self._raise(request)

    def _hear(self) -> None:
        ends = [child.sentinel for child in self.children if child.is_alive()]
        ready = wait([*ends, *self.pipes.values()], LOOK_S)
        for rank, pipe in list(self.pipes.items()):
            while pipe in ready and pipe.poll():
                try:
                    self._note(rank, pipe.recv())
                except EOFError:
                    del self.pipes[rank]
                    break

    def _note(self, rank: int, told: Progress | Failed) -> None:
        if isinstance(told, Failed):
            self.failed[rank] = told
        else:
            self.step = told.step
            self.tell(told)

    def _pass_on(self, number: int) -> None:
        for child in self.children:
            if child.is_alive() and child.pid is not None:
                os.kill(child.pid, number)

    def _broken(self) -> bool:
        """Whether one ended in another way than all together do that are asked to stop."""
        return any(
            child.exitcode and rank not in self.pipes and not self._stopped(rank)
            for rank, child in enumerate(self.children)
        )

    def _stopped(self, rank: int) -> bool:
        return rank in self.failed and issubclass(self.failed[rank].kind, TrainingInterrupted)

    def _reason_is_known(self) -> bool:
        """Whether one ended by itself, and not only because it lost the others."""
        told = any(failed.kind is not RankLost for failed in self.failed.values())
        return told or any((child.exitcode or 0) < 0 for child in self.children)

    def _raise(self, request: StopRequest) -> None:
        told = [self.failed[rank] for rank in sorted(self.failed)]
        stopped = [failed for failed in told if issubclass(failed.kind, TrainingInterrupted)]
        reasons = [failed for failed in told if failed.kind is not RankLost]
        reasons = [failed for failed in reasons if failed not in stopped]
        codes = {rank: child.exitcode for rank, child in enumerate(self.children)}
        killed = {rank: -code for rank, code in codes.items() if code and code < 0}
        if reasons:
            raise reasons[0].kind(reasons[0].message)
        if request.signal is not None and (stopped or signal.SIGTERM in killed.values()):
            request.pass_on()
            message = "Training was asked to stop before its first step."
            raise TrainingInterrupted(stopped[0].message if stopped else message)
        if stopped:
            raise TrainingInterrupted(stopped[0].message)
        rank, why = self._guilty(codes, killed)
        raise TrainingError(
            f"Process {rank} of {len(self.children)} of this training {why}, after step "
            f"{self.step}. The others were stopped. {self._what_to_do()}"
        )

    def _guilty(self, codes: dict[int, int | None], killed: dict[int, int]) -> tuple[int, str]:
        """Which process broke the training, and how: the worst that is known."""
        for rank, number in killed.items():
            return rank, f"was killed by {_name(number)}"
        for rank, code in codes.items():
            if code and rank not in self.failed:
                return rank, f"ended with exit code {code} (it printed why)"
        for rank, code in codes.items():
            if code is None:
                limit = self.job.config.processes_timeout_s
                return rank, f"did not answer for {limit} s (training.processes_timeout_s)"
        rank, failed = next(iter(self.failed.items()))
        return rank, f"gave up ({failed.message})"

    def _what_to_do(self) -> str:
        if self.job.checkpoints is None:
            return "There was no folder for checkpoints: start again, from the first step."
        return (
            f"The checkpoints in {self.job.checkpoints.folder} are whole: start again with as many "
            "processes to go on from the newest."
        )


def _name(number: int) -> str:
    name = signal.Signals(number).name
    hint = ", as systems do that run out of memory" if number == signal.SIGKILL else ""
    return f"signal {number} ({name}{hint})"
