"""Which days are compared with which."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_nn.monitoring.calibration import days_needed
from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.days import MINUTES, DayBlocks, Days, Kind, Matrix

_LARGEST = 1e150  # beyond it squares overflow
_SPANS = (1, 60)  # minutes


@dataclass(frozen=True, eq=False)
class Stack:
    """The columns of one kind on the reference days and, last, on the day in question.

    Attributes:
        x_FN: finite values or NaN, one row per column.
        block_N: which day each value is of, 0 to `num_days` − 1.
        num_days: how many days, today included.
        left_out: columns that only one side has, with the verdict.
        categorical: columns that are compared by shares, however many values they have.
        lacking: share of the reference's rows that were cut, at times that today lacks.
    """

    kind: Kind
    names: tuple[str, ...]
    x_FN: Matrix
    block_N: NDArray[np.int64]
    num_days: int
    left_out: tuple[tuple[str, str], ...]
    categorical: frozenset[str] = frozenset()
    lacking: float = 0.0


@dataclass(frozen=True)
class Refusal:
    """Why the columns of a kind cannot be compared."""

    kind: Kind
    names: tuple[str, ...]
    verdict: str
    reason: str


def stack(
    reference: DayBlocks,
    today: DayBlocks,
    kind: Kind,
    date: np.datetime64,
    config: DriftConfig,
    without: Collection[str] = (),
) -> Stack | Refusal:
    """The most recent days before `date` that suit the configuration, with it at the end.

    Where it lacks rows that reference days have, those are cut to the minutes of the UTC day that
    it has, the whole day and each column: half a day is unlike whole ones whatever the market
    does, since it has fewer rows and not those of each hour.
    """
    ref, whole = reference.of_kind(kind, without), today.of_kind(kind, without)
    names = tuple(dict.fromkeys((*ref.names, *whole.names)))
    whole = whole.on(np.array([date]))
    now = whole.thinned(config.max_rows_per_day)
    if not len(now.ts_N):
        return Refusal(kind, names, "missing today", f"There are no {kind} values on {date}.")
    days, rows, least = _days_before(ref, date, config)
    if len(now.ts_N) < least:
        reason = f"{date} has {len(now.ts_N)} rows of {kind} values; {least:.0f} are due."
        return Refusal(kind, names, "too few values today", reason)
    minute_N = ref.minute_N()
    lacking_M = _lacking(minute_N[ref.ts_N < date], whole.minute_N())
    lacking = 0.0
    if lacking_M.any():
        cut_N = lacking_M[minute_N % MINUTES]
        ref, lacking = ref.rows(~cut_N), float(cut_N.mean())
        days, rows, least = _days_before(ref, date, config)
    days = _in_season(days[rows >= least], date, config)[-config.reference_days :]
    if len(days) < config.min_reference_days:
        return too_few_days(kind, names, len(days), config, config.alpha)
    ref = ref.on(days).thinned(config.max_rows_per_day)
    return _stack(ref, now, whole, days, kind, lacking)


def _days_before(
    ref: DayBlocks, date: np.datetime64, config: DriftConfig
) -> tuple[Days, NDArray[np.int64], float]:
    """Days before `date`, the rows of each once thinned, and the fewest rows that are due."""
    days, rows = ref.days(config.max_rows_per_day)
    days, rows = days[days < date], rows[days < date]
    return days, rows, config.min_day_share * float(np.median(rows)) if len(rows) else 0.0


def _lacking(minute_N: NDArray[np.int64], minute_today_N: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Minutes of the UTC day that most of these days have and today has not, shape (1440,).

    So are minutes of an hour that most days have and today has not: rows at odd times are seldom
    at the same minute on most days.

    Args:
        minute_N: of the reference's rows, ascending, counted from 1970.
        minute_today_N: of today's.
    """
    lacking_M = np.zeros(MINUTES, dtype=np.bool_)
    for span in _SPANS:
        has = np.zeros(MINUTES // span, dtype=np.bool_)
        has[minute_today_N % MINUTES // span] = True
        if has.all() or not len(minute_N):
            break
        at_N = minute_N // span
        at_N = at_N[np.append(True, np.diff(at_N) != 0)]  # each once a day
        days = at_N // len(has)
        num_days = 1 + np.count_nonzero(np.diff(days))
        usual = 2 * np.bincount(at_N % len(has), minlength=len(has)) >= num_days
        lacking_M |= np.repeat(usual & ~has, span)
    return lacking_M


def too_few_days(
    kind: Kind, names: tuple[str, ...], found: int, config: DriftConfig, alpha: float
) -> Refusal:
    """The verdict "not enough reference days"."""
    due = max(config.min_reference_days, days_needed(alpha))
    reason = f"There are not enough reference days for {kind} columns: {found}; {due} are due."
    return Refusal(kind, names, "not enough reference days", reason)


def _stack(
    ref: DayBlocks, now: DayBlocks, whole: DayBlocks, days: Days, kind: Kind, lacking: float
) -> Stack:
    shared = tuple(name for name in ref.names if name in now.names)
    gone = [(name, "missing today") for name in ref.names if name not in shared]
    new = [(name, "not in the reference") for name in now.names if name not in shared]
    before_FN = _columns(ref, shared)
    _cut_columns(before_FN, ref.minute_N(), whole, shared)
    x_FN = np.concatenate([before_FN, _columns(now, shared)], axis=1)
    block_N = np.searchsorted(days, np.concatenate([ref.day_N(), now.day_N()]))
    coded = ref.categorical | now.categorical
    return Stack(kind, shared, x_FN, block_N, len(days) + 1, (*gone, *new), coded, lacking)


def _cut_columns(
    x_FN: Matrix, minute_N: NDArray[np.int64], whole: DayBlocks, names: tuple[str, ...]
) -> None:
    """Take from a column what it has at minutes at which it has no value today, in place.

    After a gap columns that remember long are without a value for longer than others.
    """
    minute_today_N = whole.minute_N()
    for j, name in enumerate(names):
        known_N = np.isfinite(whole.x_NF[:, whole.names.index(name)])
        if known_N.all() or not known_N.any():
            continue
        lacking_M = _lacking(minute_N[np.isfinite(x_FN[j])], minute_today_N[known_N])
        if lacking_M.any():
            x_FN[j, lacking_M[minute_N % MINUTES]] = np.nan


def _columns(blocks: DayBlocks, names: tuple[str, ...]) -> Matrix:
    """These columns as rows; values are finite and can be squared, or NaN."""
    x_FN = np.ascontiguousarray(blocks.x_NF.T[[blocks.names.index(name) for name in names]])
    x_FN[~np.isfinite(x_FN)] = np.nan
    return x_FN if x_FN.dtype == np.float32 else np.clip(x_FN, -_LARGEST, _LARGEST)


def _in_season(days: Days, date: np.datetime64, config: DriftConfig) -> Days:
    """Weekends for a weekend, weekdays for a weekday, where there are enough; else all."""
    same = days[_is_weekend(days) == _is_weekend(np.array([date]))]
    due = max(config.min_reference_days, days_needed(config.alpha))
    return same if config.season == "weekend" and len(same) >= due else days


def _is_weekend(days: Days) -> NDArray[np.bool_]:
    weekday: NDArray[np.int64] = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    return np.asarray(weekday >= 5)
