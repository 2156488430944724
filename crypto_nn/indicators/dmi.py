"""Directional movement."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.indicator import Indicator, LiveIndicator, fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class DMI(Indicator):
    """How much of the recent travel was new highs, and how much new lows, each from 0 to 100.

    +DI = 100 · Wilder's average of rises of the high (where these exceed the falls of the low) /
    average true range; -DI the same for falls of the low. Where +DI is the larger, the trend is up.
    0 where nothing has moved at all; while nothing moves any more both keep their values, as all
    averages fade alike. In this order: +DI, -DI.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """

    period: int = 14

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"plus_di_{self.period}", f"minus_di_{self.period}")

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def memory(self) -> int:
        """A ratio counts as a stage more: what it divides by may have shrunk a thousandfold."""
        return fading(1 / self.period, self.period + 1, stages=2)

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return _PlusDI(self.period).compute(bars) + _MinusDI(self.period).compute(bars)

    def stream(self, history: Bars) -> "_Live":
        return _Live(_PlusDI(self.period).stream(history), _MinusDI(self.period).stream(history))


@dataclass(frozen=True)
class _PlusDI(TALibIndicator):
    function: ClassVar[str] = "PLUS_DI"
    inputs: ClassVar[tuple[str, ...]] = ("high", "low", "close")

    period: int

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"plus_di_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def memory(self) -> int:
        return DMI(self.period).memory


@dataclass(frozen=True)
class _MinusDI(_PlusDI):
    function: ClassVar[str] = "MINUS_DI"

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"minus_di_{self.period}",)


class _Live:
    def __init__(self, plus: LiveIndicator, minus: LiveIndicator) -> None:
        self._plus, self._minus = plus, minus

    def update(self, bar: Bar) -> tuple[float, ...]:
        return self._plus.update(bar) + self._minus.update(bar)
