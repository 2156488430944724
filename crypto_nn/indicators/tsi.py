"""True strength index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class TSI(TALibIndicator):
    """How one-sided recent moves are, smoothed twice: 100 if all were rises, -100 if all falls.

    With m the change of the close: 100 · EMA(EMA(m, slow), fast) / EMA(EMA(|m|, slow), fast). 0
    where nothing has moved at all; while nothing moves any more it keeps its value, as both
    averages fade alike.

    Source: W. Blau, Technical Analysis of Stocks & Commodities, November 1991.
    """

    function: ClassVar[str] = "TSI"
    least: ClassVar[Mapping[str, int | float]] = {"fast": 2}
    in_order: ClassVar[tuple[str, ...]] = ("fast", "slow")

    slow: int = 25
    fast: int = 13

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"tsi_{self.slow}_{self.fast}",)

    @property
    def warm_up(self) -> int:
        return self.slow + self.fast - 1

    @property
    def memory(self) -> int:
        """A ratio counts as a stage more: what it divides by may have shrunk a thousandfold."""
        return fading(2 / (self.slow + 1), self.slow, stages=3) + 1
