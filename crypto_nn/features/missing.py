"""Why a value is null: of each feature and bar, and how many rows that costs.

It follows from the gap policy and the anchors alone; no feature is computed, except those that look
at the reference market where that has holes.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.bars.calendar import month_bounds, month_slices, months_between
from crypto_nn.bars.resample import resample
from crypto_nn.features.feature_set import FeatureSet
from crypto_nn.features.gaps import GapPolicy

Codes = NDArray[np.uint8]


class Missing(IntEnum):
    """Why a value is null. A row counts as lost to the first of these that any column has."""

    KNOWN = 0
    """It is not null."""
    NO_HISTORY = 1
    """The bars begin after the month's anchor, and it is not known that there were none before."""
    WARM_UP = 2
    """The first bars ever: not yet enough of them."""
    AFTER_GAP = 3
    """Started anew after a longer gap: not yet enough bars since."""
    STALE = 4
    """No slow bar is to be seen: the last is too old, too few minutes were in those due since."""
    NO_REFERENCE = 5
    """The reference market has no bar of a minute that is looked at."""


@dataclass(frozen=True)
class RowsLost:
    """How many rows of a month have every column, and what the others were lost to.

    Attributes:
        month: such as "2024-01".
        missing_minutes: minutes without a bar, between the first and the last bar of all.
        rows: bars that are there.
        complete: rows without a null.
        no_history, warm_up, after_gap, stale, no_reference: rows with a null, by `Missing`; where
            columns of a row lack different things, it is counted once, at the first of them.
    """

    month: str
    missing_minutes: int
    rows: int
    complete: int
    no_history: int
    warm_up: int
    after_gap: int
    stale: int
    no_reference: int

    @property
    def lost(self) -> int:
        """Rows with a null."""
        return self.rows - self.complete

    def __add__(self, other: Self) -> "RowsLost":
        """Both together; the month becomes the stretch of time from one to the other."""
        mine, others = asdict(self), asdict(other)
        first, last = mine.pop("month")[:7], others.pop("month")[-7:]
        return RowsLost(f"{first} to {last}", **{name: mine[name] + others[name] for name in mine})


def missing(feature_set: FeatureSet, bars: Bars, complete: bool = False) -> Codes:
    """Why each value is null (N, F), as `Missing`; KNOWN exactly where `compute` gives a number.

    Args:
        feature_set: whose columns.
        bars: clean 1-minute bars of one symbol.
        complete: whether they begin at the symbol's first bar ever, as in `FeatureSet.compute`.
    """
    codes_FN = np.zeros((len(feature_set.names), len(bars)), np.uint8)
    for columns, rows, code_N in _reasons(feature_set, bars, complete):
        codes_FN[columns, rows] = code_N
    for column, unknown_N in _without_reference(feature_set, bars, complete):
        code_N = codes_FN[column]
        code_N[unknown_N & (code_N == Missing.KNOWN)] = Missing.NO_REFERENCE
    return codes_FN.T


def rows_lost(feature_set: FeatureSet, bars: Bars, complete: bool = False) -> tuple[RowsLost, ...]:
    """For each month from the first bar to the last how many rows have a null, and why.

    Args:
        feature_set: whose columns.
        bars: clean 1-minute bars of one symbol.
        complete: whether they begin at the symbol's first bar ever, as in `FeatureSet.compute`.
    """
    if not len(bars):
        return ()
    none = np.uint8(len(Missing))  # counts as later than every cause
    cause_N = np.full(len(bars), none)
    for _, rows, code_N in _reasons(feature_set, bars, complete):
        np.minimum(cause_N[rows], np.where(code_N, code_N, none), out=cause_N[rows])
    for _, unknown_N in _without_reference(feature_set, bars, complete):
        cause_N[unknown_N] = np.minimum(cause_N[unknown_N], Missing.NO_REFERENCE)
    start, end = bars.ts[0], bars.ts[-1] + M1.step
    return tuple(
        _counted(bars, cause_N, month, (start, end)) for month in months_between(start, end)
    )


def _counted(
    bars: Bars, cause_N: Codes, month: str, due: tuple[np.datetime64, np.datetime64]
) -> RowsLost:
    first, after = month_bounds(month)
    lo, hi = np.searchsorted(bars.ts, (first, after)).tolist()
    _, *lost, complete = np.bincount(cause_N[lo:hi], minlength=len(Missing) + 1).tolist()
    minutes = int((min(after, due[1]) - max(first, due[0])) / M1.step)
    return RowsLost(month, minutes - (hi - lo), hi - lo, complete, *lost)


def _reasons(
    feature_set: FeatureSet, bars: Bars, complete: bool
) -> Iterator[tuple[list[int], slice, Codes]]:
    """For columns that share a fate and the rows of a month: why they are null."""
    months = list(month_slices(bars.ts))
    covered = [complete or bool(bars.ts[0] <= feature_set.anchor(month)) for month, _ in months]
    everything = list(range(len(feature_set.names)))
    for (_, rows), known in zip(months, covered):
        if not known:
            no_history = np.full(rows.stop - rows.start, Missing.NO_HISTORY, np.uint8)
            yield everything, rows, no_history
    for timeframe, columns in dict(feature_set.by_timeframe).items():
        by_warm_up: dict[int, list[int]] = {}
        for column in columns:
            by_warm_up.setdefault(feature_set.features[column].warm_up, []).append(column)
        starts = _Starts.of(feature_set.gaps, timeframe, bars)
        for (month, rows), known in zip(months, covered):
            if known:
                anchor = feature_set.anchor(month, timeframe)
                num_N, reason_N = starts.seen(anchor, rows)
                for warm_up, alike in by_warm_up.items():
                    yield alike, rows, np.where(num_N < warm_up, reason_N, 0).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class _Starts:
    """The bars of a timeframe, and what each row of 1-minute bars sees of them."""

    gaps: GapPolicy
    bars: Bars
    closed: Bars

    @classmethod
    def of(cls, gaps: GapPolicy, timeframe: Timeframe, bars: Bars) -> "_Starts":
        share = gaps.slow_bar_min_share
        return cls(gaps, bars, bars if timeframe == M1 else resample(bars, timeframe, share))

    def seen(self, anchor: np.datetime64, rows: slice) -> tuple[NDArray[np.int64], Codes]:
        """For these rows: how many bars there were since the last start, and why it was one.

        Where no bar is seen the number is -1, so that there is a null after any warm-up.
        """
        last = self.bars.ts[rows.stop - 1]
        since, stop = (int(np.searchsorted(self.closed.ts, at)) for at in (anchor, last + M1.step))
        begun = bool(self.bars.ts[0] >= anchor)  # with nothing known of before
        if self.closed is self.bars:
            num_N, reason_N = self._since(since, stop, begun)
            return num_N[rows.start - since :], reason_N[rows.start - since :]
        row_N = self.gaps.visible(self.closed[since:stop], self.bars[rows])
        num_M, reason_M = self._since(since, stop, begun)
        stale_N = np.where(self._before_first(rows) & begun, Missing.WARM_UP, Missing.STALE)
        if not len(num_M):
            return np.full(len(row_N), -1), stale_N.astype(np.uint8)
        num_N = np.where(row_N < 0, -1, num_M[row_N])
        return num_N, np.where(row_N < 0, stale_N, reason_M[row_N]).astype(np.uint8)

    def _since(self, first: int, stop: int, begun: bool) -> tuple[NDArray[np.int64], Codes]:
        """The same for the bars of the timeframe, from `first` on."""
        part = self.closed[first:stop]
        num_M = np.arange(len(part))
        reason_M = np.full(len(part), Missing.AFTER_GAP, np.uint8)
        for number, run in enumerate(self.gaps.runs(part)):
            num_M[run] -= run.start
            if number == 0 and begun:
                reason_M[run] = Missing.WARM_UP
        return num_M, reason_M

    def _before_first(self, rows: slice) -> NDArray[np.bool_]:
        """Whether a row closes before the first slow bar that can be whole."""
        step = self.closed.timeframe.step
        whole = self.bars.ts[0] + (np.datetime64(0, "us") - self.bars.ts[0]) % step
        before_N: NDArray[np.bool_] = self.bars.ts[rows] + M1.step < whole + step
        return before_N


def _without_reference(
    feature_set: FeatureSet, bars: Bars, complete: bool
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """The columns that look at the reference, where that has holes, and where they are null.

    An indicator's values on clean bars are null in its warm-up only: what is null later looked at
    a reference that is not there.
    """
    if bars.reference is not None and np.isfinite(bars.reference).all():
        return
    blind = bars[: feature_set.warm_up + 1]
    blind = replace(blind, reference=np.full(len(blind), np.nan))
    looks = {
        indicator: len(blind) > indicator.warm_up
        and any(np.isnan(values_N[indicator.warm_up]) for values_N in indicator.compute(blind))
        for indicator in {one for feature in feature_set.features for one in feature.indicators}
    }
    looking = [
        feature.name
        for feature in feature_set.features
        if any(looks[indicator] for indicator in feature.indicators)
    ]
    if looking:
        part = feature_set.only(looking)
        x_NL = part.compute(bars, complete)
        for number, name in enumerate(part.names):
            yield feature_set.names.index(name), np.isnan(x_NL[:, number])
