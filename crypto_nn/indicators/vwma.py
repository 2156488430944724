"""Volume-weighted moving average."""

from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class VWMA(Windowed):
    """A mean of the last closes in which busy bars count more.

    Sum of close · volume / sum of volume; the bar's close where nothing was traded in the window.
    Composed, because TA-Lib's VWMA divides the residues of two running sums once trading stops: a
    price of 28,764 became 70,528, and NaN where nothing was ever traded.

    Source: B. Dormeier, Investing with Volume Analysis, 2011.
    """

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"vwma_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        money_N = rolling_sum(bars.close * bars.volume, self.period)
        volume_N = rolling_sum(bars.volume, self.period)
        none_N = volume_N <= 0
        return (np.where(none_N, bars.close, money_N / np.where(none_N, 1.0, volume_N)),)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: VWMA) -> None:
        self._money = RollingSum(indicator.period)
        self._volume = RollingSum(indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        money = self._money.update(bar.close * bar.volume)
        volume = self._volume.update(bar.volume)
        return (bar.close if volume <= 0 else money / volume,)
