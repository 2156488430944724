"""Stochastic RSI."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import talib

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.extremes import RollingRange
from crypto_nn.indicators.indicator import Indicator, LiveIndicator, fading
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.rsi import RSI

_STILL = 1e-9  # points of RSI: less than what rounding and forgotten history are worth


@dataclass(frozen=True)
class StochRSI(Indicator):
    """Where the RSI stands in its own recent range: 100 at its highest, 0 at its lowest.

    K = 100 · (RSI - lowest RSI) / (highest - lowest) over the last `range_period` values of
    `RSI(period)`; D is the mean of the last `signal` K. Composed around TA-Lib's RSI: TA-Lib's own
    STOCHRSI says 0, the bottom of the range, where the RSI has not moved, and keeps a residue in
    its running mean. Here K is 50 there.

    Source: T. S. Chande and S. Kroll, The New Technical Trader, 1994.
    """

    least: ClassVar[Mapping[str, int | float]] = {"period": 2, "range_period": 2}

    period: int = 14
    range_period: int = 14
    signal: int = 3

    @property
    def outputs(self) -> tuple[str, ...]:
        name = f"{self.period}_{self.range_period}_{self.signal}"
        return (f"stochrsi_k_{name}", f"stochrsi_d_{name}")

    @property
    def warm_up(self) -> int:
        return self.rsi.warm_up + self.range_period + self.signal - 2

    @property
    def memory(self) -> int:
        """A ratio counts as a stage more, and here is a ratio of ratios."""
        return fading(1 / self.period, self.period + 1, stages=3) + self.range_period + self.signal

    @property
    def rsi(self) -> RSI:
        """What it is the stochastic of."""
        return RSI(self.period)

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        if not len(bars):
            return np.empty(0), np.empty(0)
        (rsi_N,) = self.rsi.compute(bars)
        low_N = talib.MIN(rsi_N, self.range_period)
        span_N = talib.MAX(rsi_N, self.range_period) - low_N
        still_N = span_N <= _STILL
        k_N = 100.0 * (rsi_N - low_N) / np.where(still_N, 1.0, span_N)
        k_N = np.where(still_N, 50.0, k_N)
        d_N = rolling_sum(k_N, self.signal) / self.signal
        k_N[: self.warm_up] = np.nan
        return k_N, d_N

    def stream(self, history: Bars) -> "_Live":
        live = _Live(self, self.rsi.stream(history[: max(len(history) - self._tail, 0)]))
        for bar in history[max(len(history) - self._tail, 0) :]:
            live.update(bar)
        return live

    @property
    def _tail(self) -> int:
        """Bars whose RSI is still in use."""
        return self.range_period + self.signal


class _Live:
    def __init__(self, indicator: StochRSI, rsi: LiveIndicator) -> None:
        self._rsi = rsi
        self._range = RollingRange(indicator.range_period)
        self._signal = indicator.signal
        self._sum = RollingSum(indicator.signal)

    def update(self, bar: Bar) -> tuple[float, ...]:
        (rsi,) = self._rsi.update(bar)
        high, low = self._range.update(rsi, rsi)
        span = high - low
        k = 50.0 if span <= _STILL else 100.0 * (rsi - low) / span
        d = self._sum.update(k) / self._signal
        return (d if d != d else k), d
