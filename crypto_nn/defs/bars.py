"""Raw bars as sources give them, and the clean bars that everything else stands on."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any, NoReturn

import dagster as dg
import numpy as np
import pyarrow as pa

from crypto_nn import pictures
from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS, month_bounds
from crypto_nn.bars.quality import Inspection, inspect, nothing_received
from crypto_nn.defs import freshness, lineage
from crypto_nn.defs.coverage import coverage_picture
from crypto_nn.defs.io_managers import (
    Partitions,
    RawMonth,
    RawMonths,
    RawReader,
    Tables,
)
from crypto_nn.defs.partitions import EXPERIMENT, by_symbol, symbol_months
from crypto_nn.defs.resources import Platform
from crypto_nn.defs.upkeep import pinned_snapshots
from crypto_nn.errors import SourceUnavailable
from crypto_nn.sources import BarSource
from crypto_nn.store.lineage import Parts, content_of
from crypto_nn.store.live import LiveBars, asked_at, check_one_venue, folded, received
from crypto_nn.store.recount import Recount, recount
from crypto_nn.store.replacement import RowIds
from crypto_nn.store.whole import problems_of

MAX_GAP_SHARE = 0.05
PAUSES_S = (60, 120, 240)
"""After so many seconds a source that did not answer is asked again, within the same run."""

BY_HAND = "by_hand"
"""The tag of a run for whose end a person waits."""


@dg.asset(
    partitions_def=symbol_months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    io_manager_key="raw_parquet",
    group_name="market",
    kinds={"parquet"},
    owners=["team:data"],
    code_version=EXPERIMENT.digest("sources", "symbols"),
    check_specs=[dg.AssetCheckSpec("raw_bars_are_whole", asset="raw_bars", blocking=True)],
)
def raw_bars(
    context: dg.AssetExecutionContext, platform: Platform
) -> Iterator[dg.Output[RawMonths] | dg.AssetCheckResult]:
    """Bars exactly as the source gave them, with the time of receipt and a revision.

    Rows are never edited: fetching a month again appends what is new or has changed. Before, what
    came in live is appended, each row with its own time of receipt.
    """
    wanted = by_symbol(context.partition_keys, "month")
    yield dg.Output(RawMonths(_fetch_months(context, platform, wanted)))
    problems = _damage(platform, wanted)
    yield dg.AssetCheckResult(
        check_name="raw_bars_are_whole",
        passed=not problems,
        metadata={"problems": dg.MetadataValue.json(problems)},
    )


def _damage(platform: Platform, wanted: dict[str, list[str]]) -> dict[str, list[str]]:
    """What is wrong with the files of these months, by symbol and month."""
    sources = {symbol: platform.experiment().symbol(symbol).source for symbol in wanted}
    found = {
        f"{symbol} {month}": problems_of(platform.raw, sources[symbol], symbol, month)
        for symbol, months in wanted.items()
        for month in months
    }
    return {where: problems for where, problems in found.items() if problems}


def _fetch_months(
    context: dg.AssetExecutionContext, platform: Platform, wanted: dict[str, list[str]]
) -> Iterator[RawMonth]:
    """What came in live, then what the source has; where it gives up, what it gave until then."""
    for symbol, months in wanted.items():
        name, source = platform.source_of(symbol)
        for month in months:
            live = LiveBars(platform.lake).read(symbol, month, name)
            if live.num_rows:
                context.log.info("%s %s: %d live rows", symbol, month, live.num_rows)
                yield RawMonth(name, symbol, month, *received(live, symbol))
            start, end = month_bounds(month)
            now = platform.now()
            closed = now.astype("datetime64[m]").astype(TS)  # a bar still open can change
            pieces, error = _fetch(source, symbol, start, min(end, closed))
            bars = Bars.concat(pieces) if pieces else Bars.empty(symbol)
            context.log.info("%s %s: %d raw rows from %s", symbol, month, len(bars), name)
            stored = (
                [platform.raw.read(symbol, month, name)]
                if platform.raw.has(symbol, month, name)
                else []
            )
            yield RawMonth(name, symbol, month, bars, asked_at(now, live, *stored))
            lineage.tell_raw(context, platform, symbol, month)
            if error is not None:
                missing = ", ".join(f"{first} to {last}" for first, last in error.missing)
                context.log.error("%s: what came is stored; missing is %s", symbol, missing)
                _try_again(context, error)


def _try_again(context: dg.AssetExecutionContext, error: SourceUnavailable) -> NoReturn:
    """Ask for the step again after a pause that grows; where a person waits, tell at once.

    Only a network that fails is tried again: bad data and refused keys would fail again.
    """
    if BY_HAND in context.run.tags or context.retry_number >= len(PAUSES_S):
        raise error
    pause_s = PAUSES_S[context.retry_number]
    context.log.warning("The source is asked again in %d s.", pause_s)
    raise dg.RetryRequested(max_retries=len(PAUSES_S), seconds_to_wait=pause_s) from error


def _fetch(
    source: BarSource, symbol: str, start: np.datetime64, end: np.datetime64
) -> tuple[list[Bars], SourceUnavailable | None]:
    """The bars of a stretch, and the error where the source gave up before its end."""
    pieces: list[Bars] = []
    try:
        pieces.extend(source.fetch(symbol, M1, start, end))
    except SourceUnavailable as error:
        return pieces, error
    return pieces, None


class _Story:
    """What was found while months were inspected, for the asset's page and its checks."""

    def __init__(self, rebuild: lineage.Rebuild) -> None:
        self.rebuild = rebuild
        self.rows: list[dict[str, Any]] = []
        self.reasons: Counter[str] = Counter()
        self.minutes = self.missing = 0
        self.last = Bars.empty("NONE-USD")
        self.last_gaps: pa.Table | None = None

    def add(self, symbol: str, month: str, inspection: Inspection) -> None:
        self.last, self.last_gaps = inspection.accepted, inspection.gaps
        aside = inspection.quarantined["reason"]
        self._count(symbol, month, len(inspection.accepted), aside, inspection.gaps["minutes"])

    def keep(self, platform: Platform, symbol: str, month: str) -> None:
        """Tell of a month that was left as it is by what is stored of it."""
        where, lake = {"symbol": symbol, "month": month}, platform.lake
        aside = lake.read("quarantined_bars", ("reason",), where)["reason"]
        gaps = lake.read("bar_gaps", ("minutes",), where)["minutes"]
        self._count(symbol, month, lake.count("bars", where), aside, gaps)

    def _count(
        self, symbol: str, month: str, accepted: int, aside: pa.ChunkedArray, gaps: pa.ChunkedArray
    ) -> None:
        missing = int(np.sum(gaps.to_numpy()))
        self.reasons.update(aside.to_pylist())
        self.minutes += accepted + missing
        self.missing += missing
        self.rows.append(
            {
                "symbol": symbol,
                "month": month,
                "received": accepted + len(aside),
                "accepted": accepted,
                "quarantined": len(aside),
                "gaps": len(gaps),
                "missing_minutes": missing,
            }
        )

    @property
    def gap_share(self) -> float:
        return self.missing / self.minutes if self.minutes else 0.0

    def describe(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            **self.rebuild.describe(),
            "gap_share": self.gap_share,
            "months": dg.MetadataValue.table([dg.TableRecord(row) for row in self.rows]),
            "quarantined": sum(row["quarantined"] for row in self.rows),
            "quarantine_reasons": dg.MetadataValue.json(dict(self.reasons)),
        }
        if len(self.last):
            told["first_bar"], told["last_bar"] = str(self.last.ts[0]), str(self.last.ts[-1])
            told["price"] = dg.MetadataValue.md(_price_picture(self.last, self.last_gaps))
        return told


def _price_picture(bars: Bars, gaps: pa.Table | None) -> str:
    first, last = bars.ts[[0, -1]].astype("datetime64[D]")
    title = f"{bars.symbol}, {first} to {last} (UTC)"
    missing = [] if gaps is None else list(zip(gaps["gap_start"], gaps["gap_end"]))
    holes = [(start.as_py(), end.as_py()) for start, end in missing]
    return pictures.markdown(pictures.price_chart(bars, gaps=holes, title=title), title)


@dg.asset(
    partitions_def=symbol_months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    io_manager_key="lake",
    group_name="market",
    kinds={"duckdb", "parquet"},
    owners=["team:data"],
    code_version=EXPERIMENT.digest("quality"),
    check_specs=[
        dg.AssetCheckSpec("bars_are_clean", asset="bars", blocking=True),
        dg.AssetCheckSpec("nothing_was_lost", asset="bars", blocking=True),
        dg.AssetCheckSpec("gaps_are_few", asset="bars"),
        dg.AssetCheckSpec("bars_are_fresh", asset="bars"),
    ],
    freshness_policy=freshness.policy(),
)
def bars(
    context: dg.AssetExecutionContext, platform: Platform, raw_bars: RawReader
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """Clean one-minute bars: closed, ordered, unique, on the minute, sane.

    Rejected rows go to `quarantined_bars` with a reason and missing minutes to `bar_gaps`, in the
    same transaction, which also removes the live rows that are now in the raw bars. Gaps stay
    gaps: no bar is ever invented.
    """
    wanted = by_symbol(context.partition_keys, "month")
    story = _Story(lineage.Rebuild(context, platform))
    parts = _inspect_months(platform, raw_bars, wanted, story)
    picture = partial(coverage_picture, platform, wanted, story.rebuild)
    yield dg.Output(Partitions(parts, lambda: {**story.describe(), **picture()}, together=12))
    platform.lake.forget_live(pinned_snapshots(platform.lake))
    found = _recount(platform, wanted)
    platform.mirror.flush()  # also what another table's run could not send
    yield dg.AssetCheckResult(
        check_name="bars_are_clean",
        passed=not found.problems,
        metadata={"rows": found.accepted, "problems": dg.MetadataValue.json([*found.problems])},
    )
    yield dg.AssetCheckResult(
        check_name="nothing_was_lost",
        passed=found.lost == 0,
        metadata={
            "received": found.received,
            "accepted": found.accepted,
            "quarantined": found.quarantined,
        },
    )
    yield dg.AssetCheckResult(
        check_name="gaps_are_few",
        passed=story.gap_share <= MAX_GAP_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"gap_share": story.gap_share, "allowed": MAX_GAP_SHARE},
    )
    yield freshness.check(platform, wanted)


def _recount(platform: Platform, wanted: dict[str, list[str]]) -> Recount:
    """What is in the stores now; the mirror takes the bars on the way."""
    show = platform.mirror.bars if platform.mirror.copies("bars") else None
    found = Recount()
    for symbol, months in wanted.items():
        source = platform.experiment().symbol(symbol).source
        found += recount(platform.lake, platform.raw, symbol, months, source, show)
    return found


def _inspect_months(
    platform: Platform, raw: RawReader, wanted: dict[str, list[str]], story: _Story
) -> Iterator[Tables]:
    config = platform.experiment().quality
    for symbol, months in wanted.items():
        name, source = platform.source_of(symbol)
        available = source.available(symbol)
        check_one_venue(platform.lake, symbol, name)
        for month in months:
            start, end = month_bounds(month)
            due = (max(start, available.start), min(end, available.end, platform.now()))
            made_of = lineage.bars_made_of(platform, symbol, month, due)
            if not story.rebuild.is_due(symbol, month, made_of):
                story.keep(platform, symbol, month)
                _forget_known(platform, raw, symbol, month, made_of)
                continue
            rows = raw.month(symbol, month, name)
            if rows.num_rows:
                inspection = inspect(rows, config, *due)
            else:
                inspection = nothing_received(name, symbol, month, *due)
            story.add(symbol, month, inspection)
            tables = Tables(
                {"symbol": symbol, "month": month},
                _tables(inspection, month, name),
                remove=_live_in(rows, LiveBars(platform.lake).read(symbol, month, name)),
            )
            yield story.rebuild.write(tables, made_of, content_of(inspection.accepted))


def _live_in(rows: pa.Table, live: pa.Table) -> dict[str, RowIds]:
    """The live rows that raw rows hold: what is made of the raw rows takes their place."""
    rowids = folded(live, rows) if live.num_rows else ()
    return {"live_bars": rowids} if len(rowids) else {}


def _forget_known(
    platform: Platform, raw: RawReader, symbol: str, month: str, made_of: Parts
) -> None:
    """Remove live rows that a month need not be made anew for: they say what it says already."""
    source = made_of["source"]
    live = LiveBars(platform.lake).read(symbol, month, source)
    if not live.num_rows:
        return
    remove = _live_in(raw.month(symbol, month, source), live)
    # Only what its bars were made of, should more have come in since that was looked at.
    if remove and platform.raw.digest(source, symbol, month) == made_of["raw"]:
        platform.lake.replace({}, {}, remove)


def _tables(inspection: Inspection, month: str, source: str) -> dict[str, pa.Table]:
    table = inspection.accepted.to_arrow()
    keys = {"symbol": inspection.accepted.symbol, "month": month, "source": source}
    for name, value in keys.items():
        table = table.append_column(name, pa.array([value] * len(table), pa.string()))
    return {
        "bars": table,
        "quarantined_bars": inspection.quarantined,
        "bar_gaps": inspection.gaps,
    }
