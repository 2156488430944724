"""Volume-weighted average price: of a moving window, and of the UTC day."""

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.indicator import Indicator
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.typical import typical_price, typical_price_of
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class VWAP(Windowed):
    """What the average unit traded in the last bars has cost.

    Sum of typical price · volume over sum of volume; the bar's typical price where nothing was
    traded in the window.

    Source: Berkowitz, Logue and Noser, The Total Cost of Transactions on the NYSE, Journal of
    Finance 43, 1988.
    """

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"vwap_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        typical_N = typical_price(bars)
        money_N = rolling_sum(typical_N * bars.volume, self.period)
        return (_average(money_N, rolling_sum(bars.volume, self.period), typical_N),)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: VWAP) -> None:
        self._money = RollingSum(indicator.period)
        self._volume = RollingSum(indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        typical = typical_price_of(bar)
        money = self._money.update(typical * bar.volume)
        volume = self._volume.update(bar.volume)
        return (typical if volume <= 0 else money / volume,)


@dataclass(frozen=True)
class DailyVWAP(Indicator):
    """What the average unit traded since midnight UTC has cost: the desk's benchmark of the day.

    The same as `VWAP`, over the bars of the day so far.

    Source: Berkowitz, Logue and Noser, The Total Cost of Transactions on the NYSE, Journal of
    Finance 43, 1988.
    """

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("vwap_day",)

    @property
    def warm_up(self) -> int:
        return 0

    @property
    def memory(self) -> int:
        """A day of 1-minute bars, the most that a day can hold."""
        return 1440

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        typical_N = typical_price(bars)
        money_N, volume_N = typical_N * bars.volume, bars.volume.copy()
        day_N = bars.ts.astype("datetime64[D]")
        starts = np.flatnonzero(day_N[1:] != day_N[:-1]) + 1
        for day in (slice(lo, hi) for lo, hi in zip([0, *starts], [*starts, len(bars)])):
            np.cumsum(money_N[day], out=money_N[day])
            np.cumsum(volume_N[day], out=volume_N[day])
        return (_average(money_N, volume_N, typical_N),)

    def stream(self, history: Bars) -> "_LiveDay":
        live = _LiveDay()
        day_N = history.ts.astype("datetime64[D]")
        for bar in history[int(np.searchsorted(day_N, day_N[-1])) if len(day_N) else 0 :]:
            live.update(bar)
        return live


class _LiveDay:
    def __init__(self) -> None:
        self._day: date | None = None
        self._money = self._volume = 0.0

    def update(self, bar: Bar) -> tuple[float, ...]:
        moment = bar.ts.item()  # in Python, because datetime64 takes four times as long
        assert isinstance(moment, datetime), "bars are stamped in microseconds"
        day = moment.date()
        if day != self._day:
            self._day, self._money, self._volume = day, 0.0, 0.0
        typical = typical_price_of(bar)
        self._money += typical * bar.volume
        self._volume += bar.volume
        return (typical if self._volume <= 0 else self._money / self._volume,)


def _average(money_N: Float, volume_N: Float, otherwise_N: Float) -> Float:
    none_N = volume_N <= 0
    return np.where(none_N, otherwise_N, money_N / np.where(none_N, 1.0, volume_N))
