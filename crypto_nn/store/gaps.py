"""What is missing, what was put aside and what was corrected, now or as it was known at a time."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crypto_nn.bars import M1, Times
from crypto_nn.bars.calendar import TS, month_bounds
from crypto_nn.bars.quality import QualityConfig, inspect, nothing_received
from crypto_nn.pictures import Hours
from crypto_nn.store.gap_repairs import MINUTE, Gap, History, histories, open_gaps, read_asks
from crypto_nn.store.lake import Lake
from crypto_nn.store.lineage import read_ledger
from crypto_nn.store.raw import RawStore

State = Literal["open", "confirmed", "refilled"]
HOUR = np.timedelta64(1, "h")
NO_TIMES = np.empty(0, dtype=TS)


@dataclass(frozen=True)
class GapRow:
    """A run of minutes that is missing, or was.

    Attributes:
        gap_start, gap_end: the minutes [start, end), UTC.
        minutes: how many they are.
        times_asked: how often the source was asked for them.
        last_asked: when that was last.
        state: open (it will be asked again), confirmed (it has no more), refilled (they are there).
    """

    symbol: str
    gap_start: np.datetime64
    gap_end: np.datetime64
    minutes: int
    times_asked: int
    last_asked: np.datetime64 | None
    state: State


@dataclass(frozen=True)
class Summary:
    """What there is of one symbol.

    Attributes:
        first, last: first and last minute that has a bar, None where none has.
        bars: minutes that have one.
        missing_minutes: minutes that are due and have none.
        quarantined: rows put aside, by reason.
        revised_minutes: minutes that the source has told in more than one version.
        newest_revision: when the last of those was received.
    """

    symbol: str
    first: np.datetime64 | None
    last: np.datetime64 | None
    bars: int
    missing_minutes: int
    gaps: int
    quarantined: Mapping[str, int]
    revised_minutes: int
    newest_revision: np.datetime64 | None

    @property
    def coverage(self) -> float | None:
        """The share of the minutes that are due which have a bar; None where none is due."""
        due = self.bars + self.missing_minutes
        return self.bars / due if due else None


@dataclass(frozen=True)
class GapReport:
    """Gaps in the order of time, a summary per symbol, and what the picture is made of."""

    rows: tuple[GapRow, ...]
    summaries: tuple[Summary, ...]
    hours: tuple[Hours, ...]
    as_of: np.datetime64 | None = None

    def tables(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The gaps and the summaries as rows to print, times in text."""
        return [_gap_cells(row) for row in self.rows], [_cells(one) for one in self.summaries]


def _gap_cells(row: GapRow) -> dict[str, Any]:
    return {
        "symbol": row.symbol,
        "from": _text(row.gap_start),
        "until": _text(row.gap_end),
        "minutes": row.minutes,
        "asked": row.times_asked,
        "last asked": _text(row.last_asked),
        "state": row.state,
    }


def _cells(summary: Summary) -> dict[str, Any]:
    share, newest = summary.coverage, _text(summary.newest_revision)
    aside = ", ".join(f"{reason} {count:,}" for reason, count in summary.quarantined.items())
    return {
        "symbol": summary.symbol,
        "days": f"{_text(summary.first)[:10]} to {_text(summary.last)[:10]}" if share else "",
        "bars": f"{summary.bars:,}",
        "coverage": "" if share is None else f"{np.floor(share * 1e6) / 1e4:g} %",
        "missing": _missing(summary),
        "put aside": aside or "none",
        "corrected": f"{summary.revised_minutes:,}, last {newest}" if newest else "none",
    }


def _missing(summary: Summary) -> str:
    if not summary.gaps:
        return "none"
    return f"{summary.missing_minutes:,} in {summary.gaps:,} gap{'s' if summary.gaps > 1 else ''}"


def report_gaps(
    lake: Lake,
    raw: RawStore,
    sources: Mapping[str, str],
    after: Sequence[np.timedelta64],
    quality: QualityConfig | None = None,
    as_of: np.datetime64 | None = None,
) -> GapReport:
    """What is missing of each symbol; nothing is written.

    Args:
        sources: by symbol the name of its primary source.
        after: when a source is asked again for a gap, since it was first seen.
        quality: what a row must be to count as a bar; for `as_of` alone.
        as_of: what was known then (µs, UTC): worked out anew from the rows received by then. What
            had not been received counts as missing, also where it was only ingested later.
    """
    symbols = sorted(sources)
    if as_of is None:
        known = {symbol: _stored(lake, raw, symbol, sources[symbol]) for symbol in symbols}
    else:
        config = quality or QualityConfig()
        dues = _dues(lake, symbols)
        known = {
            symbol: _known_then(raw, symbol, sources[symbol], config, as_of, dues)
            for symbol in symbols
        }
    asks = [a for a in read_asks(lake, symbols) if as_of is None or a.asked_at <= as_of]
    gaps = [gap for one in known.values() for gap in one.gaps]
    rows = [*_rows(histories(gaps, asks), after), *_refilled(gaps, [ask.gap for ask in asks])]
    return GapReport(
        tuple(sorted(rows, key=lambda row: (row.gap_start, row.symbol))),
        tuple(known[symbol].summary(symbol) for symbol in symbols),
        tuple(known[symbol].hours(symbol) for symbol in symbols),
        as_of,
    )


@dataclass
class _Known:
    """What is known of one symbol's minutes."""

    ts: list[Times] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    aside: list[Times] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    revised: list[Times] = field(default_factory=list)
    newest: np.datetime64 | None = None

    def revise(self, rows: pa.Table) -> None:
        """Take note of the minutes of raw rows that came in more than one version."""
        again = rows["revision"].to_numpy() > 0
        ts, received_at = rows["ts"].to_numpy()[again], rows["received_at"].to_numpy()[again]
        if len(ts):
            self.revised.append(np.unique(ts[~np.isnat(ts)]).astype(TS))
            newest = received_at.max().astype(TS)
            self.newest = newest if self.newest is None else max(newest, self.newest)

    def summary(self, symbol: str) -> Summary:
        """The counts."""
        ts = _joined(self.ts)
        return Summary(
            symbol,
            ts[0] if len(ts) else None,
            ts[-1] if len(ts) else None,
            len(ts),
            sum(gap.minutes for gap in self.gaps),
            len(self.gaps),
            dict(self.reasons.most_common()),
            len(_joined(self.revised)),
            self.newest,
        )

    def hours(self, symbol: str) -> Hours:
        """The counts by hour, from the first to the last hour of which anything is known."""
        ts, missing = _joined(self.ts), _joined([_minutes(gap) for gap in self.gaps])
        known = [part for part in (ts, missing) if len(part)]
        start = min((part.min() for part in known), default=np.datetime64(0, "us"))
        end = max((part.max() for part in known), default=start)
        first = start.astype("datetime64[h]")
        count = int((end.astype("datetime64[h]") - first).astype(int)) + 1 if known else 0
        there, absent, aside, revised = (
            _per_hour(part, first, count)
            for part in (ts, missing, _joined(self.aside), _joined(self.revised))
        )
        return Hours(symbol, first, there + absent, there, aside, revised)


def hours_of(lake: Lake, raw: RawStore, symbol: str, source: str, months: Sequence[str]) -> Hours:
    """What a picture of some months of a symbol is made of; arguments as in `report_gaps`."""
    return _stored(lake, raw, symbol, source, months).hours(symbol)


def _stored(
    lake: Lake, raw: RawStore, symbol: str, source: str, months: Sequence[str] | None = None
) -> _Known:
    """What the tables hold, of all months or of some."""
    known, where = _Known(), {"symbol": [symbol]}
    if months is not None:
        where["month"] = list(months)
    if lake.has("bars"):
        known.ts.append(lake.read("bars", ("ts",), where)["ts"].to_numpy().astype(TS))
    known.gaps = [gap for gap in open_gaps(lake, [symbol]) if months is None or gap.month in months]
    if lake.has("quarantined_bars"):
        aside = lake.read("quarantined_bars", ("ts", "reason"), where)
        known.aside.append(aside["ts"].to_numpy().astype(TS))
        known.reasons.update(aside["reason"].to_pylist())
    for month in raw.months(symbol, source):
        if months is not None and month not in months:
            continue
        path = raw.path(source, symbol, month)
        known.revise(pq.read_table(path, columns=["ts", "received_at", "revision"]))
    return known


def _known_then(
    raw: RawStore,
    symbol: str,
    source: str,
    config: QualityConfig,
    as_of: np.datetime64,
    dues: Mapping[tuple[str, str], tuple[np.datetime64, np.datetime64]],
) -> _Known:
    """What the rows received by then make of each month that has been ingested since."""
    known = _Known()
    for month in raw.months(symbol, source):
        start, end = dues.get((symbol, month), month_bounds(month))
        due = (start, min(end, as_of))
        if due[1] <= start:
            continue
        rows = raw.read(symbol, month, source, as_of=as_of)
        if rows.num_rows:
            found = inspect(rows, config, *due)
        else:
            found = nothing_received(source, symbol, month, *due)
        known.ts.append(found.accepted.ts)
        spans = found.gaps["gap_start"].to_numpy(), found.gaps["gap_end"].to_numpy()
        known.gaps += [Gap(symbol, *span) for span in zip(*(s.astype(TS) for s in spans))]
        known.aside.append(found.quarantined["ts"].to_numpy().astype(TS))
        known.reasons.update(found.reasons)
        known.revise(rows)
    return known


def _dues(
    lake: Lake, symbols: Iterable[str]
) -> dict[tuple[str, str], tuple[np.datetime64, np.datetime64]]:
    """From when until when minutes were due, by symbol and month, where that is on record."""
    found: dict[tuple[str, str], tuple[np.datetime64, np.datetime64]] = {}
    for (asset, symbol, month), made in read_ledger(lake, symbols).items():
        if asset != "bars":
            continue
        start, end = (np.datetime64(text, "us") for text in made.made_of["due"].split())
        was_running = made.made_at - end < HOUR  # later minutes were due later
        found[symbol, month] = (start, month_bounds(month)[1] if was_running else end)
    return found


def _rows(found: Iterable[History], after: Sequence[np.timedelta64]) -> Iterable[GapRow]:
    for history in found:
        gap = history.gap
        state: State = "confirmed" if history.is_confirmed(after) else "open"
        times, last = history.times_asked, history.last_asked
        yield GapRow(gap.symbol, gap.start, gap.end, gap.minutes, times, last, state)


def _refilled(gaps: Sequence[Gap], once: Iterable[Gap]) -> Iterable[GapRow]:
    """Minutes that were once on the ledger as missing and are not missing any more."""
    missing: dict[str, list[Times]] = {}
    for gap in gaps:
        missing.setdefault(gap.symbol, []).append(_minutes(gap))
    before: dict[str, list[Times]] = {}
    for gap in once:
        before.setdefault(gap.symbol, []).append(_minutes(gap))
    for symbol, minutes in sorted(before.items()):
        filled = np.setdiff1d(_joined(minutes), _joined(missing.get(symbol, [])))
        cuts = np.flatnonzero(np.diff(filled) != MINUTE) + 1
        for run in np.split(filled, cuts) if len(filled) else ():
            yield GapRow(symbol, run[0], run[-1] + MINUTE, len(run), 0, None, "refilled")


def _minutes(gap: Gap) -> Times:
    return np.arange(gap.start, gap.end, M1.step).astype(TS)


def _joined(parts: Sequence[Times]) -> Times:
    return np.concatenate(parts) if parts else NO_TIMES


def _per_hour(ts: Times, first: np.datetime64, count: int) -> NDArray[np.int64]:
    """How many of these times lie in each hour; what lies outside is left out."""
    hour = (ts[~np.isnat(ts)].astype("datetime64[h]") - first).astype(np.int64)
    return np.bincount(hour[(hour >= 0) & (hour < count)], minlength=count).astype(np.int64)


def _text(time: np.datetime64 | None) -> str:
    return "" if time is None else str(time.astype("datetime64[m]")).replace("T", " ")
