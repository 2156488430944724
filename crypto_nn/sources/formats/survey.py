"""What files hold, for a dry run: nothing but times and symbols are read."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from crypto_nn.bars import M1
from crypto_nn.sources.formats.bar_file import BarFile, Piece
from crypto_nn.sources.formats.cells import UNITS, read_times, units_of
from crypto_nn.sources.formats.index import FileIndex, count_months
from crypto_nn.sources.survey import Found


def describe(index: FileIndex) -> Iterator[Found]:
    """One row for each symbol of a file."""
    unit = _unit(index.file, [part.piece for parts in index.parts.values() for part in parts])
    for symbol in sorted(index.parts):
        months = index.months.get(symbol) or _count(index, symbol)
        rows = sum(months.values()) + index.unreadable.get(symbol, 0)
        found = Found(
            origin=index.file.label,
            layout=index.file.layout,
            symbol=symbol,
            first=index.low(symbol),
            last=index.high(symbol),
            rows=rows,
            unreadable=index.unreadable.get(symbol, 0),
            unit=unit,
            spacing=f"{index.spacing[symbol] / np.timedelta64(1, 's'):g} s",
            months=months,
        )
        wrong = spacing_problem(index, symbol)
        yield replace(found, refused=wrong, months={}) if wrong else found


def spacing_problem(index: FileIndex, symbol: str) -> str:
    """Why the rows of a symbol are no one-minute bars, in words; empty where they may be."""
    spacing = index.spacing[symbol]
    if spacing == M1.step:
        return ""
    return (
        f"{index.file.label} has a bar of {symbol} every {spacing / np.timedelta64(1, 's'):g} s; "
        "one a minute is due. Give one-minute bars (slower ones are made of them), or leave the "
        "file out of `paths`."
    )


def _unit(file: BarFile, pieces: list[Piece]) -> str:
    """How times are written at the start and at the end of a file."""
    ends = sorted({min(pieces), max(pieces)})
    units: set[str] = set()
    for _, table in file.tables(["ts"], ends):
        units |= units_of(table.column("ts"), file.label)
    return ", ".join(unit for unit in (*UNITS, "date-time") if unit in units)


def _count(index: FileIndex, symbol: str) -> Mapping[str, int]:
    """Rows by month: from what is known of a piece where it lies within one, else from times."""
    months: Counter[str] = Counter()
    mixed: list[Piece] = []
    for part in index.parts[symbol]:
        low, high = (str(at.astype("datetime64[M]")) for at in (part.low, part.high))
        if low == high:
            months[low] += part.piece.size
        else:
            mixed.append(part.piece)
    for _, table in index.file.tables(["ts"], mixed) if mixed else ():
        months.update(count_months(read_times(table.column("ts"), index.file.label, {})))
    return dict(sorted(months.items()))
