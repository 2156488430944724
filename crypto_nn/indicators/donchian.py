"""Donchian channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class DonchianChannel(TALibIndicator):
    """The highest high and lowest low of the last bars, and the level halfway between them.

    A break of the upper line is the classic signal of trend followers. In this order: upper,
    middle, lower.

    Source: R. D. Donchian, Commodities: Trend-Following Methods in Commodity Price Analysis, 1957.
    """

    function: ClassVar[str] = "DONCHIAN"
    inputs: ClassVar[tuple[str, ...]] = ("high", "low")
    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(f"donchian_{line}_{self.period}" for line in ("upper", "middle", "lower"))

    @property
    def warm_up(self) -> int:
        return self.period - 1

    @property
    def memory(self) -> int:
        return self.period
