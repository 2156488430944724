"""Autocorrelation of returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.log_return import log_ratio_of, log_returns
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class ReturnAutocorrelation(Windowed):
    """Whether moves were followed by more of the same (above 0) or undone (below 0).

    Of the last `period` log returns: the sum of products of neighbours over the sum of squares;
    their mean is taken as zero; 0 where the price has not moved. Between -1 and 1. Prices that
    bounce between bid and ask give a negative one. The period is at least 2.

    Source: Campbell, Lo and MacKinlay, The Econometrics of Financial Markets, 1997, ch. 2; R. Roll,
    A Simple Implicit Measure of the Effective Bid-Ask Spread, Journal of Finance 39, 1984.
    """

    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"return_autocorrelation_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return_N = log_returns(bars.close)
        product_N = np.full(len(bars), np.nan)
        product_N[1:] = return_N[1:] * return_N[:-1]
        square_N = rolling_sum(return_N * return_N, self.period)
        square_N[square_N <= 0] = 1.0  # the price stood still: 0 / 1
        return (rolling_sum(product_N, self.period - 1) / square_N,)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: ReturnAutocorrelation) -> None:
        self._products = RollingSum(indicator.period - 1)
        self._squares = RollingSum(indicator.period)
        self._before = self._last_move = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.close, self._before
        self._before = close
        move = log_ratio_of(close, before)
        product = self._products.update(move * self._last_move)
        self._last_move = move
        return (product / (self._squares.update(move * move) or 1.0),)
