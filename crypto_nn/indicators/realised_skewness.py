"""Realised skewness."""

import math
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.log_return import log_ratio_of, log_returns
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class RealisedSkewness(Windowed):
    """Whether the large moves of late were rises (above 0) or falls (below 0).

    sqrt(n) · sum of cubed log returns / (sum of squared ones)^1.5 over the last n = `period` bars;
    their mean is taken as zero; 0 where the price has not moved. Within ±sqrt(n).

    Source: Amaya, Christoffersen, Jacobs and Vasquez, Does Realized Skewness Predict the
    Cross-Section of Equity Returns?, Journal of Financial Economics 118, 2015.
    """

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"realised_skewness_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return_N = log_returns(bars.close)
        square_N = return_N * return_N
        cube_N = rolling_sum(square_N * return_N, self.period) * math.sqrt(self.period)
        variance_N = rolling_sum(square_N, self.period)
        variance_N[variance_N <= 0] = np.inf  # the price stood still: 0 / ∞
        return (cube_N / (variance_N * np.sqrt(variance_N)),)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: RealisedSkewness) -> None:
        self._root = math.sqrt(indicator.period)
        self._cubes = RollingSum(indicator.period)
        self._squares = RollingSum(indicator.period)
        self._before = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.close, self._before
        self._before = close
        move = log_ratio_of(close, before)
        square = move * move
        cube = self._cubes.update(square * move) * self._root
        variance = self._squares.update(square)
        return (0.0 if variance <= 0 else cube / (variance * math.sqrt(variance)),)
