"""Asking the sources again for missing minutes; what comes makes its months stale."""

from collections.abc import Iterator
from datetime import UTC

import dagster as dg

from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import SourceError
from crypto_nn.sources.refill import Refill


def refill_of(platform: Platform, symbol: str) -> Refill:
    """What asks a symbol's primary source for its gaps."""
    name, source = platform.source_of(symbol)
    config = platform.experiment().refill
    return Refill(platform.lake, platform.raw, name, source, platform.now, config)


@dg.op(description="Ask each symbol's source for the minutes that are missing and due.")
def ask_for_gaps(context: dg.OpExecutionContext, platform: Platform) -> None:
    """A source that gives up or refuses leaves the other symbols alone.

    One that gives up is asked again later; one that refuses fails the run, since a person has to
    see to it.
    """
    refused: list[SourceError] = []
    for symbol in EXPERIMENT.symbols:
        try:
            asks = refill_of(platform, symbol).refill(symbol)
        except SourceError as error:
            context.log.error("%s: %s", symbol, error)
            refused.append(error)
            continue
        found = sum(ask.found_minutes for ask in asks)
        context.log.info("%s: %d gaps asked for, %d minutes came", symbol, len(asks), found)
        for ask in asks:
            if ask.detail:
                context.log.warning("%s: %s", symbol, ask.detail)
    if refused:
        raise refused[0]


@dg.job(tags={"reason": "refill"})
def refill_gaps() -> None:
    """Ask the sources again for missing minutes: an hour, a day, a week and a month later."""
    ask_for_gaps()


@dg.schedule(
    job=refill_gaps,
    cron_schedule=EXPERIMENT.automation.refill_gaps,
    execution_timezone="UTC",
    default_status=(
        dg.DefaultScheduleStatus.RUNNING
        if EXPERIMENT.automation.enabled
        else dg.DefaultScheduleStatus.STOPPED
    ),
    name="refill_gaps",
)
def hourly_refill(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """A run where any gap is due; the time of gaps that are new runs from now on."""
    due = 0
    for symbol in EXPERIMENT.symbols:
        refill = refill_of(platform, symbol)
        refill.see(symbol)
        try:
            due += len(refill.due(symbol))
        except SourceError as error:
            context.log.warning("%s: %s", symbol, error)
    if due:
        at = context.scheduled_execution_time.astimezone(UTC)
        yield dg.RunRequest(run_key=f"refill-{at:%Y%m%dT%H%M}")
    else:
        yield dg.SkipReason("No gap is due to be asked for.")
