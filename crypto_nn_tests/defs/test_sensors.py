"""A drifted day starts one retraining and one alert; the same day again starts none."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.definitions import defs
from crypto_nn.defs import sensors
from crypto_nn.defs.resources import Platform
from crypto_nn.store.tables import TABLES

AT = np.datetime64("2024-03-01T02:00", "us").item()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(home=str(tmp_path))


def report(
    instance: dg.DagsterInstance, platform: Platform, day: str, score: float, version: str = "v1"
) -> None:
    """What the asset `drift_report` leaves behind: a decision in the lake and an event."""
    drifted = score > 1
    row = {
        "symbol": "SYN-USDT", "day": day, "model_version": version, "drift_score": score,
        "p_value": 0.01 if drifted else 0.6, "threshold": 1.0, "drifted": drifted, "effect": 0.5,
        "reference_days": 60, "worst_feature": "rsi_14", "made_at": AT,
    }  # fmt: skip
    schema = pa.schema([(c.name, c.arrow) for c in TABLES["drift_decisions"].columns])
    table = pa.Table.from_pylist([row], schema)
    platform.lake.replace({"drift_decisions": table}, {"symbol": "SYN-USDT", "day": day})
    told = ("symbol", "day", "model_version", "drift_score", "drifted")
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "drift_report",
            partition=f"{day}|SYN-USDT",
            metadata={name: row[name] for name in told},  # type: ignore[misc]
        )
    )


def tick(
    sensor: dg.SensorDefinition,
    instance: dg.DagsterInstance,
    platform: Platform,
    cursor: str | None = None,
) -> dg.SensorResult:
    """One evaluation, as the daemon makes it."""
    made = dg.build_sensor_context(
        instance, cursor, definitions=defs(), resources={"platform": platform}
    )
    with made as context:
        result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def launched(
    instance: dg.DagsterInstance,
    request: dg.RunRequest,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
) -> None:
    """What the daemon does with a request: a run with its tags."""
    job = defs().resolve_job_def("retrain")
    key = {
        "dagster/run_key": request.run_key or "",
        "dagster/partition": request.partition_key or "",
    }
    instance.create_run_for_job(job, tags={**request.tags, **key}, status=status)


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


def test_a_retraining_that_failed_is_tried_again(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """A run that died has retrained nothing: the next report of the episode starts another."""
    report(instance, platform, "2024-02-27", 1.7)
    first = tick(sensors.retrain_on_drift, instance, platform)
    (request,) = first.run_requests or []
    launched(instance, request, dg.DagsterRunStatus.FAILURE)
    report(instance, platform, "2024-02-28", 1.8)
    (again,) = tick(sensors.retrain_on_drift, instance, platform, first.cursor).run_requests or []
    assert again.run_key != request.run_key


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
