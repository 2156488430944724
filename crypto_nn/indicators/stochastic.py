"""Stochastic oscillator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import talib

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.extremes import RollingRange
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class Stochastic(Windowed):
    """Where the close stands in the range of the last bars: 100 at its high, 0 at its low.

    Raw %K = 100 · (close - lowest low) / (highest high - lowest low) over `period` bars; K is its
    mean over `smoothing` bars and D the mean of K over `signal` bars. Where the range is empty, raw
    %K is 50 (neither high nor low; TA-Lib's STOCH says 0, the bottom of the range).

    Source: G. C. Lane, Technical Analysis of Stocks & Commodities, May 1984.
    """

    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 14
    smoothing: int = 3
    signal: int = 3

    @property
    def outputs(self) -> tuple[str, ...]:
        name = f"{self.period}_{self.smoothing}_{self.signal}"
        return (f"stoch_k_{name}", f"stoch_d_{name}")

    @property
    def warm_up(self) -> int:
        return self.period + self.smoothing + self.signal - 3

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        place_N = place_in_range(bars, self.period)
        k_N = rolling_sum(100.0 * place_N, self.smoothing) / self.smoothing
        d_N = rolling_sum(k_N, self.signal) / self.signal
        k_N[: self.warm_up] = np.nan
        return k_N, d_N

    def fresh(self) -> "_Live":
        return _Live(self)


def place_in_range(bars: Bars, period: int) -> Float:
    """0 where the close is the lowest low of the period, 1 at the highest high, 0.5 if none."""
    if len(bars) == 0:
        return np.empty(0)
    low_N = talib.MIN(bars.low, period)
    span_N = talib.MAX(bars.high, period) - low_N
    empty_N = span_N <= 0
    place_N: Float = (bars.close - low_N) / np.where(empty_N, 1.0, span_N)
    place_N[empty_N] = 0.5
    return place_N


class PlaceInRange:
    """The same for live bars."""

    def __init__(self, period: int) -> None:
        self._range = RollingRange(period)

    def update(self, bar: Bar) -> float:
        """Take the next bar; NaN while there are fewer than `period`."""
        high, low = self._range.update(bar.high, bar.low)
        span = high - low
        return 0.5 if span <= 0 else (bar.close - low) / span


class _Live:
    def __init__(self, indicator: Stochastic) -> None:
        self._indicator = indicator
        self._place = PlaceInRange(indicator.period)
        self._k = RollingSum(indicator.smoothing)
        self._d = RollingSum(indicator.signal)

    def update(self, bar: Bar) -> tuple[float, ...]:
        k = self._k.update(100.0 * self._place.update(bar)) / self._indicator.smoothing
        d = self._d.update(k) / self._indicator.signal
        return (d if d != d else k), d
