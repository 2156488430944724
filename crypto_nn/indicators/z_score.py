"""How far the newest price or volume is from what is usual, in standard deviations."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.spread import RollingSpread, rolling_spread
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class PriceZScore(Windowed):
    """How stretched the price is: the close above its recent mean, in standard deviations.

    (close - mean) / standard deviation, both over the last `period` closes, the newest among them,
    and the deviation that of the population; 0 where the closes are all equal. Within ±sqrt(period
    - 1).

    Source: J. Bollinger, Bollinger on Bollinger Bands, 2001 (with bands two deviations wide, his %b
    is 1/2 + a quarter of this).
    """

    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"price_z_score_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (_z_scores(bars.close, self.period),)

    def fresh(self) -> "_LivePrice":
        return _LivePrice(self.period)


@dataclass(frozen=True)
class VolumeZScore(Windowed):
    """How unusual the volume of the bar is, in standard deviations of recent volumes.

    (volume - mean) / standard deviation, both over the last `period` bars, the newest among them,
    and the deviation that of the population; 0 where the volumes are all equal. Within ±sqrt(period
    - 1).

    Source: J. M. Karpoff, The Relation between Price Changes and Trading Volume, Journal of
    Financial and Quantitative Analysis 22, 1987 (why unusual volume matters).
    """

    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"volume_z_score_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (_z_scores(bars.volume, self.period),)

    def fresh(self) -> "_LiveVolume":
        return _LiveVolume(self.period)


def _z_scores(values_N: Float, period: int) -> Float:
    above_N, square_N = rolling_spread(values_N, period)
    square_N[square_N <= 0] = np.inf  # all are equal: 0 / ∞
    return above_N / np.sqrt(square_N / period)


class _ZScore:
    def __init__(self, period: int) -> None:
        self._period = period
        self._spread = RollingSpread(period)

    def of(self, value: float) -> tuple[float, ...]:
        above, square = self._spread.update(value)
        return (0.0 if square <= 0 else above / math.sqrt(square / self._period),)


class _LivePrice(_ZScore):
    def update(self, bar: Bar) -> tuple[float, ...]:
        return self.of(bar.close)


class _LiveVolume(_ZScore):
    def update(self, bar: Bar) -> tuple[float, ...]:
        return self.of(bar.volume)
