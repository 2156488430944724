"""The rolling sum is exact, forgets what has left it, and is the same live."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.indicators.rolling import RollingSum, rolling_sum

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
