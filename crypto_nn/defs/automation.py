"""What happens by itself: the boxes of the graph as jobs, and what launches them. All in UTC."""

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import dagster as dg

from crypto_nn.defs.champion import JUDGE, daily_judgement
from crypto_nn.defs.governor import nightly
from crypto_nn.defs.missed import ask
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.refill import hourly_refill, refill_gaps
from crypto_nn.defs.repairs import requests
from crypto_nn.defs.resources import Platform
from crypto_nn.defs.skew import CHECK_SKEW, daily_skew, predictions_equal_recomputed
from crypto_nn.defs.upkeep import upkeep

REFRESH = dg.define_asset_job(
    "refresh_bars",
    selection=dg.AssetSelection.assets("raw_bars", "bars", "features", "labels"),
    description="Fetch, clean, and recompute features and labels (symbol × month).",
    tags={"dagster/max_runtime": str(12 * 3600)},  # years of history through a slow source
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
    selection=dg.AssetSelection.assets("predictions")
    - dg.AssetSelection.checks(predictions_equal_recomputed),  # that is for `check_skew`
    description="Let the champion predict (symbol × month).",
    tags={"dagster/max_runtime": str(2 * 3600)},
)
WATCH = dg.define_asset_job(
    "watch",
    selection=dg.AssetSelection.assets("drift_report"),
    description="Test a day for drift (symbol × day).",
    tags={"dagster/max_runtime": str(3600)},
)
BENCHMARK = dg.define_asset_job(
    "benchmark",
    selection=dg.AssetSelection.assets("benchmark_report"),
    description="Every model and baseline, walk-forward; nothing is promoted (universe).",
    tags={"dagster/max_runtime": str(48 * 3600)},
)
CONTROLS = dg.define_asset_job(
    "run_controls",
    selection=dg.AssetSelection.assets("controls"),
    description="Let the benchmark judge what has a known answer, to see whether it lies.",
)
CUT = dg.define_asset_job(
    "cut_splits",
    selection=dg.AssetSelection.assets("splits"),
    description="Cut a universe's history into folds again (universe).",
)
TUNE = dg.define_asset_job(
    "tune",
    selection=dg.AssetSelection.assets("tuning_study"),
    description="Search for better settings of a model; nothing is promoted (universe × model).",
    tags={"dagster/max_runtime": str(48 * 3600)},
)
JOBS: list[Any] = [
    REFRESH,
    RETRAIN,
    PREDICT,
    WATCH,
    BENCHMARK,
    CONTROLS,
    CUT,
    TUNE,
    JUDGE,
    CHECK_SKEW,
    upkeep,
    refill_gaps,
]

_ON = EXPERIMENT.automation.enabled
_SCHEDULES_ON = dg.DefaultScheduleStatus.RUNNING if _ON else dg.DefaultScheduleStatus.STOPPED


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


@dg.schedule(
    job=REFRESH,
    cron_schedule=EXPERIMENT.automation.refresh_bars,
    execution_timezone="UTC",
    default_status=_SCHEDULES_ON,
    name="refresh_bars",
)
def refresh_bars(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Per symbol: the month before and this one; and what is missing or stale of older months.

    Last month's labels end in this one. Older months are boxes of their own, a few at a time; a
    symbol whose bars are being made right now is left out. A symbol whose data are historical is
    fetched once, as one box of all its months.
    """
    now = context.scheduled_execution_time.astimezone(UTC)
    live_key = f"{now:%Y%m%dT%H%M}"
    month = f"{now:%Y-%m}"
    asked = list(requests(platform, context.instance, EXPERIMENT, month, live_key, "refresh_bars"))
    yield from asked
    if not asked:
        yield dg.SkipReason("No symbol is live, and no month is missing, stale, or not busy.")


@dg.schedule(
    job=RETRAIN,
    cron_schedule=EXPERIMENT.automation.nightly_retraining,
    execution_timezone="UTC",
    default_status=_SCHEDULES_ON,
)
def nightly_retraining(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> list[dg.RunRequest]:
    """Every active universe, once a night; the same data give the same version again."""
    night = context.scheduled_execution_time.astimezone(UTC).strftime("%Y-%m-%d")
    return nightly(platform, context, night)


@dg.schedule(
    job=WATCH,
    cron_schedule=EXPERIMENT.automation.watch,
    execution_timezone="UTC",
    default_status=_SCHEDULES_ON,
)
def daily_watch(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """The newest whole day of bars, and days that were missed before it; newest first."""
    asked = ask(platform, context.instance, EXPERIMENT, "daily_watch", ["drift_report"])
    yield from asked
    if not asked:
        yield dg.SkipReason("No symbol has both a champion and a whole day without a drift report.")


@dg.schedule(
    job=PREDICT,
    cron_schedule=EXPERIMENT.automation.predict,
    execution_timezone="UTC",
    default_status=_SCHEDULES_ON,
)
def daily_predictions(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """The champions' months that have new bars or a new champion, after the retraining."""
    asked = ask(platform, context.instance, EXPERIMENT, "daily_predictions", ["predictions"])
    yield from asked
    if not asked:
        yield dg.SkipReason("No symbol has a champion and bars that it has not predicted yet.")


weekly_upkeep = dg.ScheduleDefinition(
    name="weekly_upkeep",
    job=upkeep,
    cron_schedule=EXPERIMENT.automation.upkeep,
    execution_timezone="UTC",
    default_status=_SCHEDULES_ON,
)

weekly_controls = dg.ScheduleDefinition(
    name="weekly_controls",
    job=CONTROLS,
    cron_schedule=EXPERIMENT.automation.controls,
    execution_timezone="UTC",
    default_status=_SCHEDULES_ON,
)

SCHEDULES = [
    refresh_bars,
    hourly_refill,
    nightly_retraining,
    daily_watch,
    daily_judgement,
    daily_predictions,
    daily_skew,
    weekly_upkeep,
    weekly_controls,
]
