"""Moving average convergence and divergence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class MACD(TALibIndicator):
    """How far a fast mean of the price has left a slow one behind, and whether it still pulls.

    A line above zero says that the last bars trade above the longer mean; a positive histogram says
    that the distance still grows. Line = EMA(fast) - EMA(slow) of the close, signal = EMA of the
    line, histogram = line - signal; all in the quote currency.

    Source: G. Appel, Technical Analysis: Power Tools for Active Investors, 2005.
    """

    function: ClassVar[str] = "MACD"
    least: ClassVar[Mapping[str, int | float]] = {"fast": 2}
    in_order: ClassVar[tuple[str, ...]] = ("fast", "slow")

    fast: int = 12
    slow: int = 26
    signal: int = 9

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(
            f"{name}_{self.fast}_{self.slow}_{self.signal}"
            for name in ("macd", "macd_signal", "macd_histogram")
        )

    @property
    def warm_up(self) -> int:
        return self.slow + self.signal - 2

    @property
    def memory(self) -> int:
        longer = max(self.slow, self.signal)
        return fading(2 / (longer + 1), longer, stages=2)
