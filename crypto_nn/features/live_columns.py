"""The columns of one timeframe for live bars: indicators kept running, transforms at the end."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Bar, Bars, Float, Timeframe
from crypto_nn.bars.resample import resample
from crypto_nn.features.feature import Feature
from crypto_nn.features.gaps import MINUTE_US, microseconds
from crypto_nn.features.gather import Gather
from crypto_nn.features.transforms import Transform
from crypto_nn.indicators import Indicator, LiveIndicator

if TYPE_CHECKING:
    from crypto_nn.features.feature_set import FeatureSet

# A transform, the columns that it gives, and the places of its inputs, shape (inputs, columns).
Recipe = tuple[Transform, NDArray[np.int64], NDArray[np.int64]]


class LiveColumns:
    """The columns of the base timeframe."""

    def __init__(
        self, features: "FeatureSet", timeframe: Timeframe, columns: tuple[int, ...], history: Bars
    ) -> None:
        self._columns = list(columns)
        self._run = _Run(features, timeframe, columns, history)

    def take(self, bar: Bar, ts_us: int) -> None:
        """Take the next bar, `ts_us` its open."""
        self._run.take(bar, ts_us)

    def write(self, x_F: Float, ts_us: int) -> None:
        """Write the values at the close of the last bar into their columns."""
        x_F[self._columns] = self._run.transformed()


class LiveSlowColumns:
    """The columns of a slower timeframe: those of the last slow bar that has closed."""

    def __init__(
        self, features: "FeatureSet", timeframe: Timeframe, columns: tuple[int, ...], history: Bars
    ) -> None:
        self._columns = list(columns)
        self._oldest_us = features.gaps.oldest_us(timeframe)
        self._open_us = -self._oldest_us
        self._seen: Float = np.full(len(columns), np.nan)
        closed = resample(history, timeframe, features.gaps.slow_bar_min_share)
        self._run = _Run(features, timeframe, columns, closed[:-1])
        if len(closed):
            self._see(closed[-1], microseconds(closed.ts[-1]))
        self._gather = Gather(timeframe, features.gaps.slow_bar_min_share)
        for bar in history[-timeframe.minutes :]:
            self._gather.update(bar, microseconds(bar.ts))

    def _see(self, slow: Bar, open_us: int) -> None:
        self._run.take(slow, open_us)
        self._seen = self._run.transformed()
        self._open_us = open_us

    def take(self, bar: Bar, ts_us: int) -> None:
        """Take the next 1-minute bar, `ts_us` its open."""
        for slow, open_us in self._gather.update(bar, ts_us):
            self._see(slow, open_us)

    def write(self, x_F: Float, ts_us: int) -> None:
        """Write the values seen at the close of the last bar into their columns."""
        fresh = ts_us + MINUTE_US - self._open_us < self._oldest_us
        x_F[self._columns] = self._seen if fresh else np.nan


class _Run:
    """The indicators of one timeframe, started anew after each long gap."""

    def __init__(
        self, features: "FeatureSet", timeframe: Timeframe, columns: tuple[int, ...], history: Bars
    ) -> None:
        wanted = [features.features[column] for column in columns]
        self._indicators = list(
            dict.fromkeys(one for feature in wanted for one in feature.indicators)
        )
        self._recipes = list(_recipes(wanted, self._indicators))
        self._longest_step_us = features.gaps.longest_step_us(timeframe)
        self._empty = Bars.empty(history.symbol, timeframe)
        self._last_us = microseconds(history.ts[-1]) if len(history) else None
        *_, last_run = [slice(0, 0), *features.gaps.runs(history)]
        self._live = self._start(history[last_run])
        self._values: Float = np.empty(0)
        self._row: Float = np.empty(len(columns))

    def _start(self, history: Bars) -> list[LiveIndicator]:
        return [indicator.stream(history) for indicator in self._indicators]

    def take(self, bar: Bar, ts_us: int) -> None:
        if self._last_us is not None and ts_us - self._last_us > self._longest_step_us:
            self._live = self._start(self._empty)
        self._last_us = ts_us
        self._values = np.array([value for live in self._live for value in live.update(bar)])

    def transformed(self) -> Float:
        """The columns after the last bar."""
        for transform, columns, inputs in self._recipes:
            self._row[columns] = transform(*self._values[inputs])
        return self._row


def _recipes(features: Sequence[Feature], indicators: Sequence[Indicator]) -> Iterator[Recipe]:
    """Columns that share a transform are worked out in one call: elementwise, so the same bits."""
    starts = accumulate((len(one.outputs) for one in indicators), initial=0)
    first = dict(zip(indicators, starts))
    for transform in dict.fromkeys(feature.transform for feature in features):
        columns = [n for n, feature in enumerate(features) if feature.transform is transform]
        inputs = [
            [first[output.indicator] + output.position for output in features[n].outputs]
            for n in columns
        ]
        yield transform, np.array(columns), np.array(inputs).T
