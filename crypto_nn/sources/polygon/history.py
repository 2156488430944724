"""History by REST, page after page by time, so that no cursor has to be trusted."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.errors import SourceError, SourceUnavailable
from crypto_nn.sources.clock import Clock
from crypto_nn.sources.exchange_time import ExchangeTime
from crypto_nn.sources.patience import OutOfPatience, Transient, http_date, persist
from crypto_nn.sources.polygon.client import Rest
from crypto_nn.sources.polygon.config import PolygonConfig
from crypto_nn.sources.polygon.translate import (
    EARLIEST_MS,
    MINUTE_MS,
    from_ms,
    rows_to_bars,
    ticker_of,
    to_ms,
)

PAGE_ROWS = 50_000
PIECE_ROWS = 31 * 1440
SECOND_LOOKS = 2
"""How often an answer that cannot be quite right is asked for again before it is taken as it is."""
_LONG_MS = 60 * MINUTE_MS
"""An empty answer of so long a stretch is doubted: an hour without a trade is rare."""
_AHEAD = np.timedelta64(15, "m")


@dataclass(frozen=True)
class Page:
    """One answer: the closed bars in the range that was asked for, and where the next page begins.

    Attributes:
        bars: as they came.
        more_from: unix ms; None where this page is the last.
        doubt: what is not as it should be; empty where nothing is.
    """

    bars: Bars
    more_from: int | None
    doubt: str


class History:
    """Minute bars of the past, asked for with patience and taken apart page by page."""

    def __init__(self, config: PolygonConfig, clock: Clock, chance: Random) -> None:
        self._config, self._clock, self._chance = config, clock, chance
        self._time = ExchangeTime(clock)
        self._opened: Rest | None = None
        self._first: dict[str, np.datetime64] = {}

    def now(self) -> np.datetime64:
        """The exchange's time, up to a second early; this machine's where no answer told it."""
        told = self._time.now()
        return self._clock.now() if told is None else told

    def fetch(self, symbol: str, start: np.datetime64, end: np.datetime64) -> Iterator[Bars]:
        """The closed bars that open in [start, end), in pieces of at most a month.

        Raises:
            SourceUnavailable: out of patience; what was yielded before is whole.
            SourceRefused: the key or the plan is not good for this.
            SourceError: Polygon knows no such ticker.
        """
        position, stop = max(to_ms(start), EARLIEST_MS), to_ms(end)
        while position < stop and not self._lies_ahead(position):
            page = self._page(symbol, position, stop)
            yield from _pieces(page.bars)
            if page.more_from is None:
                return
            position = page.more_from

    def first(self, symbol: str) -> np.datetime64:
        """The open of the first bar, or where the settings say that history begins.

        Asked for once, and again where the exchange's time is to be learnt with it.
        """
        if self._config.since is not None:
            self._first[symbol] = np.datetime64(self._config.since, "us")
        if symbol not in self._first or self._time.now() is None:
            self._first.setdefault(symbol, self._ask_first(symbol))
        return self._first[symbol]

    def _ask_first(self, symbol: str) -> np.datetime64:
        position: int | None = EARLIEST_MS
        stop = max(to_ms(self._clock.now()), EARLIEST_MS + MINUTE_MS)
        while position is not None and position < stop:
            page = self._page(symbol, position, stop, limit=1)
            for ts in page.bars.ts[~np.isnat(page.bars.ts)]:
                return ts  # type: ignore[no-any-return]
            position = page.more_from
        raise SourceError(
            f"Polygon has no minute bars of {symbol} ({ticker_of(symbol)}). Write the symbol with "
            "the quote currency that Polygon has, such as BTC-USD."
        )

    def pairs(self) -> list[tuple[str, str]]:
        """Base and quote of every crypto pair that is traded."""
        try:
            return persist(self._rest().tickers, self._config.patience, self._clock, self._chance)
        except OutOfPatience as error:
            raise SourceUnavailable(
                f"Polygon gave no list of its crypto pairs: {error}. Try again later, or name "
                "the source's `symbols`.",
                "",
                [],
            ) from error

    def _page(self, symbol: str, start: int, stop: int, limit: int = PAGE_ROWS) -> Page:
        """The page of [start, stop) from `start` on (unix ms), asked for until it is good."""
        looks = 0

        def attempt() -> Page:
            nonlocal looks
            asked = _Asked(symbol, start, stop, limit)
            answer, headers = self._rest().aggregates(ticker_of(symbol), start, stop - 1, limit)
            date = http_date(headers.get("Date"))
            if date is not None:
                self._time.learn(date)
            page = read_page(asked, answer, to_ms(self._clock.now() if date is None else date))
            if page.doubt and looks < SECOND_LOOKS:
                looks += 1
                raise Transient(page.doubt)
            return page

        try:
            return persist(attempt, self._config.patience, self._clock, self._chance)
        except OutOfPatience as error:
            missing = (from_ms(start), from_ms(stop))
            raise SourceUnavailable(
                f"Polygon gave no bars of {symbol} from {missing[0]} to {missing[1]}: {error}. "
                "What came before is whole. Ask for the rest again later.",
                symbol,
                [missing],
            ) from error

    def _rest(self) -> Rest:
        if self._opened is None:
            self._opened = Rest(self._config, self._clock)
        return self._opened

    def _lies_ahead(self, position: int) -> bool:
        """Polygon refuses stretches of the future as if the plan did not cover them.

        Only the exchange's own time says what the future is: by a machine's clock that is behind,
        bars that are there would be taken for not there, without a request.
        """
        told = self._time.now()
        return told is not None and bool(from_ms(position) > told + _AHEAD)


@dataclass(frozen=True)
class _Asked:
    """What a page was asked for: [start, stop) in unix ms, and at most how many rows."""

    symbol: str
    start: int
    stop: int
    limit: int


def read_page(asked: _Asked, answer: dict[str, Any], now: int) -> Page:
    """What an answer says, `now` (unix ms) being the exchange's time when it was sent.

    Raises:
        Transient: it is the answer to another question, or does not lead on.
    """
    ticker, rows = answer.get("ticker"), answer["results"]
    if ticker not in (None, ticker_of(asked.symbol)):
        raise Transient(f"the answer is of {str(ticker)[:40]!r}, not {ticker_of(asked.symbol)}")
    bars = rows_to_bars(asked.symbol, rows)
    unread = np.isnat(bars.ts)
    t = bars.ts.astype("datetime64[ms]").astype(np.int64)
    within = (t >= asked.start) & (t < asked.stop) & ~unread
    more = bool(answer.get("next_url")) or len(rows) >= asked.limit
    more_from = _next_page(asked, t[within], answer.get("next_url")) if more else None
    kept = unread | (within & (t + MINUTE_MS <= now))
    doubt = _doubt(bars, unread, within)
    if not rows and (more or min(asked.stop, now) - asked.start >= _LONG_MS):
        doubt = "the answer is empty"
    return Page(bars.take(kept), more_from, doubt)


def _doubt(bars: Bars, unread: NDArray[np.bool_], within: NDArray[np.bool_]) -> str:
    """Why an answer should be asked for again; empty where there is no reason."""
    if bars.note is not None:
        told = next(note for note in bars.note if note)
        return f"{np.count_nonzero(bars.note)} rows cannot be read: {told}"
    if unread.any():
        return f"{np.count_nonzero(unread)} rows have no time"
    if not within.all():
        return f"{np.count_nonzero(~within)} rows are of other times than asked for"
    back = np.flatnonzero(bars.ts[1:] < bars.ts[:-1])
    return f"{bars.ts[back[0] + 1]} follows {bars.ts[back[0]]}" if back.size else ""


def _next_page(asked: _Asked, t: NDArray[np.int64], next_url: object) -> int:
    """Where the page after this one begins: a minute after its last row, later than it itself.

    Of an empty page only the address of the next can tell, in its path; the cursor is not used.
    """
    if t.size:
        back = np.flatnonzero(t[1:] < t[:-1])
        last = int(t[back[0]]) if back.size else int(t[-1])  # disorder: on from where it begins
        return last + MINUTE_MS
    parts = urlsplit(str(next_url)).path.split("/")
    told = parts[-2] if len(parts) > 2 and parts[-2].isascii() and parts[-2].isdigit() else "0"
    if len(told) > 15 or int(told) <= asked.start:
        raise Transient("the answer is empty, and names a next page that leads nowhere")
    return int(told)


def _pieces(bars: Bars) -> Iterator[Bars]:
    """At most about a month each; a row without a time stays with the row before it."""
    start = 0
    while len(bars) - start > PIECE_ROWS:
        readable = np.flatnonzero(~np.isnat(bars.ts[start + PIECE_ROWS :]))
        if not readable.size:
            break
        stop = start + PIECE_ROWS + int(readable[0])
        yield bars[start:stop]
        start = stop
    if len(bars) > start:
        yield bars[start:]
