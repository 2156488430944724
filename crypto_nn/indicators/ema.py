"""Exponential moving average."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class EMA(TALibIndicator):
    """A mean of all closes in which older ones fade: quicker to turn than a plain mean.

    The newest close weighs 2 / (period + 1); the recursion starts from the mean of the first
    `period` closes.

    Source: R. G. Brown, Statistical Forecasting for Inventory Control, 1959.
    """

    function: ClassVar[str] = "EMA"

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"ema_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    @property
    def memory(self) -> int:
        return fading(2 / (self.period + 1), self.period)
