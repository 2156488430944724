"""Parkinson's volatility."""

import math
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.log_return import log_ratio, log_ratio_of
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class Parkinson(Windowed):
    """How much the price moves per bar, judged by the bars' ranges rather than their closes.

    The root of the mean of ln(high / low)² / (4 ln 2) over the last `period` bars; 0 where they
    have no range. For a random walk without drift it estimates what `RealisedVolatility` does from
    a fifth of the bars; above it, moves were undone within the bars.

    Source: M. Parkinson, The Extreme Value Method for Estimating the Variance of the Rate of
    Return, Journal of Business 53, 1980.
    """

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"parkinson_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        range_N = log_ratio(bars.high, bars.low)
        return (np.sqrt(rolling_sum(range_N * range_N, self.period) / self._unit),)

    @property
    def _unit(self) -> float:
        return 4.0 * math.log(2.0) * self.period

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: Parkinson) -> None:
        self._unit = indicator._unit
        self._sum = RollingSum(indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        low = bar.low
        reach = log_ratio_of(bar.high, low)
        return (math.sqrt(self._sum.update(reach * reach) / self._unit),)
