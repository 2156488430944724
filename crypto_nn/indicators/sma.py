"""Simple moving average."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class SMA(TALibIndicator):
    """The plain mean of the last closes: the level that the market has agreed on lately.

    Source: J. J. Murphy, Technical Analysis of the Financial Markets, 1999.
    """

    function: ClassVar[str] = "SMA"

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"sma_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    @property
    def memory(self) -> int:
        return self.period
