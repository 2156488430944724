"""Chaikin oscillator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class ChaikinOscillator(TALibIndicator):
    """Whether money has flowed in faster lately than over the longer run, in units of volume.

    EMA(fast) - EMA(slow) of the line of accumulation and distribution (`AccumulationDistribution`),
    both started from its first value; the level of that line cancels, so that the first bar is
    forgotten.

    Source: M. Chaikin, in S. B. Achelis, Technical Analysis from A to Z, 2000.
    """

    function: ClassVar[str] = "ADOSC"
    inputs: ClassVar[tuple[str, ...]] = (
        "high",
        "low",
        "close",
        "volume",
    )
    least: ClassVar[Mapping[str, int | float]] = {"fast": 2}
    in_order: ClassVar[tuple[str, ...]] = ("fast", "slow")

    fast: int = 3
    slow: int = 10

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"chaikin_{self.fast}_{self.slow}",)

    @property
    def warm_up(self) -> int:
        return self.slow - 1

    @property
    def memory(self) -> int:
        return fading(2 / (self.slow + 1), self.slow)
