"""What a soak did, as a table to read."""

from collections.abc import Iterable, Iterator
from typing import Any

from crypto_nn_tests.soak.play import Outcome
from crypto_nn_tests.soak.scenario import START, Scenario


def lines(plan: Scenario, outcome: Outcome) -> Iterator[str]:
    """The report, line by line."""
    counts = outcome.counts
    yield f"seed {plan.seed}: from {str(START)[:10]} to {str(outcome.until)[:10]}, every law held"
    yield from _counted("faults", outcome.faults.items())
    yield from _counted("kills", counts.kills.items())
    yield from _counted("runs", ((" ".join(key), n) for key, n in counts.runs.items()))
    yield from _counted("seconds of runs", ((k, round(v)) for k, v in counts.cpu_s.items()))
    yield from _counted("retrainings", ((" ".join(k), n) for k, n in outcome.retrainings.items()))
    yield from _counted("days compared", outcome.decisions.items())
    yield from _counted("alerts", ((" ".join(key), n) for key, n in outcome.alerts.items()))
    yield from _counted("errors of ticks", counts.tick_errors.items())
    yield from _counted("rows", outcome.rows.items())
    yield from _counted("megabytes", outcome.megabytes.items())
    yield f"champions        {len(outcome.champions)}"
    yield f"letters          {outcome.letters}"
    yield f"lives of daemon  {counts.daemons}, {counts.wakes} wakes"
    yield f"took             {outcome.wall_s:.0f} s, of the processor {outcome.cpu_s:.0f} s"
    yield f"trace            {outcome.digest}"


def _counted(title: str, found: Iterable[tuple[str, Any]]) -> Iterator[str]:
    for number, (name, count) in enumerate(sorted(found)):
        yield f"{title if not number else '':17}{name}: {count:,}"
