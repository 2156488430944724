"""What the stage forks: the daemon with its loops one after the other, and the process of a run.

Whoever forks must not have opened DuckDB, which does not outlive a fork; so the stage opens
nothing, and daemon, runs and checks are children of it.
"""

import logging
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import time_machine
from dagster._cli.api import _execute_run_command_body
from dagster._core.execution.plan import active
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon
from dagster._daemon.monitoring import (
    execute_concurrency_slots_iteration,
    execute_run_monitoring_iteration,
)
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs
from dagster._time import get_current_datetime

from crypto_nn_tests.soak import launcher
from crypto_nn_tests.soak.doom import DOOM, watch_writes

ROUND_S = 31.0
"""Sensors look every 30 seconds; the daemon's next round comes after that."""
MOST_ROUNDS = 40
LOCATION = "crypto_nn_tests.soak.location"


def _quietly(log: Path) -> None:
    """Print into a file: a year of it is too much for a terminal."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the stage's own would wait for its children
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    sys.stdout.flush()


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def run(pipe: Connection, run_id: str, now: float, death: int | None, log: Path) -> None:
    """Execute a run as `dagster api execute_run` does; tell what it is, then how it ended."""
    _quietly(log)
    _one_thread()
    watch_writes()
    DOOM.arm(death)
    with time_machine.travel(now, tick=False) as clock, dg.DagsterInstance.get() as instance:
        _wait_virtually(clock)
        started = instance.get_run_by_id(run_id)
        assert started is not None
        pipe.send(("run", started.job_name, dict(started.tags)))
        _execute_run_command_body(run_id, instance, lambda event: None, False)
        ended = instance.get_run_by_id(run_id)
        assert ended is not None
        pipe.send(("ended", ended.status.value, DOOM.moments, _now()))


def _wait_virtually(clock: Any) -> None:
    """Where a step waits for its next attempt, only the virtual time passes."""
    setattr(active, "time", SimpleNamespace(time=time.time, sleep=clock.shift))  # noqa: B010


def live(pipe: Connection, seed: int, log: Path) -> None:
    """Be the daemon: at each wake its loops take turns until nothing is left to do.

    Receives (seconds since 1970, moments to live or None), and None to stop; sends ("launch", run
    id, now) for each run, which is answered by the time when the run has ended, and at last
    ("asleep", now, errors of ticks, moments).
    """
    _quietly(log)
    logging.getLogger("dagster").setLevel(logging.ERROR)
    watch_writes()
    clock = time_machine.travel(0.0, tick=False)
    first, death = pipe.recv()
    clock = time_machine.travel(first, tick=False)
    with ExitStack() as open_:
        now = open_.enter_context(clock)
        daemon = _Daemon(open_, pipe, now)
        while True:
            DOOM.arm(death)
            random.seed(f"{seed} {first}")  # Dagster shuffles its sensors
            errors = daemon.wake()
            pipe.send(("asleep", _now(), errors, DOOM.moments))
            command = pipe.recv()
            if command is None:
                return
            first, death = command
            now.move_to(first, tick=False)


def _now() -> float:
    return get_current_datetime().timestamp()


class _Daemon:
    """The loops of `dagster-daemon`, called in turn instead of in threads."""

    def __init__(self, open_: ExitStack, pipe: Connection, clock: Any) -> None:
        self._pipe, self._time, self._launched = pipe, clock, 0
        launcher.ask.append(self._ask)
        instance = open_.enter_context(dg.DagsterInstance.get())
        origin = LoadableTargetOrigin(executable_path=sys.executable, module_name=LOCATION)
        target = InProcessWorkspaceLoadTarget(
            InProcessCodeLocationOrigin(origin, location_name="crypto_nn")
        )
        self._context = open_.enter_context(WorkspaceProcessContext(instance, target))
        self._instance = instance
        self._queue = QueuedRunCoordinatorDaemon(interval_seconds=5)
        self._retries = EventLogConsumerDaemon()
        self._times: dict[str, Any] = {}
        self._logger = logging.getLogger("soak")

    def _ask(self, run_id: str) -> None:
        self._pipe.send(("launch", run_id, _now()))
        self._time.move_to(self._pipe.recv() + 5.0, tick=False)
        self._launched += 1

    def wake(self) -> list[str]:
        """Go round until a round has launched nothing; the errors of its ticks."""
        errors: list[str] = []
        for _ in range(MOST_ROUNDS):
            before = self._launched
            for loop in self._loops():
                errors += [_first_line(each) for each in loop if each is not None]
            errors += self._work_off()
            if self._launched == before:
                return errors
            self._time.shift(ROUND_S)
        raise RuntimeError(f"the daemon found no rest in {MOST_ROUNDS} rounds")

    def _work_off(self) -> list[str]:
        """The queue looks every five seconds, so that it is empty before sensors look again."""
        errors: list[str] = []
        launched = -1
        while launched != self._launched:
            launched = self._launched
            found = self._queue.run_iteration(self._context)
            errors += [_first_line(each) for each in found if each is not None]
        return errors

    def _loops(self) -> Iterator[Iterator[Any]]:
        context, logger = self._context, self._logger
        yield execute_run_monitoring_iteration(context, logger)
        yield execute_concurrency_slots_iteration(context, logger)
        scheduler: Any = self._instance.scheduler
        yield launch_scheduled_runs(
            context, logger, get_current_datetime(), self._times,
            max_catchup_runs=scheduler.max_catchup_runs,
            max_tick_retries=scheduler.max_tick_retries,
        )  # fmt: skip
        yield execute_sensor_iteration(context, logger, None, None)
        yield self._retries.run_iteration(context)


def _first_line(error: Any) -> str:
    message = getattr(error, "message", str(error))
    cause = getattr(error, "cause", None)
    return " <- ".join(text.strip().splitlines()[0] for text in
                       (message, getattr(cause, "message", "")) if text.strip())  # fmt: skip
