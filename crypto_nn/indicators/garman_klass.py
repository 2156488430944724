"""Garman and Klass's volatility."""

import math
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.log_return import log_ratio, log_ratio_of
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed

_BODY = 2.0 * math.log(2.0) - 1.0


@dataclass(frozen=True)
class GarmanKlass(Windowed):
    """How much the price moves per bar, judged by range and body of each bar together.

    The root of the mean of ln(high / low)² / 2 - (2 ln 2 - 1) · ln(close / open)² over the last
    `period` bars; 0 where they have no range. The least noisy of its kind for a random walk without
    drift; `RogersSatchell` is right with drift too.

    Source: M. B. Garman and M. J. Klass, On the Estimation of Security Price Volatilities from
    Historical Data, Journal of Business 53, 1980.
    """

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"garman_klass_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        range_N, body_N = log_ratio(bars.high, bars.low), log_ratio(bars.close, bars.open)
        variance_N = range_N * range_N * 0.5 - body_N * body_N * _BODY
        return (np.sqrt(rolling_sum(variance_N, self.period) / self.period),)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: GarmanKlass) -> None:
        self._period = indicator.period
        self._sum = RollingSum(indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        _, start, high, low, close, *_ = bar
        reach = log_ratio_of(high, low)
        body = log_ratio_of(close, start)
        variance = self._sum.update(reach * reach * 0.5 - body * body * _BODY)
        return (math.sqrt(variance / self._period),)
