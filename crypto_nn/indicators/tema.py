"""Triple exponential moving average."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class TEMA(TALibIndicator):
    """An exponential average with nearly all of its lag taken out; it overshoots at sharp turns.

    3 · EMA - 3 · EMA(EMA) + EMA(EMA(EMA)) of the close.

    Source: P. G. Mulloy, Technical Analysis of Stocks & Commodities, February 1994.
    """

    function: ClassVar[str] = "TEMA"

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"tema_{self.period}",)

    @property
    def warm_up(self) -> int:
        return 3 * (self.period - 1)

    @property
    def memory(self) -> int:
        return fading(2 / (self.period + 1), self.period, stages=3)
