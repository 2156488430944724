"""Which days are compared with which."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_nn.monitoring.calibration import days_needed
from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.days import DayBlocks, Days, Kind, Matrix

_LARGEST = 1e150  # beyond it squares overflow


@dataclass(frozen=True, eq=False)
class Stack:
    """The columns of one kind on the reference days and, last, on the day in question.

    Attributes:
        x_FN: finite values or NaN, one row per column.
        block_N: which day each value is of, 0 to `num_days` − 1.
        num_days: how many days, today included.
        left_out: columns that only one side has, with the verdict.
    """

    kind: Kind
    names: tuple[str, ...]
    x_FN: Matrix
    block_N: NDArray[np.int64]
    num_days: int
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Refusal:
    """Why the columns of a kind cannot be compared."""

    kind: Kind
    names: tuple[str, ...]
    verdict: str
    reason: str


def stack(
    reference: DayBlocks, today: DayBlocks, kind: Kind, date: np.datetime64, config: DriftConfig
) -> Stack | Refusal:
    """The most recent whole days before `date` that suit the configuration, with it at the end."""
    ref, now = reference.of_kind(kind), today.of_kind(kind)
    names = tuple(dict.fromkeys((*ref.names, *now.names)))
    now = now.on(np.array([date])).thinned(config.max_rows_per_day)
    if not len(now.ts_N):
        return Refusal(kind, names, "missing today", f"There are no {kind} values on {date}.")
    days, rows = ref.days(config.max_rows_per_day)
    days, rows = days[days < date], rows[days < date]
    least = config.min_day_share * float(np.median(rows)) if len(rows) else 0.0
    if len(now.ts_N) < least:
        reason = f"{date} has {len(now.ts_N)} rows of {kind} values; {least:.0f} are due."
        return Refusal(kind, names, "too few values today", reason)
    days = _in_season(days[rows >= least], date, config)[-config.reference_days :]
    if len(days) < config.min_reference_days:
        return too_few_days(kind, names, len(days), config, config.alpha)
    return _stack(ref.on(days).thinned(config.max_rows_per_day), now, days, kind)


def too_few_days(
    kind: Kind, names: tuple[str, ...], found: int, config: DriftConfig, alpha: float
) -> Refusal:
    """The verdict "not enough reference days"."""
    due = max(config.min_reference_days, days_needed(alpha))
    reason = f"There are not enough reference days for {kind} columns: {found}; {due} are due."
    return Refusal(kind, names, "not enough reference days", reason)


def _stack(ref: DayBlocks, now: DayBlocks, days: Days, kind: Kind) -> Stack:
    shared = tuple(name for name in ref.names if name in now.names)
    gone = [(name, "missing today") for name in ref.names if name not in shared]
    new = [(name, "not in the reference") for name in now.names if name not in shared]
    x_FN = np.concatenate([_columns(ref, shared), _columns(now, shared)], axis=1)
    block_N = np.searchsorted(days, np.concatenate([ref.day_N(), now.day_N()]))
    return Stack(kind, shared, x_FN, block_N, len(days) + 1, (*gone, *new))


def _columns(blocks: DayBlocks, names: tuple[str, ...]) -> Matrix:
    """These columns as rows; values are finite and can be squared, or NaN."""
    x_FN = np.ascontiguousarray(blocks.x_NF.T[[blocks.names.index(name) for name in names]])
    x_FN[~np.isfinite(x_FN)] = np.nan
    return x_FN if x_FN.dtype == np.float32 else np.clip(x_FN, -_LARGEST, _LARGEST)


def _in_season(days: Days, date: np.datetime64, config: DriftConfig) -> Days:
    """Weekends for a weekend, weekdays for a weekday, where there are enough; else all."""
    same = days[_is_weekend(days) == _is_weekend(np.array([date]))]
    return same if config.season == "weekend" and len(same) >= config.min_reference_days else days


def _is_weekend(days: Days) -> NDArray[np.bool_]:
    weekday: NDArray[np.int64] = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    return np.asarray(weekday >= 5)
