"""Slope of the linear regression."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class LinearRegressionSlope(Windowed):
    """By how much the price has risen per bar lately, in the quote currency.

    The slope of the straight line that fits the last `period` closes best (least squares). Prices
    are taken relative to the newest one: TA-Lib's LINEARREG_SLOPE subtracts running sums of whole
    prices, so that bars of long ago shift it by 1e-10 of its spread for bitcoin and by 1e-8 for
    coins pegged to a currency; this one depends on its window alone.

    Source: P. J. Kaufman, Trading Systems and Methods, 2013.
    """

    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 14

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"slope_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    @property
    def weights(self) -> tuple[float, ...]:
        """What a close counts in the slope, from the oldest to the last but one."""
        middle, scale = (self.period - 1) / 2, self.period * (self.period**2 - 1) / 12
        return tuple((place - middle) / scale for place in range(self.period - 1))

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        slope_N = np.full(len(bars), np.nan)
        num_rows = len(bars) - self.warm_up
        if num_rows > 0:
            newest_M, slope_M = bars.close[self.warm_up :], np.zeros(num_rows)
            for start, weight in enumerate(self.weights):
                slope_M += weight * (bars.close[start : start + num_rows] - newest_M)
            slope_N[self.warm_up :] = slope_M
        return (slope_N,)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: LinearRegressionSlope) -> None:
        self._weights = indicator.weights
        num_older = indicator.period - 1
        self._older: deque[float] = deque([float("nan")] * num_older, maxlen=num_older)

    def update(self, bar: Bar) -> tuple[float, ...]:
        newest, slope = bar.close, 0.0
        for weight, close in zip(self._weights, self._older):
            slope += weight * (close - newest)
        self._older.append(newest)
        return (slope,)
