"""Percentage price oscillator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator

_EMA = 1  # TA-Lib's number for it, among its kinds of averages


@dataclass(frozen=True)
class PPO(TALibIndicator):
    """How far a fast mean of the price has left a slow one behind, in per cent.

    100 · (EMA(fast) - EMA(slow)) / EMA(slow) of the close: the `MACD` line, comparable between
    prices of any level.

    Source: G. Appel, Technical Analysis: Power Tools for Active Investors, 2005.
    """

    function: ClassVar[str] = "PPO"
    least: ClassVar[Mapping[str, int | float]] = {"fast": 2}
    in_order: ClassVar[tuple[str, ...]] = ("fast", "slow")

    fast: int = 12
    slow: int = 26

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"ppo_{self.fast}_{self.slow}",)

    @property
    def warm_up(self) -> int:
        return self.slow - 1

    @property
    def memory(self) -> int:
        return fading(2 / (self.slow + 1), self.slow)

    @property
    def parameters(self) -> tuple[int | float, ...]:
        return (self.fast, self.slow, _EMA)
