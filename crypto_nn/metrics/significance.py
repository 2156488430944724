"""How much of a figure may be chance, when the bars of a day hang together."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crypto_nn.bars import Float

Statistic = Callable[[Float], Float]


@dataclass(frozen=True)
class Interval:
    """An estimate, and where the truth lies with probability `level`; NaN where none can tell."""

    estimate: float
    low: float
    high: float
    level: float = 0.95

    def excludes(self, value: float) -> bool:
        """Whether the value lies outside (never where the bounds are NaN)."""
        return value < self.low or value > self.high


@dataclass(frozen=True)
class Resampling:
    """How the bootstrap draws.

    Attributes:
        resamples: how many histories are drawn.
        level: probability that the interval is to hold.
        block_days: days in a row that are drawn together; more than 1 where days hang together.
    """

    resamples: int = 2000
    level: float = 0.95
    block_days: int = 1


DEFAULT = Resampling()


def day_block_bootstrap(
    values: ArrayLike,
    days_N: NDArray[Any],
    statistic: Statistic | None = None,
    seed: int = 0,
    resampling: Resampling = DEFAULT,
) -> Interval:
    """An interval for a figure over rows, drawing whole days, which are taken as independent.

    Rows within a day hang together (labels overlap, volatility clusters), so drawing single rows
    would promise too much. Circular blocks of days are drawn with replacement and the percentiles
    taken (Politis and Romano 1992). Only sums by day are drawn, so rows cost nothing.

    Args:
        values: (N,), or K quantities of each row (N, K).
        days_N: the day of each row, anything that sorts (datetime64[D] or day numbers).
        statistic: the figure from sums over rows (R, K + 1) → (R,), one for each draw; the last
            column counts rows. The mean of the first column where None. A Sharpe ratio comes from
            the columns r, r²; a hit rate among moves from hit, moved.
        seed: of the draws.

    Returns:
        The interval; its bounds are NaN with fewer than two blocks.
    """
    sums_DK = _sums_by_day(values, days_N)
    figure = statistic or _mean_of_first
    if not len(sums_DK):
        return Interval(np.nan, np.nan, np.nan, resampling.level)
    estimate = float(figure(sums_DK.sum(axis=0, keepdims=True))[0])
    if len(sums_DK) < 2 * resampling.block_days:
        return Interval(estimate, np.nan, np.nan, resampling.level)
    drawn_R = figure(_draw(sums_DK, seed, resampling))
    drawn_R = drawn_R[np.isfinite(drawn_R)]
    if not len(drawn_R):
        return Interval(estimate, np.nan, np.nan, resampling.level)
    tail = (1 - resampling.level) / 2
    low, high = np.quantile(drawn_R, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high), resampling.level)


def paired_day_block_bootstrap(
    ours: ArrayLike,
    theirs: ArrayLike,
    days_N: NDArray[Any],
    seed: int = 0,
    resampling: Resampling = DEFAULT,
) -> Interval:
    """An interval for mean(ours) − mean(theirs) over the same rows, such as two log losses.

    Both are drawn on the same days, so what was hard for both cancels: far narrower than the
    difference of two intervals. Below zero in a loss, ours is better.
    """
    difference_N = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    return day_block_bootstrap(difference_N, days_N, None, seed, resampling)


def sharpe_interval(
    returns_T: ArrayLike,
    days_T: NDArray[Any],
    periods_per_year: float = 365.0,
    seed: int = 0,
    resampling: Resampling = DEFAULT,
) -> Interval:
    """An interval for the annual Sharpe ratio of returns by the day."""
    returns = np.asarray(returns_T, dtype=np.float64)

    def annual_sharpe(sums_RK: Float) -> Float:
        total, squares, rows = sums_RK.T
        mean = total / rows
        variance = (squares / rows - mean**2) * rows / np.maximum(rows - 1, 1)
        ratio = np.full(len(rows), np.nan)
        np.divide(mean, np.sqrt(np.maximum(variance, 0)), out=ratio, where=variance > 0)
        return ratio * math.sqrt(periods_per_year)

    columns = np.column_stack([returns, returns**2])
    return day_block_bootstrap(columns, days_T, annual_sharpe, seed, resampling)


def ratio_of_sums(sums_RK: Float) -> Float:
    """The first sum over the second: a share among rows that a second column marks."""
    top, bottom = sums_RK[:, 0], sums_RK[:, 1]
    shares: Float = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom != 0)
    return shares


def effective_n(rows: int, horizon: int) -> float:
    """Independent labels in `rows` overlapping ones that each look `horizon` bars ahead.

    Three months of minutes hold 2,160 independent 1-hour labels and not 129,600.
    """
    return rows / max(1, horizon)


def proportion_interval(share: float, n: float, level: float = 0.95) -> Interval:
    """An interval for a share seen in `n` independent trials (Wilson 1927).

    `n` need not be whole: give `effective_n` where labels overlap.
    """
    if n <= 0 or math.isnan(share):
        return Interval(np.nan, np.nan, np.nan, level)
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = min(share, middle - reach), max(share, middle + reach)  # rounding at 0 and 1
    return Interval(share, max(0.0, low), min(1.0, high), level)


def _mean_of_first(sums_RK: Float) -> Float:
    mean: Float = sums_RK[:, 0] / sums_RK[:, -1]
    return mean


def _sums_by_day(values: ArrayLike, days_N: NDArray[Any]) -> Float:
    """Sum of each quantity over each day in order, and the count of rows last (D, K + 1)."""
    array = np.asarray(values, dtype=np.float64)
    columns = array[:, None] if array.ndim == 1 else array
    days, day_N = np.unique(days_N, return_inverse=True)
    sums = [np.bincount(day_N, weights=column, minlength=len(days)) for column in columns.T]
    return np.column_stack([*sums, np.bincount(day_N, minlength=len(days))])


def _draw(sums_DK: Float, seed: int, resampling: Resampling) -> Float:
    """Sums over drawn days (R, K): each draw is a weighted sum of blocks."""
    num_days, length = len(sums_DK), resampling.block_days
    blocks_DK = np.zeros_like(sums_DK)
    for shift in range(length):
        blocks_DK += np.roll(sums_DK, -shift, axis=0)
    generator = np.random.default_rng(seed)
    num_blocks = math.ceil(num_days / length)
    equal = np.full(num_days, 1 / num_days)
    weights_RD = generator.multinomial(num_blocks, equal, size=resampling.resamples)
    drawn: Float = weights_RD @ blocks_DK
    return drawn
