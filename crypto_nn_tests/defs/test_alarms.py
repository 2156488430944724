"""A failure is told once until the same has succeeded; the sensor is the daemon's sign of life."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from crypto_nn.definitions import defs
from crypto_nn.defs.alarms import Subject, alert_on_failure, dead_man_switch
from crypto_nn.defs.resources import Platform
from crypto_nn.monitoring.alerts import Alert
from crypto_nn.monitoring.dead_man import DAEMON, MONITOR, Heartbeats
from crypto_nn.monitoring.ledger import LakeLedger

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A platform whose every ledger has the same connection; to open one takes a while."""
    made = Platform(home=str(tmp_path))
    monkeypatch.setattr(LakeLedger, "lake", made.lake)
    return made


@dg.op
def work(context: dg.OpExecutionContext) -> None:
    if "fails" in context.run.tags:
        raise ValueError("The source gives nothing.\nIts second line")


@dg.job
def refresh_bars() -> None:
    work()


@dg.job
def another() -> None:
    work()


def ran(
    instance: dg.DagsterInstance,
    platform: Platform,
    tags: dict[str, str],
    fails: bool = False,
    job: dg.JobDefinition = refresh_bars,
) -> str:
    """Run a job; where it fails the sensor is told, as the daemon does. Returns the run's id."""
    tags = {**tags, "fails": "yes"} if fails else tags
    result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    assert result.success != fails
    if fails:
        context = dg.build_run_status_sensor_context(
            sensor_name="alert_on_failure",
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            resources={"platform": platform},
        ).for_run_failure()
        alert_on_failure(context)
    return result.run_id


def tick(instance: dg.DagsterInstance, platform: Platform) -> str:
    """One tick of the switch; returns what it says."""
    made = dg.build_sensor_context(instance, definitions=defs(), resources={"platform": platform})
    with made as context:
        found = dead_man_switch(context)
    assert isinstance(found, dg.SkipReason)
    assert found.skip_message
    return found.skip_message


def box(first: str, last: str) -> dict[str, str]:
    return dict(zip(RANGE, (first, last), strict=True))


def told(platform: Platform) -> list[tuple[str, str]]:
    """State and title of every row of `alerts`, in order of time (whole seconds) and state."""
    rows = platform.lake.read("alerts").to_pylist() if platform.lake.has("alerts") else []
    return [(row["state"], row["title"]) for row in rows]


def test_a_failure_is_told_once_until_the_same_succeeds(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    month = {"dagster/partition": "2024-01|SYN-USDT"}
    first = ran(instance, platform, month, fails=True)
    ran(instance, platform, month, fails=True)
    (alert,) = platform.alerts.open("failure")
    assert alert.key == f"failure:refresh_bars:2024-01|SYN-USDT:{first}"
    assert alert.title == "Run of refresh_bars of 2024-01|SYN-USDT failed"
    assert alert.message.startswith("ValueError: The source gives nothing. Run ")
    assert first in alert.message
    ran(instance, platform, {"dagster/partition": "2024-02|SYN-USDT"})
    ran(instance, platform, month, job=another)
    assert "0 failures resolved" in tick(instance, platform)
    ran(instance, platform, month)
    assert "1 failures resolved" in tick(instance, platform)
    assert "0 failures resolved" in tick(instance, platform)
    title = "RESOLVED: refresh_bars of 2024-01|SYN-USDT works again"
    assert told(platform) == [("firing", alert.title), ("resolved", title)]
    ran(instance, platform, month, fails=True)  # a new episode
    assert sorted(state for state, _ in told(platform)) == ["firing", "firing", "resolved"]


def test_a_failure_after_a_success_that_no_tick_saw_is_a_new_episode(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    ran(instance, platform, {}, fails=True)
    ran(instance, platform, {})
    ran(instance, platform, {}, fails=True)
    assert sorted(state for state, _ in told(platform)) == ["firing", "firing", "resolved"]
    assert len(platform.alerts.open("failure")) == 1


@pytest.mark.parametrize(("told_hours_ago", "resolved"), [(-1, 0), (1, 1)])
def test_a_failure_whose_run_is_forgotten_is_resolved_by_what_came_later(
    instance: dg.DagsterInstance, platform: Platform, told_hours_ago: int, resolved: int
) -> None:
    ran(instance, platform, {}, job=another)
    at = platform.now() - np.timedelta64(told_hours_ago, "h")
    platform.alerts.tell(Alert("failure", "failure:another::forgotten", "t", "m", at))
    assert f"{resolved} failures resolved" in tick(instance, platform)


@pytest.mark.parametrize(
    ("tags", "covers"),
    [
        (box("2024-01|SYN-USDT", "2024-02|SYN-USDT"), True),
        (box("2024-02|SYN-USDT", "2024-03|SYN-USDT"), True),  # next month's box has the end
        ({"dagster/partition": "2024-02|SYN-USDT"}, True),
        ({"dagster/partition": "2024-01|SYN-USDT"}, False),
        (box("2024-03|SYN-USDT", "2024-04|SYN-USDT"), False),
        (box("2024-01|OTHER-USDT", "2024-02|OTHER-USDT"), False),
        ({}, False),
    ],
)
def test_a_box_is_mended_by_whatever_covers_its_end(tags: dict[str, str], covers: bool) -> None:
    failed = Subject("refresh_bars", "2024-01|SYN-USDT", "2024-02|SYN-USDT")
    run = dg.DagsterRun(job_name="refresh_bars", tags=tags)
    assert Subject.of(run).covers(failed) == covers
    other = dg.DagsterRun(job_name="another", tags=tags)
    assert not Subject.of(other).covers(failed)


def test_the_sensor_gives_a_sign_of_life_and_tells_that_the_monitor_is_silent(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    beats, minute = Heartbeats(Path(platform.home)), np.timedelta64(60, "s")
    assert "no sign of life, or was stopped" in tick(instance, platform)
    now = platform.now()
    beats.beat(DAEMON, now - 15 * minute, minute)  # it has watched for a while
    beats.beat(MONITOR, now - 14 * minute, minute)
    beats.beat(DAEMON, now - 8 * minute, 30 * minute)
    beats.beat(DAEMON, now - minute, 30 * minute)
    tick(instance, platform)
    assert told(platform) == [("firing", "The monitor is silent")]
    tick(instance, platform)
    beats.beat(MONITOR, platform.now(), minute)
    tick(instance, platform)
    assert [state for state, _ in told(platform)] == ["firing", "resolved"]
    beat = beats.last(DAEMON)
    assert beat is not None
    assert platform.now() - beat.at < minute
