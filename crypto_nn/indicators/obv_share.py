"""The recent change of on-balance volume, as a share of the volume."""

from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class OBVShare(Windowed):
    """How one-sided recent trading was: 1 if all volume came on rising closes, -1 on falling ones.

    Change of `OBV` over the last `period` bars / volume of these bars; 0 where nothing was traded.
    Stationary, which the level of OBV is not.

    Source: J. E. Granville, New Key to Stock Market Profits, 1963 (the level).
    """

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"obv_share_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        signed_N = np.sign(np.diff(bars.close, prepend=np.nan)) * bars.volume
        change_N = rolling_sum(signed_N, self.period)
        volume_N = rolling_sum(bars.volume, self.period)
        none_N = volume_N <= 0
        share_N = change_N / np.where(none_N, 1.0, volume_N)
        return (np.where(none_N & ~np.isnan(change_N), 0.0, share_N),)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: OBVShare) -> None:
        self._before = float("nan")
        self._change = RollingSum(indicator.period)
        self._volume = RollingSum(indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        move = bar.close - self._before
        self._before = bar.close
        sign = 1.0 if move > 0 else -1.0 if move < 0 else move
        change = self._change.update(sign * bar.volume)
        volume = self._volume.update(bar.volume)
        return (0.0 if volume <= 0 and change == change else change / (volume or 1.0),)
