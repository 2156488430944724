"""The share of jumps in realised variance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.log_return import log_ratio_of, log_returns
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class JumpShare(Windowed):
    """How much of the recent movement came in single jumps rather than in many small moves, 0 to 1.

    max(0, V - B) / V: V is the sum of the squares of the last n = `period` log returns, and B the
    bipower variation, π/2 · n/(n - 1) · the sum of |return| · |return before| within them, which a
    single jump hardly raises; 0 where the price has not moved. The period is at least 2.

    Source: O. E. Barndorff-Nielsen and N. Shephard, Power and Bipower Variation with Stochastic
    Volatility and Jumps, Journal of Financial Econometrics 2, 2004.
    """

    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"jump_share_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def _unit(self) -> float:
        return math.pi / 2 * self.period / (self.period - 1)

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        size_N = np.abs(log_returns(bars.close))
        product_N = np.full(len(bars), np.nan)
        product_N[1:] = size_N[1:] * size_N[:-1]
        smooth_N = rolling_sum(product_N, self.period - 1) * self._unit
        all_N = rolling_sum(size_N * size_N, self.period)
        jumps_N = np.maximum(all_N - smooth_N, 0.0)
        all_N[all_N <= 0] = 1.0  # the price stood still: 0 / 1
        return (jumps_N / all_N,)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: JumpShare) -> None:
        self._unit = indicator._unit
        self._products = RollingSum(indicator.period - 1)
        self._squares = RollingSum(indicator.period)
        self._before = self._last_size = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.close, self._before
        self._before = close
        size = abs(log_ratio_of(close, before))
        smooth = self._products.update(size * self._last_size) * self._unit
        self._last_size = size
        every = self._squares.update(size * size)
        return (0.0 if every <= smooth else (every - smooth) / every,)
