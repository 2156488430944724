"""The feature set: what a model sees of a market, one row per minute."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import talib
from numpy.typing import DTypeLike, NDArray

from crypto_nn.bars import M1, Bars, Float, Timeframe
from crypto_nn.bars.calendar import TS, month_bounds, month_slices
from crypto_nn.bars.resample import resample
from crypto_nn.errors import FeatureError
from crypto_nn.features import transforms
from crypto_nn.features.feature import Feature
from crypto_nn.features.gaps import GapPolicy
from crypto_nn.features.live import LiveFeatures
from crypto_nn.indicators import Indicator

_LONGEST_MEMORY = 28 * 1440


@dataclass(frozen=True)
class FeatureSet:
    """An ordered set of stationary, causal columns, computed month by month.

    The values of a month are computed from the bars since its *anchor*: the start of the month
    less `memory`, floored to a UTC day. So months can be computed in any order and in parallel, a
    restarted stream opens where a running one stands, and all agree bit for bit. Holes in the bars
    follow `gaps`.

    Attributes:
        features: the columns, in order.
        gaps: what a hole in the bars does.
    """

    features: tuple[Feature, ...]
    gaps: GapPolicy = field(default_factory=GapPolicy)

    def __post_init__(self) -> None:
        names = self.names
        twice = sorted({name for name in names if names.count(name) > 1})
        endless = [feature.name for feature in self.features if feature.memory is None]
        if twice or endless or not names:
            raise FeatureError(
                "A feature set needs features with unique names and finite memory; found "
                f"{len(names)} features, twice: {', '.join(twice) or 'none'}, without end to their "
                f"memory: {', '.join(endless) or 'none'}. Use changes or shares of such levels."
            )
        if self.memory > _LONGEST_MEMORY:
            raise FeatureError(
                f"The features remember {self.memory} minutes; at most {_LONGEST_MEMORY} (28 days) "
                "can be taken into account. Shorten their periods or use faster bars."
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def descriptions(self) -> Mapping[str, str]:
        """One line for each column."""
        return {feature.name: feature.description for feature in self.features}

    @cached_property
    def warm_up(self) -> int:
        """At most so many minutes after a start or a long gap a column may be null."""
        return max(
            feature.warm_up
            if feature.timeframe == M1
            else (feature.warm_up + 2) * feature.timeframe.minutes - 1
            for feature in self.features
        )

    @cached_property
    def memory(self) -> int:
        """Minutes of history that a month's first row needs."""
        return max((feature.memory or 0) * feature.timeframe.minutes for feature in self.features)

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever any value could: names, parameters, code version, gap policy."""
        recipe = [
            f"transforms {transforms.VERSION}, talib {talib.__version__}, memory {self.memory}",
            repr(self.gaps),
            *(feature.recipe for feature in self.features),
        ]
        return hashlib.sha256("\n".join(recipe).encode()).hexdigest()[:16]

    @cached_property
    def by_timeframe(self) -> tuple[tuple[Timeframe, tuple[int, ...]], ...]:
        """The columns of each timeframe, the base first."""
        ordered = sorted(range(len(self.features)), key=lambda n: self.features[n].timeframe)
        groups = groupby(ordered, key=lambda n: self.features[n].timeframe)
        return tuple((timeframe, tuple(columns)) for timeframe, columns in groups)

    def anchor(self, month: str) -> np.datetime64:
        """From where on bars are used for the values of a month (µs, UTC)."""
        start, _ = month_bounds(month)
        earliest = start - np.timedelta64(self.memory, "m")
        day: np.datetime64 = earliest.astype("datetime64[D]")
        return day.astype(TS)

    def compute(
        self, bars: Bars, complete: bool = False, dtype: DTypeLike = np.float32
    ) -> NDArray[Any]:
        """The features of every bar, shape (N, F); NaN is null.

        Args:
            bars: clean 1-minute bars of one symbol.
            complete: whether these bars begin at the symbol's first bar ever. If so, a month whose
                anchor lies before it is computed from that first bar; if not, it is null.
            dtype: float32; float64 gives the values before they are rounded.

        Raises:
            BarsError: the bars are not clean.
            FeatureError: the bars are not 1-minute bars.
        """
        self._check(bars)
        x_NF = np.empty((len(bars), len(self.features)), dtype)
        for month, rows in month_slices(bars.ts):
            since = int(np.searchsorted(bars.ts, self.anchor(month)))
            part = bars[since : rows.stop]
            if complete or bars.ts[0] <= self.anchor(month):
                x_NF[rows] = self._compute(part)[rows.start - since :]
            else:
                x_NF[rows] = np.nan
        return x_NF

    def compute_month(
        self, bars: Bars, month: str, complete: bool = False, dtype: DTypeLike = np.float32
    ) -> NDArray[Any]:
        """The features of one month's bars, the same bits as `compute` gives for its rows.

        Args:
            bars: clean bars from `anchor(month)` (or earlier) to the end of the month or sooner.
            month: such as "2024-01".
            complete: whether nothing is missing between the anchor and the first of these bars:
                there was no bar, because the symbol was not traded yet or the venue was down.
            dtype: see `compute`.

        Raises:
            BarsError: the bars are not clean.
            FeatureError: the bars are not 1-minute bars.
        """
        self._check(bars)
        start, end = month_bounds(month)
        anchor = self.anchor(month)
        part = bars.between(anchor, end)
        num_before = int(np.searchsorted(part.ts, start))
        if len(bars) and (complete or bars.ts[0] <= anchor):
            return self._compute(part)[num_before:].astype(dtype)
        return np.full((len(part) - num_before, len(self.features)), np.nan, dtype)

    def stream(self, history: Bars, complete: bool = False) -> LiveFeatures:
        """Features for live bars, after `history` (from the month's anchor on; it may be empty).

        Args:
            history: clean bars up to now; bars before the anchor of the last bar's month are not
                looked at.
            complete: whether nothing is missing before the history, as in `compute`.

        Raises:
            BarsError: the bars are not clean.
            FeatureError: the bars are not 1-minute bars.
        """
        self._check(history)
        return LiveFeatures(self, history, complete)

    def _check(self, bars: Bars) -> None:
        bars.check_clean()
        if bars.timeframe != M1:
            raise FeatureError(
                f"{bars.symbol}: these are {bars.timeframe} bars, and features are computed on 1m "
                "bars; slower timeframes are made of them."
            )

    def _compute(self, bars: Bars) -> Float:
        """Features of an unbroken piece of history, as if nothing had come before it."""
        x_FN = np.empty((len(self.features), len(bars)))  # a column at a time is contiguous
        for timeframe, columns in self.by_timeframe:
            if timeframe == M1:
                self._write(bars, columns, [x_FN[column] for column in columns])
                continue
            slow = resample(bars, timeframe, self.gaps.slow_bar_min_share)
            slow_FM = np.full((len(columns), len(slow) + 1), np.nan)
            self._write(slow, columns, list(slow_FM[:, :-1]))
            seen_N = self.gaps.visible(slow, bars)
            for column, slow_M in zip(columns, slow_FM):
                np.take(slow_M, seen_N, out=x_FN[column], mode="wrap")
        return x_FN.T

    def _write(self, bars: Bars, columns: tuple[int, ...], into: list[Float]) -> None:
        """Compute the columns of one timeframe, each run of bars as a start of its own."""
        for run in self.gaps.runs(bars):
            part = bars[run]
            known: dict[Indicator, tuple[Float, ...]] = {}
            for column, values_N in zip(columns, into):
                feature = self.features[column]
                for indicator in feature.indicators:
                    if indicator not in known:
                        known[indicator] = indicator.compute(part)
                picks = (known[output.indicator][output.position] for output in feature.outputs)
                values_N[run] = feature.transform(*picks)
