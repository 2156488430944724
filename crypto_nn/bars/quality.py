"""Which received rows are bars, which are put aside and why, and which minutes are missing.

Nothing is repaired by guessing and nothing disappears: every received row is either one of the
accepted bars or a quarantined row with a reason, and a minute without a bar stays a gap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.bars.bars import OPTIONAL, PRICES, Bars, Float, Times
from crypto_nn.bars.calendar import TS, month_bounds
from crypto_nn.bars.timeframe import M1
from crypto_nn.errors import BarsError

NUMBERS = (*PRICES, "volume")
QUARANTINE_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("symbol", pa.string()),
        ("month", pa.string()),
        ("ts", pa.timestamp("us")),
        *((name, pa.float64()) for name in (*NUMBERS, *OPTIONAL)),
        ("note", pa.string()),
        ("received_at", pa.timestamp("us")),
        ("revision", pa.int32()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
"""A raw row as it was received, why it was put aside, and what stood in it."""

QUARANTINE_COLUMNS = tuple(QUARANTINE_SCHEMA.names)
RAW_COLUMNS = QUARANTINE_COLUMNS[:-2]

REASONS: Mapping[str, str] = {
    "unreadable_time": "the time stamp could not be read",
    "off_minute": "the stamp is not the start of a minute",
    "out_of_month": "the stamp lies outside the month whose rows these are",
    "unreadable_number": "a price or the volume is missing, not a number, or infinite",
    "not_positive": "a price is zero or negative",
    "out_of_range": "a price or the volume is beyond what any market trades at",
    "high_below_low": "high and low do not enclose open and close",
    "negative_volume": "the volume is negative",
    "not_closed": "the bar was received before its minute had passed",
    "duplicate": "another row says the same of this minute",
    "superseded": "another row of this minute was received later, and took its place",
}
"""Every reason for which a row is put aside. A row gets the first one that applies, in this order,
and may be a duplicate or superseded only where it could have been accepted."""

_CODE = {reason: code for code, reason in enumerate(REASONS, start=1)}


class QualityConfig(BaseModel):
    """What a row must be to count as a bar."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    off_minute: Literal["quarantine", "floor"] = Field(
        default="quarantine",
        description="What becomes of rows stamped within a minute: put aside, or stamped with the "
        "minute's start (such a bar then tells up to 59 s of what came after its minute).",
    )
    min_price: float = Field(default=1e-15, gt=0, description="Lower prices are out of range.")
    max_price: float = Field(default=1e12, gt=0, description="Higher prices are out of range.")
    max_volume: float = Field(default=1e18, gt=0, description="Higher volumes are out of range.")


@dataclass(frozen=True, eq=False)
class Inspection:
    """The rows of one symbol and month, sorted out.

    Attributes:
        source: who gave the rows.
        month: the month whose rows they are.
        accepted: clean bars, one for each minute at most, in order.
        quarantined: the other rows as they were received, with `reason` and `detail`.
        gaps: runs of minutes without an accepted bar: symbol, month, gap_start, gap_end
            (exclusive), minutes.
        unordered: how many rows came after a row of a later time.
    """

    source: str
    month: str
    accepted: Bars
    quarantined: pa.Table
    gaps: pa.Table
    unordered: int

    @property
    def received(self) -> int:
        """How many rows were looked at: the accepted and the quarantined ones."""
        return len(self.accepted) + int(self.quarantined.num_rows)

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows were put aside for each reason that occurred."""
        counts = pc.value_counts(self.quarantined.column("reason")).to_pylist()
        found = {entry["values"]: entry["counts"] for entry in counts}
        return {reason: found[reason] for reason in REASONS if reason in found}

    @property
    def missing_minutes(self) -> int:
        """How many minutes the gaps last together."""
        return int(pc.sum(self.gaps.column("minutes"), min_count=0).as_py())

    @property
    def gap_share(self) -> float:
        """The share of due minutes that have no bar."""
        due = self.missing_minutes + len(self.accepted)
        return self.missing_minutes / due if due else 0.0

    @property
    def flat_bars(self) -> int:
        """Accepted bars without a trade: zero volume and one price throughout."""
        bars = self.accepted
        return int(np.count_nonzero((bars.volume == 0) & (bars.high == bars.low)))


def inspect(
    raw: pa.Table,
    config: QualityConfig | None = None,
    expected_start: np.datetime64 | None = None,
    expected_end: np.datetime64 | None = None,
) -> Inspection:
    """Sort the raw rows of one symbol and month into bars, quarantine and gaps.

    Rows of the same minute: the sane one that was received last wins; of those received at one
    time the highest revision, then the last row. Where stamps are floored, a row stamped on the
    minute goes before a floored one. Flat bars of zero volume are real and stay. The order of
    minutes does not matter. An optional number (vwap, trades) that is not finite, or cannot be, is
    left out of its bar, which stays.

    Args:
        raw: rows with `RAW_COLUMNS`, as the raw store gives them.
        config: what a row must be; the defaults where None.
        expected_start: from when on bars were due: a missing first stretch is then a gap too.
            May lie outside the month.
        expected_end: until when bars were due (exclusive), likewise.

    Raises:
        BarsError: columns are missing, there is no row at all, or the rows are of several
            sources, symbols or months.
    """
    config = config or QualityConfig()
    rows = _Rows.of(raw, config)
    codes = _faults(rows.ts, rows.numbers, rows.received_at, config, month_bounds(rows.month))
    winners = _settle(rows, codes)
    accepted = _bars(rows, winners)
    assert len(accepted) + np.count_nonzero(codes) == raw.num_rows
    return Inspection(
        source=rows.source,
        month=rows.month,
        accepted=accepted,
        quarantined=_quarantine(raw, rows, codes),
        gaps=_gaps(rows.symbol, rows.month, accepted.ts, (expected_start, expected_end)),
        unordered=_count_unordered(rows.ts),
    )


def fit(
    bars: Bars, received_at: np.datetime64 | Times, config: QualityConfig | None = None
) -> NDArray[np.bool_]:
    """Which rows could be bars, each judged by itself: true where no fault of `inspect` applies.

    Rows of several months may come together; no row is out of its month, duplicate or superseded.

    Args:
        bars: rows of one symbol, as they were received.
        received_at: when, UTC: one time for all, or one for each row.
        config: what a row must be; the defaults where None.
    """
    numbers = {name: getattr(bars, name) for name in NUMBERS}
    received = np.asarray(received_at).astype(TS)
    sane: NDArray[np.bool_] = _faults(bars.ts, numbers, received, config or QualityConfig()) == 0
    return sane


def nothing_received(
    source: str, symbol: str, month: str, expected_start: np.datetime64, expected_end: np.datetime64
) -> Inspection:
    """What an inspection finds where a source gave no row at all: the month is one gap."""
    none = Bars.empty(symbol)
    gaps = _gaps(symbol, month, none.ts, (expected_start, expected_end))
    return Inspection(source, month, none, QUARANTINE_SCHEMA.empty_table(), gaps, unordered=0)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The raw table as NumPy columns; `minute` is the stamp that a row gets if it is accepted."""

    source: str
    symbol: str
    month: str
    ts: Times
    minute: Times
    numbers: dict[str, Float]
    revision: NDArray[np.int64]
    received_at: Times
    note: pa.ChunkedArray

    @classmethod
    def of(cls, raw: pa.Table, config: QualityConfig) -> "_Rows":
        missing = [name for name in RAW_COLUMNS if name not in raw.column_names]
        if missing:
            raise BarsError(
                f"Raw rows without column {', '.join(missing)}; found "
                f"{', '.join(raw.column_names)}. Read them with RawStore.read."
            )
        ts = _times(raw, "ts")
        return cls(
            source=_only(raw, "source"),
            symbol=_only(raw, "symbol"),
            month=_only(raw, "month"),
            ts=ts,
            minute=_minutes(ts, config),
            numbers={name: _floats(raw, name) for name in (*NUMBERS, *OPTIONAL)},
            revision=raw.column("revision").to_numpy().astype(np.int64),
            received_at=_times(raw, "received_at"),
            note=raw.column("note"),
        )


def _only(raw: pa.Table, name: str) -> str:
    values = pc.unique(raw.column(name)).to_pylist()
    if len(values) != 1:
        found = ", ".join(map(str, values[:5])) or "no row at all"
        raise BarsError(
            f"Raw rows of one {name} are due; found {found}. "
            f"Read one symbol, month and source at a time: bars of several are never mixed."
        )
    return str(values[0])


def _times(raw: pa.Table, name: str) -> Times:
    times: Times = raw.column(name).cast(pa.timestamp("us")).to_numpy()
    return times.astype(TS)


def _floats(raw: pa.Table, name: str) -> Float:
    floats: Float = raw.column(name).cast(pa.float64()).to_numpy()
    return floats


def _faults(
    ts: Times,
    numbers: Mapping[str, Float],
    received_at: Times,
    config: QualityConfig,
    month: tuple[np.datetime64, np.datetime64] | None = None,
) -> NDArray[np.int8]:
    """For each row the code of the first reason that applies, or 0."""
    minute = _minutes(ts, config)
    open_, high, low, close, volume = (numbers[name] for name in NUMBERS)
    lowest = np.minimum(np.minimum(open_, close), np.minimum(low, high))
    highest = np.maximum(np.maximum(open_, close), np.maximum(low, high))  # NaN if any is
    off_range = (lowest < config.min_price) | (highest > config.max_price)
    masks = {
        "unreadable_time": np.isnat(ts),
        "off_minute": minute.astype("datetime64[m]") != minute,
        "unreadable_number": ~(np.isfinite(lowest) & np.isfinite(highest) & np.isfinite(volume)),
        "not_positive": lowest <= 0,
        "out_of_range": off_range | (volume > config.max_volume),
        "high_below_low": (low > lowest) | (high < highest),
        "negative_volume": volume < 0,
        "not_closed": ~(ts + M1.step <= received_at),
    }
    if month is not None:
        masks["out_of_month"] = ~((minute >= month[0]) & (minute < month[1]))
    codes = np.zeros(len(ts), dtype=np.int8)
    for reason in reversed([*REASONS]):  # the first that applies is written last
        if reason in masks:
            codes[masks[reason]] = _CODE[reason]
    return codes


def _minutes(ts: Times, config: QualityConfig) -> Times:
    """The stamp that each row gets if it is accepted."""
    return ts.astype("datetime64[m]").astype(TS) if config.off_minute == "floor" else ts


def _settle(rows: _Rows, codes: NDArray[np.int8]) -> NDArray[np.intp]:
    """Positions of the rows that win their minute, in order; the others get their code."""
    sane = np.flatnonzero(codes == 0)
    if not sane.size:
        return sane
    # lexsort is stable: among equals the row that came last stays last.
    minute, exact = rows.minute[sane], rows.minute[sane] == rows.ts[sane]
    news = rows.ts[sane], rows.revision[sane], rows.received_at[sane]
    order = sane[np.lexsort((*news, exact, minute))]
    minute = rows.minute[order]
    group = np.concatenate([[0], np.cumsum(minute[1:] != minute[:-1])])
    winners = order[np.flatnonzero(np.diff(group, append=group[-1] + 1))]
    loses = winners[group] != order
    losers, beaten_by = order[loses], winners[group][loses]
    same = _same(rows, losers, beaten_by)
    codes[losers] = np.where(same, _CODE["duplicate"], _CODE["superseded"])
    return winners


def _same(rows: _Rows, some: NDArray[np.intp], others: NDArray[np.intp]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = rows.ts[some] == rows.ts[others]
    for column in rows.numbers.values():
        a, b = column[some], column[others]
        same &= (a == b) | (np.isnan(a) & np.isnan(b))
    return same


def _bars(rows: _Rows, winners: NDArray[np.intp]) -> Bars:
    numbers: dict[str, Any] = {n: column[winners] for n, column in rows.numbers.items()}
    vwap, trades = numbers.pop("vwap"), numbers.pop("trades")
    numbers["volume"] = numbers["volume"] + 0.0  # −0.0 becomes 0.0
    vwap = np.where(np.isfinite(vwap) & (vwap > 0), vwap, np.nan)
    trades = np.where(np.isfinite(trades) & (trades >= 0), trades, np.nan)
    return Bars(
        rows.symbol,
        M1,
        rows.minute[winners],
        **numbers,
        vwap=None if np.isnan(vwap).all() else vwap,
        trades=None if np.isnan(trades).all() else trades,
    )


def _quarantine(raw: pa.Table, rows: _Rows, codes: NDArray[np.int8]) -> pa.Table:
    at = np.flatnonzero(codes)
    names = (None, *REASONS)
    reasons = [names[code] for code in codes[at].tolist()]
    details = [_detail(rows, int(row), str(reason)) for row, reason in zip(at, reasons)]
    aside = raw.select(RAW_COLUMNS).take(pa.array(at))
    aside = aside.append_column("reason", pa.array(reasons, pa.string()))
    return aside.append_column("detail", pa.array(details, pa.string())).cast(QUARANTINE_SCHEMA)


def _detail(rows: _Rows, row: int, reason: str) -> str:
    """What stands in the row, in words, so that the raw file need not be opened."""
    note = rows.note[row].as_py()
    written = f"written: {note}" if note else ""
    values = {name: float(rows.numbers[name][row]) for name in NUMBERS}
    if reason == "unreadable_time":
        return written or "no time stamp"
    if reason in ("off_minute", "duplicate", "superseded"):
        return f"stamped {rows.ts[row]}"
    if reason == "out_of_month":
        return f"stamped {rows.ts[row]}, month {rows.month}"
    if reason == "not_closed":
        return f"closes {rows.ts[row] + M1.step}, received {rows.received_at[row]}"
    if reason == "unreadable_number":
        wrong = [f"{n} is {v}" for n, v in values.items() if not np.isfinite(v)]
        return "; ".join([*wrong, written] if written else wrong)
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _gaps(
    symbol: str, month: str, ts: Times, due: tuple[np.datetime64 | None, np.datetime64 | None]
) -> pa.Table:
    first, after = month_bounds(month)
    expected_start, expected_end = due
    covered_until, next_bar = ts + M1.step, ts
    if expected_start is not None:
        start = np.ceil((expected_start.astype(TS) - first) / M1.step) * M1.step + first
        covered_until = np.concatenate([[max(start, first)], covered_until])
    else:
        next_bar = next_bar[1:]
    if expected_end is not None:
        end = expected_end.astype("datetime64[m]").astype(TS)
        next_bar = np.concatenate([next_bar, [min(end, after)]])
    else:
        covered_until = covered_until[:-1]
    minutes = (next_bar - covered_until) // M1.step
    at = np.flatnonzero(minutes > 0)
    return pa.table(
        {
            "symbol": pa.array([symbol] * at.size, pa.string()),
            "month": pa.array([month] * at.size, pa.string()),
            "gap_start": pa.array(covered_until[at].astype(TS)),
            "gap_end": pa.array(next_bar[at].astype(TS)),
            "minutes": pa.array(minutes[at].astype(np.int64)),
        }
    )


def _count_unordered(ts: Times) -> int:
    readable = ts[~np.isnat(ts)]
    return int(np.count_nonzero(readable < np.maximum.accumulate(readable)))
