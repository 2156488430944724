"""Which received rows can be bars, and when two rows say the same."""

import numpy as np

from crypto_nn.bars import M1, Bar, Bars
from crypto_nn.bars.calendar import TS
from crypto_nn.bars.quality import QualityConfig

MINUTE_US = 60_000_000

Row = tuple[int, Bar]
"""A minute, counted since 1970, and its bar."""


def fit_rows(bars: Bars, limits: QualityConfig) -> list[Row]:
    """The rows that can be bars, each with its minute; all others are left out.

    A bar opens on the minute, has finite positive prices within the limits with low ≤ open,
    close ≤ high, and a volume that is not negative. The same rule as `quality.inspect` has, but
    rows within a minute are never floored.
    """
    if bars.timeframe != M1:
        return []
    stamps = bars.ts.astype(TS).astype(np.int64).tolist()
    return [
        (stamp // MINUTE_US, bar)
        for stamp, bar in zip(stamps, bars)
        if stamp % MINUTE_US == 0 and stamp > 0 and _is_sane(bar, limits)
    ]


def _is_sane(bar: Bar, limits: QualityConfig) -> bool:
    enclosed = bar.low <= bar.open <= bar.high and bar.low <= bar.close <= bar.high
    in_range = limits.min_price <= bar.low and bar.high <= limits.max_price
    return enclosed and in_range and 0 <= bar.volume <= limits.max_volume


def says_the_same(one: Bar, other: Bar) -> bool:
    """Whether two bars of a minute agree; a vwap or count that only one of them has is no news."""
    return one[1:6] == other[1:6] and all(
        a == b or a != a or b != b for a, b in zip(one[6:], other[6:])
    )


def instant(minute: int) -> np.datetime64:
    """When a minute begins (µs, UTC)."""
    return np.datetime64(minute * MINUTE_US, "us")
