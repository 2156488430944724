"""Bollinger bands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class BollingerBands(TALibIndicator):
    """The range that the price keeps to when it moves no more than it has lately.

    Middle = mean of the last closes, upper and lower = middle ± width · their standard deviation
    (population form), in this order: upper, middle, lower.

    Source: J. Bollinger, Bollinger on Bollinger Bands, 2001.
    """

    function: ClassVar[str] = "BBANDS"
    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 20
    width: float = 2.0

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(f"bb_{band}_{self.period}" for band in ("upper", "middle", "lower"))

    @property
    def warm_up(self) -> int:
        return self.period - 1

    @property
    def memory(self) -> int:
        return self.period

    @property
    def parameters(self) -> tuple[int | float, ...]:
        return (self.period, self.width, self.width)
