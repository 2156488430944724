"""Hull moving average."""

import math
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class HMA(TALibIndicator):
    """A smooth mean with hardly any lag; it overshoots at sharp turns.

    WMA over √period bars of 2 · WMA(period / 2) - WMA(period), both lengths rounded down.

    Source: A. Hull, Active Investing, 2005.
    """

    function: ClassVar[str] = "HMA"

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"hma_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period + math.isqrt(self.period) - 2

    @property
    def memory(self) -> int:
        return self.warm_up + 1
