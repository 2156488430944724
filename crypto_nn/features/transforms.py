"""From what an indicator says to what a model may see: numbers whose range does not drift.

Each transform takes the outputs of indicators and gives one column. All of them are elementwise.
Where the market has stood still so long that a ratio would divide by nothing, they give the neutral
value.

Each is written once and takes arrays (history) as well as plain Python floats (a live bar: some
thirty times as fast as arrays of one row), with the same bits, because

- +, -, *, / and comparisons of Python floats are those of IEEE 754, as NumPy's are; only a division
  by zero raises, so every divisor that may be zero goes through `_over`;
- NumPy's `log` and `log1p` run the same kernel on one float as on an array, whatever its alignment
  or (positive) stride; `math.log` is another function, and differs in the last bit.

`VERSION` is part of every feature set's fingerprint: raise it whenever a value changes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

VERSION = 2
# A true range below a billionth of the price: the market is dead, whatever the oscillators say.
_DEAD = 1e-9
# The least average true range that prices are measured in, as a share of the price.
_LEAST = 1e-5

Values = Any  # Float of shape (N,), or one float: the same code serves both
Transform = Callable[..., Values]


def takes_floats(transform: Transform) -> bool:
    """Whether it may be given plain floats: those here may, others are given arrays of one row."""
    return transform.__module__ == __name__


def as_is(value: Values) -> Values:
    """Already stationary."""
    return value


def ratio(value: Values, unit: Values) -> Values:
    """How many units; 0 where the unit is nothing."""
    return _over(value, unit, unit <= 0, 0.0)


def log_ratio(value: Values, other: Values) -> Values:
    """ln(value / other); 0 where either is nothing."""
    return np.log(_over(value, other, (value <= 0) | (other <= 0), 1.0))


def log_share(value: Values, mean: Values) -> Values:
    """ln(1 + value / mean): 0 for nothing, 0.69 for an average value; 0 where the mean is 0."""
    return np.log1p(ratio(value, mean))


def log_floor(value: Values) -> Values:
    """ln(value), taken as 1e-6 where it is smaller (a hundredth of a basis point)."""
    return np.log(_largest(value, 1e-6))


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
    return _over(value, 50.0, _dead(true_range, close), 1.0) - 1.0


def centred_share(value: Values) -> Values:
    """0 … 1 to -1 … 1."""
    return 2.0 * value - 1.0


def half(value: Values) -> Values:
    """In units of 2, the width of Bollinger's bands in standard deviations."""
    return value / 2.0


def hundredth(value: Values) -> Values:
    """In units of 100, as CCI's inventor drew its bands."""
    return value / 100.0


def spread(down: Values, up: Values) -> Values:
    """Up less down, -1 … 1."""
    return (up - down) / 100.0


def in_ranges(value: Values, true_range: Values, close: Values) -> Values:
    """A price difference in average true ranges, these taken as a tenth of a basis point at least.

    In a market that hardly moves the range fades to nothing, and a tick would be thousands of it.
    """
    return value / _largest(true_range, _LEAST * close)


def distance(price: Values, level: Values, true_range: Values, close: Values) -> Values:
    """How far the price is above a level, in average true ranges."""
    return in_ranges(price - level, true_range, close)


def place(price: Values, upper: Values, lower: Values) -> Values:
    """Where the price is in a band: 0 in the middle, 1 at the upper line, -1 at the lower."""
    width = upper - lower
    return _over(2.0 * (price - lower), width, _dead(width, price), 1.0) - 1.0


def log_width(upper: Values, middle: Values, lower: Values) -> Values:
    """ln of the relative width of a band, floored at a hundredth of a basis point."""
    return log_floor((upper - lower) / middle)


def body(open_: Values, high: Values, low: Values, close: Values) -> Values:
    """What a bar kept of its range: 1 if it rose from low to high, -1 if it fell; 0 if no range."""
    return ratio(close - open_, high - low)


def wick(open_: Values, high: Values, low: Values, close: Values) -> Values:
    """Upper wick less lower wick as a share of the range: above 0, rises were sold into."""
    upper = high - _largest(open_, close)
    lower = _smallest(open_, close) - low
    return ratio(upper - lower, high - low)


def spread_alive(up: Values, down: Values, true_range: Values, close: Values) -> Values:
    """Up less down, -1 … 1; 0 where the market is dead."""
    return _over(up - down, 100.0, _dead(true_range, close), 0.0)


def bulge(value: Values) -> Values:
    """A mass index of 25 bars as a share of what it is while ranges are steady; 0 is steady."""
    return value / 25.0 - 1.0


def push(value: Values, true_range: Values, volume: Values, close: Values) -> Values:
    """Price difference · volume, in average true ranges of an average bar's volume."""
    unit = _largest(true_range, _LEAST * close) * volume
    return _over(value, unit, unit <= 0, 0.0)


def _dead(span: Values, price: Values) -> Values:
    """Where a span of prices is next to nothing; a plain False where it nowhere is, as is usual."""
    if not isinstance(span, float) and span.size and span.min() > _DEAD * price.max():
        return False
    return span <= _DEAD * price


def _over(value: Values, unit: Values, none: Values, neutral: float) -> Values:
    """value / unit; `neutral` where there is none. NaN, the one value unequal to itself, stays."""
    if none is False:
        return value / unit
    if none is True:
        return neutral if value == value and unit == unit else np.nan
    if not none.any():
        return value / unit
    none = none & (value == value) & (unit == unit)
    return np.where(none, neutral, value / np.where(none, 1.0, unit))


def _largest(value: Values, other: Values) -> Values:
    """The larger; NaN where either is."""
    if isinstance(value, float) and isinstance(other, float):
        return value if value >= other or value != value else other
    return np.maximum(value, other)


def _smallest(value: Values, other: Values) -> Values:
    """The smaller; NaN where either is."""
    if isinstance(value, float) and isinstance(other, float):
        return value if value <= other or value != value else other
    return np.minimum(value, other)
