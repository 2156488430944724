"""Rate of change."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class ROC(TALibIndicator):
    """By how many per cent the close has moved over the period.

    100 · (close / close `period` bars ago - 1).

    Source: J. J. Murphy, Technical Analysis of the Financial Markets, 1999.
    """

    function: ClassVar[str] = "ROC"

    period: int = 10

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"roc_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def memory(self) -> int:
        return self.period + 1
