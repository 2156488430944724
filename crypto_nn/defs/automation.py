"""What happens by itself: the boxes of the graph as jobs, and what launches them. All in UTC."""

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import dagster as dg
import numpy as np

from crypto_nn.bars.calendar import month_of
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.refill import hourly_refill, refill_gaps
from crypto_nn.defs.repairs import requests
from crypto_nn.defs.resources import Platform
from crypto_nn.defs.upkeep import upkeep
from crypto_nn.features.labels import MINUTE

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


def _materialised(instance: dg.DagsterInstance, asset: str) -> dict[str, set[str]]:
    """The months or days of each symbol for which an asset is there."""
    done: dict[str, set[str]] = {symbol: set() for symbol in EXPERIMENT.symbols}
    for text in instance.get_materialized_partitions(dg.AssetKey(asset)):
        time, _, symbol = text.partition("|")  # keys are written in the order of dimension names
        done.setdefault(symbol, set()).add(time)
    return done


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
    asked = list(requests(platform, context.instance, EXPERIMENT, f"{now:%Y-%m}", live_key))
    yield from asked
    if not asked:
        yield dg.SkipReason("No symbol is live, and no month is missing, stale, or not busy.")


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
def daily_watch(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """The newest whole day of bars, and days that were missed before it; per symbol."""
    done = _materialised(context.instance, "drift_report")
    asked = 0
    for symbol, newest in _newest_bars(platform).items():
        last = (newest + MINUTE).astype("datetime64[D]") - 1
        for back in reversed(range(EXPERIMENT.automation.drift_catch_up_days)):
            day = str(last - back)
            if day[:7] >= EXPERIMENT.symbols[symbol].first_month and day not in done[symbol]:
                asked += 1
                yield dg.RunRequest(
                    run_key=f"watch-{symbol}-{day}",
                    partition_key=day_key(symbol, day),
                    tags={"symbol": symbol},
                )
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
    """The newest month of bars of every symbol that has a champion, after the retraining."""
    night = context.scheduled_execution_time.astimezone(UTC).strftime("%Y-%m-%d")
    found = _newest_bars(platform)
    for symbol, newest in found.items():
        yield dg.RunRequest(
            run_key=f"predict-{symbol}-{night}",
            partition_key=month_key(symbol, month_of(newest)),
            tags={"symbol": symbol},
        )
    if not found:
        yield dg.SkipReason("No symbol has both bars and a champion.")


def _newest_bars(platform: Platform) -> dict[str, np.datetime64]:
    """The newest bar of each symbol whose universe has a champion: the data set the pace."""
    from crypto_nn.inference.registry import champion_of

    lake = platform.lake
    months: dict[str, str] = {}
    for symbol, month in lake.partitions("bars", ("symbol", "month")) if lake.has("bars") else ():
        months[symbol] = max(month, months.get(symbol, month))
    return {
        symbol: lake.read("bars", ("ts",), {"symbol": symbol, "month": month})["ts"].to_numpy()[-1]
        for symbol, month in months.items()
        if symbol in EXPERIMENT.symbols
        and champion_of(platform.models, EXPERIMENT.universe_of(symbol)) is not None
    }


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
    daily_predictions,
    weekly_upkeep,
    weekly_controls,
]
