"""What a file holds, found once: which symbols, when, and in which pieces."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from crypto_nn.bars import M1, Times
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import BarsError
from crypto_nn.sources.formats.bar_file import BarFile, Piece
from crypto_nn.sources.formats.cells import Notes, read_times
from crypto_nn.sources.formats.naming import Naming, owners_of

_SAMPLE = 10_000
_NAT = np.datetime64("NaT", "us")


@dataclass(frozen=True)
class Part:
    """The rows of one symbol in one piece of a file.

    Attributes:
        low, high: the first and the last instant in it, both inclusive.
        before: the instant with which its first rows count where theirs cannot be read.
    """

    piece: Piece
    low: np.datetime64
    high: np.datetime64
    before: np.datetime64


@dataclass(frozen=True, eq=False)
class FileIndex:
    """Where the rows of each symbol are, and how far apart in time they stand.

    Attributes:
        file: the file.
        parts: by symbol, where its rows are.
        spacing: by symbol, how far apart they stand as a rule.
        months: by symbol, how many rows with a readable time each month has; a symbol is missing
            here where that was not needed to find the rest.
        unreadable: by symbol, how many rows have no readable time; 0 where it is missing.
    """

    file: BarFile
    parts: Mapping[str, tuple[Part, ...]]
    spacing: Mapping[str, np.timedelta64]
    months: Mapping[str, Mapping[str, int]]
    unreadable: Mapping[str, int]

    def low(self, symbol: str) -> np.datetime64:
        """The first instant of a symbol."""
        return min(part.low for part in self.parts[symbol])

    def high(self, symbol: str) -> np.datetime64:
        """The last instant of a symbol."""
        return max(part.high for part in self.parts[symbol])


def index_file(file: BarFile, naming: Naming) -> FileIndex:
    """Find out, from statistics where the file has them, else from its times and symbols.

    Raises:
        BarsError: no time or no symbol in it can be read.
    """
    if "symbol" in file.columns:
        return _scan(file, naming)
    symbol = naming.of_file(file.label)
    if symbol is None:
        raise BarsError(
            f"{file.label}: neither a column `symbol` nor the file's name tells the symbol. "
            "Name it like BTC-USDT_1m.csv, or set the source's `symbols`, such as "
            "{'my_file*.csv': 'BTC-USDT'}."
        )
    known = file.statistics()
    if known is None:
        return _scan(file, naming, symbol)
    parts = tuple(Part(piece, low, high, low) for piece, (low, high) in known)
    _, table = next(file.tables(["ts"], [parts[0].piece]))
    sample = read_times(table.column("ts").slice(0, _SAMPLE), file.label, {})
    return FileIndex(file, {symbol: parts}, {symbol: spacing_of(sample)}, {}, {})


def spacing_of(ts: Times) -> np.timedelta64:
    """How far apart rows stand as a rule; a minute where too few rows tell, or many are missing.

    Rows at 10:00, 10:07, 10:21 … are a thin market's minutes. Rows count as slower bars only
    where nine in ten stand on one slower grid.
    """
    ts = np.unique(ts[~np.isnat(ts)])
    if len(ts) < 5:
        return M1.step
    steps, counts = np.unique(np.diff(ts), return_counts=True)
    usual: np.timedelta64 = steps[np.argmax(counts)]
    if usual > M1.step:
        _, crowd = np.unique((ts - ts[0]) % usual, return_counts=True)
        return usual if crowd.max() >= 0.9 * len(ts) else M1.step
    return usual


def count_months(ts: Times) -> dict[str, int]:
    """How many of these times each month has."""
    months = ts[~np.isnat(ts)].astype("datetime64[M]").astype(np.int64)
    if not months.size:
        return {}
    first = months.min()
    counts = np.bincount(months - first)
    return {str(np.datetime64(int(first + n), "M")): int(counts[n]) for n in np.flatnonzero(counts)}


class _Scan:
    """The parts of one symbol, gathered piece by piece."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.months: Counter[str] = Counter()
        self.unreadable = 0
        self.sample = np.empty(0, dtype=TS)
        self._first = self._last = _NAT

    def add(self, piece: Piece, ts: Times) -> None:
        readable = ts[~np.isnat(ts)]
        self.unreadable += len(ts) - len(readable)
        if not readable.size:
            self.parts.append(Part(piece, self._last, self._last, self._last))
            return
        self.months.update(count_months(readable))
        ends = np.append(readable, self._last) if np.isnat(ts[0]) else readable
        low, high = np.nanmin(ends), np.nanmax(ends)
        self.parts.append(Part(piece, low, high, self._last))
        self._first = readable[0] if np.isnat(self._first) else self._first
        self._last = readable[-1]
        if len(self.sample) < _SAMPLE:
            self.sample = np.append(self.sample, readable[:_SAMPLE])

    def finish(self) -> tuple[Part, ...]:
        """The parts; rows before the first readable time count with it. Empty where none is."""
        if np.isnat(self._first):
            return ()
        first = self._first

        def settle(part: Part) -> Part:
            if np.isnat(part.low):
                return replace(part, low=first, high=first, before=first)
            return replace(part, before=first) if np.isnat(part.before) else part

        return tuple(settle(part) for part in self.parts)


def _scan(file: BarFile, naming: Naming, symbol: str | None = None) -> FileIndex:
    scans: dict[str, _Scan] = {}
    notes: Notes = {}
    tickers: list[str] = []
    for piece, table in file.tables(["ts"] if symbol else ["ts", "symbol"]):
        ts = read_times(table.column("ts"), file.label, notes if len(notes) < 3 else {})
        if symbol:
            scans.setdefault(symbol, _Scan()).add(piece, ts)
            continue
        column = table.column("symbol")
        tickers = tickers or column.slice(0, 1).to_pylist()
        owners = owners_of(column, naming, file.label)
        ts[owners.blank] = _NAT
        for owner, rows in owners.split():
            scans.setdefault(owner, _Scan()).add(piece, ts[rows])
    if not scans:
        raise BarsError(
            f"{file.label}: no symbol can be read from its column `symbol`, which begins with "
            f"{tickers}. Tell which is which in the source's `symbols`, such as "
            "{'XBT': 'BTC-USD'}."
        )
    parts = {symbol: scan.finish() for symbol, scan in scans.items()}
    lost = [symbol for symbol, found in parts.items() if not found]
    if lost:
        written = "; ".join(note for row in list(notes)[:3] for note in notes[row])
        raise BarsError(
            f"{file.label}: not one time stamp of {', '.join(lost)} can be read; found "
            f"{written or 'none at all'}. Due are UTC date-times (2024-01-31 23:59:00), or "
            "s, ms, µs or ns since 1970. Convert the column."
        )
    spacing = {symbol: spacing_of(scan.sample) for symbol, scan in scans.items()}
    months = {symbol: scan.months for symbol, scan in scans.items()}
    unreadable = {symbol: scan.unreadable for symbol, scan in scans.items()}
    return FileIndex(file, parts, spacing, months, unreadable)
