"""The laws of every source of bars."""

import numpy as np
import pytest

from crypto_nn.bars import M1, M5, Bars, Times
from crypto_nn.errors import CryptoNNError, SourceError
from crypto_nn.sources import BarSource

MONTH_ROWS = 31 * 1440


def everything(source: BarSource, symbol: str) -> Bars:
    """All that a source has of a symbol."""
    known = source.available(symbol)
    return Bars.concat(list(source.fetch(symbol, M1, known.start, known.end)))


def check_ordered_and_closed(source: BarSource) -> None:
    """Of clean input each bar is clean, in order, within what is available, and has closed."""
    for symbol in source.symbols():
        bars, known = everything(source, symbol).check_clean(), source.available(symbol)
        assert bars.symbol == symbol
        assert known.start <= bars.ts[0]
        assert bars.ts[-1] + M1.step <= known.end


def check_honours_start_and_end(source: BarSource, cuts: Times) -> None:
    """Every slice is what the whole holds of that time, and neighbours make up the whole."""
    for symbol in source.symbols():
        whole = everything(source, symbol)
        edges = [whole.ts[0] - M1.step, *np.sort(cuts), whole.ts[-1] + M1.step]
        found: list[Bars] = [Bars.empty(symbol)]
        for start, end in zip(edges, edges[1:]):  # noqa: RUF007
            pieces = list(source.fetch(symbol, M1, start, end))
            assert all(start <= ts < end for piece in pieces for ts in piece.ts[[0, -1]])
            found += pieces
        check_same(Bars.concat(found), whole)


def check_same_bars_twice(source: BarSource, again: BarSource) -> None:
    """Asked twice, and asked of another one of the same configuration, the bars are the same."""
    for symbol in source.symbols():
        check_same(everything(source, symbol), everything(source, symbol))
        check_same(everything(again, symbol), everything(source, symbol))


def check_pieces_are_small(source: BarSource) -> None:
    """No piece is longer than about a month, so that years need no more memory than that."""
    for symbol in source.symbols():
        known = source.available(symbol)
        pieces = list(source.fetch(symbol, M1, known.start, known.end))
        assert all(0 < len(piece) <= 1.1 * MONTH_ROWS for piece in pieces)


def check_outside_is_empty(source: BarSource) -> None:
    """Before the start, after the end and within nothing there are no bars."""
    for symbol in source.symbols():
        known, year = source.available(symbol), np.timedelta64(365, "D")
        for start, end in [(known.start - year, known.start), (known.end, known.end + year),
                           (known.start, known.start), (known.end, known.start)]:  # fmt: skip
            assert sum(map(len, source.fetch(symbol, M1, start, end))) == 0


def check_unknown_is_refused(source: BarSource) -> None:
    """An unknown symbol, another timeframe or live bars where there are none are errors."""
    known = source.available(source.symbols()[0])
    with pytest.raises(SourceError, match=f"has no bars of NIL-USDT; it has {source.symbols()[0]}"):
        source.available("NIL-USDT")
    with pytest.raises(SourceError, match="no bars of NIL-USDT"):
        source.fetch("NIL-USDT", M1, known.start, known.end)
    with pytest.raises(CryptoNNError, match="5m"):
        source.fetch(source.symbols()[0], M5, known.start, known.end)
    if not known.live:
        with pytest.raises(SourceError, match="history only"):
            source.stream(source.symbols())


def check_same(some: Bars, others: Bars) -> None:
    """Equal in every column that one of them has; NaN equals NaN."""
    for name in some.columns() | others.columns():
        np.testing.assert_array_equal(getattr(some, name), getattr(others, name))
