"""Yang and Zhang's volatility."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.log_return import log_ratio, log_ratio_of
from crypto_nn.indicators.rogers_satchell import wick_variance, wick_variance_of
from crypto_nn.indicators.spread import RollingPlaneSpread, rolling_plane_spread
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class YangZhang(Windowed):
    """How much the price moves per bar, jumps between the bars counted and drift not.

    The root of O + k·C + (1 - k)·R over the last n = `period` bars: O and C are the sample
    variances (divided by n - 1) of ln(open / close before) and of ln(close / open), R is the mean
    of `RogersSatchell`, and k = 0.34 / (1.34 + (n + 1) / (n - 1)). The period is at least 2.

    Source: D. Yang and Q. Zhang, Drift-Independent Volatility Estimation Based on High, Low, Open,
    and Close Prices, Journal of Business 73, 2000.
    """

    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"yang_zhang_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def _scales(self) -> tuple[float, float]:
        """What C's deviations and R's terms are multiplied with, so that O's weigh 1."""
        n = self.period
        k = 0.34 / (1.34 + (n + 1) / (n - 1))
        return math.sqrt(k), (1 - k) * (n - 1) / n

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        jump_N = np.full(len(bars), np.nan)
        jump_N[1:] = log_ratio(bars.open[1:], bars.close[:-1])
        body_N = log_ratio(bars.close, bars.open)
        body_scale, wick_scale = self._scales
        variance_N = rolling_plane_spread(
            jump_N, body_N * body_scale, wick_variance(bars) * wick_scale, self.period
        )
        return (np.sqrt(variance_N / (self.period - 1)),)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: YangZhang) -> None:
        self._num_free = indicator.period - 1
        self._body_scale, self._wick_scale = indicator._scales
        self._spread = RollingPlaneSpread(indicator.period)
        self._before = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        _, start, high, low, close, *_ = bar
        before, self._before = self._before, close
        jump = log_ratio_of(start, before)
        body = log_ratio_of(close, start) * self._body_scale
        wick = wick_variance_of(start, high, low, close) * self._wick_scale
        return (math.sqrt(self._spread.update(jump, body, wick) / self._num_free),)
