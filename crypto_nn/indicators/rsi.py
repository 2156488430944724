"""The relative strength index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class RSI(TALibIndicator):
    """The share of recent movement that went up, from 0 to 100 (Wilder 1978).

    Near 100 nearly every move was a rise, near 0 nearly every move a fall. With U and D the Wilder
    averages (weight 1 / period) of rises and falls of the close: 100 · U / (U + D); 0 where nothing
    has moved at all.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """

    function: ClassVar[str] = "RSI"
    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 14

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"rsi_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def memory(self) -> int:
        """A ratio counts as a stage more: what it divides by may have shrunk a thousandfold."""
        return fading(1 / self.period, self.period + 1, stages=2)
