"""Chande momentum oscillator."""

from dataclasses import dataclass

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.efficiency_ratio import Efficiency, efficiency
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class CMO(Windowed):
    """How one-sided the last moves were: 100 if all were rises, -100 if all were falls.

    100 · (sum of rises - sum of falls) / (sum of rises + sum of falls) of the close over `period`
    moves; 0 where nothing moved. This is Chande's own, with plain sums: TA-Lib's CMO puts Wilder's
    averages in their place, which makes it 2 · RSI - 100, and its CMOU keeps the rounding of past
    prices in running sums, which after a crash is not small beside the moves.

    Source: T. S. Chande and S. Kroll, The New Technical Trader, 1994.
    """

    period: int = 14

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"cmo_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (100.0 * efficiency(bars.close, self.period),)

    def fresh(self) -> "_Live":
        return _Live(Efficiency(self.period))


class _Live:
    def __init__(self, efficiency: Efficiency) -> None:
        self._efficiency = efficiency

    def update(self, bar: Bar) -> tuple[float, ...]:
        return (100.0 * self._efficiency.update(bar.close),)
