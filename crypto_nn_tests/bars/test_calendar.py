"""Months and days partition time without overlap or hole, across leap years and centuries."""

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_nn.bars.calendar import (
    check_day,
    check_month,
    day_bounds,
    instant,
    month_bounds,
    month_of,
    month_slices,
    months_between,
    shift_month,
)
from crypto_nn.errors import BarsError


@pytest.mark.parametrize("month", ["2024-02", "2100-02", "1999-12", "2000-02", "2023-01"])
def test_a_month_ends_where_the_next_begins(month: str) -> None:
    """Bounds touch, the first instant is inside and the last is not."""
    start, end = month_bounds(month)
    assert month_bounds(shift_month(month, 1))[0] == end
    assert month_of(start) == month
    assert month_of(end - np.timedelta64(1, "us")) == month
    assert shift_month(shift_month(month, 13), -13) == month


@pytest.mark.parametrize(("month", "days"), [("2024-02", 29), ("2100-02", 28), ("1999-12", 31)])
def test_days_fill_their_month(month: str, days: int) -> None:
    """Every day of the month, the leap day included, and no more."""
    start, end = month_bounds(month)
    bounds = [day_bounds(f"{month}-{day:02}") for day in range(1, days + 1)]
    assert bounds[0][0] == start
    assert bounds[-1][1] == end
    assert all(a[1] == b[0] for a, b in pairwise(bounds))
    with pytest.raises(BarsError, match="is not a day"):
        check_day(f"{month}-{days + 1}")


@pytest.mark.parametrize("text", ["2024", "2024-13", "24-01", "2024-1", "2024-01-01", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    """A month is written YYYY-MM and in no other way."""
    with pytest.raises(BarsError, match="Write it as YYYY-MM"):
        check_month(text)


@pytest.mark.parametrize("text", ["2024-01", "2024-01-32", "2024-02-30", "2023-02-29", "x"])
def test_what_is_no_day_is_refused(text: str) -> None:
    """A day is written YYYY-MM-DD and exists."""
    with pytest.raises(BarsError, match="Write it as YYYY-MM-DD"):
        check_day(text)


@given(
    st.integers(0, 3_000_000).map(lambda minutes: np.datetime64("1999-11-30", "us") + minutes),
    st.integers(-10, 10**13),
)
def test_months_between_cover_the_range_and_no_more(start: np.datetime64, length: int) -> None:
    """The first and last instant lie in the first and last month; an empty range has none."""
    end = start + np.timedelta64(length, "us")
    months = months_between(start, end)
    assert bool(months) == (length > 0)
    if months:
        assert month_bounds(months[0])[0] <= start < month_bounds(months[0])[1]
        assert month_bounds(months[-1])[0] < end <= month_bounds(months[-1])[1]
        assert months == tuple(shift_month(months[0], by) for by in range(len(months)))


@given(st.lists(st.integers(0, 10**7), max_size=30).map(sorted))
def test_month_slices_put_together_are_the_whole(minutes: list[int]) -> None:
    """Cutting at month starts loses nothing, and each piece lies in its month."""
    ts = np.datetime64("1999-12-31T23:59", "us") + np.array(minutes, dtype="timedelta64[m]")
    pieces = list(month_slices(ts))
    assert [at for _, rows in pieces for at in range(rows.start, rows.stop)] == list(range(len(ts)))
    assert all({month_of(at) for at in ts[rows]} == {month} for month, rows in pieces)
    assert len({month for month, _ in pieces}) == len(pieces)


@pytest.mark.parametrize(
    "written",
    ["2025-06-30 12:00", "2025-06-30T12:00Z", "2025-06-30T14:00+02:00",
     np.datetime64("2025-06-30T12:00"), datetime(2025, 6, 30, 12, tzinfo=UTC)],
)  # fmt: skip
def test_a_moment_is_read_as_utc_however_it_is_given(written: object) -> None:
    """With a zone it is converted, without one it is UTC already."""
    assert instant(written) == np.datetime64("2025-06-30T12:00", "us")


@pytest.mark.parametrize("written", ["yesterday-ish", "feb", "", None, "NaT", 10**40])
def test_what_is_no_moment_is_refused(written: object) -> None:
    """The message says how to write one."""
    with pytest.raises(BarsError, match="is not a time"):
        instant(written)
