"""Realised volatility."""

import math
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.log_return import log_ratio_of, log_returns
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class RealisedVolatility(Windowed):
    """How much the price has moved per bar lately, whichever way.

    The root of the mean squared log return of the last `period` bars; their mean is taken as zero.

    Source: Andersen, Bollerslev, Diebold and Labys, Modeling and Forecasting Realized Volatility,
    Econometrica 71, 2003.
    """

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"realised_volatility_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return_N = log_returns(bars.close)
        return (np.sqrt(rolling_sum(return_N * return_N, self.period) / self.period),)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: RealisedVolatility) -> None:
        self._period = indicator.period
        self._sum = RollingSum(indicator.period)
        self._before = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.close, self._before
        self._before = close
        move = log_ratio_of(close, before)
        # A root is rounded correctly everywhere, so that math.sqrt gives the bits of np.sqrt.
        return (math.sqrt(self._sum.update(move * move) / self._period),)
