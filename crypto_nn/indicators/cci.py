"""Commodity channel index."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.typical import typical_price, typical_price_of
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class CCI(Windowed):
    """How unusual the price is for its recent range, in units of its mean deviation.

    Typical price = (high + low + close) / 3; (typical - its mean) / (0.015 · its mean absolute
    deviation), both over the period; 0 where the price does not move. Lambert chose 0.015 so that
    most values lie within ±100.

    Prices are taken relative to the newest one: TA-Lib's CCI divides the residue of a running sum
    by a tiny deviation in quiet hours, so that bars of long ago shift it by more than 1e-9 of its
    spread; this one depends on its window alone.

    Source: D. Lambert, Commodities magazine, October 1980.
    """

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"cci_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        cci_N = np.full(len(bars), np.nan)
        num_rows = len(bars) - self.warm_up
        if num_rows <= 0:
            return (cci_N,)
        typical_N = typical_price(bars)
        newest_M = typical_N[self.warm_up :]
        above_PM = [typical_N[start : start + num_rows] - newest_M for start in range(self.period)]
        mean_M, deviation_M = np.zeros(num_rows), np.zeros(num_rows)
        for above_M in above_PM:
            mean_M += above_M
        mean_M /= self.period
        for above_M in above_PM:
            deviation_M += np.abs(above_M - mean_M)
        deviation_M /= self.period
        still_M = deviation_M <= 0
        unit_M = np.where(still_M, 1.0, 0.015 * deviation_M)
        cci_N[self.warm_up :] = np.where(still_M, 0.0, -mean_M / unit_M)
        return (cci_N,)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: CCI) -> None:
        self._period = indicator.period
        self._typical: deque[float] = deque(maxlen=indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        newest = typical_price_of(bar)
        self._typical.append(newest)
        if len(self._typical) < self._period:
            return (float("nan"),)
        mean = deviation = 0.0
        for typical in self._typical:
            mean += typical - newest
        mean /= self._period
        for typical in self._typical:
            deviation += abs(typical - newest - mean)
        deviation /= self._period
        return (-mean / (0.015 * deviation) if deviation > 0 else 0.0,)
