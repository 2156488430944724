"""What is read off a bar as it is: its columns, and the clock against Python's own calendar."""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from crypto_nn.bars import Bars
from crypto_nn.features.columns import Clock, Column
from crypto_nn_tests.indicators.made import walk, without


def clock(bars: Bars) -> dict[str, np.ndarray]:
    return dict(zip(Clock().outputs, Clock().compute(bars)))


def test_a_column_is_the_bars_own() -> None:
    """In history and live."""
    bars = walk(50, seed=1)
    for name in ("open", "high", "low", "close", "volume"):
        (column,) = Column(name).compute(bars)
        assert_array_equal(column, getattr(bars, name))
        live = Column(name).stream(bars[:20])
        assert [live.update(bar) for bar in bars[20:]] == [(value,) for value in column[20:]]


def test_the_clock_says_what_the_calendar_says() -> None:
    """Two weeks and more, over a change of year, minute by minute."""
    bars = walk(16 * 1440, start="2024-12-20T00:00")
    said = clock(bars)
    opened = [datetime(2024, 12, 20, tzinfo=UTC) + timedelta(minutes=n) for n in range(len(bars))]
    day = np.array([at.hour * 60 + at.minute for at in opened])
    week = np.array([at.weekday() * 1440 for at in opened]) + day
    hour = np.array([at.minute for at in opened])
    for name, minute, period in (
        ("day", day, 1440), ("week", week, 10080), ("hour", hour, 60), ("funding", day % 480, 480),
    ):  # fmt: skip
        angle = 2 * np.pi * minute / period
        assert_allclose(said[f"{name}_sin"], np.sin(angle), atol=1e-12)
        assert_allclose(said[f"{name}_cos"], np.cos(angle), atol=1e-12)
    assert_array_equal(said["weekend"], [float(at.weekday() >= 5) for at in opened])


def test_funding_is_paid_three_times_a_day() -> None:
    """At 00:00, 08:00 and 16:00 UTC the cycle begins, and nowhere else in the day."""
    bars = walk(1440, start="2024-02-29T00:00")
    said = clock(bars)
    begins = np.flatnonzero((said["funding_sin"] == 0) & (said["funding_cos"] == 1))
    assert begins.tolist() == [0, 480, 960]


def test_the_live_clock_has_the_same_bits() -> None:
    """Also over a hole, and before 1970, when counts of minutes are negative."""
    for start in ("2024-01-05T23:00", "1969-12-31T12:00"):
        bars = without(walk(2000, start=start), (300, 900))
        live = Clock().stream(bars[:10])
        assert_array_equal(
            [live.update(bar) for bar in bars[10:]], np.column_stack(Clock().compute(bars))[10:]
        )
