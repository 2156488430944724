"""Williams %R."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.stochastic import PlaceInRange, place_in_range
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class WilliamsR(Windowed):
    """How far the close is below the highest high of the period: 0 at it, -100 at the lowest low.

    -100 · (highest high - close) / (highest high - lowest low); -50 where the range is empty
    (TA-Lib's WILLR says 0, the top of the range).

    Source: L. R. Williams, How I Made One Million Dollars Last Year Trading Commodities, 1973.
    """

    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 14

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"willr_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (100.0 * (place_in_range(bars, self.period) - 1.0),)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: WilliamsR) -> None:
        self._place = PlaceInRange(indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        return (100.0 * (self._place.update(bar) - 1.0),)
