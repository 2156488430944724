"""What is read off a bar as it is: its columns, and the time of day and week."""

from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators import LiveIndicator
from crypto_nn.indicators.windowed import Windowed

_MINUTE = np.timedelta64(1, "m").astype("timedelta64[us]")
_DAY, _WEEK = 1440, 7 * 1440
# The epoch, 1970-01-01, was a Thursday; the week starts on Monday.
_EPOCH = 3 * _DAY


@dataclass(frozen=True)
class Column(Windowed):
    """One column of the bars, such as "close"."""

    name: str

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def warm_up(self) -> int:
        return 0

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (getattr(bars, self.name),)

    def fresh(self) -> LiveIndicator:
        return _LiveColumn(self.name)


class _LiveColumn:
    def __init__(self, name: str) -> None:
        self._read = attrgetter(name)

    def update(self, bar: Bar) -> tuple[float, ...]:
        return (self._read(bar),)


@dataclass(frozen=True)
class Clock(Windowed):
    """Hour of day and day of week as points on a circle: Sunday night is next to Monday morning.

    sin and cos of 2π · (minutes since midnight UTC) / 1440, and of the minutes since Monday 00:00
    UTC in the week, both at the bar's open.
    """

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("day_sin", "day_cos", "week_sin", "week_cos")

    @property
    def warm_up(self) -> int:
        return 0

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        minute_N = bars.ts.astype("datetime64[us]").astype(np.int64) // _MINUTE.astype(np.int64)
        minute_N += _EPOCH
        circle_2D, circle_2W = _CIRCLES
        day_N, week_N = minute_N % _DAY, minute_N % _WEEK
        return circle_2D[0][day_N], circle_2D[1][day_N], circle_2W[0][week_N], circle_2W[1][week_N]

    def fresh(self) -> LiveIndicator:
        return _LiveClock()


def _circle(minutes: int) -> tuple[Float, Float]:
    angle = 2.0 * np.pi * np.arange(minutes) / minutes
    return np.sin(angle), np.cos(angle)


_CIRCLES = (_circle(_DAY), _circle(_WEEK))


class _LiveClock:
    def update(self, bar: Bar) -> tuple[float, ...]:
        minute = int(bar.ts.astype("datetime64[m]").astype(np.int64)) + _EPOCH
        day, week = minute % _DAY, minute % _WEEK
        (day_sin, day_cos), (week_sin, week_cos) = _CIRCLES
        return day_sin[day], day_cos[day], week_sin[week], week_cos[week]
