"""How much of a figure may be chance, when the bars of a day hang together."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crypto_nn.bars import Float

Statistic = Callable[[Float], Float]


@dataclass(frozen=True)
class Interval:
    """An estimate, and where the truth lies with probability `level`; NaN where none can tell.

    Attributes:
        p_value: two-sided, against 0; NaN where none was measured.
    """

    estimate: float
    low: float
    high: float
    level: float = 0.95
    p_value: float = math.nan

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
    drawn_R = figure(draw_days(sums_DK, seed, resampling))
    return percentile_interval(estimate, drawn_R, resampling.level)


def draw_days(sums_DK: Float, seed: int = 0, resampling: Resampling = DEFAULT) -> Float:
    """Sums over whole days drawn with replacement (R, K), in blocks of `resampling.block_days`.

    The same number of days and the same seed draw the same days, whatever the sums are: figures
    of several tables of sums are drawn together. The draws themselves are kept, so that a thousand
    tables of as many days cost one set of draws.
    """
    num_days, length = len(sums_DK), resampling.block_days
    blocks_DK = np.zeros_like(sums_DK)
    for shift in range(length):
        blocks_DK += np.roll(sums_DK, -shift, axis=0)
    counts_RD = _drawn_counts(num_days, math.ceil(num_days / length), seed, resampling.resamples)
    drawn: Float = counts_RD.astype(np.float64) @ blocks_DK
    return drawn


def percentile_interval(
    estimate: float, drawn_R: Float, level: float = 0.95, days: int | None = None
) -> Interval:
    """The interval of an estimate from its drawn values, and the p-value that belongs to it.

    The p-value is the `1 - level` at which the interval just reaches 0, so that it is below
    `1 - level` exactly where the interval excludes 0. It cannot be told below 2 / (R + 1), which
    is what is given where no interval reaches 0 (Davison and Hinkley 1997, 4.2 and 5.5).

    Args:
        estimate: the figure.
        drawn_R: what it was in R drawn histories; those in which it cannot be told are left out.
        level: probability that the interval is to hold.
        days: where given, the interval is widened by √(D / (D - 1)) · t / z for so few drawn days
            (Hesterberg 2015): plain percentiles promise too much.
    """
    drawn_R = drawn_R[np.isfinite(drawn_R)]
    if not len(drawn_R) or not math.isfinite(estimate):
        return Interval(estimate, np.nan, np.nan, level)
    tails, widen = _tails(len(drawn_R), level, days)
    place = int(np.searchsorted(tails, (1 - level) / 2))
    # Both ends of every interval, from the surest to the least sure. Of R draws the k-th lies at
    # k / (R + 1); a quantile that calls the first 0 and the last 1 gives intervals too short.
    below, above = np.quantile(drawn_R, [tails, 1 - tails], method="weibull")
    lows, highs = estimate - (estimate - below) * widen, estimate + (above - estimate) * widen
    p_value = _crossing(tails, np.maximum(lows, -highs))
    return Interval(estimate, float(lows[place]), float(highs[place]), level, p_value)


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


def effective_n(rows: int, horizon: int, stride: int = 1) -> float:
    """Independent labels in `rows` that are `stride` bars apart and look `horizon` bars ahead.

    Three months of minutes hold 2,160 independent 1-hour labels and not 129,600, however many of
    these minutes are looked at; rows further apart than they look ahead count in full. Rows of
    several symbols at one time count apiece, though they move together: intervals draw whole days
    of all symbols, and do not rest on this number.
    """
    return rows * min(1.0, stride / max(1, horizon))


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


@lru_cache(maxsize=16)
def _drawn_counts(num_days: int, num_blocks: int, seed: int, resamples: int) -> NDArray[Any]:
    """How often each block of days is in each drawn history (R, D), in as few bytes as it takes."""
    generator = np.random.default_rng(seed)
    equal = np.full(num_days, 1 / num_days)
    counts = generator.multinomial(num_blocks, equal, size=resamples)
    small: NDArray[Any] = counts.astype(np.min_scalar_type(int(counts.max(initial=0))))
    small.flags.writeable = False  # shared by all who ask
    return small


@lru_cache(maxsize=64)
def _tails(resamples: int, level: float, days: int | None) -> tuple[Float, Float]:
    """The tails at which intervals are looked at, that of `level` among them, and the widening."""
    steps = np.arange(1, resamples // 2 + 1) / (resamples + 1)
    tails = np.unique(np.append(steps, (1 - level) / 2))
    if days is None:
        return tails, np.ones(len(tails))
    from scipy.stats import norm, t

    widen = math.sqrt(days / (days - 1)) * t.isf(tails, days - 1) / norm.isf(tails)
    return tails, np.asarray(widen, dtype=np.float64)


def _crossing(tails: Float, beyond: Float) -> float:
    """Twice the tail at which the nearer end of the interval is 0; 1 where none is beyond it."""
    above = np.flatnonzero(beyond > 0)
    if not len(above):
        return 1.0
    first = int(above[0])
    just_below = float(np.nextafter(2 * tails[first], 0))  # where that very interval excludes 0
    if not first:
        return just_below
    share = -beyond[first - 1] / (beyond[first] - beyond[first - 1])
    return min(just_below, 2 * float(tails[first - 1] + share * (tails[first] - tails[first - 1])))
