"""Rogers and Satchell's volatility."""

import math
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.log_return import log_ratio, log_ratio_of
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class RogersSatchell(Windowed):
    """How much the price moves per bar around its trend, judged by the wicks of the bars.

    The root of the mean of ln(high / close) · ln(high / open) + ln(low / close) · ln(low / open)
    over the last `period` bars. Drift does not raise it: bars that go one way without wicks count
    nothing.

    Source: L. C. G. Rogers and S. E. Satchell, Estimating Variance from High, Low and Closing
    Prices, Annals of Applied Probability 1, 1991.
    """

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"rogers_satchell_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (np.sqrt(rolling_sum(wick_variance(bars), self.period) / self.period),)

    def fresh(self) -> "_Live":
        return _Live(self)


def wick_variance(bars: Bars) -> Float:
    """ln(high / close) · ln(high / open) + ln(low / close) · ln(low / open) of each bar."""
    upper_N = log_ratio(bars.high, bars.close) * log_ratio(bars.high, bars.open)
    return upper_N + log_ratio(bars.low, bars.close) * log_ratio(bars.low, bars.open)


def wick_variance_of(start: float, high: float, low: float, close: float) -> float:
    """The same of one bar, with the same bits."""
    upper = log_ratio_of(high, close) * log_ratio_of(high, start)
    return upper + log_ratio_of(low, close) * log_ratio_of(low, start)


class _Live:
    def __init__(self, indicator: RogersSatchell) -> None:
        self._period = indicator.period
        self._sum = RollingSum(indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        variance = wick_variance_of(bar.open, bar.high, bar.low, bar.close)
        return (math.sqrt(self._sum.update(variance) / self._period),)
