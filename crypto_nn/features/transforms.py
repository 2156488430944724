"""From what an indicator says to what a model may see: numbers whose range does not drift.

Each transform takes the outputs of indicators and gives one column. All of them are elementwise and
written in NumPy alone, so that one row and a whole history give the same bits. Where the market has
stood still so long that a ratio would divide by nothing, they give the neutral value.

`VERSION` is part of every feature set's fingerprint: raise it whenever a value changes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

VERSION = 1
# A true range below a billionth of the price: the market is dead, whatever the oscillators say.
_DEAD = 1e-9

Values = Any  # Float of shape (N,), or one np.float64: the same code serves both
Transform = Callable[..., Values]


def as_is(value: Values) -> Values:
    """Already stationary."""
    return value


def ratio(value: Values, unit: Values) -> Values:
    """How many units; 0 where the unit is nothing."""
    none = unit <= 0
    return np.where(none & _known(value), 0.0, value / np.where(none, 1.0, unit))


def log_ratio(value: Values, other: Values) -> Values:
    """ln(value / other); 0 where either is nothing."""
    none = ((value <= 0) | (other <= 0)) & _known(value) & _known(other)
    return np.log(np.where(none, 1.0, value) / np.where(none, 1.0, other))


def log_share(value: Values, mean: Values) -> Values:
    """ln(1 + value / mean): 0 for nothing, 0.69 for an average value; 0 where the mean is 0."""
    return np.log1p(ratio(value, mean))


def log_floor(value: Values) -> Values:
    """ln(value), taken as 1e-6 where it is smaller (a hundredth of a basis point)."""
    return np.log(np.maximum(value, 1e-6))


def log_relative_range(true_range: Values, close: Values) -> Values:
    """ln(range / close), floored at a hundredth of a basis point."""
    return log_floor(true_range / close)


def percent(value: Values) -> Values:
    """0 … 100 to 0 … 1."""
    return value / 100.0


def centred(value: Values) -> Values:
    """0 … 100 to -1 … 1."""
    return value / 50.0 - 1.0


def centred_below_zero(value: Values) -> Values:
    """-100 … 0 to -1 … 1."""
    return value / 50.0 + 1.0


def centred_alive(value: Values, true_range: Values, close: Values) -> Values:
    """0 … 100 to -1 … 1; 0 where the market is dead."""
    dead = (true_range <= _DEAD * close) & _known(value)
    return np.where(dead, 0.0, value / 50.0 - 1.0)


def hundredth(value: Values) -> Values:
    """In units of 100, as CCI's inventor drew its bands."""
    return value / 100.0


def spread(down: Values, up: Values) -> Values:
    """Up less down, -1 … 1."""
    return (up - down) / 100.0


def in_ranges(value: Values, true_range: Values, close: Values) -> Values:
    """A price difference in average true ranges; 0 where the market is dead."""
    dead = true_range <= _DEAD * close
    return np.where(dead & _known(value), 0.0, value / np.where(dead, 1.0, true_range))


def distance(price: Values, level: Values, true_range: Values, close: Values) -> Values:
    """How far the price is above a level, in average true ranges."""
    return in_ranges(price - level, true_range, close)


def place(price: Values, upper: Values, lower: Values) -> Values:
    """Where the price is in a band: 0 in the middle, 1 at the upper line, -1 at the lower."""
    width = upper - lower
    none = width <= _DEAD * price
    return np.where(none, 0.0, 2.0 * (price - lower) / np.where(none, 1.0, width) - 1.0)


def log_width(upper: Values, middle: Values, lower: Values) -> Values:
    """ln of the relative width of a band, floored at a hundredth of a basis point."""
    return log_floor((upper - lower) / middle)


def body(open_: Values, high: Values, low: Values, close: Values) -> Values:
    """What a bar kept of its range: 1 if it rose from low to high, -1 if it fell; 0 if no range."""
    return ratio(close - open_, high - low)


def wick(open_: Values, high: Values, low: Values, close: Values) -> Values:
    """Upper wick less lower wick as a share of the range: above 0, rises were sold into."""
    upper = high - np.maximum(open_, close)
    lower = np.minimum(open_, close) - low
    return ratio(upper - lower, high - low)


def _known(value: Values) -> Values:
    """Null stays null, whatever the market does: NaN is the one value unequal to itself."""
    return value == value
