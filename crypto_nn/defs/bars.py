"""Raw bars as sources give them, and the clean bars that everything else stands on."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from crypto_nn import pictures
from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS, month_bounds
from crypto_nn.bars.quality import Inspection, inspect, nothing_received
from crypto_nn.defs.io_managers import (
    Partitions,
    RawMonth,
    RawMonths,
    RawReader,
    Tables,
)
from crypto_nn.defs.partitions import EXPERIMENT, by_symbol, symbol_months
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import SymbolError

MAX_GAP_SHARE = 0.05


@dg.asset(
    partitions_def=symbol_months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    io_manager_key="raw_parquet",
    group_name="market",
    kinds={"parquet"},
    owners=["team:data"],
    code_version=EXPERIMENT.digest("sources", "symbols"),
)
def raw_bars(context: dg.AssetExecutionContext, platform: Platform) -> dg.Output[RawMonths]:
    """Bars exactly as the source gave them, with the time of receipt and a revision.

    Rows are never edited: fetching a month again appends what is new or has changed.
    """
    wanted = by_symbol(context.partition_keys, "month")
    return dg.Output(RawMonths(_fetch_months(context, platform, wanted)))


def _fetch_months(
    context: dg.AssetExecutionContext, platform: Platform, wanted: dict[str, list[str]]
) -> Iterator[RawMonth]:
    for symbol, months in wanted.items():
        name, source = platform.source_of(symbol)
        for month in months:
            start, end = month_bounds(month)
            received_at = platform.now()
            closed = received_at.astype("datetime64[m]").astype(TS)  # a bar still open can change
            pieces = list(source.fetch(symbol, M1, start, min(end, closed)))
            bars = Bars.concat(pieces) if pieces else Bars.empty(symbol)
            context.log.info("%s %s: %d raw rows from %s", symbol, month, len(bars), name)
            yield RawMonth(name, symbol, month, bars, received_at)


class _Story:
    """What was found while months were inspected, for the asset's page and its checks."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.reasons: Counter[str] = Counter()
        self.minutes = self.missing = 0
        self.last = Bars.empty("NONE-USD")
        self.last_gaps: pa.Table | None = None

    def add(self, symbol: str, month: str, inspection: Inspection) -> None:
        accepted, gaps = inspection.accepted, inspection.gaps
        missing = int(np.sum(gaps["minutes"].to_numpy())) if gaps.num_rows else 0
        self.reasons.update(inspection.quarantined["reason"].to_pylist())
        self.minutes += len(accepted) + missing
        self.missing += missing
        self.last, self.last_gaps = accepted, gaps
        self.rows.append(
            {
                "symbol": symbol,
                "month": month,
                "received": len(accepted) + inspection.quarantined.num_rows,
                "accepted": len(accepted),
                "quarantined": inspection.quarantined.num_rows,
                "gaps": gaps.num_rows,
                "missing_minutes": missing,
            }
        )

    @property
    def gap_share(self) -> float:
        return self.missing / self.minutes if self.minutes else 0.0

    def describe(self) -> dict[str, Any]:
        told: dict[str, Any] = {
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
    ],
)
def bars(
    context: dg.AssetExecutionContext, platform: Platform, raw_bars: RawReader
) -> Iterator[dg.Output[Partitions] | dg.AssetCheckResult]:
    """Clean one-minute bars: closed, ordered, unique, on the minute, sane.

    Rejected rows go to `quarantined_bars` with a reason and missing minutes to `bar_gaps`, in the
    same transaction. Gaps stay gaps: no bar is ever invented.
    """
    wanted = by_symbol(context.partition_keys, "month")
    story = _Story()
    yield dg.Output(Partitions(_inspect_months(platform, raw_bars, wanted, story), story.describe))
    dirty, counts = _recount(platform, raw_bars, wanted)
    yield dg.AssetCheckResult(
        check_name="bars_are_clean",
        passed=not dirty,
        metadata={"rows": counts["accepted"], "problems": dg.MetadataValue.json(dirty)},
    )
    yield dg.AssetCheckResult(
        check_name="nothing_was_lost",
        passed=counts["received"] == counts["accepted"] + counts["quarantined"],
        metadata=dict(counts),
    )
    yield dg.AssetCheckResult(
        check_name="gaps_are_few",
        passed=story.gap_share <= MAX_GAP_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"gap_share": story.gap_share, "allowed": MAX_GAP_SHARE},
    )


def _recount(
    platform: Platform, raw: RawReader, wanted: dict[str, list[str]]
) -> tuple[list[str], Counter[str]]:
    """Problems of the bars as they are stored, and how many rows lie in each store."""
    dirty: list[str] = []
    counts: Counter[str] = Counter(received=0, accepted=0, quarantined=0)
    for symbol, months in wanted.items():
        name = platform.experiment().symbol(symbol).source
        for month in months:
            where = {"symbol": symbol, "month": month}
            table = platform.lake.read("bars", where=where)
            counts["accepted"] += table.num_rows
            counts["quarantined"] += platform.lake.count("quarantined_bars", where)
            counts["received"] += raw.month(symbol, month, name).num_rows
            problem = Bars.from_arrow(table, symbol).problem()
            dirty += [f"{month}: {problem}"] if problem else []
    return dirty, counts


def _inspect_months(
    platform: Platform, raw: RawReader, wanted: dict[str, list[str]], story: _Story
) -> Iterator[Tables]:
    config = platform.experiment().quality
    for symbol, months in wanted.items():
        name, source = platform.source_of(symbol)
        available = source.available(symbol)
        _check_one_venue(platform, symbol, name)
        for month in months:
            rows = raw.month(symbol, month, name)
            start, end = month_bounds(month)
            due = (max(start, available.start), min(end, available.end, platform.now()))
            if rows.num_rows:
                inspection = inspect(rows, config, *due)
            else:
                inspection = nothing_received(name, symbol, month, *due)
            story.add(symbol, month, inspection)
            yield Tables({"symbol": symbol, "month": month}, _tables(inspection, month, name))


def _check_one_venue(platform: Platform, symbol: str, source: str) -> None:
    """Prices of two venues in one table would look like moves of the market."""
    if not platform.lake.has("bars"):
        return
    kept = {other for name, other in platform.lake.partitions("bars", ("symbol", "source"))
            if name == symbol} - {source}  # fmt: skip
    if kept:
        raise SymbolError(
            f"{symbol} is kept from {', '.join(sorted(kept))}, and would now come from {source!r}; "
            "venues must not be mixed. Put the former source back under `symbols` in the YAML, or "
            "start another home (CRYPTO_NN_HOME)."
        )


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
