"""What has to be refreshed: months that are missing or unfinished, and partitions that are stale.

Each box is one run over neighbouring months of one symbol. The same box is not asked for again
while it runs, and ever more rarely while it fails.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC

import dagster as dg
import numpy as np

from crypto_nn.bars.calendar import month_bounds, shift_month
from crypto_nn.defs.claims import unclaimed
from crypto_nn.defs.lineage import ASSETS
from crypto_nn.defs.outlook import Stale, find_stale, islands, reference_first
from crypto_nn.defs.resources import Platform
from crypto_nn.experiments import Experiment, SymbolConfig
from crypto_nn.store.lineage import Made, digest, read_ledger

JOB = "refresh_bars"
KEY = "repair"
"""The tag that names what a run repairs."""

ASKED_AT = "asked_at"
"""The tag that tells when a run was asked for, by the platform's clock (UTC)."""

MAX_BOXES = 6  # repairs asked for at once; what is left comes at the next tick
ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
STUCK = np.timedelta64(12, "h")  # a run that claims to be active for longer has died
LONGEST_WAIT = np.timedelta64(24, "h")

Months = dict[str, Made]


@dataclass(frozen=True)
class Box:
    """Neighbouring months of a symbol that one run refreshes.

    Attributes:
        months: in order, without a hole.
        fetch: whether the source is asked too; else what is stored is made anew.
        live: whether this month is among them, so that it is asked for at every tick.
        key: names what is wrong with it: the same while nothing has changed.
    """

    symbol: str
    months: tuple[str, ...]
    fetch: bool
    live: bool
    key: str

    def request(self, run_key: str, now: np.datetime64) -> dg.RunRequest:
        """The run that refreshes it; assets whose inputs have not changed do no work in it."""
        first, last = (
            dg.MultiPartitionKey({"symbol": self.symbol, "month": month})
            for month in (self.months[0], self.months[-1])
        )
        return dg.RunRequest(
            run_key=run_key,
            asset_selection=None if self.fetch else [dg.AssetKey(name) for name in ASSETS],
            tags={
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
                "symbol": self.symbol,
                "reason": "live" if self.live else "missing" if self.fetch else "changed",
                KEY: self.key,
                ASKED_AT: str(now),
            },
        )


def boxes(
    platform: Platform, experiment: Experiment, symbols: Collection[str], this: str
) -> Iterator[Box]:
    """Everything that is due, per symbol: first what has to be fetched, then what is stale.

    Args:
        experiment: whose symbols and months have partitions; settings are those in force now.
        symbols: those of them that are looked at.
        this: the month in which it is now.
    """
    ledger = read_ledger(platform.lake, symbols)
    stale = find_stale(platform, platform.experiment(), symbols)
    for symbol in symbols:
        config = experiment.symbol(symbol)
        fetched: set[str] = set()
        for months in to_fetch(config, this, _months(ledger, symbol)):
            fetched |= set(months)
            live = this in months and is_live(config, this)
            yield Box(symbol, tuple(months), True, live, digest([symbol, *months])[:16])
        yield from _repairs(symbol, [s for s in stale if s.symbol == symbol], fetched)


def _months(ledger: dict[tuple[str, str, str], Made], symbol: str) -> Months:
    """The bars on record, by month, where features and labels are on record too."""
    return {
        month: made
        for (asset, name, month), made in ledger.items()
        if asset == "bars"
        and name == symbol
        and all((other, symbol, month) in ledger for other in ("features", "labels"))
    }


def _repairs(symbol: str, stale: list[Stale], fetched: set[str]) -> Iterator[Box]:
    for months in islands({one.month for one in stale} - fetched):
        wrong = sorted((s.asset, s.month, s.inputs) for s in stale if s.month in months)
        yield Box(symbol, tuple(months), False, False, digest(wrong)[:16])


def to_fetch(config: SymbolConfig, this: str, made: Months) -> list[list[str]]:
    """The months for which the source has to be asked, as runs of neighbouring ones.

    Those that are missing; and where data still come in, this month and the one before it, and
    any that was still running when it was last fetched.
    """
    end = min(config.last_month, this) if config.last_month else this
    span = np.arange(np.datetime64(config.first_month, "M"), np.datetime64(end, "M") + 1)
    months = [str(month) for month in span]
    due = {month for month in months if month not in made}
    if is_live(config, this):
        due |= {this, shift_month(this, -1)}
        due |= {month for month, bars in made.items() if _was_running(bars)}
    return islands(due & set(months))


def is_live(config: SymbolConfig, this: str) -> bool:
    """Whether data of a symbol still come in."""
    return config.last_month is None or config.last_month >= this


def _was_running(bars: Made) -> bool:
    """Whether the month had not ended when its bars were made."""
    until = np.datetime64(bars.made_of["due"].split()[-1], "us")
    return bool(until < month_bounds(bars.month)[1])


def requests(
    platform: Platform,
    instance: dg.DagsterInstance,
    experiment: Experiment,
    this: str,
    live_key: str | None,
    who: str,
) -> Iterator[dg.RunRequest]:
    """The runs to launch now.

    Args:
        this: the month in which it is now.
        live_key: names the tick in the run keys of live boxes; None leaves those out, and with
            them all symbols of which nothing is on record yet.
        who: the schedule or sensor that asks; what the other has just asked for is left out.
    """
    now = platform.now()
    yield from unclaimed(instance, who, _due(platform, instance, experiment, this, live_key), now)


def _due(
    platform: Platform,
    instance: dg.DagsterInstance,
    experiment: Experiment,
    this: str,
    live_key: str | None,
) -> Iterator[dg.RunRequest]:
    now = platform.now()
    busy = busy_symbols(instance, now)
    known = {symbol for _, symbol, _ in read_ledger(platform.lake)}
    wanted = [
        symbol
        for symbol in reference_first(experiment, list(experiment.symbols))
        if symbol not in busy and (live_key is not None or symbol in known)
    ]
    repairs = 0
    for box in boxes(platform, experiment, wanted, this):
        if box.live:
            if live_key is not None:
                yield box.request(f"refresh-{box.symbol}-{live_key}", now)
            continue
        attempts = instance.get_run_records(
            dg.RunsFilter(job_name=JOB, tags={KEY: box.key}), limit=50
        )
        if repairs < MAX_BOXES and may_try([asked_at(each) for each in attempts], now):
            repairs += 1
            last = max(attempts, key=asked_at).dagster_run.run_id if attempts else "first"
            yield box.request(f"{KEY}-{box.symbol}-{box.key}-{last[:8]}", now)


def busy_symbols(instance: dg.DagsterInstance, now: np.datetime64) -> set[str]:
    """The symbols whose bars, features or labels are being made right now."""
    busy = set()
    for record in instance.get_run_records(dg.RunsFilter(statuses=ACTIVE), limit=1000):
        run = record.dagster_run
        if run.job_name in (JOB, "__ASSET_JOB") and now - asked_at(record) < STUCK:
            start = run.tags.get("dagster/asset_partition_range_start", "")
            whole = run.tags.get("dagster/partition/symbol") or start.partition("|")[2]
            busy.add(run.tags.get("symbol") or whole)
    return busy


def may_try(attempts: list[np.datetime64], now: np.datetime64) -> bool:
    """After one attempt wait an hour, after two two, after three four, at most a day."""
    if not attempts:
        return True
    wait = np.timedelta64(2 ** min(len(attempts) - 1, 5), "h")
    return bool(now - max(attempts) >= min(wait, LONGEST_WAIT))


def asked_at(record: dg.RunRecord) -> np.datetime64:
    """When a run was asked for (µs, UTC): by its tag, else when Dagster wrote it down."""
    told = record.dagster_run.tags.get(ASKED_AT)
    created = record.create_timestamp.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(told or created, "us")
