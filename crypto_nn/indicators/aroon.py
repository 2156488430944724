"""Aroon."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class Aroon(TALibIndicator):
    """How fresh the last extreme is: 100 where it is this bar's, 0 where it is a whole period old.

    Down and up: 100 · (period - bars since the lowest low, highest high) / period, over the last
    period + 1 bars.

    Source: T. Chande, Technical Analysis of Stocks & Commodities, September 1995.
    """

    function: ClassVar[str] = "AROON"
    inputs: ClassVar[tuple[str, ...]] = ("high", "low")
    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 25

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"aroon_down_{self.period}", f"aroon_up_{self.period}")

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def memory(self) -> int:
        return self.period + 1
