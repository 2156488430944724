"""A machine that was off makes up for every night, each once, the newest first, without a storm."""

import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import time_machine
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._scheduler.scheduler import launch_scheduled_runs

from crypto_nn.defs.missed import MISSED
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.resources import Platform
from crypto_nn_tests.defs.missing import (
    GRAPH,
    SYMBOL,
    Daemon,
    answers,
    has_features,
    learned_until,
)

# Dagster reads a property of its own that it has deprecated when it describes schedules.
pytestmark = pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`")
LAST, TRAINED = "2024-02-29", "2024-01-15"
WAKES = datetime(2024, 3, 1, 10, 0, tzinfo=UTC)
AT_ONCE = len(EXPERIMENT.symbols) + 6
DAYS = [str(np.datetime64(TRAINED) + back) for back in range(46)]


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """The machine at ten in the morning; bars until yesterday's end are there already."""
    answers(monkeypatch)
    with (
        time_machine.travel(WAKES, tick=False) as clock,
        dg.instance_for_test() as instance,
    ):
        platform = Platform(home=str(tmp_path))
        lake = platform.lake  # each tick has a resource of its own: opening the lake takes longest
        monkeypatch.setattr(Platform, "lake", property(lambda self: lake))
        learned_until(platform, TRAINED)
        has_features(platform, "2024-01-01", "2024-03-01")
        yield Daemon(platform, instance, clock)
        lake.close()


def slept(daemon: Daemon, nights: int) -> list[str]:
    """What was made before the machine went off; the days it then missed, newest first."""
    off = WAKES - timedelta(days=nights)
    missed = [str(np.datetime64(LAST) - back) for back in range(nights)]
    with time_machine.travel(off.replace(hour=4), tick=False):
        for day in DAYS:
            if day not in missed:
                key = f"{day}|{SYMBOL}"
                daemon.instance.report_runless_asset_event(
                    dg.AssetMaterialization("drift_report", partition=key)
                )
        for month in {f"{off:%Y-%m}", "2024-01"} - {"2024-03"}:
            daemon.instance.report_runless_asset_event(
                dg.AssetMaterialization("predictions", partition=f"{month}|{SYMBOL}")
            )
    return missed


@pytest.mark.parametrize("nights", [1, 6, 40])
def test_every_night_that_was_missed_is_made_up_for_once_newest_first(
    daemon: Daemon, nights: int
) -> None:
    """Days without a report, and months whose predictions lack what came since."""
    missed = slept(daemon, nights)
    assert daemon.until_quiet() <= AT_ONCE
    watched = [name for name in daemon.asked if name.startswith("watch")]
    assert watched == [f"watch {day}|{SYMBOL}" for day in missed]
    months = ["2024-02", "2024-01"]  # both were made anew when the machine woke
    predicted = [name for name in daemon.asked if name.startswith("predict")]
    assert predicted == [f"predict {month}|{SYMBOL}" for month in months]
    daemon.clock.shift(86_400)  # and never again
    assert daemon.tick() == 0


@pytest.mark.parametrize("nights", [12])
def test_runs_that_fail_are_tried_again_ever_more_rarely_and_hold_up_nobody(
    daemon: Daemon, nights: int
) -> None:
    """Each third day fails at first, and one always: the others are asked for exactly once."""
    missed = slept(daemon, nights)
    shaky, hopeless = set(missed[::3]), missed[1]
    daemon.fails = lambda key, attempt: key[:10] == hopeless or (key[:10] in shaky and attempt == 1)
    for hour in (0, 1, 2, 3, 4, 6, 7, 8, 14, 15, 30, 31, 32):
        daemon.clock.move_to(WAKES + timedelta(hours=hour))
        daemon.tick()
    tries = {day: daemon.asked.count(f"watch {day}|{SYMBOL}") for day in missed}
    assert {tries[day] for day in missed if day not in shaky and day != hopeless} == {1}
    assert {tries[day] for day in shaky} == {2}
    assert tries[hopeless] == 6  # at 0, 1, 3, 7, 15 and 31 hours: pauses of 1, 2, 4, 8 and 16
    first = [name[6:16] for name in dict.fromkeys(daemon.asked) if name.startswith("watch")]
    assert first == missed


def test_when_everything_fails_one_at_a_time_is_tried(daemon: Daemon) -> None:
    """A champion that is broken makes one failed run every ten minutes at most, not a storm."""
    slept(daemon, 40)
    daemon.fails = lambda key, attempt: True
    counts = [daemon.tick() for _ in range(20)]
    assert counts[0] == AT_ONCE
    assert max(counts[1:]) <= 2  # a day and a month
    assert sum(counts[1:]) <= 25


def test_no_more_than_a_few_wait_at_once(daemon: Daemon) -> None:
    """While nothing ends, nothing more is asked for; what runs is never asked for twice."""
    slept(daemon, 40)
    running = [daemon.start(request) for request in daemon.evaluate()]
    assert len(running) == AT_ONCE
    assert len({run.tags[MISSED] for run in running}) == AT_ONCE
    daemon.clock.shift(600)
    assert daemon.evaluate() == []
    for run in running[:2]:
        daemon.finish(run)
    assert len(daemon.evaluate()) == 2


def test_a_schedule_and_the_sensor_never_ask_for_the_same(daemon: Daemon) -> None:
    """Both wake at the same moment, before any run is on record; a tick evaluated again after a
    kill asks for the same again."""
    slept(daemon, 6)
    watch, predict = daemon.evaluate("daily_watch"), daemon.evaluate("daily_predictions")
    both = [request.run_key for request in (*watch, *predict)]
    assert len(watch) == 6
    assert len(predict) == 2
    assert not {request.run_key for request in daemon.evaluate()} & set(both)
    again = [*daemon.evaluate("daily_watch"), *daemon.evaluate("daily_predictions")]
    assert [request.run_key for request in again] == both


def test_a_run_by_hand_is_seen(daemon: Daemon) -> None:
    """What a person watches right now is not asked for beside it."""
    slept(daemon, 1)
    daemon.instance.create_run_for_job(
        GRAPH().resolve_job_def("watch"),
        tags={"dagster/partition": f"{LAST}|{SYMBOL}"},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert [one.job_name for one in daemon.evaluate()] == ["predict", "predict"]


def test_a_day_is_left_to_its_schedule_and_a_month_to_its_time(daemon: Daemon) -> None:
    """Yesterday is not due before half past one; predictions are made once a day."""
    slept(daemon, 40)
    daemon.clock.move_to(datetime(2024, 3, 1, 1, 20, tzinfo=UTC))
    watched = [one.partition_key for one in daemon.evaluate() if one.job_name == "watch"]
    assert watched[:1] == [f"2024-02-28|{SYMBOL}"]
    daemon.clock.move_to(datetime(2024, 3, 1, 1, 30, tzinfo=UTC))
    assert daemon.evaluate("daily_watch")[0].partition_key == f"{LAST}|{SYMBOL}"


def test_days_without_bars_and_days_that_taught_the_champion_are_left_out(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to compare, or nothing that it has not seen; nor is there without one."""
    has_features(daemon.platform, "2024-01-01", "2024-02-28T12:00", without=["2024-02-20"])
    daemon.until_quiet()
    asked = {name[6:16] for name in daemon.asked if name.startswith("watch")}
    assert asked == set(DAYS) - {"2024-02-20", "2024-02-28", LAST}
    answers(monkeypatch, None)
    daemon.asked.clear()
    has_features(daemon.platform, "2024-01-01", "2024-03-01")
    assert daemon.tick() == 0


def test_another_champion_predicts_anew_once(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next time of `automation.predict`; months before it learned are left as they are."""
    slept(daemon, 1)
    daemon.until_quiet()
    daemon.asked.clear()
    learned_until(daemon.platform, "2024-02-10", "v2")
    answers(monkeypatch, "v2")
    assert daemon.tick() == 0
    daemon.clock.move_to(datetime(2024, 3, 2, 4, 0, tzinfo=UTC))
    requests = daemon.evaluate()
    assert [str(one.partition_key) for one in requests] == [f"2024-02|{SYMBOL}"]


def test_after_forty_nights_retraining_runs_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster runs the last tick that was missed, not each of them; likewise the hourly ones."""
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path / "data"))
    target = LoadableTargetOrigin(
        module_name="crypto_nn.definitions", executable_path=sys.executable
    )
    origin = InProcessCodeLocationOrigin(target, location_name="crypto_nn")
    log = logging.getLogger("daemon")
    with (
        time_machine.travel(WAKES, tick=False) as clock,
        dg.instance_for_test() as instance,
        create_test_daemon_workspace_context(
            InProcessWorkspaceLoadTarget([origin]), instance
        ) as workspace,
    ):
        list(launch_scheduled_runs(workspace, log, datetime.now(UTC), {}))
        assert instance.get_runs_count() == 0
        clock.shift(40 * 86_400)
        for _ in range(2):
            list(launch_scheduled_runs(workspace, log, datetime.now(UTC), {}))
        runs = instance.get_runs(dg.RunsFilter(job_name="retrain"))
        refreshed = instance.get_runs(dg.RunsFilter(job_name="refresh_bars"))
    assert [run.tags["dagster/partition"] for run in runs] == [SYMBOL]
    assert len(refreshed) == 1
