"""Average true range."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class ATR(TALibIndicator):
    """How far the price travels in one bar, gaps between bars included, in the quote currency.

    True range = max(high, previous close) - min(low, previous close); ATR is Wilder's average of it
    (weight 1 / period).

    Source: J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """

    function: ClassVar[str] = "ATR"
    inputs: ClassVar[tuple[str, ...]] = ("high", "low", "close")

    period: int = 14

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"atr_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def memory(self) -> int:
        return fading(1 / self.period, self.period + 1)
