"""Mean volume."""

from dataclasses import dataclass

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class MeanVolume(Windowed):
    """How much a bar of the recent past trades on average: the measure of a busy bar.

    The plain mean of the last volumes; exactly 0 where none of them traded (a running mean, such as
    TA-Lib's SMA, keeps a residue there).

    Source: J. J. Murphy, Technical Analysis of the Financial Markets, 1999, ch. 7 (volume).
    """

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"mean_volume_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (rolling_sum(bars.volume, self.period) / self.period,)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: MeanVolume) -> None:
        self._period = indicator.period
        self._sum = RollingSum(indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        return (self._sum.update(bar.volume) / self._period,)
