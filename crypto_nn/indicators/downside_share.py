"""The share of falls in realised variance."""

from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.log_return import log_ratio_of, log_returns
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class DownsideShare(Windowed):
    """How much of the recent movement was falling: 1 if all of it, 0 if all of it was rising.

    Realised semivariance over realised variance: the sum of squared log returns below zero over
    the sum of all, both of the last `period` bars; 0.5 where the price has not moved.

    Source: Barndorff-Nielsen, Kinnebrock and Shephard, Measuring Downside Risk: Realised
    Semivariance, in Volatility and Time Series Econometrics, 2010.
    """

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"downside_share_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return_N = log_returns(bars.close)
        square_N = return_N * return_N
        falling_N = rolling_sum(np.where(return_N > 0, 0.0, square_N), self.period)
        all_N = rolling_sum(square_N, self.period)
        still_N = all_N <= 0
        return (np.where(still_N, 0.5, falling_N / np.where(still_N, 1.0, all_N)),)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: DownsideShare) -> None:
        self._falling = RollingSum(indicator.period)
        self._all = RollingSum(indicator.period)
        self._before = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.close, self._before
        self._before = close
        move = log_ratio_of(close, before)
        square = move * move
        falling = self._falling.update(0.0 if move > 0 else square)
        every = self._all.update(square)
        return (0.5 if every <= 0 else falling / every,)
