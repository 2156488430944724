"""UTC months and days, as partitions are keyed: "2024-01" and "2024-01-31"."""

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_nn.errors import BarsError

TS = np.dtype("datetime64[us]")
_EPOCH = np.datetime64(0, "us")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


def instant(time: object) -> np.datetime64:
    """A moment as a user gives it, as naive UTC (µs); one without a zone is UTC.

    Raises:
        BarsError: it is no moment.
    """
    try:
        stamp = pd.Timestamp(time)  # type: ignore[arg-type]
        found = np.datetime64(stamp.tz_convert(None) if stamp.tzinfo else stamp, "us").astype(TS)
    except (ValueError, TypeError, OverflowError):
        found = np.datetime64("NaT", "us")
    if np.isnat(found) or found < _EPOCH:  # "feb" is read as a month of the year 1
        raise BarsError(
            f"{str(time)[:60]!r} is not a time. Write it as 2025-06-30 or 2025-06-30T12:00, in UTC."
        )
    return found


def check_month(month: str) -> str:
    """Return `month` if it is written YYYY-MM, else raise `BarsError`."""
    if not _MONTH.fullmatch(month):
        raise BarsError(f"{month!r} is not a month. Write it as YYYY-MM, such as 2024-01.")
    return month


def check_day(day: str) -> str:
    """Return `day` if it is written YYYY-MM-DD, else raise `BarsError`."""
    if not _DAY.fullmatch(day) or int(day[-2:]) > _days_in(day[:7]):
        raise BarsError(f"{day!r} is not a day. Write it as YYYY-MM-DD, such as 2024-01-31.")
    return day


def _days_in(month: str) -> int:
    first = np.datetime64(month, "M")
    days: int = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(int)
    return days


def month_bounds(month: str) -> tuple[np.datetime64, np.datetime64]:
    """The first instant of the month and the first after it (µs, UTC)."""
    first = np.datetime64(check_month(month), "M")
    return first.astype(TS), (first + 1).astype(TS)


def day_bounds(day: str) -> tuple[np.datetime64, np.datetime64]:
    """The first instant of the day and the first after it (µs, UTC)."""
    first = np.datetime64(check_day(day), "D")
    return first.astype(TS), (first + 1).astype(TS)


def month_of(ts: np.datetime64) -> str:
    """The month in which an instant lies."""
    return str(ts.astype("datetime64[M]"))


def shift_month(month: str, by: int) -> str:
    """The month `by` months later (earlier where negative)."""
    return str(np.datetime64(check_month(month), "M") + by)


def months_between(start: np.datetime64, end: np.datetime64) -> tuple[str, ...]:
    """Every month that has an instant in [start, end)."""
    if end <= start:
        return ()
    first = start.astype("datetime64[M]")
    last = (end - np.timedelta64(1, "us")).astype("datetime64[M]")
    return tuple(str(month) for month in np.arange(first, last + 1))


def month_slices(ts: NDArray[np.datetime64]) -> Iterator[tuple[str, slice]]:
    """Cut ordered time stamps at month starts: each month with its slice of `ts`."""
    months = ts.astype("datetime64[M]")
    cuts = np.flatnonzero(months[1:] != months[:-1]) + 1
    edges = [0, *cuts.tolist(), len(ts)] if len(ts) else [0]
    for lo, hi in pairwise(edges):
        yield str(months[lo]), slice(lo, hi)
