"""Commodity channel index."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.windowed import Windowed

_BLOCK = 4096  # rows that are worked out together: what they need stays in the cache


@dataclass(frozen=True)
class CCI(Windowed):
    """How unusual the price is for its recent range, in units of its mean deviation.

    Typical price = (high + low + close) / 3; (typical - its mean) / (0.015 · its mean absolute
    deviation), both over the period; 0 where the price does not move. Lambert chose 0.015 so that
    most values lie within ±100.

    Prices are taken relative to the newest one, as sums of the steps between: TA-Lib's CCI divides
    the residue of a running sum by a tiny deviation in quiet hours, so that bars of long ago shift
    it by more than 1e-9 of its spread; this one depends on its window alone, and is right to the
    last digits also where prices hardly move.

    Source: D. Lambert, Commodities magazine, October 1980.
    """

    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"cci_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        cci_N = np.full(len(bars), np.nan)
        # Three times the typical price, to which that of the bar before is higher by `back`.
        back_N = np.zeros(len(bars))
        for price_N in (bars.high, bars.low, bars.close):
            back_N[1:] += price_N[:-1] - price_N[1:]
        for first in range(self.warm_up, len(bars), _BLOCK):
            rows = slice(first, min(first + _BLOCK, len(bars)))
            cci_N[rows] = self._of_rows(back_N[first - self.warm_up : rows.stop])
        return (cci_N,)

    def _of_rows(self, back_N: Float) -> Float:
        """The rows behind the first `warm_up`."""
        num_rows = len(back_N) - self.warm_up
        above_PM = [np.zeros(num_rows)]
        for start in range(self.warm_up, 0, -1):
            above_PM.append(above_PM[-1] + back_N[start : start + num_rows])
        mean_M, deviation_M = np.zeros(num_rows), np.zeros(num_rows)
        for above_M in above_PM:
            mean_M += above_M
        mean_M /= self.period
        for above_M in above_PM:
            deviation_M += np.abs(above_M - mean_M)
        deviation_M /= self.period
        still_M = deviation_M <= 0
        unit_M = np.where(still_M, 1.0, 0.015 * deviation_M)
        return np.where(still_M, 0.0, -mean_M / unit_M)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: CCI) -> None:
        self._period = indicator.period
        # How much higher than the bar after it each bar is, the newest first.
        self._back = deque([float("nan")] * indicator.warm_up, maxlen=indicator.warm_up)
        self._high = self._low = self._close = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        _, _, high, low, close, *_ = bar
        self._back.appendleft((self._high - high) + (self._low - low) + (self._close - close))
        self._high, self._low, self._close = high, low, close
        aboves = list(accumulate(self._back, initial=0.0))
        mean = deviation = 0.0
        for above in aboves:
            mean += above
        mean /= self._period
        for above in aboves:
            deviation += above - mean if above > mean else mean - above  # abs() is slower
        deviation /= self._period
        return (0.0 if deviation <= 0 else -mean / (0.015 * deviation),)
