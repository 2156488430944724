"""The columns of one timeframe for live bars: indicators kept running, transforms at the end."""

from typing import TYPE_CHECKING

import numpy as np

from crypto_nn.bars import M1, Bar, Bars, Timeframe
from crypto_nn.bars.calendar import month_bounds, month_of, shift_month
from crypto_nn.bars.resample import resample
from crypto_nn.features.gaps import MINUTE_US, microseconds
from crypto_nn.features.gather import Gather
from crypto_nn.features.transforms import Transform, as_is, takes_floats
from crypto_nn.indicators import LiveIndicator

if TYPE_CHECKING:
    from crypto_nn.features.feature_set import FeatureSet

_NEVER_US = -(1 << 62)


class LiveColumns:
    """The columns of one timeframe, as they are at the close of the last bar.

    It keeps the state of the month of the last bar. From the next month's anchor on it also keeps
    the bars, and opens that month's state from them at the turn, as a fresh start would.
    """

    def __init__(self, features: "FeatureSet", timeframe: Timeframe, history: Bars) -> None:
        self._features, self._timeframe, self._symbol = features, timeframe, history.symbol
        self._made_of = _MadeOf(features, timeframe, history.symbol)
        self.columns = self._made_of.columns  # of the features, in the order of `values`
        self._oldest_us = features.gaps.oldest_us(timeframe)
        self._run: _Run
        self._since_us = _NEVER_US  # from when on bars count for the month,
        self._turn_us = _NEVER_US  # when the next month begins,
        self._ahead_us = _NEVER_US  # from when on bars are kept for it,
        self._ahead: list[Bar] = []  # and these
        self._gather: Gather | None = None
        closed = history
        if timeframe != M1:
            share = features.gaps.slow_bar_min_share
            closed = resample(history, timeframe, share)
            self._gather = Gather(timeframe, share)
            for bar in history[-timeframe.minutes :]:
                self._gather.update(bar, microseconds(bar.ts))
        if len(history):
            self._turn(history.ts[-1], closed)

    def take(self, bar: Bar, ts_us: int) -> None:
        """Take the next 1-minute bar, `ts_us` its open."""
        if ts_us >= self._turn_us:
            self._turn(bar.ts, Bars.of(self._ahead, self._symbol, self._timeframe))
        closed = [(bar, ts_us)] if self._gather is None else self._gather.update(bar, ts_us)
        for one, open_us in closed:
            if open_us < self._since_us:  # closed late, behind a hole over the turn of the month
                continue
            self._run.take(one, open_us)
            if open_us >= self._ahead_us:
                self._ahead.append(one)

    def values(self, ts_us: int) -> list[float]:
        """The values that are seen at the close of the last bar, NaN where the last is too old."""
        if ts_us + MINUTE_US - self._run.last_us < self._oldest_us:
            return self._run.values()
        return self._made_of.blank

    def _turn(self, now: np.datetime64, closed: Bars) -> None:
        """Open the state of the month of `now`, and keep what the next month's will need."""
        month = month_of(now)
        since = self._features.anchor(month, self._timeframe)
        ahead = self._features.anchor(shift_month(month, 1), self._timeframe)
        self._turn_us = microseconds(month_bounds(month)[1])
        self._since_us, self._ahead_us = microseconds(since), microseconds(ahead)
        self._ahead = list(closed[int(np.searchsorted(closed.ts, ahead)) :])
        self._run = _Run(self._made_of, closed[int(np.searchsorted(closed.ts, since)) :])


class _MadeOf:
    """What the columns of a timeframe are made of: the same for every month."""

    def __init__(self, features: "FeatureSet", timeframe: Timeframe, symbol: str) -> None:
        columns = dict(features.by_timeframe)[timeframe]
        steps = features.steps[timeframe]
        self.indicators = [indicator for step in steps for indicator in step.indicators]
        # First the outputs that are columns as they are, with no call; then the transformed ones.
        plain = [n for n, step in enumerate(steps) if step.transform is as_is]
        made = [n for n, step in enumerate(steps) if step.transform is not as_is]
        self.columns = [columns[n] for n in (*plain, *made)]
        self.places = [steps[n].places[0] for n in plain]
        self.transforms = [(_of_floats(steps[n].transform), steps[n].pick) for n in made]
        self.gaps = features.gaps
        self.longest_step_us = features.gaps.longest_step_us(timeframe)
        self.no_bars = Bars.empty(symbol, timeframe)
        self.blank = [float("nan")] * len(steps)


class _Run:
    """The indicators of one timeframe for the rows of one month, started anew at long gaps."""

    def __init__(self, made_of: _MadeOf, history: Bars) -> None:
        self.last_us = _NEVER_US
        self._made_of = made_of
        self._outputs: list[float] = []
        self._values: list[float] | None = None
        self._live: list[LiveIndicator] = []  # started with the first bar
        if len(history):
            *_, last_run = made_of.gaps.runs(history)
            self._live = self._start(history[last_run][:-1])
            self.last_us = microseconds(history.ts[-1])
            self.take(history[-1], self.last_us)

    def _start(self, history: Bars) -> list[LiveIndicator]:
        return [indicator.stream(history) for indicator in self._made_of.indicators]

    def take(self, bar: Bar, ts_us: int) -> None:
        """Take the next bar of the timeframe, `ts_us` its open."""
        if ts_us - self.last_us > self._made_of.longest_step_us:
            self._live = self._start(self._made_of.no_bars)
        self.last_us = ts_us
        outputs: list[float] = []
        for live in self._live:
            outputs += live.update(bar)
        self._outputs, self._values = outputs, None

    def values(self) -> list[float]:
        """The columns after the last bar."""
        if self._values is None:
            outputs, made_of = self._outputs, self._made_of
            values = [outputs[place] for place in made_of.places]
            try:
                values += [transform(*pick(outputs)) for transform, pick in made_of.transforms]
            except ZeroDivisionError:  # arrays have infinity for an answer
                values += [_on_arrays(one)(*pick(outputs)) for one, pick in made_of.transforms]
            self._values = values
        return self._values


def _of_floats(transform: Transform) -> Transform:
    return transform if takes_floats(transform) else _on_arrays(transform)


def _on_arrays(transform: Transform) -> Transform:
    """A transform of arrays for plain floats: it is given arrays of one row."""

    def on_one_row(*values: float) -> float:
        return float(np.ravel(transform(*(np.array([value]) for value in values)))[0])

    return on_one_row
