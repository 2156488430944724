"""TRIX."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class TRIX(TALibIndicator):
    """By how many per cent a very smooth mean of the price has moved in the last bar.

    100 · (T / T one bar before - 1) with T = EMA(EMA(EMA(close))): short swings are smoothed away.

    Source: J. K. Hutson, Technical Analysis of Stocks & Commodities, July 1983.
    """

    function: ClassVar[str] = "TRIX"

    period: int = 15

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"trix_{self.period}",)

    @property
    def warm_up(self) -> int:
        return 3 * (self.period - 1) + 1

    @property
    def memory(self) -> int:
        return fading(2 / (self.period + 1), self.period, stages=3) + 1
