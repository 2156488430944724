"""The workers of a study on this machine, and who watches over them."""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from optuna.trial import TrialState

from crypto_nn.errors import TrainingError
from crypto_nn.training.stopping import StopRequest
from crypto_nn.tuning.job import Job
from crypto_nn.tuning.life import Lives
from crypto_nn.tuning.study import OpenStudy
from crypto_nn.tuning.trials import Trials, requeue
from crypto_nn.tuning.worker import LIVES

POLL_S = 0.1
STOP_S = 30.0
"""A worker that was asked to stop writes a checkpoint; then it is killed."""
CRASHES, KILLED = 3, 30
"""So many workers may end one after another without a trial to show for it: by themselves, and
by a signal, as where memory runs out."""

Listener = Callable[[Trials], None]


class TuningInterrupted(TrainingError):
    """Tuning was told to stop, and did so; its running trials are queued for the next call."""


@dataclass
class Member:
    """One process that runs trials."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def close(self, stopped: bool = False) -> None:
        """Let go what leads to a process that has ended; only a crash leaves its words behind."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        if stopped or self.process.returncode == 0:
            self.log.unlink()
        self.log.with_suffix(".json").unlink()


@dataclass
class Team:
    """Keeps `size` workers busy until every trial that was asked for has ended for good.

    A worker that dies is replaced, and its trial is queued again: in the study itself, so that
    the next call would do the same had this process died too.
    """

    job: Job
    size: int
    listener: Listener = lambda _: None
    clock: Callable[[], float] = time.monotonic
    members: list[Member] = field(default_factory=list)
    crashes: int = 0

    def __post_init__(self) -> None:
        self.opened = OpenStudy.of(self.job)
        self.study = self.opened.study
        self.lives = Lives(self.job.folder / LIVES)
        self.told = -1

    def run(self, timeout_s: float | None = None) -> Trials:
        """Work until all trials are there, the time is up, or a signal asks to stop.

        Raises:
            TuningInterrupted: SIGTERM or SIGINT came.
            TrainingError: workers end before they begin a trial; the last one's words are shown.
        """
        deadline = None if timeout_s is None else self.clock() + timeout_s
        with StopRequest().listening() as request:
            try:
                trials = self._work(request, deadline)
            finally:
                self.opened.close()
            if request.signal is not None:
                request.pass_on()
                raise TuningInterrupted(
                    f"Tuning was asked to stop by signal {request.signal}. Its running trials are "
                    f"queued in study {self.job.study}; start it again to go on."
                )
        return trials

    def _work(self, request: StopRequest, deadline: float | None) -> Trials:
        try:
            self.reconcile()
            while self.fill() and request.signal is None:
                if deadline is not None and self.clock() >= deadline:
                    break
                self.watch()
        finally:
            self.stop()
            self.tell(final=True)
            trials = self.trials
        return trials

    @property
    def trials(self) -> Trials:
        return Trials.of(self.study, self.job.max_retries)

    def fill(self) -> bool:
        """Replace workers that have ended, as long as there is work; False where all is done."""
        ended = [member for member in self.members if member.has_ended]
        self.members = [member for member in self.members if not member.has_ended]
        if ended or not self.members:
            self.reconcile()
        for member in ended:
            member.close()
            self.note_end(member)
        trials = self.trials
        running = len(trials.in_state(TrialState.RUNNING))
        waiting = len(trials.in_state(TrialState.WAITING))
        due = waiting + max(0, self.job.asked - trials.promised)
        idle = len(self.members) - min(running, len(self.members))
        for _ in range(min(self.size - len(self.members), due - idle)):
            self.start()
        return bool(self.members) or bool(running)

    def watch(self) -> None:
        """Wait a moment, and tell of trials that have ended since."""
        self.tell()
        try:
            self.members[0].process.wait(POLL_S) if self.members else time.sleep(POLL_S)
        except subprocess.TimeoutExpired:
            return

    def tell(self, final: bool = False) -> None:
        trials = self.trials
        if final or len(trials.settled) != self.told:
            self.told = len(trials.settled)
            self.listener(trials)

    def start(self) -> None:
        """Start one worker in a session of its own: a ^C in the terminal is ours to pass on."""
        name = uuid.uuid4().hex[:12]
        folder = self.job.folder / LIVES
        folder.mkdir(parents=True, exist_ok=True)
        path, log = self.job.write(folder / f"{name}.json"), folder / f"{name}.log"
        command = [sys.executable, "-m", "crypto_nn.tuning.worker", str(path), name]
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 (our own module)
                command, stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True
            )
        self.members.append(Member(name, process, log))

    def note_end(self, member: Member) -> None:
        """Stop where workers end without ever beginning a trial: something is wrong for all."""
        began = any(member.name == trial.user_attrs.get("worker") for trial in self.trials.every)
        if member.process.returncode == 0 or began:
            self.crashes = 0
            return
        self.crashes += 1
        if self.crashes >= (CRASHES if member.process.returncode > 0 else KILLED):
            words = member.log.read_text(errors="replace").strip().splitlines()[-5:]
            raise TrainingError(
                f"{self.crashes} workers of study {self.job.study} ended before they began a "
                f"trial. The last one said: {' | '.join(words) or 'nothing'} ({member.log})."
            )

    def reconcile(self, died: bool = True) -> int:
        """Queue the trials of dead workers again."""
        with self.job.place.claim(self.job.folder, self.job.study):
            return requeue(self.study, self.job.max_retries, self.lives.is_dead, died)

    def stop(self) -> None:
        """Ask all workers to stop, wait for their checkpoints, and queue what they had.

        Workers end first, whether or not the study can be reached.
        """
        stopped = any(not member.has_ended for member in self.members)
        for member in self.members:
            member.process.terminate()
        deadline = time.monotonic() + STOP_S
        for member in self.members:
            with suppress(subprocess.TimeoutExpired):
                member.process.wait(max(0.0, deadline - time.monotonic()))
            member.process.kill()
            member.process.wait()
            member.close(stopped=True)
        self.members = []
        self.reconcile(died=not stopped)
