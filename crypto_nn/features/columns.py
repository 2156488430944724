"""What is read off a bar as it is: its columns, and what the clock says."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.bars.calendar import TS
from crypto_nn.indicators import LiveIndicator
from crypto_nn.indicators.windowed import Windowed

_DAY, _WEEK = 1440, 7 * 1440
# All of them divide a week, so that one table of its minutes holds all that can be said.
_CYCLES = {"day": _DAY, "week": _WEEK, "hour": 60, "funding": 480}
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
    """When it is, as points on circles, so that Sunday night is next to Monday morning.

    Sine and cosine of 2π · (minutes since the cycle began) / (minutes of the cycle), at the bar's
    open: the UTC day, the week from Monday 00:00 UTC, the hour, and the 8 hours from one funding
    payment of perpetual futures to the next (00:00, 08:00 and 16:00 UTC); and whether it is
    Saturday or Sunday, when banks and the futures of the CME are shut.

    Source: the cycles of trading in Andersen and Bollerslev, Intraday periodicity and volatility
    persistence in financial markets, Journal of Empirical Finance 4, 1997.
    """

    @property
    def outputs(self) -> tuple[str, ...]:
        waves = (f"{name}_{wave}" for name in _CYCLES for wave in ("sin", "cos"))
        return (*waves, "weekend")

    @property
    def formulas(self) -> tuple[str, ...]:
        """The outputs written out, for the columns' formulas."""
        waves = (
            f"{wave}(2 * pi * minute_of_{name} / {minutes})"
            for name, minutes in _CYCLES.items()
            for wave in ("sin", "cos")
        )
        return (*waves, "minute_of_week >= 7200")

    @property
    def warm_up(self) -> int:
        return 0

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        minute_N = bars.ts.astype("datetime64[m]").astype(np.int64)
        week_N = (minute_N + _EPOCH) % _WEEK
        return tuple(np.take(said_W, week_N) for said_W in _TABLE_CW)

    def fresh(self) -> LiveIndicator:
        return _LiveClock()


def _table() -> Float:
    """What the clock says at each minute of the week, shape (outputs, minutes)."""
    week_W = np.arange(_WEEK)
    waves_CW = [
        wave(2.0 * np.pi * np.arange(minutes) / minutes)[week_W % minutes]
        for minutes in _CYCLES.values()
        for wave in (np.sin, np.cos)
    ]
    return np.stack([*waves_CW, (week_W >= 5 * _DAY).astype(np.float64)])


_TABLE_CW = _table()


@cache
def _rows() -> list[tuple[float, ...]]:
    """The same, a tuple for each minute: what live bars look up."""
    return list(zip(*(said_W.tolist() for said_W in _TABLE_CW)))


class _LiveClock:
    def __init__(self) -> None:
        self._rows = _rows()

    def update(self, bar: Bar) -> tuple[float, ...]:
        opened = bar.ts.astype(TS).item()
        assert isinstance(opened, datetime)
        return self._rows[opened.weekday() * _DAY + opened.hour * 60 + opened.minute]
