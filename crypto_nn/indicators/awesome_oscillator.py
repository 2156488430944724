"""Awesome oscillator."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class AwesomeOscillator(Windowed):
    """How far the middle of the last bars has left its longer mean behind, in the quote currency.

    Mean of (high + low) / 2 over `fast` bars - its mean over `slow` bars. Composed, because
    TA-Lib's AO subtracts two running sums: where prices move little for their level (coins pegged
    to a currency), bars of long ago shift it by more than 1e-9 of its spread.

    Source: B. Williams, New Trading Dimensions, 1998.
    """

    in_order: ClassVar[tuple[str, ...]] = ("fast", "slow")

    fast: int = 5
    slow: int = 34

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"ao_{self.fast}_{self.slow}",)

    @property
    def warm_up(self) -> int:
        return self.slow - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        middle_N = (bars.high + bars.low) / 2.0
        fast_N = rolling_sum(middle_N, self.fast) / self.fast
        return (fast_N - rolling_sum(middle_N, self.slow) / self.slow,)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: AwesomeOscillator) -> None:
        self._fast, self._slow = indicator.fast, indicator.slow
        self._fast_sum, self._slow_sum = RollingSum(indicator.fast), RollingSum(indicator.slow)

    def update(self, bar: Bar) -> tuple[float, ...]:
        middle = (bar.high + bar.low) / 2.0
        fast = self._fast_sum.update(middle) / self._fast
        return (fast - self._slow_sum.update(middle) / self._slow,)
