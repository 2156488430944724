"""Kaufman's adaptive moving average."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class KAMA(TALibIndicator):
    """A mean that follows a trend closely and hardly moves while the price only goes to and fro.

    An exponential average whose weight is [E · (2/3 - 2/31) + 2/31]², with E the `EfficiencyRatio`
    of the last `period` bars; it starts from the close before its first value. At its slowest a bar
    weighs 1/240, so that its memory is long.

    Source: P. J. Kaufman, Smarter Trading, 1995.
    """

    function: ClassVar[str] = "KAMA"
    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 10

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"kama_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def memory(self) -> int:
        return fading((2 / 31) ** 2, self.period + 1)
