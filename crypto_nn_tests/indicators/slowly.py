"""Averages, sums and ranges, one row at a time: what the oracles are made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_nn.bars import Bars, Float


def before(values: Float, rows: int = 1) -> Float:
    """Each row's value `rows` ago; NaN where there is none."""
    return pd.Series(values).shift(rows).to_numpy(np.float64)


def typical(bars: Bars) -> Float:
    return (bars.high + bars.low + bars.close) / 3


def true_range(bars: Bars) -> Float:
    return np.maximum(bars.high, before(bars.close)) - np.minimum(bars.low, before(bars.close))


def rolling(values: Float, period: int, summary: Callable[[Any], Any]) -> Float:
    """The summary of each window on its own; NaN where the window is short or holds NaN."""
    window = pd.Series(values).rolling(period)
    return window.apply(summary, raw=True).to_numpy(np.float64, copy=True)


def share(part: Float, whole: Float, otherwise: float | Float) -> Float:
    """Part / whole, and `otherwise` where the whole is nothing."""
    none: NDArray[np.bool_] = whole == 0
    return np.where(none, otherwise, part / np.where(none, 1.0, whole))


def ema(values: Float, period: int, weight: float | None = None, skip: int = 0) -> Float:
    """Recursive average, started from the plain mean of its first `period` values.

    Args:
        skip: how many of the first values to leave out.
    """
    weight = weight or 2.0 / (period + 1)
    out = np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values))[skip:]
    if len(known) < period:
        return out
    begin = int(known[period - 1])
    out[begin] = values[begin - period + 1 : begin + 1].mean()
    for row in range(begin + 1, len(values)):
        out[row] = out[row - 1] + weight * (values[row] - out[row - 1])
    return out


def wilder(values: Float, period: int, skip: int = 0) -> Float:
    return ema(values, period, 1.0 / period, skip)


def wilder_sum(values: Float, period: int) -> Float:
    """Wilder's sum of `period` values, of which each bar loses 1 / period.

    Started from period - 1 values, valid with the next one.
    """
    out = np.full(len(values), np.nan)
    if len(values) <= period:
        return out
    level = float(values[1:period].sum())
    for row in range(period, len(values)):
        level += values[row] - level / period
        out[row] = level
    return out


def weighted(values: Float, period: int) -> Float:
    weights = np.arange(1.0, period + 1)
    return rolling(values, period, lambda window: float((weights * window).sum() / weights.sum()))
