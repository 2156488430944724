"""Ultimate oscillator."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.true_range import true_low_and_high, true_low_and_high_of
from crypto_nn.indicators.windowed import Windowed

_WEIGHTS = (4.0, 2.0, 1.0)


@dataclass(frozen=True)
class UltimateOscillator(Windowed):
    """How much of the travel since the close before ended in the buyers' hands, from 0 to 100.

    With the true low = min(low, close before): share = sum of (close - true low) / sum of true
    ranges, over a short, a middle and a long period; 100 · (4 · short + 2 · middle + long) / 7. A
    share is 1/2 where nothing moved (TA-Lib's ULTOSC says 0, as if sellers had won). Composed,
    because TA-Lib's running sums keep the rounding of past prices, which after a crash is not small
    beside the moves.

    Source: L. R. Williams, Technical Analysis of Stocks & Commodities, August 1985.
    """

    in_order: ClassVar[tuple[str, ...]] = ("short", "middle", "long")

    short: int = 7
    middle: int = 14
    long: int = 28

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"ultosc_{self.short}_{self.middle}_{self.long}",)

    @property
    def warm_up(self) -> int:
        return self.long

    @property
    def periods(self) -> tuple[int, int, int]:
        """The three, in the order of their weights."""
        return self.short, self.middle, self.long

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        low_N, high_N = true_low_and_high(bars)
        bought_N, travel_N = bars.close - low_N, high_N - low_N
        total_N = np.zeros(len(bars))
        for weight, period in zip(_WEIGHTS, self.periods):
            sum_N = rolling_sum(travel_N, period)
            still_N = sum_N <= 0
            share_N = rolling_sum(bought_N, period) / np.where(still_N, 1.0, sum_N)
            total_N += weight * np.where(still_N, 0.5, share_N)
        return (100.0 * total_N / 7.0,)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: UltimateOscillator) -> None:
        self._close = float("nan")
        self._sums = tuple(
            (weight, RollingSum(period), RollingSum(period))
            for weight, period in zip(_WEIGHTS, indicator.periods)
        )

    def update(self, bar: Bar) -> tuple[float, ...]:
        low, high = true_low_and_high_of(bar, self._close)
        self._close = bar.close
        bought, travel = bar.close - low, high - low
        total = 0.0
        for weight, bought_sum, travel_sum in self._sums:
            all_travel, all_bought = travel_sum.update(travel), bought_sum.update(bought)
            total += weight * (0.5 if all_travel <= 0 else all_bought / all_travel)
        return (100.0 * total / 7.0,)
