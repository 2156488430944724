"""Normalised average true range."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class NATR(TALibIndicator):
    """How far the price travels in one bar, gaps included, in per cent of the price.

    100 · ATR / close: the `ATR`, comparable between prices of any level.

    Source: J. Forman, Technical Analysis of Stocks & Commodities, May 2006.
    """

    function: ClassVar[str] = "NATR"
    inputs: ClassVar[tuple[str, ...]] = (
        "high",
        "low",
        "close",
    )

    period: int = 14

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"natr_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def memory(self) -> int:
        return fading(1 / self.period, self.period + 1)
