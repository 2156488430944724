"""A source that does what a script says, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import numpy as np

from crypto_nn.bars import M1, Bars, Float, Timeframe
from crypto_nn.bars.calendar import TS
from crypto_nn.sources import Availability, BarSource
from crypto_nn_tests.exchange.virtual import VirtualClock, VirtualLoop

START = np.datetime64("2024-01-01T00:00", "us")
SECOND = np.timedelta64(1_000_000, "us")


def market(minutes: int, symbol: str = "BTC-USD", without: Sequence[int] = ()) -> Bars:
    """Bars of so many minutes; those `without` never existed."""
    close: Float = 100.0 + np.arange(minutes, dtype=np.float64)
    bars = Bars(symbol, M1, START + np.arange(minutes) * M1.step, close, close, close, close, close)
    return bars.take(np.delete(np.arange(minutes), list(without)))


Failure = Callable[[float], Exception | None]


class ScriptedSource(BarSource):
    """Streams each bar one second after its close, but for what the script does instead.

    Attributes:
        history: the truth, by symbol; `fetch` gives what has closed `lag_s` ago.
        silent: minutes of which the stream tells nothing, by symbol.
        events: by second, what happens to the stream: bars that are sent, or an exception; None
            ends it cleanly.
        refuses, fails: the error of a fetch begun at each second, before and after its bars.
        fetched: by (second, symbol, start, end), what was asked for.
    """

    name = "scripted"

    def __init__(self, loop: VirtualLoop, *history: Bars, lag_s: float = 0.0) -> None:
        self.history = {bars.symbol: bars for bars in history}
        self.lag_s = lag_s
        self.silent: dict[str, set[int]] = {symbol: set() for symbol in self.history}
        self.events: list[tuple[float, Bars | Exception | None]] = []
        self.refuses: Failure = lambda _: None
        self.fails: Failure = self.refuses
        self.takes_s = 0.5
        self.fetched: list[tuple[float, str, np.datetime64, np.datetime64]] = []
        self.opened = 0
        self._loop, self._clock = loop, VirtualClock(loop, START)

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self.history))

    def available(self, symbol: str) -> Availability:
        bars = self.history[self.check_symbol(symbol)]
        return Availability(bars.ts[0], bars.ts[-1] + M1.step, live=True)

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        began = self._loop.time()
        self.fetched.append((began, symbol, start, end))
        self._clock.sleep(self.takes_s)
        if error := self.refuses(began):
            raise error
        known = self.history[symbol].between(start, end)
        known = known.take(known.ts + M1.step + self.lag_s * SECOND <= self._clock.now())
        if len(known):
            yield known
        if error := self.fails(began):
            raise error

    async def stream(self, symbols: Sequence[str]) -> AsyncIterator[Bars]:
        """Goes on where the time is: what was due while nobody listened is lost."""
        self.opened += 1
        plan: list[tuple[float, Bars | Exception | None]] = list(self.events)
        for symbol in symbols:
            for at, ts in enumerate(self.history[symbol].ts):
                minute = int((ts - START) / M1.step)
                if minute not in self.silent[symbol]:
                    plan.append((60.0 * (minute + 1) + 1, self.history[symbol][at : at + 1]))
        begun = self._loop.time()
        for due_s, event in sorted(plan, key=lambda one: one[0]):
            if due_s < begun:
                continue
            await asyncio.sleep(max(due_s - self._loop.time(), 0.0))
            if event is None:
                return
            if isinstance(event, Exception):
                raise event
            yield event
        await asyncio.sleep(1e9)


def at_minute(ts: np.datetime64) -> int:
    """How many minutes after the start."""
    return int((ts.astype(TS) - START) / M1.step)
