"""True range."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class TrueRange(TALibIndicator):
    """How far the price has travelled since the last close, in the quote currency.

    max(high, close before) - min(low, close before).

    Source: J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """

    function: ClassVar[str] = "TRANGE"
    inputs: ClassVar[tuple[str, ...]] = ("high", "low", "close")

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("true_range",)

    @property
    def warm_up(self) -> int:
        return 1

    @property
    def memory(self) -> int:
        return 2


def true_low_and_high(bars: Bars) -> tuple[Float, Float]:
    """The lowest and highest price since the close before; NaN in the first row."""
    before_N = np.full(len(bars), np.nan)
    before_N[1:] = bars.close[:-1]
    return np.minimum(before_N, bars.low), np.maximum(before_N, bars.high)


def true_low_and_high_of(bar: Bar, before: float) -> tuple[float, float]:
    """The same of one bar, with the same bits; NaN where the close before is."""
    return min(before, bar.low), max(before, bar.high)  # in this order NaN comes through
