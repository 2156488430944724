"""In what a column is counted: the few units that shipped columns have."""

from collections.abc import Mapping

UNITS: Mapping[str, str] = {
    "log": "natural logarithm of a ratio; near 0 a hundredth is one per cent",
    "%": "per cent",
    "ATR": "average true ranges of the last 14 bars of its timeframe",
    "share": "part of a whole, 0 to 1",
    "balance": "-1 wholly down or against, 0 even, 1 wholly up or with",
    "place": "-1 at the lower end, 0 in the middle, 1 at the upper end; beyond where outside",
    "sigma": "standard deviations",
    "flag": "1 where it holds, 0 where not",
    "circle": "a coordinate of a point on a circle, -1 to 1",
    "1": "a number without a unit",
}
"""What each unit means; a feature of one's own may have another."""

RANGES: Mapping[str, tuple[float, float]] = {
    "share": (0.0, 1.0),
    "balance": (-1.0, 1.0),
    "flag": (0.0, 1.0),
    "circle": (-1.0, 1.0),
}
"""Between which values a column of a unit stays, where the unit says so."""
