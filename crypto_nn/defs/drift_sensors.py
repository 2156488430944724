"""What follows a drift report: a retraining, within its budget, and an alert."""

from collections.abc import Sequence

import dagster as dg

from crypto_nn.defs.automation import RETRAIN
from crypto_nn.defs.drift_alerts import DriftAlerts
from crypto_nn.defs.drift_reports import Cursor, NewReports, decided_days, new_reports
from crypto_nn.defs.governor import answer, brief_lake, has_run, request
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import ConfigError
from crypto_nn.monitoring.retraining import DriftedDay
from crypto_nn.monitoring.retraining_decisions import Decided, record
from crypto_nn.store.lake import Lake

_SENSORS_ON = (
    dg.DefaultSensorStatus.RUNNING
    if EXPERIMENT.automation.enabled
    else dg.DefaultSensorStatus.STOPPED
)
TOLD_REASONS = 10  # of a tick that has more, the newest


@dg.sensor(job=RETRAIN, minimum_interval_seconds=30, default_status=_SENSORS_ON)
def retrain_on_drift(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Start retraining where drift crossed its threshold: once per episode, within the budget.

    Every report has its answer in `retraining_decisions` before the cursor moves past it: killed
    anywhere, or with a lake that cannot be written to, the next tick reads the same reports and
    gives the same answers under the same keys. What only the pause after a retraining keeps back
    is asked again when the pause is over.
    """
    cursor = Cursor.of(context)
    reports = new_reports(context, cursor.after)
    days = (*_still_held(platform, cursor, reports), *reports.days)
    asked: list[Decided] = []
    held: list[DriftedDay] = []
    with brief_lake(platform) as lake:
        histories = _histories(lake, days)
        for day in days:
            found = answer(platform, context.instance, day, histories[day.symbol], asked)
            asked.append(found.decided)
            held += [day] if found.waits else []
        record(lake, asked, has_run(context))
    started = [request(each) for each in asked if each.retrain]
    return dg.SensorResult(
        run_requests=started,
        cursor=str(Cursor(reports.after, tuple(held))),
        skip_reason=None if started else dg.SkipReason(_told(asked, reports)),
    )


def _histories(lake: Lake, days: Sequence[DriftedDay]) -> dict[str, list[DriftedDay]]:
    """The decisions so far on each symbol that the days are of."""
    return {symbol: decided_days(lake, symbol) for symbol in {day.symbol for day in days}}


def _still_held(platform: Platform, cursor: Cursor, reports: NewReports) -> list[DriftedDay]:
    """The days held back that nothing newer has taken the place of: no report, no champion."""
    fresh = {(day.symbol, day.model_version) for day in reports.days}
    return [
        day
        for day in cursor.held
        if (day.symbol, day.model_version) not in fresh and _answers(platform, day)
    ]


def _answers(platform: Platform, day: DriftedDay) -> bool:
    """Whether the version that a day was compared with is the champion, as far as one is known."""
    from crypto_nn.inference.registry import champion_of

    try:
        champion = champion_of(platform.models, EXPERIMENT.universe_of(day.symbol))
    except ConfigError:
        return False
    return champion is None or champion.version == day.model_version


def _told(asked: Sequence[Decided], reports: NewReports) -> str:
    """Why nothing starts, in words."""
    reasons = [f"{each.day.symbol}: {each.reason}" for each in asked if each.day]
    more = len(reasons) - TOLD_REASONS
    newest = reasons[-TOLD_REASONS:]
    counted = [f"{more} earlier reports start nothing either."] if more > 0 else []
    return " ".join([*counted, *newest, *reports.bad[-TOLD_REASONS:]]) or "No new report."


@dg.sensor(minimum_interval_seconds=30, default_status=_SENSORS_ON)
def alert_on_drift(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Tell a person when an episode of drift begins and when it is over, whatever is retrained.

    Reports may come in any order, so each tick compares what the decisions say with what was told:
    an episode is told once, whichever of its days comes first, and one whose end is known is
    resolved. Episodes beyond the budget of alarms are told together, once a month and symbol.
    """
    cursor = Cursor.of(context)
    reports = new_reports(context, cursor.after)
    told = over = 0
    if reports.days:
        lake, config = platform.lake, EXPERIMENT.drift
        known = DriftAlerts.of(platform.alerts, lake, config, platform.now())
        for symbol, history in _histories(lake, reports.days).items():
            days = [day for day in reports.days if day.symbol == symbol]
            new, ended = known.take(days, history)
            told, over = told + new, over + ended
    waiting = platform.alerts.flush()
    counts = (
        f"{len(reports.days)} new reports, {told} new alerts, {over} episodes over, "
        f"{waiting} older ones delivered."
    )
    return dg.SensorResult(
        cursor=str(Cursor(reports.after)),
        skip_reason=dg.SkipReason(" ".join([counts, *reports.bad[-TOLD_REASONS:]])),
    )
