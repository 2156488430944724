"""One training at a time; a run that is killed or hangs gives its place and its pool back."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine
import yaml
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from crypto_nn.definitions import defs
from crypto_nn.defs.dead_runs import PROCESS, WHY, end_dead_runs, mark_process
from crypto_nn.defs.graph import DAGSTER_YAML
from crypto_nn_tests.defs import holder

# Dagster reads a property of its own that it has deprecated when it describes schedules.
pytestmark = pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`")
LOG = logging.getLogger("daemon")
PATIENCE_S = 120.0
OP = "concurrency: {pools: {default_limit: 1, granularity: op}}\n"
RUN = "concurrency: {pools: {default_limit: 1, granularity: run}}\n"
SHIPPED: dict[str, Any] = yaml.safe_load(DAGSTER_YAML.read_text())
GONE = 2**22 - 3  # no process has this number


@pytest.fixture(params=[OP, RUN], ids=["older home", "shipped"])
def killed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A home in which a real process that held a pool was killed; the id of its run."""
    (tmp_path / "dagster.yaml").write_text(request.param)
    process = subprocess.Popen([sys.executable, "-m", "crypto_nn_tests.defs.holder", str(tmp_path)])
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not (tmp_path / holder.HELD).exists():
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline, "it never held its pool"
            time.sleep(0.05)
        instance = dg.DagsterInstance.from_config(str(tmp_path))
        assert end_dead_runs(instance) == []  # it lives
        instance.dispose()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    return tmp_path, (tmp_path / holder.HELD).read_text()


def test_a_killed_run_gives_its_pool_back(killed: tuple[Path, str]) -> None:
    """Nobody noticed the kill: neither daemon nor code server lives. The next tick does."""
    home, run_id = killed
    instance = dg.DagsterInstance.from_config(str(home))
    assert str(instance.get_run_by_id(run_id).status) == "DagsterRunStatus.STARTED"  # type: ignore[union-attr]
    assert end_dead_runs(instance) == [run_id]
    assert end_dead_runs(instance) == []
    assert instance.get_run_by_id(run_id).is_failure  # type: ignore[union-attr]
    assert any(WHY in (entry.user_message or entry.message) for entry in instance.all_logs(run_id))
    assert instance.event_log_storage.get_concurrency_run_ids() == set()
    assert holder.run(instance, home).success
    instance.dispose()


def test_only_runs_of_this_machine_whose_process_is_gone_are_ended() -> None:
    """Not those of others, not those that tell nothing, not one that is launched again and has
    inherited what the first one said; one whose process number is another's now, it is."""
    job = defs().resolve_job_def("predict")
    with dg.instance_for_test() as instance:

        def started(**tags: str) -> str:
            status = dg.DagsterRunStatus.STARTED
            return instance.create_run_for_job(job, tags=tags, status=status).run_id

        mine, untold = started(), started()
        mark_process(instance, mine)
        said = instance.get_run_by_id(mine).tags[PROCESS]  # type: ignore[union-attr]
        machine, _, begun, _ = said.split("|")
        again = started(**{PROCESS: said.replace(str(os.getpid()), str(GONE))})
        elsewhere, other, gone = started(), started(), started()
        odd = started()
        instance.add_run_tags(odd, {PROCESS: f"{machine}|²|{begun}|{odd}"})
        instance.add_run_tags(elsewhere, {PROCESS: f"elsewhere|{GONE}|{begun}|{elsewhere}"})
        instance.add_run_tags(other, {PROCESS: f"{machine}|{os.getpid()}|1|{other}"})
        instance.add_run_tags(gone, {PROCESS: f"{machine}|{GONE}|{begun}|{gone}"})
        assert set(end_dead_runs(instance)) == {other, gone}
        for run_id in (mine, untold, again, elsewhere, odd):
            assert not instance.get_run_by_id(run_id).is_finished  # type: ignore[union-attr]


@contextmanager
def workspace() -> Iterator[WorkspaceProcessContext]:
    """The daemon's view of the platform, with the shipped settings and a launcher that only notes
    what it is given."""
    target = LoadableTargetOrigin(
        module_name="crypto_nn.definitions", executable_path=sys.executable
    )
    origin = InProcessCodeLocationOrigin(target, location_name="crypto_nn")
    launcher = {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"}
    kept = {name: SHIPPED[name] for name in ("concurrency", "run_monitoring")}
    with (
        dg.instance_for_test(overrides={**kept, "run_launcher": launcher}) as instance,
        create_test_daemon_workspace_context(
            InProcessWorkspaceLoadTarget([origin]), instance
        ) as made,
    ):
        yield made


def submit(daemon: WorkspaceProcessContext, job: str, partition: str) -> str:
    """Queue a run of a job of the platform."""
    context = daemon.create_request_context()
    (entry,) = context.get_code_location_entries().values()
    assert entry.code_location is not None
    (repository,) = entry.code_location.get_repositories().values()
    remote = repository.get_full_job(job)
    definition = defs().resolve_job_def(job)
    run = daemon.instance.create_run_for_job(
        definition,
        tags={**definition.tags, "dagster/partition": partition},
        remote_job_origin=remote.get_remote_origin(),
        job_code_origin=remote.get_python_origin(),
    )
    daemon.instance.submit_run(run.run_id, context)
    return run.run_id


def test_a_run_waits_in_the_queue_for_its_pool_and_takes_no_place_meanwhile() -> None:
    """Two trainings and an hourly refresh: the first and the refresh start; the second starts when
    the process of the first was killed and its run ended."""
    with workspace() as daemon:
        instance, launcher = daemon.instance, daemon.instance.run_launcher
        queue = QueuedRunCoordinatorDaemon(interval_seconds=5)
        first = submit(daemon, "retrain", "SYN-USDT")
        list(queue.run_iteration(daemon))
        second = submit(daemon, "retrain", "SYN-USDT")
        refresh = submit(daemon, "refresh_bars", "2024-01|SYN-USDT")
        list(queue.run_iteration(daemon))

        def launched() -> list[str]:
            return [run.run_id for run in launcher.queue()]  # type: ignore[attr-defined]

        assert launched() == [first, refresh]
        for run_id in launched():
            instance.report_dagster_event(_started(instance, run_id), run_id)
        list(queue.run_iteration(daemon))
        assert launched() == [first, refresh]
        mark_process(instance, first)
        said = instance.get_run_by_id(first).tags[PROCESS]  # type: ignore[union-attr]
        instance.add_run_tags(first, {PROCESS: said.replace(f"|{os.getpid()}|", f"|{GONE}|")})
        assert end_dead_runs(instance) == [first]
        list(queue.run_iteration(daemon))
        assert launched() == [first, refresh, second]


def test_a_command_never_waits_for_a_pool() -> None:
    """A training of the daemon holds it; who types a command trains beside it."""
    with dg.instance_for_test(overrides={"concurrency": SHIPPED["concurrency"]}) as instance:

        @dg.op(pool="training")
        def train() -> int:
            return 1

        @dg.job
        def training() -> None:
            train()

        held = instance.create_run_for_job(training, status=dg.DagsterRunStatus.STARTED)
        instance.event_log_storage.initialize_concurrency_limit_to_default("training")
        instance.event_log_storage.claim_concurrency_slot("training", held.run_id, "train")
        assert training.execute_in_process(instance=instance).success


@pytest.mark.parametrize(("hours", "ended"), [(5, False), (7, True)])
def test_a_run_that_hangs_is_ended_after_its_longest_time(hours: int, ended: bool) -> None:
    """A retraining after six hours: the tag is on the job, and the daemon heeds it."""
    with (
        time_machine.travel(datetime(2024, 3, 1, tzinfo=UTC), tick=False) as clock,
        workspace() as daemon,
    ):
        instance = daemon.instance
        run_id = submit(daemon, "retrain", "SYN-USDT")
        instance.report_dagster_event(_started(instance, run_id), run_id)
        clock.shift(timedelta(hours=hours))
        list(execute_run_monitoring_iteration(daemon, LOG))
        assert instance.get_run_by_id(run_id).is_finished is ended  # type: ignore[union-attr]


def _started(instance: dg.DagsterInstance, run_id: str) -> Any:
    from dagster._core.events import DagsterEvent, DagsterEventType

    run = instance.get_run_by_id(run_id)
    assert run is not None
    return DagsterEvent(DagsterEventType.RUN_START.value, run.job_name, message="it starts")


def test_every_job_has_a_longest_time_and_pools_are_those_that_are_documented() -> None:
    """Else a run that hangs holds a place for ever; the shipped file bounds those without a tag."""
    assert SHIPPED["run_monitoring"]["max_runtime_seconds"] <= 86_400
    pools = {
        spec.key.to_user_string(): graph.op.pool
        for graph in defs().resolve_asset_graph().assets_defs
        for spec in graph.specs
        if graph.op.pool
    }
    assert pools == {"checkpoint": "training", "tuning_study": "tuning", "champion": "champion"}
