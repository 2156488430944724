"""Bars exactly as the sources gave them: one Parquet file per source, symbol and month."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from crypto_nn.bars import M1, Bars, Times
from crypto_nn.bars.calendar import TS, check_month, month_bounds
from crypto_nn.bars.symbol import check_symbol
from crypto_nn.errors import BarsError, LakeError
from crypto_nn.store.atomic import make_folder
from crypto_nn.store.revisions import KNOWN, NUMBERS, Kept, Said, revise
from crypto_nn.store.sealed import read_sealed, verify, write_sealed

RAW_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("symbol", pa.string()),
        ("month", pa.string()),
        ("ts", pa.timestamp("us")),
        *((name, pa.float64()) for name in NUMBERS),
        ("note", pa.string()),
        ("received_at", pa.timestamp("us")),
        ("revision", pa.int32()),
    ]
)
_FEW_VALUES = ("source", "symbol", "month", "note", "received_at", "revision")
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class Appended:
    """What a delivery brought: rows that are new, rows known before, rows in the file now."""

    rows_new: int
    rows_known: int
    rows_total: int


class RawStore:
    """The bars that came in, never edited; corrections stand beside what they correct.

    Files lie at `<root>/<source>/<symbol>/<month>.parquet` and can be read by anything.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).expanduser().resolve()

    def path(self, source: str, symbol: str, month: str) -> Path:
        """Where a file lies; the three names are checked, so it lies below `root`."""
        return self.root / _check_source(source) / check_symbol(symbol) / _file(check_month(month))

    def append(
        self,
        source: str,
        symbol: str,
        month: str,
        bars: Bars,
        received_at: np.datetime64 | Times,
    ) -> Appended:
        """Add a delivery of one-minute bars to a month.

        A row is known where all that the delivery says of its minute was already in force when
        it was received: it is what the newest delivery of that minute until then had said, and
        ends with the same row. Otherwise all that the delivery says of the minute is added under
        the minute's next revision, also where it is older than what is stored: then it is kept
        for those who ask what was known at a time, and does not win. Rows whose time cannot be
        read are compared as they are. The same delivery twice changes nothing, not even a byte.

        Args:
            bars: of this symbol and month, as the source gave them; a row without a readable
                time belongs to the month of its neighbours.
            received_at: when they were received, UTC; one time, or one for each row. Rows of one
                minute with the same time are one delivery.

        Raises:
            BarsError: bars of another symbol, month or timeframe, times of receipt that are
                missing or not one for each row, or the file is damaged.
        """
        path = self.path(source, symbol, month)
        _check_delivery(bars, symbol, month)
        said = Said.of(bars, _received(bars, received_at))
        make_folder(path.parent)
        with FileLock(path.parent / ".write.lock", poll_interval=0.01):
            stored = _load(path) if path.exists() else RAW_SCHEMA.empty_table()
            new = _news(stored, source, bars.symbol, month, said)
            if new.num_rows or not path.exists():
                stored = _joined(stored, new)
                write_sealed(path, stored, _FEW_VALUES, rising=("ts",))
        return Appended(new.num_rows, len(bars) - new.num_rows, stored.num_rows)

    def read(
        self,
        symbol: str,
        month: str,
        source: str | None = None,
        as_of: np.datetime64 | None = None,
    ) -> pa.Table:
        """All rows of a month with all their revisions, in RAW_SCHEMA, each file verified.

        They are ordered by source, time (unreadable last), revision, and arrival.

        Args:
            as_of: only what had been received by then (inclusive, UTC). These are the rows that
                would be there had nothing been received since, but for the revisions' numbers.

        Raises:
            LakeError: nothing was ever stored for this month.
            BarsError: a file is damaged.
        """
        rows = pa.concat_tables([_load(path) for path in self._found(symbol, month, source)])
        return rows if as_of is None else received_by(rows, as_of)

    def count(self, symbol: str, month: str, source: str | None = None) -> int:
        """How many rows `read` gives, from the files' own counts: quick, and nothing is verified.

        Raises:
            LakeError: nothing was ever stored for this month.
            BarsError: a file is damaged where it says how many it has.
        """
        return sum(_count(path) for path in self._found(symbol, month, source))

    def has(self, symbol: str, month: str, source: str | None = None) -> bool:
        """Whether a month was ever stored, from this source or any."""
        return bool(self._paths(symbol, month, source))

    def digest(self, source: str, symbol: str, month: str) -> str:
        """The SHA-256 that the month's file carries, after verifying it."""
        path = self.path(source, symbol, month)
        return verify(path.read_bytes(), path)

    def months(self, symbol: str, source: str | None = None) -> tuple[str, ...]:
        """The months stored for a symbol, in order."""
        names = self.sources(symbol) if source is None else (_check_source(source),)
        folders = [self.root / name / check_symbol(symbol) for name in names]
        return tuple(sorted({path.stem for folder in folders for path in folder.glob(_file("*"))}))

    def sources(self, symbol: str) -> tuple[str, ...]:
        """The sources from which bars of a symbol are stored, in order."""
        found = self.root.glob(f"*/{check_symbol(symbol)}")
        return tuple(sorted(path.parent.name for path in found if any(path.glob(_file("*")))))

    def symbols(self) -> tuple[str, ...]:
        """The symbols of which bars are stored, in order."""
        return tuple(sorted({path.parent.name for path in self.root.glob(f"*/*/{_file('*')}")}))

    def _found(self, symbol: str, month: str, source: str | None) -> list[Path]:
        paths = self._paths(symbol, month, source)
        if not paths:
            of = f" from {source}" if source else ""
            there = ", ".join(self.months(symbol, source)) or "none"
            raise LakeError(
                f"There are no raw bars of {symbol} for {month}{of}; months stored: {there}. "
                f"Materialise `raw_bars` for {symbol} and {month}."
            )
        return paths

    def _paths(self, symbol: str, month: str, source: str | None) -> list[Path]:
        names = self.sources(symbol) if source is None else (source,)
        paths = [self.path(name, symbol, month) for name in names]
        return [path for path in paths if path.exists()]


def _file(month: str) -> str:
    return f"{month}.parquet"


def _check_source(source: str) -> str:
    if not _SOURCE.fullmatch(source):
        raise BarsError(
            f"{source!r} is not the name of a source. Write it in small letters, digits, _ and -, "
            "such as binance."
        )
    return source


def _check_delivery(bars: Bars, symbol: str, month: str) -> None:
    if bars.symbol != symbol or bars.timeframe != M1:
        raise BarsError(
            f"Bars of {bars.symbol} at {bars.timeframe} cannot be stored as {symbol} at {M1}. "
            "The raw store holds one-minute bars, each symbol in its own files."
        )
    start, end = month_bounds(month)
    outside = bars.ts[(bars.ts < start) | (bars.ts >= end)]
    if outside.size:
        raise BarsError(
            f"{symbol}: {outside[0]} does not lie in {month}. Cut a delivery at month starts and "
            "append each month to its own file."
        )


def _received(bars: Bars, received_at: np.datetime64 | Times) -> Times:
    times = np.asarray(received_at).astype(TS)
    if times.shape not in ((), (len(bars),)) or np.isnat(times).any():
        raise BarsError(
            f"{bars.symbol}: {len(bars)} rows came with times of receipt of shape {times.shape}, "
            f"{np.count_nonzero(np.isnat(times))} of them missing. Give one time, or one per row."
        )
    return np.broadcast_to(times, (len(bars),))


def _count(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        _load(path)  # says what is wrong with it
        raise


def _load(path: Path) -> pa.Table:
    table = read_sealed(path)
    if table.schema != RAW_SCHEMA:
        raise BarsError(
            f"{path} has columns {table.schema.names}, but {RAW_SCHEMA.names} are due. "
            "It was written by another version: materialise `raw_bars` for it again."
        )
    return table


def received_by(rows: pa.Table, time: np.datetime64) -> pa.Table:
    """The raw rows that had been received by a time (inclusive, UTC)."""
    return rows.filter(pc.less_equal(rows["received_at"], pa.scalar(time.astype(TS))))


def merged(
    stored: pa.Table, source: str, month: str, bars: Bars, received_at: np.datetime64 | Times
) -> pa.Table:
    """The rows that a month would have after `RawStore.append`; nothing is written.

    Args:
        stored: the month's rows from this source, as `RawStore.read` gives them.
    """
    said = Said.of(bars, _received(bars, received_at))
    return _joined(stored, _news(stored, source, bars.symbol, month, said))


def _news(stored: pa.Table, source: str, symbol: str, month: str, said: Said) -> pa.Table:
    return _rows(source, symbol, month, said, revise(Kept.of(stored), said))


def _joined(stored: pa.Table, new: pa.Table) -> pa.Table:
    return _ordered(pa.concat_tables([stored, new]) if stored.num_rows else new)


def _rows(
    source: str, symbol: str, month: str, said: Said, revisions: np.ndarray[tuple[int], np.dtype]
) -> pa.Table:
    new = revisions != KNOWN
    said, revisions = (said, revisions) if new.all() else (said.take(new), revisions[new])
    columns = {
        **{name: pa.array(numbers, from_pandas=True) for name, numbers in said.numbers.items()},
        "ts": pa.array(said.ts),
        "note": pa.nulls(len(said)) if said.note is None else pa.array(said.note),
        "source": pa.repeat(source, len(said)),
        "symbol": pa.repeat(symbol, len(said)),
        "month": pa.repeat(month, len(said)),
        "received_at": pa.array(said.received_at),
        "revision": pa.array(revisions),
    }
    return pa.table([columns[field.name].cast(field.type) for field in RAW_SCHEMA], RAW_SCHEMA)


def _ordered(table: pa.Table) -> pa.Table:
    ts, revision = table["ts"].to_numpy(), table["revision"].to_numpy()
    order = np.lexsort((revision, ts))  # NaT sorts last; arrival breaks ties
    return table if (order[1:] > order[:-1]).all() else table.take(order)


def raw_rows(source: str, month: str, bars: Bars, received_at: np.datetime64) -> pa.Table:
    """A delivery of one month as raw rows, as if it were the first: for those who store nothing."""
    said = Said.of(bars, _received(bars, received_at))
    return _rows(_check_source(source), bars.symbol, month, said, np.zeros(len(bars), np.int32))
