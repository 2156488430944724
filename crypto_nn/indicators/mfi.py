"""Money flow index."""

from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.typical import typical_price, typical_price_of
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class MFI(Windowed):
    """The share of the money that changed hands on rising prices, from 0 to 100.

    Money = typical price · volume; it counts as rising or falling with the typical price, and not
    at all where that stands still. 100 · rising / (rising + falling) over the last `period` moves;
    50 where there were none. TA-Lib's MFI is not used: it says 0 whenever less than one unit of
    quote currency flowed, which makes it wrong for small units.

    Source: G. Quong and A. Soudack, Technical Analysis of Stocks & Commodities, March 1989.
    """

    period: int = 14

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"mfi_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        typical_N = typical_price(bars)
        money_N = typical_N * bars.volume
        move_N = np.diff(typical_N, prepend=np.nan)
        rising_N = np.where(move_N > 0, money_N, 0.0)
        falling_N = np.where(move_N < 0, money_N, 0.0)
        rising_N[:1] = falling_N[:1] = np.nan
        rising_N = rolling_sum(rising_N, self.period)
        all_N = rising_N + rolling_sum(falling_N, self.period)
        none_N = all_N <= 0
        return (np.where(none_N, 50.0, 100.0 * rising_N / np.where(none_N, 1.0, all_N)),)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: MFI) -> None:
        self._before = float("nan")
        self._rising = RollingSum(indicator.period)
        self._falling = RollingSum(indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        typical = typical_price_of(bar)
        money, move = typical * bar.volume, typical - self._before
        self._before = typical
        known = move == move
        rising = self._rising.update((money if move > 0 else 0.0) if known else move)
        every = rising + self._falling.update((money if move < 0 else 0.0) if known else move)
        return (50.0 if every <= 0 else 100.0 * rising / every,)
