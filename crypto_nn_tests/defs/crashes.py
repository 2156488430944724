"""The real daemon code, killed at each stage of a tick, and started again: how many runs come.

`python -m crypto_nn_tests.defs.crashes <home> <cases.json>` prints what was left behind, as JSON.
This process loads the definitions once and opens neither DuckDB nor a thread, so that it may fork:
each tick is a child, as a daemon that dies is.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import time_machine
from dagster._core.instance_for_test import instance_for_test
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.remote_representation.external import RemoteSchedule, RemoteSensor
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

from crypto_nn.defs.resources import Platform
from crypto_nn_tests.defs import drifting
from crypto_nn_tests.defs.crash_cases import SCHEDULE, SENSOR, Case

START = datetime(2024, 3, 1, 1, 0, tzinfo=UTC)
LOG = logging.getLogger("crashes")


@dataclass(frozen=True)
class Left:
    """What a case left behind once the daemon ran again.

    Attributes:
        exits: how each killed tick ended: minus the signal, or an exit code.
        runs: status of each run of the case.
        at_crash: how many runs there were when the daemon came back.
        keys: of the runs' decisions.
    """

    exits: list[int]
    at_crash: int
    runs: list[str]
    keys: list[str]


def in_child(work: Callable[[], Any], at: datetime) -> int:
    """Do something in a process of its own, at a time; minus the signal that it died of, or 0."""
    pid = os.fork()
    if pid:
        status = os.waitpid(pid, 0)[1]
        return os.waitstatus_to_exitcode(status)
    try:
        with time_machine.travel(at, tick=True):
            work()
        os._exit(0)
    except KeyboardInterrupt:
        os._exit(2)
    except BaseException:  # noqa: BLE001 (a forked child never returns)
        traceback.print_exc()
        os._exit(1)


class Scenes:
    """A daemon's workspace, in which only the sensor and the schedule of the cases are on."""

    def __init__(self, workspace: WorkspaceProcessContext) -> None:
        self.workspace, self.instance = workspace, workspace.instance
        self.at = START
        (entry,) = workspace.create_request_context().get_code_location_entries().values()
        assert entry.code_location is not None, entry.load_error
        (repository,) = entry.code_location.get_repositories().values()
        for sensor in repository.get_sensors():
            self._off(sensor)
        for schedule in repository.get_schedules():
            self._off(schedule)
        in_child(partial(self.tick, SCHEDULE, None), self.at)  # the scheduler notes when it began

    def _off(self, each: RemoteSensor | RemoteSchedule) -> None:
        if each.name in (SENSOR, SCHEDULE):
            return
        stop = (
            self.instance.stop_sensor
            if isinstance(each, RemoteSensor)
            else self.instance.stop_schedule
        )
        stop(each.get_remote_origin_id(), each.selector_id, each)  # type: ignore[arg-type]

    def tick(self, name: str, crash: dict[str, int] | None) -> None:
        """One round of the daemon, which dies at a stage where one is named."""
        flags: Any = {name: crash} if crash else None
        if name == SENSOR:
            list(execute_sensor_iteration(self.workspace, LOG, None, None, debug_crash_flags=flags))
        else:
            now = datetime.now(UTC)
            list(launch_scheduled_runs(self.workspace, LOG, now, {}, debug_crash_flags=flags))

    def play(self, case: Case, number: int) -> Left:
        """Kill, start again, look once more."""
        self.at += timedelta(days=1)
        at = self.at.replace(hour=2, minute=31)
        night = f"{at:%Y-%m-%d}"
        if case.name == SENSOR:
            drifting.tell(self.instance, drifting.row(night, 1.7, f"v{number}"))
            mine = {"drift_episode": f"drift:SYN-USDT:v{number}:{night}"}
        else:
            mine = {"decision": f"nightly:SYN-USDT:{night}"}
        exits = []
        for _ in range(case.times):
            exits.append(in_child(partial(self.tick, case.name, {case.point: case.signal}), at))
            at += timedelta(minutes=1)
        found = self.instance.get_runs(dg.RunsFilter(tags=mine))
        assert in_child(partial(self.tick, case.name, None), at) == 0
        runs = self.instance.get_runs(dg.RunsFilter(tags=mine))
        left = Left(
            exits,
            len(found),
            [run.status.value for run in runs],
            [run.tags["decision"] for run in runs],
        )
        for run in runs:
            self.instance.report_run_canceled(run)
        return left


@contextmanager
def scenes(home: Path) -> Iterator[Scenes]:
    """Scenes on a fresh Dagster home; runs that are launched are queued and go no further."""
    target = LoadableTargetOrigin(
        module_name="crypto_nn.definitions", executable_path=sys.executable
    )
    origin = InProcessCodeLocationOrigin(target, location_name="crypto_nn")
    (home / "dagster").mkdir(parents=True)
    with (
        instance_for_test(temp_dir=str(home / "dagster")) as instance,
        create_test_daemon_workspace_context(
            InProcessWorkspaceLoadTarget([origin]), instance
        ) as workspace,
    ):
        yield Scenes(workspace)


def rows(path: Path) -> None:
    """Leave every decision of the lake, and how often it is there, as a JSON file."""
    found = Platform().lake.read("retraining_decisions", ("decision", "retrain"))
    path.write_text(json.dumps(found.to_pylist()))


def main(home: Path, cases: list[Case]) -> dict[str, Any]:
    """Play all cases; what each left behind, and the rows of the table at the end."""
    with scenes(home) as stage:
        left = [asdict(stage.play(case, number)) for number, case in enumerate(cases)]
        end = stage.at + timedelta(days=1)
        assert in_child(partial(stage.tick, SENSOR, None), end) == 0  # nothing is left to do
        assert in_child(partial(rows, home / "rows.json"), end) == 0
        total = stage.instance.get_runs_count()
    return {"left": left, "rows": json.loads((home / "rows.json").read_text()), "runs": total}


if __name__ == "__main__":
    asked = [Case(**each) for each in json.loads(Path(sys.argv[2]).read_text())]
    print(json.dumps(main(Path(sys.argv[1]), asked)))
