"""Keltner channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.indicator import fading
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class KeltnerChannel(TALibIndicator):
    """The range around the mean that a few average bars would cover.

    Middle = EMA of the typical price (high + low + close) / 3, upper and lower = middle ± width ·
    Wilder's average true range. Unlike Bollinger's, its bands widen with the travel inside bars,
    not only from close to close. In this order: upper, middle, lower.

    Source: C. W. Keltner, How to Make Money in Commodities, 1960; with ranges by L. B. Raschke.
    """

    function: ClassVar[str] = "KC"
    inputs: ClassVar[tuple[str, ...]] = ("high", "low", "close")
    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 20
    range_period: int = 10
    width: float = 2.0

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(
            f"keltner_{line}_{self.period}_{self.range_period}"
            for line in ("upper", "middle", "lower")
        )

    @property
    def warm_up(self) -> int:
        return max(self.period - 1, self.range_period)

    @property
    def memory(self) -> int:
        return max(
            fading(2 / (self.period + 1), self.period),
            fading(1 / self.range_period, self.range_period + 1),
        )
