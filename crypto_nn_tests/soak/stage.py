"""The stage: it holds the clock, lets the daemon and its runs live, and lets them die."""

import multiprocessing
import os
import re
import resource
import shutil
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from crypto_nn_tests.soak import processes
from crypto_nn_tests.soak.doom import seconds
from crypto_nn_tests.soak.scenario import Fault, Scenario
from crypto_nn_tests.soak.trace import Trace

FORK = multiprocessing.get_context("fork")
SHOWN_TAGS = ("dagster/partition", "dagster/asset_partition_range_start",
              "dagster/asset_partition_range_end", "reason")  # fmt: skip


_RUN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Stuck(AssertionError):
    """A process of the soak ended in a way that the scenario does not explain."""


@dataclass
class Counts:
    """What happened, for the report."""

    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    tick_errors: Counter[str] = field(default_factory=Counter)
    wakes: int = 0
    daemons: int = 0
    cpu_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    num_spent: Counter[str] = field(default_factory=Counter)

    def spent(self, what: str, seconds: float) -> None:
        """Seconds of the processor."""
        self.cpu_s[what] += seconds
        self.num_spent[what] += 1

    def shares(self) -> str:
        """Seconds of the processor that each kind of process takes, on average."""
        return ", ".join(
            f"{what} {self.num_spent[what]} x {seconds / self.num_spent[what]:.1f} s"
            for what, seconds in self.cpu_s.items()
        )


class Stage:
    """Runs the platform from wake to wake.

    Attributes:
        now: the virtual time (µs, UTC).
        killed: the ids of runs whose process was killed.
        after_run: called after each run with its name and outcome.
    """

    def __init__(self, scenario: Scenario, home: Path, trace: Trace) -> None:
        self.scenario, self.home, self.trace = scenario, home, trace
        self.now: np.datetime64 = np.datetime64(0, "us")
        self.counts = Counts()
        self.run_ids: dict[str, int] = {}
        self.killed: set[str] = set()
        self.after_run: Callable[[str, str], None] = lambda job, outcome: None
        self._daemon: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._dooms = list(scenario.of("kill_worker", "kill_daemon", "power_cut"))
        self._last_death: np.datetime64 | None = None
        self._worker_left: tuple[Fault, int] | None = None
        self._daemon_left: tuple[Fault, int] | None = None

    def wake(self, at: np.datetime64) -> None:
        """Let the daemon do all that is due at a time; where it is killed, start it again."""
        if at > self.now:
            self.now = at
        while not self._awake():
            self.now = self.now + np.timedelta64(60, "s")

    def _awake(self) -> bool:
        """One life of the daemon, or a part of it; whether it came to rest."""
        self._draw()
        pipe = self._living()
        self.counts.wakes += 1
        left = self._daemon_left
        pipe.send((seconds(self.now), left[1] if left else None))
        while True:
            try:
                message = pipe.recv()
            except EOFError:
                return self._has_died()
            if message[0] == "launch":
                self._at(message[2])
                power = self._run(message[1])
                if power:
                    self.stop()
                    return False
                pipe.send(seconds(self.now))
                continue
            _, now, errors, moments = message
            self._at(now)
            self._spend_daemon(moments)
            for error in errors:
                self.counts.tick_errors[error[:160]] += 1
                self.trace.add(self.now, "tick error", self.nameless(error[:160]))
            return True

    def stop(self) -> None:
        """Kill the daemon, as when the machine goes off."""
        if self._daemon is not None:
            before = _cpu_of_children()
            self._daemon.kill()
            self._daemon.join()
            self.counts.spent("daemon", _cpu_of_children() - before)
            assert self._pipe is not None
            self._pipe.close()
        self._daemon = self._pipe = None

    @property
    def is_on(self) -> bool:
        """Whether a daemon lives."""
        return self._daemon is not None

    def at_peace(self, now: np.datetime64, hours: int) -> bool:
        """Whether nobody was killed in the hours before: a kill may come long after it was due."""
        last = self._last_death
        return last is None or bool(now - last > np.timedelta64(hours, "h"))

    def child(self, work: Callable[..., None], *arguments: Any) -> Any:
        """What a child process sends back; for what must not be opened here."""
        before = _cpu_of_children()
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=work, args=(theirs, *arguments), daemon=True)
        process.start()
        theirs.close()
        try:
            answer = ours.recv()
        except EOFError:
            process.join()
            raise Stuck(f"{work.__name__} ended with {process.exitcode}") from None
        process.join()
        ours.close()
        self.counts.spent(work.__name__, _cpu_of_children() - before)
        return answer

    def nameless(self, text: str) -> str:
        """A text in which runs are numbered in the order of their start: their ids are random."""

        def numbered(found: re.Match[str]) -> str:
            return f"run {self.run_ids.get(found[0], 'that never started')}"

        return _RUN_ID.sub(numbered, text)

    def _at(self, now: float) -> None:
        self.now = np.datetime64(round(now * 1e6), "us")

    def _living(self) -> Connection:
        """The pipe to the daemon, which is started where there is none."""
        if self._pipe is None:
            self.counts.daemons += 1
            ours, theirs = FORK.Pipe()
            log = self.home / "daemon.log"
            self._daemon = FORK.Process(
                target=processes.live, args=(theirs, self.scenario.seed, log), daemon=True
            )
            self._daemon.start()
            theirs.close()
            self._pipe, self._spent = ours, 0
            self.trace.add(self.now, "daemon starts")
        return self._pipe

    def _has_died(self) -> bool:
        assert self._daemon is not None
        self._daemon.join()
        if self._daemon.exitcode != -signal.SIGKILL or self._daemon_left is None:
            log = (self.home / "daemon.log").read_text()[-3000:]
            raise Stuck(f"the daemon ended with {self._daemon.exitcode} at {self.now}:\n{log}")
        self.trace.add(self.now, "daemon killed")
        self.counts.kills["daemon"] += 1
        self._daemon_left, self._last_death = None, self.now
        self.stop()
        return False

    def _draw(self) -> None:
        """Take the kills that are due from the scenario, one of each kind at a time."""
        for fault in list(self._dooms):
            if fault.at > self.now:
                break
            if fault.kind == "kill_daemon" and self._daemon_left is None:
                self._daemon_left = (fault, fault.write)
                self._dooms.remove(fault)
            elif fault.kind != "kill_daemon" and self._worker_left is None:
                self._worker_left = (fault, fault.write)
                self._dooms.remove(fault)

    def _spend_daemon(self, moments: int) -> None:
        """A daemon that has written less than it had left lives on with the rest."""
        if self._daemon_left is not None:
            fault, left = self._daemon_left
            self._daemon_left = fault, left - (moments - self._spent)
        self._spent = moments

    def _run(self, run_id: str) -> bool:
        """Let a run's process live and die; whether the whole machine dies with it."""
        self.run_ids.setdefault(run_id, len(self.run_ids) + 1)
        left = self._worker_left
        log = self.home / "run.log"
        ours, theirs = FORK.Pipe()
        arguments = (theirs, run_id, seconds(self.now), left[1] if left else None, log)
        process = FORK.Process(target=processes.run, args=arguments, daemon=True)
        before = _cpu_of_children()
        process.start()
        theirs.close()
        told = list(_received(ours))
        process.join()
        ours.close()
        job, tags = told[0][1:] if told else ("unknown", {})
        killed = process.exitcode == -signal.SIGKILL
        if killed != (len(told) < 2) or (killed and left is None):
            raise Stuck(f"run {job} ended with {process.exitcode}:\n{log.read_text()[-3000:]}")
        outcome = "KILLED" if killed else told[1][1]
        if not killed:
            self._at(told[1][3])
        shown = [str(tags[name]) for name in SHOWN_TAGS if name in tags]
        self.trace.add(self.now, "run", job, *shown, outcome)
        self.counts.runs[job, outcome] += 1
        self.counts.spent(job, _cpu_of_children() - before)
        if outcome not in ("SUCCESS", "KILLED"):
            shutil.copy(log, self.home / f"failed_{self.run_ids[run_id]}_{job}.log")
        power = False
        if left is not None:
            if killed:
                self.killed.add(run_id)
                power = left[0].kind == "power_cut"
                self.counts.kills["machine" if power else f"worker: {job}"] += 1
                self._worker_left, self._last_death = None, self.now
            else:
                self._worker_left = left[0], left[1] - told[1][2]
        self.after_run(job, outcome)
        return power


def _received(pipe: Connection) -> Iterator[Any]:
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return


def _cpu_of_children() -> float:
    """Seconds of the processor that children have taken which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def age_files(root: Path, now: np.datetime64, since: float) -> None:
    """Stamp files with the virtual time: the kernel has stamped them with the real one."""
    at = seconds(now)
    for folder, folders, files in os.walk(root):
        for name in (*files, *folders):
            path = os.path.join(folder, name)
            if os.lstat(path).st_mtime > since:
                os.utime(path, (at, at), follow_symlinks=False)
