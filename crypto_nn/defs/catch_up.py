"""What a machine that slept has missed, and what it left behind when it was switched off."""

import dagster as dg

from crypto_nn.defs.automation import PREDICT, REFRESH, WATCH
from crypto_nn.defs.dead_runs import end_dead_runs
from crypto_nn.defs.missed import ask
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.repairs import requests
from crypto_nn.defs.resources import Platform

_SENSORS_ON = (
    dg.DefaultSensorStatus.RUNNING
    if EXPERIMENT.automation.enabled
    else dg.DefaultSensorStatus.STOPPED
)
NAME = "fill_missing_partitions"


@dg.sensor(
    jobs=[REFRESH, WATCH, PREDICT],
    minimum_interval_seconds=600,
    default_status=_SENSORS_ON,
    name=NAME,
)
def fill_missing_partitions(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.SensorResult:
    """Make what is missing or stale, the newest first, without waiting for the hour or the night.

    It finds what a machine that slept has missed, what a late revision has changed, and what a
    refilled gap has: months of bars, features and labels, days without a drift report, months
    without the champion's predictions. The first fetch of a symbol is left to the schedule
    `refresh_bars`. Runs whose process is gone are ended first, so that nobody waits for them.
    """
    ended = end_dead_runs(context.instance)
    if ended:
        context.log.warning("Runs whose process is gone were ended: %s", ", ".join(ended))
    this = str(platform.now().astype("datetime64[M]"))
    bars = list(requests(platform, context.instance, EXPERIMENT, this, None, NAME))
    mended = {request.tags["symbol"] for request in bars}  # their days and months come after that
    asked = [
        *(request.with_replaced_attrs(job_name=REFRESH.name) for request in bars),
        *ask(platform, context.instance, EXPERIMENT, NAME, without=mended),
    ]
    reason = None if asked else dg.SkipReason("Nothing is missing or stale.")
    return dg.SensorResult(run_requests=asked, skip_reason=reason)
