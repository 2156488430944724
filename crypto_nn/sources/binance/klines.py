"""Klines as Binance writes them, the same in its archive and by REST, to bars."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import SourceError
from crypto_nn.sources.binance.web import Garbled, Malformed, Web
from crypto_nn.sources.formats.cells import read_numbers
from crypto_nn.sources.formats.rows import bars_of

COLUMNS = ("ts", "open", "high", "low", "close", "volume", "trades", "quote_volume")
PAGE = 1000
"""As many klines as one request gives at most."""
_PLACES = (0, 1, 2, 3, 4, 5, 8, 7)  # of COLUMNS in a kline
_UNKNOWN_SYMBOL = -1121
_MS = np.timedelta64(1, "ms")


def kline_bars(table: pa.Table, symbol: str, label: str) -> Bars:
    """Bars from `COLUMNS` as they are written; vwap is what was paid by what was traded."""
    bars = bars_of(table, symbol, label)
    if "quote_volume" not in table.column_names:
        return bars
    paid = read_numbers(table.column("quote_volume"), "quote_volume", label, {})
    vwap = np.full(len(bars), np.nan)
    np.divide(paid, bars.volume, out=vwap, where=bars.volume > 0)
    return replace(bars, vwap=vwap)


def ticker_of(symbol: str) -> str:
    """BTCUSDT, as Binance writes BTC-USDT."""
    return symbol.replace("-", "")


class Klines:
    """Klines by REST, up to a thousand at a time, only those that have closed.

    Args:
        web: how to ask; it also knows what time it is at the exchange.
        url: where the API is.
    """

    def __init__(self, web: Web, url: str) -> None:
        self._web = web
        self._url = f"{url.rstrip('/')}/api/v3/klines"

    def first(self, symbol: str) -> np.datetime64 | None:
        """The open of the first bar that there ever was; None where none has closed yet."""
        bars, _ = self._ask(symbol, {"startTime": 0, "limit": 1})
        return bars.ts[0] if len(bars) else None

    def newest(self, symbol: str) -> np.datetime64 | None:
        """The open of the newest bar that has closed."""
        bars, _ = self._ask(symbol, {"limit": 2})
        return bars.ts[-1] if len(bars) else None

    def pages(self, symbol: str, start: np.datetime64, end: np.datetime64) -> Iterator[Bars]:
        """The closed bars that open in [start, end), a page at a time.

        Raises:
            SourceError: Binance does not know the symbol, or not the request.
            OutOfPatience: it was asked with patience and did not answer.
            SourceRefused: it does not serve where we are.
        """
        while start < end:
            bars, whole = self._ask(symbol, _range(start, end))
            if len(bars):
                yield bars
                start = bars.ts[-1] + _MS
            if not whole or not len(bars) or bars.ts[-1] + M1.step >= end:
                return

    def _ask(self, symbol: str, query: dict[str, int]) -> tuple[Bars, bool]:
        """The bars of a page that have closed, and whether the page was full and all closed."""
        ticker = ticker_of(symbol)
        lowest, highest = query.get("startTime", 0), query.get("endTime", 2**62)
        limit = query.get("limit", PAGE)
        words = {"symbol": ticker, "interval": "1m"} | query | {"limit": limit}
        address = "&".join(f"{name}={value}" for name, value in words.items())
        try:
            answer = self._web.get(
                f"{self._url}?{address}", lambda body: _rows(body, lowest, highest, limit)
            )
        except Malformed as error:
            if error.code != _UNKNOWN_SYMBOL:
                raise
            raise SourceError(
                f"Binance has no bars of {symbol} by REST: it knows no {ticker}. Write it as on "
                "Binance (BTC-USDT, not BTC-USD); of a delisted one set `api_url: null`, for the "
                "archive only."
            ) from None
        if answer is None:
            raise SourceError(f"{self._url} is not there (404). Correct the source's `api_url`.")
        rows = answer.content
        bars = kline_bars(_table(rows), symbol, f"Binance's klines of {symbol}")
        closed = bars.ts + M1.step <= (answer.date or self._web.now())
        return bars.take(closed), len(rows) == limit and bool(closed.all())


def _range(start: np.datetime64, end: np.datetime64) -> dict[str, int]:
    return {
        "startTime": int(-(-start.astype(TS).astype(np.int64) // 1000)),
        "endTime": int((end.astype(TS).astype(np.int64) - 1) // 1000),
    }


def _rows(body: bytes, lowest: int, highest: int, limit: int) -> list[list[Any]]:
    """The klines of an answer, each whole, in order, and of the time that was asked for."""
    try:
        rows = json.loads(body)
    except ValueError:
        raise Garbled(f"no JSON but {body[:60]!r}") from None
    if not isinstance(rows, list) or len(rows) > limit:
        raise Garbled(f"no list of at most {limit} klines but {body[:60]!r}")
    before = lowest - 1
    for row in rows:
        if not isinstance(row, list) or len(row) < 9 or type(row[0]) is not int:
            raise Garbled(f"a kline of another form: {str(row)[:80]}")
        if not before < row[0] <= highest:
            raise Garbled(f"a kline of {row[0]}, not between {before} and {highest}")
        before = row[0]
    return rows


def _table(rows: list[list[Any]]) -> pa.Table:
    columns: dict[str, pa.Array] = {
        "ts": pa.array([row[0] for row in rows], pa.int64()),
        "trades": pa.array([_text(row[8]) for row in rows], pa.string()),
    }
    for name, place in zip(COLUMNS, _PLACES):
        if name not in columns:
            columns[name] = pa.array([_text(row[place]) for row in rows], pa.string())
    return pa.table({name: columns[name] for name in COLUMNS})


def _text(cell: object) -> str | None:
    return None if cell is None else str(cell)
