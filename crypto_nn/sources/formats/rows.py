"""Tables as they are written, to bars as they can be read."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.bars import OPTIONAL, REQUIRED
from crypto_nn.sources.formats.cells import Notes, read_numbers, read_times
from crypto_nn.sources.formats.index import FileIndex
from crypto_nn.sources.formats.naming import Naming, fill_positions, owners_of


def read_rows(
    index: FileIndex, naming: Naming, symbol: str, start: np.datetime64, end: np.datetime64
) -> Iterator[Bars]:
    """The rows of a symbol in [start, end), piece by piece, as they stand in the file.

    A row without a readable time counts with the readable one before it.
    """
    parts = {p.piece: p for p in index.parts[symbol] if p.high >= start and p.low < end}
    names = [name for name in (*REQUIRED, *OPTIONAL, "symbol") if name in index.file.columns]
    for piece, table in index.file.tables(names, sorted(parts)):
        bars = _decode(table, symbol, naming, index.file.label)
        present = ~np.isnat(bars.ts)
        counted = np.where(
            np.maximum.accumulate(present),
            bars.ts[fill_positions(present)] if len(bars) else bars.ts,
            parts[piece].before,
        )
        within = (counted >= start) & (counted < end)
        if within.any():
            yield bars if within.all() else bars.take(within)


def _decode(table: pa.Table, symbol: str, naming: Naming, label: str) -> Bars:
    blank: set[int] = set()
    if "symbol" in table.column_names:
        owners = owners_of(table.column("symbol"), naming, label)
        rows = dict(owners.split()).get(symbol, np.empty(0, dtype=np.intp))
        table = table.take(pa.array(rows))
        blank = set(np.flatnonzero(owners.blank[rows]).tolist())
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
