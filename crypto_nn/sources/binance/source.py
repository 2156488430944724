"""Bars of Binance spot: from the archive, by REST, and live by polling."""

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cache
from pathlib import Path
from random import Random

import numpy as np

from crypto_nn import environment
from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.bars.calendar import TS
from crypto_nn.bars.symbol import check_symbol
from crypto_nn.errors import SourceError, SourceUnavailable
from crypto_nn.sources.binance.archive import Archive
from crypto_nn.sources.binance.config import BinanceConfig
from crypto_nn.sources.binance.history import History, expected_requests
from crypto_nn.sources.binance.klines import Klines
from crypto_nn.sources.binance.polling import Polling
from crypto_nn.sources.binance.web import Damaged, Web
from crypto_nn.sources.clock import Clock, SystemClock
from crypto_nn.sources.exchange_time import ExchangeTime
from crypto_nn.sources.patience import OutOfPatience, Patience, RateBudget
from crypto_nn.sources.source import Availability, BarSource

ENDED = np.timedelta64(7, "D")
"""A symbol without a bar for so long is taken to be delisted: its last bar is where it ends."""
_LISTING_LASTS_S = 3_600.0


class Memory:
    """What is asked once: the first bar of each symbol, where it ended, and the time there."""

    def __init__(self, clock: Clock) -> None:
        self.time = ExchangeTime(clock)
        self.first: dict[str, np.datetime64] = {}
        self.ended: dict[str, np.datetime64] = {}
        self.listed: dict[str, tuple[float, Availability]] = {}


class BinanceSource(BarSource):
    """Bars of Binance spot, exactly as Binance gives them; a minute that it lacks stays missing.

    Args:
        config: what to ask where, how often and how long.
        clock: this machine's time; whether a bar has closed is told by the exchange's.
        ledger: the file by which all processes share the budget; None where this one is alone.
        memory: what other sources of the same exchange know already.
        seed: of the jitter in waits; by chance where None.
    """

    name = "binance"

    def __init__(
        self,
        config: BinanceConfig,
        clock: Clock | None = None,
        ledger: Path | None = None,
        memory: Memory | None = None,
        seed: int | None = None,
    ) -> None:
        self.config = config
        self._clock = clock or SystemClock()
        self._budget = RateBudget(config.requests_per_minute, 60.0, self._clock, ledger)
        self._memory = memory or Memory(self._clock)
        self._chance = Random(seed)  # noqa: S311  # jitter is no secret

    def symbols(self) -> tuple[str, ...]:
        """The configured symbols; none where any symbol of Binance may be asked for."""
        return tuple(sorted(set(self.config.symbols)))

    def check_symbol(self, symbol: str) -> str:
        """Return the symbol if it is configured, or any where none is, else raise."""
        return super().check_symbol(symbol) if self.config.symbols else check_symbol(symbol)

    def available(self, symbol: str) -> Availability:
        """From the first bar there ever was to now, or to where a delisted symbol ended.

        Asked once, one or two requests; after that only the exchange's time once an hour. With
        the archive only: from the first month to the last day that is published, not live.

        Raises:
            SourceError: Binance has no such symbol.
            SourceUnavailable: it does not answer.
        """
        self.check_symbol(symbol)
        with self._web() as web:
            try:
                if self.config.api_url is None:
                    return self._archived(web, symbol)
                return self._traded(Klines(web, self.config.api_url), web, symbol)
            except OutOfPatience as error:
                raise SourceUnavailable(
                    f"When Binance has bars of {symbol} could not be asked: {error}. "
                    "Look whether it is reachable, and run this again later.",
                    symbol,
                    [],
                ) from error

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        """The bars that open in [start, end) and have closed, at most a month at a time.

        Raises:
            SourceError: Binance has no such symbol, or `timeframe` is not 1m.
            SourceRefused: it does not serve where we are.
            SourceUnavailable: it was asked with patience and did not answer, or a file of the
                archive is damaged; `missing` is what was not given yet.
        """
        if timeframe != M1:
            raise SourceError(f"Binance is asked for {M1} bars, not {timeframe}: resample those.")
        try:
            known = self.available(symbol)
        except SourceUnavailable as error:
            raise SourceUnavailable(str(error), symbol, [(start.astype(TS), end.astype(TS))]) from (
                error
            )
        start, end = max(start.astype(TS), known.start), min(end.astype(TS), known.end)
        return self._fetch(symbol, start, end)

    def _fetch(self, symbol: str, start: np.datetime64, end: np.datetime64) -> Iterator[Bars]:
        with self._web() as web:
            history = History(web, self.config, symbol, start)
            try:
                yield from history.bars(end)
            except (OutOfPatience, Damaged) as error:
                raise SourceUnavailable(
                    f"Bars of {symbol} from {history.given} to {end} (UTC) were not fetched: "
                    f"{error}. What came before is whole; run this again later for the rest.",
                    symbol,
                    [(history.given, end)],
                ) from error

    def num_requests(self, symbol: str, start: np.datetime64, end: np.datetime64) -> int:
        """About how many requests the bars that open in [start, end) take."""
        known = self.available(symbol)
        start, end = max(start.astype(TS), known.start), min(end.astype(TS), known.end)
        return expected_requests(self.config, start, end, self._memory.time.now() or known.end)

    def stream(self, symbols: Sequence[str]) -> AsyncIterator[Bars]:
        """Bars as they close, for ever: after each minute one request a symbol, for all since.

        Raises:
            SourceError: REST is off, a symbol is unknown, or the budget has no room for so many.
        """
        for symbol in symbols:
            self.check_symbol(symbol)
        if self.config.api_url is None:
            return super().stream(symbols)
        once = self.config.patience.model_copy(update={"attempts": 1})
        polling = Polling(self.config, self.config.api_url, self._chance)
        polling.check_room(symbols)
        return polling.run(lambda: self._web(once), tuple(dict.fromkeys(symbols)))

    def _web(self, patience: Patience | None = None) -> Web:
        return Web(
            self.config, self._budget, self._memory.time, self._clock, self._chance, patience
        )

    def _traded(self, klines: Klines, web: Web, symbol: str) -> Availability:
        """By REST: first bar, and now or the end."""
        known = self._memory
        if symbol not in known.first:
            first, newest = klines.first(symbol), klines.newest(symbol)
            if first is None or newest is None:
                raise SourceError(
                    f"Binance has {symbol} but no bar of it has closed yet. Wait a minute."
                )
            if web.now() - newest > ENDED:
                known.ended[symbol] = newest + M1.step
            known.first[symbol] = first
        elif known.time.now() is None and symbol not in known.ended:
            klines.newest(symbol)  # its answer tells the time
        now = web.now().astype("datetime64[m]").astype(TS)
        ended = known.ended.get(symbol)
        return Availability(known.first[symbol], ended or now, live=ended is None)

    def _archived(self, web: Web, symbol: str) -> Availability:
        """By the archive's listing: from the first day to the last that is published."""
        at, found = self._memory.listed.get(symbol, (-np.inf, None))
        if found is None or self._clock.monotonic() - at > _LISTING_LASTS_S:
            archive = Archive(web, self.config.archive_url or "", self.config.listing_url)
            days = archive.span(symbol)
            if days is None:
                raise SourceError(
                    f"Binance's archive has no bars of {symbol}. Write it as on Binance "
                    "(BTC-USDT, not BTC-USD)."
                )
            found = Availability(*days, live=False)
            self._memory.listed[symbol] = (self._clock.monotonic(), found)
        return found


@cache
def _memory_of(exchange: str) -> Memory:
    return Memory(SystemClock())


def open_binance(
    config: BinanceConfig, clock: Clock | None = None, seed: int | None = None
) -> BinanceSource:
    """The source of these settings, which shares its budget with every process of this home.

    Sources of one process on the machine's clock also share what they know of the exchange.
    """
    ledger = environment.home() / "work" / "budgets" / "binance.json"
    memory = None if clock else _memory_of(config.api_url or config.listing_url)
    return BinanceSource(config, clock, ledger, memory, seed)
