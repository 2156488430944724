"""Tables as they are written, to bars as they can be read."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from crypto_nn.bars import M1, Bars, Times
from crypto_nn.bars.bars import OPTIONAL, REQUIRED
from crypto_nn.bars.calendar import TS
from crypto_nn.sources.formats.bar_file import Piece
from crypto_nn.sources.formats.cells import Notes, read_numbers, read_times
from crypto_nn.sources.formats.index import FileIndex, Part
from crypto_nn.sources.formats.naming import Naming, fill_positions, owners_of


@dataclass(frozen=True, eq=False)
class Decoded:
    """A piece of a file as bars, each row with the instant with which it counts."""

    piece: Piece
    bars: Bars
    counted: Times
    ordered: bool

    @classmethod
    def of(cls, piece: Piece, bars: Bars, before: np.datetime64) -> "Decoded":
        """Rows without a readable time count with the readable one before them, first `before`."""
        counted, present = bars.ts, ~np.isnat(bars.ts)
        if not present.all():
            filled = counted[fill_positions(present)]
            counted = np.where(np.maximum.accumulate(present), filled, before)
        return cls(piece, bars, counted, bool((counted[1:] >= counted[:-1]).all()))

    def between(self, start: np.datetime64, end: np.datetime64) -> Bars:
        """The rows that count in [start, end), as they stand."""
        if self.ordered:
            lo, hi = np.searchsorted(self.counted, np.array([start, end], dtype=TS))
            return self.bars[int(lo) : int(hi)]
        return self.bars.take((self.counted >= start) & (self.counted < end))


class Reader:
    """Reads the rows of files, and remembers the piece that it read last.

    Whoever asks for month after month comes back to the same piece of a file (a row group may
    hold years), which is then decoded once and not once a month.
    """

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._last: tuple[FileIndex, str, Decoded] | None = None

    def rows(
        self, index: FileIndex, symbol: str, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        """The rows of a symbol in [start, end), piece by piece, as they stand in the file.

        A row without a readable time counts with the readable one before it.
        """
        parts = {p.piece: p for p in index.parts[symbol] if p.high >= start and p.low < end}
        for decoded in self._decoded(index, symbol, parts):
            bars = decoded.between(start, end)
            if len(bars):
                yield bars

    def _decoded(
        self, index: FileIndex, symbol: str, parts: Mapping[Piece, Part]
    ) -> Iterator[Decoded]:
        pieces = sorted(parts)
        if pieces and self._last is not None:
            of, whose, last = self._last
            if of is index and whose == symbol and last.piece == pieces[0]:
                yield last
                pieces = pieces[1:]
        if not pieces:
            return
        names = [name for name in (*REQUIRED, *OPTIONAL, "symbol") if name in index.file.columns]
        for piece, table in index.file.tables(names, pieces):
            bars = _decode(table, symbol, self._naming, index.file.label)
            decoded = Decoded.of(piece, bars, parts[piece].before)
            self._last = index, symbol, decoded
            yield decoded


def _decode(table: pa.Table, symbol: str, naming: Naming, label: str) -> Bars:
    blank: set[int] = set()
    if "symbol" in table.column_names:
        owners = owners_of(table.column("symbol"), naming, label)
        rows = dict(owners.split()).get(symbol, np.empty(0, dtype=np.intp))
        table = table.take(pa.array(rows))
        blank = set(np.flatnonzero(owners.blank[rows]).tolist())
    return bars_of(table, symbol, label, blank)


def bars_of(table: pa.Table, symbol: str, label: str, blank: Collection[int] = frozenset()) -> Bars:
    """The rows of one symbol as bars, with notes of what could not be read.

    Args:
        table: our columns, cells as they are written.
        symbol: whose they are.
        label: where they are from, for messages.
        blank: rows where no symbol stood; their times are put aside in the note.
    """
    notes: Notes = {}
    if "line" in table.column_names:
        for row, line in enumerate(table.column("line").to_pylist()):
            if line is not None:
                notes[row] = [f"line={line[:500]!r}"]
    ts = read_times(table.column("ts"), label, notes)
    for row in blank:
        if not np.isnat(ts[row]):
            notes.setdefault(row, []).append(f"ts='{ts[row]}'; no symbol")
            ts[row] = np.datetime64("NaT")
    numbers: dict[str, Any] = {
        name: read_numbers(table.column(name), name, label, notes)
        for name in (*REQUIRED[1:], *OPTIONAL)
        if name in table.column_names
    }
    note = np.full(len(ts), None, dtype=object)
    for row, texts in notes.items():
        note[row] = "; ".join(texts)
    return Bars(symbol, M1, ts, **numbers, note=note if notes else None)
