"""A drifted day starts one retraining and one alert; the same day again starts none."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import time_machine

from crypto_nn.defs import sensors
from crypto_nn.defs.resources import Platform
from crypto_nn_tests.defs.drifting import decisions, launched, one_lake, report, tick

NOW = datetime(2024, 3, 1, 2, 0, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    return one_lake(tmp_path, monkeypatch)


def test_a_drifted_day_starts_exactly_one_retraining(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """The first report starts a run; the same day again, and the next day of the episode, none."""
    report(instance, platform, "2024-02-27", 1.7)
    first = tick(sensors.retrain_on_drift, instance, platform)
    (request,) = first.run_requests or []
    assert request.partition_key == "SYN-USDT"
    assert request.tags["reason"] == "drift"
    launched(instance, request)
    for day in ("2024-02-27", "2024-02-28"):
        report(instance, platform, day, 1.8)
        again = tick(sensors.retrain_on_drift, instance, platform, first.cursor)
        assert not again.run_requests
        assert again.skip_reason is not None
        assert "has had its retraining" in str(again.skip_reason.skip_message)


def test_a_retraining_that_failed_is_tried_again_after_the_pause(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """A run that died has retrained nothing: the episode has another when the pause is over,
    without a new report; and a failure that comes back every time does not storm."""
    with time_machine.travel(NOW, tick=False) as clock:
        report(instance, platform, "2024-02-27", 1.7)
        first = tick(sensors.retrain_on_drift, instance, platform)
        (request,) = first.run_requests or []
        launched(instance, request, dg.DagsterRunStatus.FAILURE)
        report(instance, platform, "2024-02-28", 1.8)
        second = tick(sensors.retrain_on_drift, instance, platform, first.cursor)
        assert not second.run_requests
        assert "less than 24 hours" in str(second.skip_reason)
        clock.shift(timedelta(hours=23, minutes=59))
        third = tick(sensors.retrain_on_drift, instance, platform, second.cursor)
        assert not third.run_requests
        clock.shift(timedelta(minutes=1))
        (again,) = (
            tick(sensors.retrain_on_drift, instance, platform, third.cursor).run_requests or []
        )
    assert again.run_key != request.run_key
    assert again.tags["drift_day"] == "2024-02-28"
    table = decisions(platform)
    assert table[request.tags["decision"]]["run_key"] == request.run_key
    assert table[again.tags["decision"]]["retrain"]


def test_a_calm_day_starts_nothing(instance: dg.DagsterInstance, platform: Platform) -> None:
    """Most days: no run, and a reason that says so."""
    report(instance, platform, "2024-02-27", 0.6)
    result = tick(sensors.retrain_on_drift, instance, platform)
    assert not result.run_requests
    assert "is calm" in str(result.skip_reason)


def test_no_report_between_two_ticks_is_missed(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """Two reports before one tick are both seen, and the cursor moves past both."""
    report(instance, platform, "2024-02-27", 1.7)
    report(instance, platform, "2024-02-28", 0.3, version="v2")
    result = tick(sensors.retrain_on_drift, instance, platform)
    told = str(result.skip_reason) + str([request.tags for request in result.run_requests or []])
    assert "2024-02-27" in told
    after = tick(sensors.retrain_on_drift, instance, platform, result.cursor)
    assert "No new report" in str(after.skip_reason)


def test_drift_is_told_once_per_episode(instance: dg.DagsterInstance, platform: Platform) -> None:
    """One row in `alerts` for two drifted days in a row, whether or not retraining follows."""
    report(instance, platform, "2024-02-27", 1.7)
    first = tick(sensors.alert_on_drift, instance, platform)
    report(instance, platform, "2024-02-28", 1.9)
    tick(sensors.alert_on_drift, instance, platform, first.cursor)
    alerts = platform.lake.read("alerts").to_pylist()
    assert len(alerts) == 1
    assert "SYN-USDT has drifted on 2024-02-27" in alerts[0]["message"]


def test_a_failed_run_is_told(instance: dg.DagsterInstance, platform: Platform) -> None:
    """The alert names the job and the first line of why."""

    @dg.op
    def breaks() -> None:
        raise ValueError("the disk is full")

    @dg.job
    def refresh_bars() -> None:
        breaks()

    result = refresh_bars.execute_in_process(instance=instance, raise_on_error=False)
    failure = result.get_run_failure_event()
    context = dg.build_run_status_sensor_context(
        "alert_on_failure",
        dagster_event=failure,
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        resources={"platform": platform},
    ).for_run_failure()
    sensors.alert_on_failure(context)
    (alert,) = platform.lake.read("alerts").to_pylist()
    assert alert["kind"] == "failure"
    assert "refresh_bars" in alert["message"]
