"""What watches: drift starts retraining, and a person is told of drift and of failed runs."""

import json
from typing import Any

import dagster as dg
import numpy as np

from crypto_nn.defs.automation import REFRESH, RETRAIN
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.repairs import ACTIVE, requests
from crypto_nn.defs.resources import Platform
from crypto_nn.monitoring.alerts import Alert
from crypto_nn.monitoring.retraining import (
    DriftedDay,
    RetrainingRun,
    episode_of,
    should_retrain,
)

_ON = EXPERIMENT.automation.enabled
_SENSORS_ON = dg.DefaultSensorStatus.RUNNING if _ON else dg.DefaultSensorStatus.STOPPED
EVENTS_PER_TICK = 200


def _new_days(context: dg.SensorEvaluationContext) -> tuple[list[DriftedDay], str]:
    """Every drift report since the cursor, oldest first, and the cursor after them.

    `fetch_materializations` sees all events of a tick; an asset sensor would see only the newest.
    """
    after = int(json.loads(context.cursor)["after"]) if context.cursor else 0
    found = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey("drift_report"), after_storage_id=after),
        limit=EVENTS_PER_TICK,
        ascending=True,
    )
    days = []
    for record in found.records:
        after = max(after, record.storage_id)
        materialisation = record.asset_materialization
        if materialisation is not None and "drift_score" in materialisation.metadata:
            told: dict[str, Any] = {k: v.value for k, v in materialisation.metadata.items()}
            days.append(
                DriftedDay(
                    symbol=str(told["symbol"]),
                    day=str(told["day"]),
                    model_version=str(told["model_version"]),
                    drifted=bool(told["drifted"]),
                    drift_score=float(told["drift_score"]),
                )
            )
    return days, json.dumps({"after": after})


@dg.sensor(job=RETRAIN, minimum_interval_seconds=30, default_status=_SENSORS_ON)
def retrain_on_drift(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Start retraining where drift crossed its threshold: once per episode, within the budget."""
    days, cursor = _new_days(context)
    requests: dict[str, dg.RunRequest] = {}
    reasons = []
    for day in days:
        universe = EXPERIMENT.universe_of(day.symbol)
        decision = should_retrain(
            day,
            _decisions(platform, day.symbol),
            _retrainings(context.instance, universe),
            EXPERIMENT.retraining,
            platform.now(),
        )
        reasons.append(f"{day.symbol}: {decision.reason}")
        if decision.retrain and universe not in requests:
            attempt = _num_failed(context.instance, decision.run_key)
            requests[universe] = dg.RunRequest(
                run_key=f"{decision.run_key}:{attempt}",
                partition_key=universe,
                tags={
                    "reason": "drift",
                    "universe": universe,
                    "drift_day": day.day,
                    "drift_score": f"{day.drift_score:.3f}",
                    "drift_episode": decision.run_key,
                },
            )
    return dg.SensorResult(
        run_requests=list(requests.values()),
        cursor=cursor,
        skip_reason=None if requests else dg.SkipReason(" ".join(reasons) or "No new report."),
    )


def _decisions(platform: Platform, symbol: str) -> list[DriftedDay]:
    """The decisions on a symbol so far, the latest of a day last."""
    columns = ("symbol", "day", "model_version", "drifted", "drift_score", "made_at")
    rows = platform.lake.read("drift_decisions", columns, {"symbol": symbol}).to_pylist()
    rows.sort(key=lambda row: row.pop("made_at"))
    return [DriftedDay(**row) for row in rows]


def _retrainings(instance: dg.DagsterInstance, universe: str) -> list[RetrainingRun]:
    """What drift has started for a universe, and whatever else is retraining it right now.

    A run that failed or was cancelled has not retrained anything: it does not count.
    """
    records = instance.get_run_records(
        dg.RunsFilter(job_name="retrain", tags={"dagster/partition": universe}), limit=500
    )
    found = []
    for record in records:
        run = record.dagster_run
        active, episode = run.status in ACTIVE, run.tags.get("drift_episode", "")
        if active or (episode and run.status == dg.DagsterRunStatus.SUCCESS):
            started = np.datetime64(record.create_timestamp.replace(tzinfo=None), "us")
            found.append(RetrainingRun(run_key=episode, started_at=started, active=active))
    return found


def _num_failed(instance: dg.DagsterInstance, episode: str) -> int:
    """How many retrainings of an episode have failed: the next one needs a key of its own."""
    failed = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    return instance.get_runs_count(
        dg.RunsFilter(job_name="retrain", tags={"drift_episode": episode}, statuses=failed)
    )


@dg.sensor(minimum_interval_seconds=30, default_status=_SENSORS_ON)
def alert_on_drift(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Tell a person whenever drift crosses its threshold, whether or not retraining follows."""
    days, cursor = _new_days(context)
    told = 0
    for day in days:
        episode = episode_of(day, _decisions(platform, day.symbol))
        if episode is not None:
            told += platform.alerts.tell(
                Alert(
                    kind="drift",
                    key=episode.key,
                    title=f"{day.symbol} has drifted on {day.day}",
                    message=f"Drift score {day.drift_score:.2f} against what version "
                    f"{day.model_version} learned from. See the asset drift_report of that day.",
                    at=platform.now(),
                )
            ).new
    waiting = platform.alerts.flush()
    return dg.SensorResult(
        cursor=cursor,
        skip_reason=dg.SkipReason(
            f"{len(days)} new reports, {told} new alerts, {waiting} older ones delivered."
        ),
    )


@dg.run_failure_sensor(minimum_interval_seconds=30, default_status=_SENSORS_ON)
def alert_on_failure(context: dg.RunFailureSensorContext, platform: Platform) -> None:
    """Tell a person that a run has failed, with the first line of why."""
    run = context.dagster_run
    platform.alerts.tell(
        Alert(
            kind="failure",
            key=f"failure:{run.run_id}",
            title=f"Run of {run.job_name} failed",
            message=context.failure_event.message or "no message",
            at=platform.now(),
        )
    )


@dg.sensor(job=REFRESH, minimum_interval_seconds=600, default_status=_SENSORS_ON)
def fill_missing_partitions(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.SensorResult:
    """Make what is missing or stale, without waiting for the hour.

    It finds what a machine that slept has missed, what a late revision has changed, and what a
    refilled gap has. The first fetch of a symbol is left to the schedule `refresh_bars`.
    """
    this = str(platform.now().astype("datetime64[M]"))
    asked = list(requests(platform, context.instance, EXPERIMENT, this, None))
    reason = None if asked else dg.SkipReason("Nothing is missing or stale.")
    return dg.SensorResult(run_requests=asked, skip_reason=reason)


SENSORS = [retrain_on_drift, alert_on_drift, alert_on_failure, fill_missing_partitions]
