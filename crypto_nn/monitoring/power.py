"""What the alarm can see: the chance that it rings if one feature moves."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from crypto_nn.monitoring.columns import Column, Family

Float = NDArray[np.float64]
Shift = Callable[[Float, float], Float]

SHIFTS: Mapping[str, Shift] = {
    "+0.25 sd": lambda x, sd: x + 0.25 * sd,
    "+0.5 sd": lambda x, sd: x + 0.5 * sd,
    "spread ×1.5": lambda x, sd: np.median(x) + 1.5 * (x - np.median(x)),
}


def power_at_shifts(family: Family, num_days: int) -> tuple[tuple[str, float], ...]:
    """The chance of an alarm on a reference day on which one column alone had moved.

    Mean over all numeric columns and over `num_days` days spread over the reference; the mean
    distribution and the critical value stay as they are. Small where a column moves from day to
    day by itself: then a shift of this size is not news.
    """
    columns = [
        column for column in family.measured if column.shape and not column.shape.categorical
    ]
    days = np.unique(np.linspace(0, family.stack.num_days - 2, num_days).astype(np.int64))
    if not columns or not num_days:
        return ()
    rates = dict.fromkeys(SHIFTS, 0.0)
    for column in columns:
        for name, rate in _rates(family, column, days).items():
            rates[name] += rate / len(columns)
    return tuple(rates.items())


def _rates(family: Family, column: Column, days: NDArray[np.int64]) -> dict[str, float]:
    assert column.shape is not None
    j = family.stack.names.index(column.name)
    unit = family.calibrated.unit_F[j]
    rings = dict.fromkeys(SHIFTS, 0)
    starts = np.searchsorted(family.stack.block_N, np.arange(family.stack.num_days + 1))
    for day in days:
        x = family.stack.x_FN[j, starts[day] : starts[day + 1]].astype(np.float64)
        x = np.sort(x[np.isfinite(x)])
        for name, shift in SHIFTS.items():
            moved = shift(x, column.effect.reference_sd) if len(x) else x
            score = max(column.shape.of(moved) / unit, family.calibrated.worst_B[day])
            rings[name] += bool(score > 1)
    return {name: count / len(days) for name, count in rings.items()}
