"""The feature set: what a model sees of a market, one row per minute."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import talib
from numpy.typing import DTypeLike, NDArray

from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.bars.calendar import month_bounds, months_between
from crypto_nn.errors import FeatureError
from crypto_nn.features import transforms
from crypto_nn.features.batch_columns import BatchColumns
from crypto_nn.features.column_steps import ColumnStep, column_steps
from crypto_nn.features.feature import Feature
from crypto_nn.features.gaps import GapPolicy
from crypto_nn.features.live import LiveFeatures
from crypto_nn.features.source_code import code_of

# Few steps, so that another feature seldom moves the anchor, and with it the last bits, of others.
_ANCHOR_DAYS = (1, 2, 4, 7, 14, 21, 28)


@dataclass(frozen=True)
class FeatureSet:
    """An ordered set of stationary, causal columns, computed month by month.

    The values of a month are computed from the bars since its *anchor*: the start of the month
    less as many days as the features of the timeframe remember, rounded up to 1, 2, 4, 7, 14,
    21 or 28. So months can be computed in any order and in parallel, a restarted stream opens
    where a running one stands, and all agree bit for bit. Holes in the bars follow `gaps`.

    Attributes:
        features: the columns, in order.
        gaps: what a hole in the bars does.
        days: from how many days before a month on the bars of each timeframe are used, where that
            does not follow from the features: in a part of another set (`only`).
    """

    features: tuple[Feature, ...]
    gaps: GapPolicy = field(default_factory=GapPolicy)
    days: tuple[tuple[Timeframe, int], ...] = ()

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
        longest = _ANCHOR_DAYS[-1]
        if self.memory > longest * 1440:
            too_long = [f.name for f in self.features if (f.memory_minutes or 0) > longest * 1440]
            raise FeatureError(
                f"{', '.join(too_long)} remember up to {self.memory} minutes; at most "
                f"{longest * 1440} ({longest} days) can be taken into account. Shorten the periods "
                "or use faster bars."
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def descriptions(self) -> Mapping[str, str]:
        """One line for each column."""
        return {feature.name: feature.description for feature in self.features}

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of each group."""
        found: dict[str, tuple[str, ...]] = {}
        for feature in self.features:
            found[feature.group] = (*found.get(feature.group, ()), feature.name)
        return found

    @cached_property
    def warm_up(self) -> int:
        """At most so many minutes after a start or a long gap a column may be null."""
        return max(feature.warm_up_minutes for feature in self.features)

    @cached_property
    def memory(self) -> int:
        """The most minutes of history that any of the features needs."""
        return max(feature.memory_minutes or 0 for feature in self.features)

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever any value could, or the order of the columns."""
        return _digest(f"{name} {print_}" for name, print_ in self.column_fingerprints.items())

    @cached_property
    def column_fingerprints(self) -> Mapping[str, str]:
        """For each column what changes whenever its values could.

        It tells of definition and parameters, gap policy, anchor, the versions of our code and
        TA-Lib, and the source of members from elsewhere; not of the columns beside it.
        """
        shared = [f"transforms {transforms.VERSION}, talib {talib.__version__}", repr(self.gaps)]
        return {
            feature.name: _digest(
                [
                    *shared,
                    feature.recipe,
                    f"{self.anchor_days[feature.timeframe]} days before the month",
                    *_source_of(feature),
                ]
            )
            for feature in self.features
        }

    @cached_property
    def by_timeframe(self) -> tuple[tuple[Timeframe, tuple[int, ...]], ...]:
        """The columns of each timeframe, the base first."""
        ordered = sorted(range(len(self.features)), key=lambda n: self.features[n].timeframe)
        groups = groupby(ordered, key=lambda n: self.features[n].timeframe)
        return tuple((timeframe, tuple(columns)) for timeframe, columns in groups)

    @cached_property
    def steps(self) -> Mapping[Timeframe, tuple[ColumnStep, ...]]:
        """How the columns of each timeframe are worked out, in the order of `by_timeframe`."""
        return {
            timeframe: column_steps([self.features[column] for column in columns])
            for timeframe, columns in self.by_timeframe
        }

    @cached_property
    def anchor_days(self) -> Mapping[Timeframe, int]:
        """From how many days before a month on the bars of each timeframe are used."""
        found = {}
        for timeframe, columns in self.by_timeframe:
            due = max(self.features[column].memory_minutes or 0 for column in columns)
            found[timeframe] = next(days for days in _ANCHOR_DAYS if due <= days * 1440)
        return found | dict(self.days)

    def anchor(self, month: str, timeframe: Timeframe | None = None) -> np.datetime64:
        """From where on bars are used for the values of a month (µs, UTC).

        Args:
            month: such as "2024-01".
            timeframe: whose columns are meant; the earliest anchor of all if None.
        """
        days = max(self.anchor_days.values()) if timeframe is None else self.anchor_days[timeframe]
        start, _ = month_bounds(month)
        anchor: np.datetime64 = start - np.timedelta64(days, "D")
        return anchor

    def only(self, names: Iterable[str]) -> "FeatureSet":
        """The set with no other columns than these, in its order; their values are the same bits.

        Raises:
            FeatureError: a name is not in the set, or there is none.
        """
        wanted = set(names)
        unknown = sorted(wanted - set(self.names))
        if unknown:
            raise FeatureError(
                f"The feature set has no column {', '.join(unknown)}; it has "
                f"{', '.join(self.names)}."
            )
        kept = tuple(feature for feature in self.features if feature.name in wanted)
        return replace(self, features=kept, days=tuple(self.anchor_days.items()))

    def compute(
        self, bars: Bars, complete: bool = False, dtype: DTypeLike = np.float32
    ) -> NDArray[Any]:
        """The features of every bar, shape (N, F), each column contiguous; NaN is null.

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
        x_FN = np.empty((len(self.features), len(bars)), dtype)
        batches = self._batches(bars)
        for month in months_between(bars.ts[0], bars.ts[-1] + 1) if len(bars) else ():
            rows = slice(*np.searchsorted(bars.ts, month_bounds(month)).tolist())
            if complete or bars.ts[0] <= self.anchor(month):
                self._write_month(month, rows, batches, x_FN[:, rows])
            else:
                x_FN[:, rows] = np.nan
        return x_FN.T

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
        part = bars.between(self.anchor(month), end)
        rows = slice(int(np.searchsorted(part.ts, start)), len(part))
        x_FN = np.full((len(self.features), rows.stop - rows.start), np.nan, dtype)
        if len(part) and (complete or bars.ts[0] <= self.anchor(month)):
            self._write_month(month, rows, self._batches(part), x_FN)
        return x_FN.T

    def compute_unanchored(self, bars: Bars, dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """What the columns would be if every bar given counted, however old: only to compare."""
        self._check(bars)
        x_FN = np.empty((len(self.features), len(bars)), dtype)
        if len(bars):
            for batch in self._batches(bars).values():
                batch.write(np.datetime64(0, "us"), slice(0, len(bars)), x_FN)
        return x_FN.T

    def _batches(self, bars: Bars) -> dict[Timeframe, BatchColumns]:
        return {
            timeframe: BatchColumns(self, timeframe, bars) for timeframe, _ in self.by_timeframe
        }

    def _write_month(
        self, month: str, rows: slice, batches: dict[Timeframe, BatchColumns], x_FN: NDArray[Any]
    ) -> None:
        for timeframe, batch in batches.items() if rows.stop > rows.start else ():
            batch.write(self.anchor(month, timeframe), rows, x_FN)

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


def _source_of(feature: Feature) -> list[str]:
    """The source of what a feature is made of, where that is not a part of crypto_nn."""
    modules = [type(one).__module__ for one in feature.indicators] + [feature.transform.__module__]
    if all(module.startswith("crypto_nn.") for module in modules):
        return []
    return [code_of(feature)]


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
