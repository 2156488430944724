"""Weighted moving average."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class WMA(TALibIndicator):
    """A mean of the last closes in which newer ones count more, in equal steps.

    The newest weighs `period`, the one before period - 1, …, the oldest 1.

    Source: J. J. Murphy, Technical Analysis of the Financial Markets, 1999.
    """

    function: ClassVar[str] = "WMA"

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"wma_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    @property
    def memory(self) -> int:
        return self.period
