"""Average directional index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class ADX(TALibIndicator):
    """How strongly the market trends, in either direction, from 0 to 100.

    Wilder averages of the directional movements, divided by the average true range, give +DI and
    -DI; DX = 100 · |+DI - -DI| / (+DI + -DI); ADX is Wilder's average of DX. Above 25 is commonly
    read as a trend.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """

    function: ClassVar[str] = "ADX"
    inputs: ClassVar[tuple[str, ...]] = ("high", "low", "close")
    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 14

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"adx_{self.period}",)

    @property
    def warm_up(self) -> int:
        return 2 * self.period - 1

    @property
    def memory(self) -> int:
        return fading(1 / self.period, self.period, stages=2)
