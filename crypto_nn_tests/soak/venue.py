"""The synthetic market as an exchange tells it: late, corrected, or not at all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bars, Timeframe
from crypto_nn.bars.calendar import month_slices
from crypto_nn.errors import SourceUnavailable
from crypto_nn.sources import BarSource
from crypto_nn.sources.source import Availability
from crypto_nn_tests.soak.scenario import Scenario

WRONG = 1.002
"""A bar that is corrected later first has prices higher by this factor."""


@dataclass(frozen=True)
class Venue(BarSource):
    """Tells the bars of a market as far as the scenario lets it, by the virtual clock.

    Attributes:
        source: has all the bars there will ever be.
        now: the time (µs, UTC).
    """

    source: BarSource
    scenario: Scenario
    now: Callable[[], np.datetime64]

    def symbols(self) -> tuple[str, ...]:
        """Those of the market."""
        return self.source.symbols()

    def available(self, symbol: str) -> Availability:
        """The range of the market; it goes on."""
        found = self.source.available(symbol)
        return Availability(found.start, found.end, live=True)

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        """What is known now; nothing, and an error, while the venue is down."""
        now = self.now()
        if self.scenario.active("source_down", now):
            raise SourceUnavailable(f"The venue is down at {now}.", symbol, [(start, end)])
        pieces = self.source.fetch(symbol, timeframe, start, end)
        bars = self.told(Bars.concat([Bars.empty(symbol), *pieces]), now)
        return (bars[rows] for _, rows in month_slices(bars.ts))

    def told(self, bars: Bars, now: np.datetime64) -> Bars:
        """Bars of the market as they are told at a time."""
        closed = bars.take(bars.ts + bars.timeframe.step <= now)
        for fault in self.scenario.of("revised_bars"):
            if now < fault.until:
                closed = _scaled(closed, (closed.ts >= fault.since) & (closed.ts < fault.at))
        held = np.zeros(len(closed), dtype=bool)
        for fault in self.scenario.of("late_bars"):
            if now < fault.until:
                held |= (closed.ts >= fault.since) & (closed.ts < fault.at)
        return closed.take(~held)


def _scaled(bars: Bars, which: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Bars:
    if not which.any():
        return bars
    factor = np.where(which, WRONG, 1.0)
    prices = {
        name: getattr(bars, name) * factor for name in ("open", "high", "low", "close", "vwap")
    }
    return Bars(
        bars.symbol, bars.timeframe, bars.ts, **prices, volume=bars.volume, trades=bars.trades
    )
