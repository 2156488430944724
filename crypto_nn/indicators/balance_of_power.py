"""Balance of power."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class BalanceOfPower(TALibIndicator):
    """Who won the bar: 1 if buyers carried it from low to high, -1 if sellers did the reverse.

    (close - open) / (high - low); 0 where the bar has no range.

    Source: I. Livshin, Technical Analysis of Stocks & Commodities, August 2001.
    """

    function: ClassVar[str] = "BOP"
    inputs: ClassVar[tuple[str, ...]] = (
        "open",
        "high",
        "low",
        "close",
    )

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("balance_of_power",)

    @property
    def warm_up(self) -> int:
        return 0

    @property
    def memory(self) -> int:
        return 1
