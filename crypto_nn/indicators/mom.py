"""Momentum."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class MOM(TALibIndicator):
    """How far the price has come over the period, in the quote currency.

    Close - close `period` bars ago.

    Source: J. J. Murphy, Technical Analysis of the Financial Markets, 1999.
    """

    function: ClassVar[str] = "MOM"

    period: int = 10

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"mom_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def memory(self) -> int:
        return self.period + 1
