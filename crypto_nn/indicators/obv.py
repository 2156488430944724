"""On-balance volume."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class OBV(TALibIndicator):
    """All volume of rising bars less all volume of falling ones, since the first bar.

    The level has no meaning of its own; its changes do (`OBVShare`).

    Source: J. E. Granville, New Key to Stock Market Profits, 1963.
    """

    function: ClassVar[str] = "OBV"
    inputs: ClassVar[tuple[str, ...]] = ("close", "volume")

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("obv",)

    @property
    def warm_up(self) -> int:
        return 0

    @property
    def memory(self) -> None:
        """None: the first bar matters for ever."""
        return None
