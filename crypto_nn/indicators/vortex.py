"""Vortex."""

from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.true_range import true_low_and_high, true_low_and_high_of
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class Vortex(Windowed):
    """Which way the swings from bar to bar reach further: the trend is up where plus is larger.

    Over the last `period` bars, plus = sum of |high - low before| / sum of true ranges, minus = sum
    of |low - high before| / the same; both 1 where nothing moved (TA-Lib's VORTEX says 0).
    Composed, because TA-Lib's running sums keep the rounding of past prices, which after a crash is
    not small beside the moves. In this order: plus, minus.

    Source: E. Botes and D. Siepman, Technical Analysis of Stocks & Commodities, January 2010.
    """

    period: int = 14

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"vortex_plus_{self.period}", f"vortex_minus_{self.period}")

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        low_N, high_N = true_low_and_high(bars)
        travel_N = rolling_sum(high_N - low_N, self.period)
        still_N = travel_N <= 0
        travel_N = np.where(still_N, 1.0, travel_N)
        plus_N, minus_N = np.full(len(bars), np.nan), np.full(len(bars), np.nan)
        plus_N[1:] = np.abs(bars.high[1:] - bars.low[:-1])
        minus_N[1:] = np.abs(bars.low[1:] - bars.high[:-1])
        return (
            np.where(still_N, 1.0, rolling_sum(plus_N, self.period) / travel_N),
            np.where(still_N, 1.0, rolling_sum(minus_N, self.period) / travel_N),
        )

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: Vortex) -> None:
        self._low = self._high = self._close = float("nan")
        self._plus = RollingSum(indicator.period)
        self._minus = RollingSum(indicator.period)
        self._travel = RollingSum(indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        low, high = true_low_and_high_of(bar, self._close)
        travel = self._travel.update(high - low)
        plus = self._plus.update(abs(bar.high - self._low))
        minus = self._minus.update(abs(bar.low - self._high))
        self._low, self._high, self._close = bar.low, bar.high, bar.close
        return (1.0, 1.0) if travel <= 0 else (plus / travel, minus / travel)
