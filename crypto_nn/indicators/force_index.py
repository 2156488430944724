"""Force index."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class ForceIndex(TALibIndicator):
    """How much money pushes the price, and which way: moves of the close, weighed by volume.

    EMA of (close - close before) · volume.

    Source: A. Elder, Trading for a Living, 1993.
    """

    function: ClassVar[str] = "EFI"
    inputs: ClassVar[tuple[str, ...]] = (
        "close",
        "volume",
    )

    period: int = 13

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"force_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def memory(self) -> int:
        return fading(2 / (self.period + 1), self.period + 1)
