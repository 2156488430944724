"""Sums, spreads and ranges of a window are exact, hold no trace of the past, and are so live."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.indicators.extremes import RollingRange
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.spread import (
    RollingPlaneSpread,
    RollingSpread,
    rolling_plane_spread,
    rolling_spread,
)

values = st.lists(st.floats(0, 1e12, allow_subnormal=False), min_size=0, max_size=150)


@settings(deadline=None)
@given(values=values, window=st.integers(1, 70))
def test_live_sums_are_those_of_history(values: list[float], window: int) -> None:
    """The same bits, and NaN while there are too few."""
    array = np.array(values, dtype=np.float64)
    live = RollingSum(window)
    np.testing.assert_array_equal(
        [live.update(value) for value in values], rolling_sum(array, window)
    )


@settings(deadline=None)
@given(values=values, window=st.integers(1, 70))
def test_it_is_the_sum(values: list[float], window: int) -> None:
    """To rounding, it is the plain sum of the window."""
    array = np.array(values, dtype=np.float64)
    due = [
        sum(values[row - window + 1 : row + 1]) if row >= window - 1 else np.nan
        for row in range(len(values))
    ]
    np.testing.assert_allclose(rolling_sum(array, window), due, rtol=1e-12)


def test_nothing_is_left_of_heavy_trading() -> None:
    """A window of zeros sums to exactly zero, whatever came before; a running sum does not."""
    array = np.concatenate([np.random.default_rng(0).lognormal(5, 3, 500), np.zeros(40)])
    assert (rolling_sum(array, 20)[-20:] == 0).all()


def test_a_nan_leaves_with_its_row() -> None:
    """One missing value blanks the windows that hold it and no other."""
    array = np.ones(50)
    array[20] = np.nan
    assert np.flatnonzero(np.isnan(rolling_sum(array, 7))).tolist() == [*range(6), *range(20, 27)]


def exact_spread(window: list[float]) -> tuple[float, float]:
    """Newest less mean, and the sum of squared deviations, without any rounding but the last."""
    exact = [Fraction(value) for value in window]
    mean = sum(exact) / len(exact)
    return float(exact[-1] - mean), float(sum((value - mean) ** 2 for value in exact))


@settings(deadline=None)
@given(
    thousandths=st.lists(st.integers(-1000, 1000), max_size=90),
    level=st.sampled_from([0.0, 1.0, 3e4, 1e9]),
    window=st.integers(1, 70),
)
def test_spread_is_exact(thousandths: list[int], level: float, window: int) -> None:
    """To the last digits, however small the moves are beside the level; equal values give 0."""
    array = np.array([level + value / 1000 for value in thousandths], dtype=np.float64)
    above_N, square_N = rolling_spread(array, window)
    live = RollingSpread(window)
    found = np.array([live.update(value) for value in array.tolist()]).reshape(-1, 2)
    np.testing.assert_array_equal(found, np.column_stack([above_N, square_N]))
    assert np.isnan(square_N[: window - 1]).all()
    for row in range(window - 1, len(array)):
        above, square = exact_spread(array[row - window + 1 : row + 1].tolist())
        assert abs(square_N[row] - square) <= 1e-12 * square
        assert abs(above_N[row] - above) <= 1e-12 * np.sqrt(square)


@settings(deadline=None)
@given(
    points=st.lists(st.tuples(*[st.floats(-1, 1, allow_subnormal=False)] * 2), max_size=90),
    window=st.integers(1, 70),
)
def test_spread_of_points_is_that_of_both_coordinates(
    points: list[tuple[float, float]], window: int
) -> None:
    """And what a row adds by itself is added."""
    x_N, y_N = (np.array([point[axis] for point in points]) for axis in (0, 1))
    own_N = np.arange(len(points), dtype=np.float64)
    found_N = rolling_plane_spread(x_N, y_N, own_N, window)
    live = RollingPlaneSpread(window)
    rows = zip(x_N.tolist(), y_N.tolist(), own_N.tolist())
    np.testing.assert_array_equal([live.update(*row) for row in rows], found_N)
    due_N = rolling_spread(x_N, window)[1] + rolling_spread(y_N, window)[1]
    due_N += rolling_sum(own_N, window)
    np.testing.assert_allclose(found_N, due_N, rtol=1e-12, atol=1e-12)


@settings(deadline=None)
@given(values=values, window=st.integers(2, 40))
def test_live_range_is_that_of_history(values: list[float], window: int) -> None:
    """The highest and the lowest of the window, however they leave it."""
    array = np.array(values, dtype=np.float64)
    live = RollingRange(window)
    found = np.array([live.update(value, value / 2) for value in values]).reshape(-1, 2)
    for row in range(len(values)):
        if row < window - 1:
            assert np.isnan(found[row]).all()
            continue
        part = array[row - window + 1 : row + 1]
        assert found[row].tolist() == [part.max(), part.min() / 2]


def test_a_root_is_the_same_in_math_and_numpy() -> None:
    """Live code takes math.sqrt because it is faster; IEEE 754 rounds it correctly in both."""
    array = np.random.default_rng(0).lognormal(-14, 8, 200_000)
    np.testing.assert_array_equal([math.sqrt(value) for value in array.tolist()], np.sqrt(array))
