"""A market beside its reference: bitcoin's close of the same minute, for those that follow it."""

from collections import deque
from dataclasses import replace

import numpy as np

from crypto_nn.bars.bars import Bar, Bars
from crypto_nn.errors import BarsError


def with_reference(bars: Bars, reference: Bars) -> Bars:
    """The same bars, each with the close of the other market's bar of the same minute.

    Where the other market has no bar the reference is NaN: nothing is carried forward. A market
    may be its own reference.

    Args:
        bars: ordered bars of one market.
        reference: ordered bars of the other, over the same stretch of time; more does no harm.

    Raises:
        BarsError: the two are of different timeframes.
    """
    if bars.timeframe != reference.timeframe:
        raise BarsError(
            f"{bars.symbol} comes in {bars.timeframe} bars and its reference {reference.symbol} in "
            f"{reference.timeframe} bars; bars of one timeframe are due. Resample the faster ones."
        )
    close_N = np.full(len(bars), np.nan)
    if len(reference):
        row_N = np.minimum(np.searchsorted(reference.ts, bars.ts), len(reference) - 1)
        there_N = reference.ts[row_N] == bars.ts
        close_N[there_N] = reference.close[row_N[there_N]]
    return replace(bars, reference=close_N)


class ReferenceJoin:
    """Live bars of a market with the reference's close, in order, as soon as that is known.

    A bar waits until the reference's bar of its minute has come, or a later one has (then there
    will be none), or `give_up` says that it is not waited for any longer.
    """

    def __init__(self) -> None:
        self._waiting: deque[Bar] = deque()
        self._closes: deque[tuple[np.datetime64, float]] = deque()

    def take(self, bar: Bar) -> list[Bar]:
        """The market's next bar; gives the bars that are ready now."""
        self._waiting.append(bar)
        return self._ready()

    def take_reference(self, bar: Bar) -> list[Bar]:
        """The reference's next bar; gives the bars that are ready now."""
        self._closes.append((bar.ts, bar.close))
        return self._ready()

    def give_up(self, before: np.datetime64) -> list[Bar]:
        """Do not wait for references of bars that opened before this time; gives those bars."""
        given = self._ready()
        while self._waiting and self._waiting[0].ts < before:
            given.append(self._waiting.popleft())
        return given

    def _ready(self) -> list[Bar]:
        given = []
        while self._waiting and self._closes:
            bar = self._waiting[0]
            ts, close = self._closes[0]
            if ts < bar.ts:
                self._closes.popleft()
                continue
            if ts == bar.ts:
                bar = bar._replace(reference=close)
            given.append(bar)
            self._waiting.popleft()
        return given
