"""Percentage volume oscillator."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.ema import EMA
from crypto_nn.indicators.indicator import Indicator, LiveIndicator, fading


@dataclass(frozen=True)
class PVO(Indicator):
    """Whether the market gets busier: how far fast mean volume is above slow, in per cent.

    100 · (EMA(fast) - EMA(slow)) / EMA(slow) of the volume, both by TA-Lib; 0 where nothing was
    ever traded. TA-Lib's own PVO is not used: it says 0 whenever the slow mean is below 1e-14,
    which makes it wrong for small units and after long silence.

    Source: G. Appel, Technical Analysis: Power Tools for Active Investors, 2005 (of the price).
    """

    in_order: ClassVar[tuple[str, ...]] = ("fast", "slow")

    fast: int = 12
    slow: int = 26

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"pvo_{self.fast}_{self.slow}",)

    @property
    def warm_up(self) -> int:
        return self.slow - 1

    @property
    def memory(self) -> int:
        """A ratio counts as a stage more: what it divides by may have shrunk a thousandfold."""
        return fading(2 / (self.slow + 1), self.slow, stages=2)

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        (fast_N,), (slow_N,) = (
            _VolumeEMA(period).compute(bars) for period in (self.fast, self.slow)
        )
        none_N = slow_N <= 0
        share_N = 100.0 * (fast_N - slow_N) / np.where(none_N, 1.0, slow_N)
        return (np.where(none_N, 0.0, share_N),)

    def stream(self, history: Bars) -> "_Live":
        return _Live(*(_VolumeEMA(period).stream(history) for period in (self.fast, self.slow)))


@dataclass(frozen=True)
class _VolumeEMA(EMA):
    inputs: ClassVar[tuple[str, ...]] = ("volume",)


class _Live:
    def __init__(self, fast: LiveIndicator, slow: LiveIndicator) -> None:
        self._fast, self._slow = fast, slow

    def update(self, bar: Bar) -> tuple[float, ...]:
        (fast,), (slow,) = self._fast.update(bar), self._slow.update(bar)
        return (0.0 if slow <= 0 else 100.0 * (fast - slow) / slow,)
