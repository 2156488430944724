"""Bars exactly as the sources gave them: one Parquet file per source, symbol and month."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from filelock import FileLock

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS, check_month, month_bounds
from crypto_nn.bars.symbol import check_symbol
from crypto_nn.errors import BarsError, LakeError
from crypto_nn.store.atomic import make_folder
from crypto_nn.store.sealed import read_sealed, verify, write_sealed

NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "trades")
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
_CONTENT = ["ts", *NUMBERS, "note"]
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
        self, source: str, symbol: str, month: str, bars: Bars, received_at: np.datetime64
    ) -> Appended:
        """Add a delivery of one-minute bars to a month.

        Rows that the month's latest revision of their minute has already are known. Where a
        delivery says anything else about a minute, all that it says of that minute is added
        under the next revision number. Rows whose time cannot be read are compared as they are.
        The same delivery twice changes nothing, not even a byte.

        Args:
            bars: of this symbol and month, as the source gave them; a row without a readable
                time belongs to the month of its neighbours.
            received_at: when they were fetched, UTC.

        Raises:
            BarsError: bars of another symbol, month or timeframe, or the file is damaged.
        """
        path = self.path(source, symbol, month)
        _check_delivery(bars, symbol, month)
        make_folder(self.root)
        with FileLock(self.root / ".write.lock", poll_interval=0.01):
            stored = _load(path) if path.exists() else RAW_SCHEMA.empty_table()
            revisions = _revisions(stored, _content(bars))
            new = _rows(source, month, bars, received_at, revisions)
            if new.num_rows or not path.exists():
                stored = _ordered(pa.concat_tables([stored, new]))
                write_sealed(path, stored)
        return Appended(new.num_rows, len(bars) - new.num_rows, stored.num_rows)

    def read(self, symbol: str, month: str, source: str | None = None) -> pa.Table:
        """All rows of a month with all their revisions, in RAW_SCHEMA, each file verified.

        They are ordered by source, time (unreadable last), revision, and arrival.

        Raises:
            LakeError: nothing was ever stored for this month.
            BarsError: a file is damaged.
        """
        paths = self._paths(symbol, month, source)
        if not paths:
            of = f" from {source}" if source else ""
            there = ", ".join(self.months(symbol, source)) or "none"
            raise LakeError(
                f"There are no raw bars of {symbol} for {month}{of}; months stored: {there}. "
                f"Materialise `raw_bars` for {symbol} and {month}."
            )
        return pa.concat_tables([_load(path) for path in paths])

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


def _load(path: Path) -> pa.Table:
    table = read_sealed(path)
    if table.schema != RAW_SCHEMA:
        raise BarsError(
            f"{path} has columns {table.schema.names}, but {RAW_SCHEMA.names} are due. "
            "It was written by another version: materialise `raw_bars` for it again."
        )
    return table


def _content(bars: Bars) -> pd.DataFrame:
    columns = bars.columns()
    content = {name: columns.get(name, np.full(len(bars), np.nan)) for name in _CONTENT[:-1]}
    notes = columns.get("note", np.full(len(bars), None, dtype=object))
    return pd.DataFrame({**content, "note": pd.Series(notes, dtype=object)})


def _revisions(
    stored: pa.Table, incoming: pd.DataFrame
) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """The revision under which each incoming row is to be added; -1 where it is known."""
    known = stored.select([*_CONTENT, "revision"]).to_pandas()
    latest = known.groupby("ts")["revision"].max()
    known = known[known["ts"].isna() | (known["revision"] == known["ts"].map(latest))]
    both = pd.concat([known[_CONTENT], incoming], ignore_index=True)
    both["note"] = both["note"].astype(object).where(both["note"].notna(), None)
    identity = both.groupby(_CONTENT, dropna=False, sort=False).ngroup().to_numpy()
    had = np.bincount(identity[: len(known)], minlength=len(both))
    ours = pd.Series(identity[len(known) :])
    surplus = (ours.groupby(ours).cumcount().to_numpy() >= had[ours]) if len(ours) else ours > 0
    times = incoming["ts"]
    changed = times.isin(times[np.asarray(surplus) & times.notna()]) | (times.isna() & surplus)
    revision = times.map(latest).fillna(-1).astype(np.int32).to_numpy() + 1
    return np.where(changed, revision, -1).astype(np.int32)


def _rows(
    source: str,
    month: str,
    bars: Bars,
    received_at: np.datetime64,
    revisions: np.ndarray[tuple[int], np.dtype[np.int32]],
) -> pa.Table:
    content = _content(bars)[revisions >= 0]
    columns = {
        **{name: pa.array(content[name], from_pandas=True) for name in _CONTENT},
        "source": pa.repeat(source, len(content)),
        "symbol": pa.repeat(bars.symbol, len(content)),
        "month": pa.repeat(month, len(content)),
        "received_at": pa.repeat(pa.scalar(received_at.astype(TS)), len(content)),
        "revision": pa.array(revisions[revisions >= 0]),
    }
    return pa.table(
        [pa.array(columns[field.name]).cast(field.type) for field in RAW_SCHEMA], schema=RAW_SCHEMA
    )


def _ordered(table: pa.Table) -> pa.Table:
    keys = [table["ts"].to_numpy(), table["revision"].to_numpy()]
    return table.take(np.lexsort((keys[1], keys[0])))  # NaT sorts last; arrival breaks ties
