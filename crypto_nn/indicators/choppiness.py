"""Choppiness index."""

import math
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
class ChoppinessIndex(Windowed):
    """Whether the market goes somewhere (near 0) or back and forth on the spot (near 100).

    100 · ln(sum of true ranges / (highest high - lowest low)) / ln(n) over the last n = `period`
    bars; at most 100, which only a jump into the window would exceed; 50, about what a random walk
    has, where the window has no range. The period is at least 2. Range and true ranges are those of
    the charting platforms; Dreiss counts the close before the window to its range.

    Source: E. W. Dreiss, in G. Burke, Measuring Market Choppiness with Chaos, Futures, October
    1993.
    """

    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 14

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"choppiness_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def _unit(self) -> float:
        return 100.0 / math.log(self.period)

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        if len(bars) == 0:
            return (np.empty(0),)
        true_N = np.full(len(bars), np.nan)
        before_N = bars.close[:-1]
        true_N[1:] = np.maximum(bars.high[1:], before_N) - np.minimum(bars.low[1:], before_N)
        way_N = rolling_sum(true_N, self.period)
        span_N = talib.MAX(bars.high, self.period) - talib.MIN(bars.low, self.period)
        still_N = span_N <= 0
        way_N /= np.where(still_N, 1.0, span_N)
        chop_N = np.log(np.clip(way_N, 1.0, self.period)) * self._unit
        return (np.where(still_N & ~np.isnan(way_N), 50.0, chop_N),)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: ChoppinessIndex) -> None:
        self._period, self._unit = float(indicator.period), indicator._unit
        self._range = RollingRange(indicator.period)
        self._way = RollingSum(indicator.period)
        self._before = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        _, _, high, low, close, *_ = bar
        before, self._before = self._before, close
        top = high if high > before else before
        bottom = low if low < before else before
        way = self._way.update(top - bottom)
        highest, lowest = self._range.update(high, low)
        span = highest - lowest
        if span <= 0 and way == way:
            return (50.0,)
        way /= span or 1.0
        way = 1.0 if way < 1.0 else self._period if way > self._period else way
        return (float(np.log(way)) * self._unit,)
