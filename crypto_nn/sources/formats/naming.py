"""Which symbol the rows of a file are of."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import PurePath
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crypto_nn.bars.symbol import QUOTES, symbol_from
from crypto_nn.errors import BarsError, SymbolError
from crypto_nn.sources.formats.columns import ALIASES

_MONEY = tuple(quote for quote in QUOTES if quote not in ("BTC", "ETH", "BNB"))
_ANY = "|".join(QUOTES)
_OURS = re.compile(
    rf"(?<![A-Za-z0-9])([A-Z0-9]{{1,20}}-(?:{_ANY}))(?![A-Za-z0-9]|-(?:{_ANY})(?![A-Za-z0-9]))"
)


class Naming:
    """Symbols by name of file, or by what stands in a symbol column.

    Args:
        known: symbols by file name, or by what a file calls them; `*` and `?` are wild.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self._read: dict[str, str | None] = {}

    def of_ticker(self, ticker: str) -> str | None:
        """The symbol that a venue writes so, or None where that is not a symbol."""
        if ticker not in self._read:
            try:
                self._read[ticker] = self._configured(ticker) or symbol_from(ticker)
            except SymbolError:
                self._read[ticker] = None
        return self._read[ticker]

    def of_file(self, label: str) -> str | None:
        """The symbol in `BTCUSDT-1m-2024-01.csv`, `BTC-USDT.parquet`, `kraken_BTC_USD_1m.csv`.

        A folder `symbol=BTC-USDT` (or `ticker=`, `pair=`), as partitioned tables have it, goes
        before the file's name; what is configured for the file's name goes before both.
        """
        path, _, member = label.partition("!")
        names = [name for name in (PurePath(member).name, PurePath(path).name) if name]
        for name in names:
            configured = self._configured(name)
            if configured:
                return configured
        for folder in reversed(PurePath(path).parts[:-1]):
            key, found_key, value = folder.partition("=")
            if found_key and key.lower() in ALIASES["symbol"]:
                return self.of_ticker(unquote(value))
        for name in names:
            found = _OURS.search(name)
            if found:
                return found[1]
            words = re.split(r"[-_. ]", name.upper())
            for word, after in zip(words, [*words[1:], ""]):
                if after in _MONEY and re.fullmatch(r"[A-Z0-9]{1,20}", word):
                    return f"{word}-{after}"
                if word not in QUOTES and any(word[1:].endswith(quote) for quote in QUOTES):
                    return symbol_from(word)
        return None

    def _configured(self, name: str) -> str | None:
        return next((s for pattern, s in self._known.items() if fnmatch(name, pattern)), None)


@dataclass(frozen=True, eq=False)
class Owners:
    """Whose the rows of a table are.

    Attributes:
        symbols: the symbols that occur; None stands for tickers that are not ours to read.
        codes: for each row the position of its symbol among them.
        blank: the rows in which no symbol stood. Each is counted with the row before it (at the
            start: with the first that has one), so that it is put aside there and not lost.
    """

    symbols: Sequence[str | None]
    codes: NDArray[np.int64]
    blank: NDArray[np.bool_]

    def split(self) -> Iterator[tuple[str, NDArray[np.intp]]]:
        """Each symbol with the positions of its rows, in order."""
        order = np.argsort(self.codes, kind="stable")
        edges = np.searchsorted(self.codes[order], np.arange(len(self.symbols) + 1))
        for symbol, (start, end) in zip(self.symbols, pairwise(edges)):
            if symbol is not None and end > start:
                yield symbol, order[start:end]


def owners_of(column: pa.ChunkedArray, naming: Naming, label: str) -> Owners:
    """Read a symbol column.

    Raises:
        BarsError: no row of the table has a symbol.
    """
    try:
        texts = column.cast(pa.string())
    except pa.ArrowException:
        raise BarsError(
            f"{label}: column symbol is of type {column.type}, or not UTF-8; texts are due. "
            "Convert the column."
        ) from None
    encoded = pc.utf8_trim_whitespace(texts).combine_chunks().dictionary_encode()
    tickers = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
    blank = (codes < 0) | np.isin(codes, [at for at, ticker in enumerate(tickers) if not ticker])
    filled = fill_positions(~blank)
    if filled[-1] < 0:
        raise BarsError(f"{label}: no symbol in {len(blank)} rows running. It is damaged: mend it.")
    symbols = [naming.of_ticker(ticker) for ticker in tickers]
    distinct = sorted({symbol for symbol in symbols if symbol})
    place = np.array([distinct.index(s) if s else len(distinct) for s in symbols])
    return Owners([*distinct, None], place[codes[filled]], blank)


def fill_positions(present: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row the last row that is present, itself or before it; at first the first one."""
    last = np.maximum.accumulate(np.where(present, np.arange(len(present)), -1))
    first = int(np.argmax(present)) if present.any() else -1
    filled: NDArray[np.int64] = np.where(last < 0, first, last)
    return filled
