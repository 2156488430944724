"""What happens by itself: the boxes of the graph as jobs, and what launches them. All in UTC."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import numpy as np

from crypto_nn.bars.calendar import shift_month
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.resources import Platform
from crypto_nn.defs.upkeep import upkeep
from crypto_nn.monitoring.alerts import Alert
from crypto_nn.monitoring.retraining import (
    DriftedDay,
    RetrainingRun,
    episode_of,
    should_retrain,
)

REFRESH = dg.define_asset_job(
    "refresh_bars",
    selection=dg.AssetSelection.assets("raw_bars", "bars", "features", "labels"),
    description="Fetch, clean, and recompute features and labels (symbol × month).",
)
RETRAIN = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.assets(
        "splits", "checkpoint", "benchmark_report", "champion", "model_metrics"
    ),
    description="Train a version, benchmark it, promote it if it is better (universe).",
    tags={"dagster/max_runtime": str(6 * 3600)},
)
PREDICT = dg.define_asset_job(
    "predict",
    selection=dg.AssetSelection.assets("predictions"),
    description="Let the champion predict (symbol × month).",
)
WATCH = dg.define_asset_job(
    "watch",
    selection=dg.AssetSelection.assets("drift_report"),
    description="Test a day for drift (symbol × day).",
)
JOBS: list[Any] = [REFRESH, RETRAIN, PREDICT, WATCH, upkeep]

_ON = EXPERIMENT.automation.enabled
_SCHEDULES_ON = dg.DefaultScheduleStatus.RUNNING if _ON else dg.DefaultScheduleStatus.STOPPED
_SENSORS_ON = dg.DefaultSensorStatus.RUNNING if _ON else dg.DefaultSensorStatus.STOPPED
EVENTS_PER_TICK = 200
ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def month_key(symbol: str, month: str) -> dg.MultiPartitionKey:
    """The key of a symbol's month."""
    return dg.MultiPartitionKey({"symbol": symbol, "month": month})


def day_key(symbol: str, day: str) -> dg.MultiPartitionKey:
    """The key of a symbol's day."""
    return dg.MultiPartitionKey({"symbol": symbol, "day": day})


def box(first: dg.MultiPartitionKey, last: dg.MultiPartitionKey) -> dict[str, str]:
    """The tags that let one run cover all partitions between two keys."""
    return {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }


def _materialised(instance: dg.DagsterInstance, asset: str, dimension: str) -> dict[str, set[str]]:
    done: dict[str, set[str]] = {symbol: set() for symbol in EXPERIMENT.symbols}
    for text in instance.get_materialized_partitions(dg.AssetKey(asset)):
        time, _, symbol = text.partition("|")  # keys are written in the order of dimension names
        if dimension in ("day", "month"):
            done.setdefault(symbol, set()).add(time)
    return done


@dg.schedule(
    job=REFRESH,
    cron_schedule=EXPERIMENT.automation.refresh_bars,
    execution_timezone="UTC",
    default_status=_SCHEDULES_ON,
    name="refresh_bars",
)
def refresh_bars(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Per symbol: the month before and this one, since last month's labels end in this one.

    A symbol whose data are historical is fetched once, as one box of all its months.
    """
    now = context.scheduled_execution_time.astimezone(UTC)
    done = _materialised(context.instance, "labels", "month")
    asked = 0
    for symbol, config in EXPERIMENT.symbols.items():
        months = months_due(config.first_month, config.last_month, f"{now:%Y-%m}", done[symbol])
        if months:
            asked += 1
            yield dg.RunRequest(
                run_key=f"refresh-{symbol}-{now:%Y%m%dT%H%M}",
                tags={
                    **box(month_key(symbol, months[0]), month_key(symbol, months[-1])),
                    "symbol": symbol,
                },
            )
    if not asked:
        yield dg.SkipReason("All historical months are there, and no symbol is live.")


def months_due(first: str, last: str | None, this: str, done: set[str]) -> list[str]:
    """The first and the last month to refresh: those missing, and for live symbols the newest."""
    end = min(last, this) if last else this
    months = [str(m) for m in np.arange(np.datetime64(first, "M"), np.datetime64(end, "M") + 1)]
    missing = [month for month in months if month not in done]
    if last is None:
        missing += [month for month in (shift_month(this, -1), this) if month in months]
    return [min(missing), max(missing)] if missing else []


@dg.schedule(
    job=RETRAIN,
    cron_schedule=EXPERIMENT.automation.nightly_retraining,
    execution_timezone="UTC",
    default_status=_SCHEDULES_ON,
)
def nightly_retraining(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Every active universe, once a night; the same data give the same version again."""
    day = context.scheduled_execution_time.astimezone(UTC).strftime("%Y-%m-%d")
    for universe in EXPERIMENT.active_universes:
        yield dg.RunRequest(
            run_key=f"nightly-{day}-{universe}",
            partition_key=universe,
            tags={"reason": "nightly", "universe": universe},
        )


@dg.schedule(
    job=WATCH,
    cron_schedule=EXPERIMENT.automation.watch,
    execution_timezone="UTC",
    default_status=_SCHEDULES_ON,
)
def daily_watch(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Yesterday, or the newest day of historical data, and days that were missed before it."""
    now = context.scheduled_execution_time.astimezone(UTC)
    done = _materialised(context.instance, "drift_report", "day")
    asked = 0
    for symbol, config in EXPERIMENT.symbols.items():
        last = now.date() - timedelta(days=1)
        if config.last_month:
            end = datetime.strptime(shift_month(config.last_month, 1), "%Y-%m").date()
            last = min(last, end - timedelta(days=1))
        for back in reversed(range(EXPERIMENT.automation.drift_catch_up_days)):
            day = f"{last - timedelta(days=back):%Y-%m-%d}"
            if day[:7] >= config.first_month and day not in done[symbol]:
                asked += 1
                yield dg.RunRequest(
                    run_key=f"watch-{symbol}-{day}",
                    partition_key=day_key(symbol, day),
                    tags={"symbol": symbol},
                )
    if not asked:
        yield dg.SkipReason("Every day up to the newest has its drift report.")


@dg.schedule(
    job=PREDICT,
    cron_schedule=EXPERIMENT.automation.predict,
    execution_timezone="UTC",
    default_status=_SCHEDULES_ON,
)
def daily_predictions(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """The newest month of every symbol, after the nightly retraining."""
    now = context.scheduled_execution_time.astimezone(UTC)
    for symbol, config in EXPERIMENT.symbols.items():
        month = min(config.last_month, f"{now:%Y-%m}") if config.last_month else f"{now:%Y-%m}"
        yield dg.RunRequest(
            run_key=f"predict-{symbol}-{now:%Y-%m-%d}",
            partition_key=month_key(symbol, month),
            tags={"symbol": symbol},
        )


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
            requests[universe] = dg.RunRequest(
                run_key=decision.run_key,
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
    """What drift has started for a universe so far."""
    records = instance.get_run_records(
        dg.RunsFilter(job_name="retrain", tags={"reason": "drift", "universe": universe}), limit=500
    )
    return [
        RetrainingRun(
            run_key=record.dagster_run.tags["drift_episode"],
            started_at=np.datetime64(record.create_timestamp.replace(tzinfo=None), "us"),
            active=record.dagster_run.status in ACTIVE,
        )
        for record in records
    ]


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


@dg.run_failure_sensor(monitored_jobs=JOBS, minimum_interval_seconds=30, default_status=_SENSORS_ON)
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


weekly_upkeep = dg.ScheduleDefinition(
    name="weekly_upkeep",
    job=upkeep,
    cron_schedule=EXPERIMENT.automation.upkeep,
    execution_timezone="UTC",
    default_status=_SCHEDULES_ON,
)

SCHEDULES = [refresh_bars, nightly_retraining, daily_watch, daily_predictions, weekly_upkeep]
SENSORS = [retrain_on_drift, alert_on_drift, alert_on_failure]
