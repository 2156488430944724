"""Mass index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class MassIndex(TALibIndicator):
    """Whether bars grow wider, whichever way they go: a bulge is said to come before a turn.

    Sum over `slow` bars of EMA(high - low, fast) / EMA(EMA(high - low, fast), fast): near `slow`
    while ranges are steady, above it while they grow. Dorsey's bulge is a rise above 27 and a fall
    below 26.5.

    Source: D. Dorsey, Technical Analysis of Stocks & Commodities, June 1992.
    """

    function: ClassVar[str] = "MASSI"
    inputs: ClassVar[tuple[str, ...]] = (
        "high",
        "low",
    )
    least: ClassVar[Mapping[str, int | float]] = {"fast": 2, "slow": 2}

    fast: int = 9
    slow: int = 25

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"mass_{self.fast}_{self.slow}",)

    @property
    def warm_up(self) -> int:
        return 2 * (self.fast - 1) + self.slow - 1

    @property
    def memory(self) -> int:
        """A ratio counts as a stage more: what it divides by may have shrunk a thousandfold."""
        return fading(2 / (self.fast + 1), self.fast, stages=3) + self.slow
