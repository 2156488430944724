"""Supertrend."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.indicator import LiveIndicator
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class Supertrend(TALibIndicator):
    """A trailing stop a few average ranges away, and which way the trend counts: 1 up, -1 down.

    Bands stand at (high + low) / 2 ± width · `ATR`; the lower only ever rises and the upper only
    ever falls until the close crosses it. In an uptrend the line is the lower band, and once the
    close falls below it, the upper one, and so on. The trend lasts as long as the market likes, so
    that the first bar may matter for ever. In this order: line, direction.

    Source: O. Seban, Tout le monde mérite d'être riche, 2008.
    """

    function: ClassVar[str] = "SUPERTREND"
    inputs: ClassVar[tuple[str, ...]] = ("high", "low", "close")
    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 10
    width: float = 3.0

    @property
    def outputs(self) -> tuple[str, ...]:
        name = f"{self.period}_{self.width:g}"
        return (f"supertrend_{name}", f"supertrend_direction_{name}")

    @property
    def warm_up(self) -> int:
        return self.period

    @property
    def memory(self) -> None:
        """None: the first bar may matter for ever."""
        return None

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        line_N, direction_N = super().compute(bars)
        direction_N = direction_N.astype(np.float64)  # TA-Lib counts in int32, 0 in the warm-up
        direction_N[: self.warm_up] = np.nan
        return line_N, direction_N

    def stream(self, history: Bars) -> "_Live":
        return _Live(super().stream(history))


class _Live:
    def __init__(self, inner: LiveIndicator) -> None:
        self._inner = inner

    def update(self, bar: Bar) -> tuple[float, ...]:
        line, direction = self._inner.update(bar)
        return line, float(direction)
