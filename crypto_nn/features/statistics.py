"""What the values of each column look like, month by month: where they lie and how they move.

A month is summed up in a few hundred numbers a column (`summarise`), so that years of several
symbols need not be in memory together, and months can be summed up in any order and in parallel.
`describe` makes the facts of each column of them.

Counts, means and deviations are of all rows. Quantiles are of every 7th row of a long month, and
autocorrelations of pairs that start at every 17th: the neighbours of a row say nearly the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Float

LAGS = (1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120)
"""In rows, which are minutes where none is missing."""
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BAND = (0.05, 0.5, 0.95)
BINS = 40

_GRID = np.linspace(0.0, 1.0, 201)
_QUANTILE_STEP, _PAIR_STEP = 7, 17  # neither shares a divisor with the minutes of an hour or a day
_LONG = 1000  # so many rows are left at least
_ENOUGH = 500  # values, to say how a month differs from the first
_OUTER = 0.005  # beyond this quantile at either end a histogram does not reach

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MonthSummary:
    """F columns of one symbol and month, in brief.

    Attributes:
        symbol: whose.
        month: such as "2024-01".
        names: of the columns.
        rows: how many bars there are.
        count_F: how many values are known.
        mean_F: their mean; 0 where there is none.
        squares_F: the sum of their squared deviations from it.
        quantile_FQ: their quantiles 0, 0.005 … 1; NaN where there is none.
        autocorrelation_FL: with the value `LAGS` rows before; NaN where it cannot be told.
    """

    symbol: str
    month: str
    names: tuple[str, ...]
    rows: int
    count_F: Ints
    mean_F: Float
    squares_F: Float
    quantile_FQ: NDArray[np.float32]
    autocorrelation_FL: Float


@dataclass(frozen=True, eq=False)
class FeatureFacts:
    """One column over M months, of one or several symbols taken together.

    Attributes:
        name: of the column.
        months: in order.
        rows: how many bars there are.
        count: how many values are known.
        mean: of all values, in the column's unit.
        std: their standard deviation.
        quantiles: `QUANTILES` of the values.
        autocorrelation_L: at `LAGS`, within a month, weighted by its values.
        edges: of `BINS` equal bins from the 0.5 % to the 99.5 % quantile.
        shares: of the values that lie in each.
        missing_M: share of null rows, 0 to 1.
        band_M3: the quantiles `BAND` of each month.
        distance_M: how far the month is from the symbol's first one, 0 to 1: the largest gap
            between their cumulative distributions (Kolmogorov and Smirnov); of several symbols
            the largest. Gaps below 0.01 cannot be told from none.
    """

    name: str
    months: tuple[str, ...]
    rows: int
    count: int
    mean: float
    std: float
    quantiles: Float
    autocorrelation_L: Float
    edges: Float
    shares: Float
    missing_M: Float
    band_M3: Float
    distance_M: Float

    @property
    def missing(self) -> float:
        """The share of null rows, 0 to 1."""
        return 1.0 - self.count / self.rows if self.rows else float("nan")

    def autocorrelation(self, lag: int) -> float:
        """At one of `LAGS`."""
        return float(self.autocorrelation_L[LAGS.index(lag)])

    @property
    def farthest(self) -> tuple[str, float] | None:
        """The month that is farthest from the first, and how far; None where none can be told."""
        if np.isnan(self.distance_M).all():
            return None
        worst = int(np.nanargmax(self.distance_M))
        return self.months[worst], float(self.distance_M[worst])


def summarise(
    symbol: str, month: str, names: Sequence[str], x_NF: NDArray[np.floating[Any]]
) -> MonthSummary:
    """The columns of one symbol and month in brief; what is not finite counts as missing."""
    count_F, mean_F, squares_F = _moments(x_NF)
    return MonthSummary(
        symbol,
        month,
        tuple(names),
        len(x_NF),
        count_F,
        mean_F,
        squares_F,
        _quantiles(_thinned(x_NF, _QUANTILE_STEP)),
        _autocorrelations(x_NF, mean_F),
    )


def describe(summaries: Iterable[MonthSummary]) -> dict[str, FeatureFacts]:
    """The facts of each column, by its name; all summaries must be of the same columns."""
    parts = sorted(summaries, key=lambda part: (part.month, part.symbol))
    if not parts:
        return {}
    assert all(part.names == parts[0].names for part in parts)
    return {name: _facts(name, f, parts) for f, name in enumerate(parts[0].names)}


def _moments(x_NF: NDArray[np.floating[Any]]) -> tuple[Ints, Float, Float]:
    """Of each column's finite values: how many, their mean, the sum of squares around it."""
    count_F = np.full(x_NF.shape[1], len(x_NF))
    with np.errstate(invalid="ignore"):  # infinities of both signs
        sum_F = x_NF.sum(axis=0, dtype=np.float64)
    if not np.isfinite(sum_F).all():
        known_NF = np.isfinite(x_NF)
        count_F, x_NF = known_NF.sum(axis=0), np.where(known_NF, x_NF, 0)
        sum_F = x_NF.sum(axis=0, dtype=np.float64)
    mean_F = sum_F / np.maximum(count_F, 1)
    return count_F, mean_F, np.maximum(_products(x_NF, x_NF) - count_F * mean_F**2, 0.0)


def _thinned(x_NF: NDArray[np.floating[Any]], step: int) -> NDArray[np.floating[Any]]:
    return x_NF[::step] if len(x_NF) > step * _LONG else x_NF


def _quantiles(x_SF: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """The grid of quantiles of each column's finite values (F, Q), linear between values."""
    x_FS = np.ascontiguousarray(x_SF.T, dtype=np.float32)
    x_FS = np.sort(np.where(np.isfinite(x_FS), x_FS, np.float32(np.nan)), axis=1)  # NaN come last
    count_F1 = np.isfinite(x_FS).sum(axis=1, keepdims=True)
    if not x_FS.shape[1]:
        return np.full((len(x_FS), len(_GRID)), np.nan, np.float32)
    place_FQ = _GRID * np.maximum(count_F1 - 1, 0)
    below_FQ = place_FQ.astype(np.intp)
    above_FQ = np.minimum(below_FQ + 1, np.maximum(count_F1 - 1, 0))
    low_FQ = np.take_along_axis(x_FS, below_FQ, axis=1)
    high_FQ = np.take_along_axis(x_FS, above_FQ, axis=1)
    weight_FQ = (place_FQ - below_FQ).astype(np.float32)
    grid_FQ: NDArray[np.float32] = low_FQ + weight_FQ * (high_FQ - low_FQ)
    return grid_FQ


def _autocorrelations(x_NF: NDArray[np.floating[Any]], mean_F: Float) -> Float:
    """Of each column at each lag (F, L), around the mean of all its values."""
    found_FL = np.full((x_NF.shape[1], len(LAGS)), np.nan)
    lags = [lag for lag in LAGS if lag <= len(x_NF) // 2]
    if not lags:
        return found_FL
    reach = len(x_NF) - lags[-1]
    early_SF = _centred(_thinned(x_NF[:reach], _PAIR_STEP), mean_F)
    for number, lag in enumerate(lags):
        late_SF = _centred(_thinned(x_NF[lag : lag + reach], _PAIR_STEP), mean_F)
        found_FL[:, number] = _correlation(early_SF, late_SF)
    np.clip(found_FL, -1.0, 1.0, out=found_FL)
    return found_FL


def _correlation(early_SF: NDArray[np.floating[Any]], late_SF: NDArray[np.floating[Any]]) -> Float:
    """Around 0, over the pairs of which both are finite."""
    cross_F = _products(early_SF, late_SF)
    if not np.isfinite(cross_F).all():
        pair_SF = np.isfinite(early_SF) & np.isfinite(late_SF)
        early_SF, late_SF = np.where(pair_SF, early_SF, 0), np.where(pair_SF, late_SF, 0)
        cross_F = _products(early_SF, late_SF)
    size_F = np.sqrt(_products(early_SF, early_SF) * _products(late_SF, late_SF))
    unknown_F: Float = np.full(len(cross_F), np.nan)
    np.divide(cross_F, size_F, out=unknown_F, where=size_F > 0)
    return unknown_F


def _centred(x_SF: NDArray[np.floating[Any]], mean_F: Float) -> NDArray[np.floating[Any]]:
    return x_SF - mean_F.astype(x_SF.dtype)


def _products(a_SF: NDArray[np.floating[Any]], b_SF: NDArray[np.floating[Any]]) -> Float:
    total_F: Float = np.einsum("sf,sf->f", a_SF, b_SF, dtype=np.float64)
    return total_F


def _facts(name: str, f: int, parts: Sequence[MonthSummary]) -> FeatureFacts:
    """One column's facts; the parts are in order of months."""
    count_P = np.array([part.count_F[f] for part in parts])
    mean_P = np.array([part.mean_F[f] for part in parts])
    grid_PQ = np.stack([part.quantile_FQ[f] for part in parts]).astype(np.float64)
    rows, count = sum(part.rows for part in parts), int(count_P.sum())
    mean = float(mean_P @ count_P) / count if count else float("nan")
    spread = sum(part.squares_F[f] for part in parts) + count_P @ (mean_P - mean) ** 2
    edges = _edges(*_pooled(grid_PQ, count_P, (_OUTER, 1 - _OUTER)))
    months = tuple(dict.fromkeys(part.month for part in parts))
    of_M = [np.array([part.month == month for part in parts]) for month in months]
    rows_P = np.array([part.rows for part in parts])
    distance_P = _distances(grid_PQ, count_P, [part.symbol for part in parts])
    return FeatureFacts(
        name,
        months,
        rows,
        count,
        mean,
        std=float(np.sqrt(spread / count)) if count else float("nan"),
        quantiles=_pooled(grid_PQ, count_P, QUANTILES),
        autocorrelation_L=_weighted([part.autocorrelation_FL[f] for part in parts], count_P),
        edges=edges,
        shares=_shares(grid_PQ, count_P, edges),
        missing_M=np.array([1 - count_P[at].sum() / max(rows_P[at].sum(), 1) for at in of_M]),
        band_M3=np.stack([_pooled(grid_PQ[at], count_P[at], BAND) for at in of_M]),
        distance_M=np.array([_largest(distance_P[at]) for at in of_M]),
    )


def _pooled(grid_PQ: Float, count_P: Ints, shares: Sequence[float]) -> Float:
    """Quantiles of the values of several months together; NaN where there is none."""
    some = count_P > 0
    if not some.any():
        return np.full(len(shares), np.nan)
    weight_Q = np.ones(len(_GRID))
    weight_Q[[0, -1]] = 0.5
    point_K, weight_K = grid_PQ[some].ravel(), np.outer(count_P[some], weight_Q).ravel()
    order = np.argsort(point_K, kind="stable")
    point_K, weight_K = point_K[order], weight_K[order]
    below_K = np.cumsum(weight_K) - weight_K / 2
    found: Float = np.interp(np.asarray(shares) * weight_K.sum(), below_K, point_K)
    return found


def _edges(low: float, high: float) -> Float:
    """Bins the outer ones of which have `low` and `high` in their middle."""
    if not high > low:
        low, high = low - max(abs(low), 1.0) * 0.5, high + max(abs(high), 1.0) * 0.5
    half = (high - low) / (BINS - 1) / 2
    return np.linspace(low - half, high + half, BINS + 1)


def _shares(grid_PQ: Float, count_P: Ints, edges: Float) -> Float:
    """The share of all values that lies between neighbouring edges."""
    some = np.flatnonzero(count_P)
    below_PE = [count_P[p] * np.interp(edges, grid_PQ[p], _GRID) for p in some]
    below_E: Float = np.sum(below_PE, axis=0) / count_P.sum() if len(some) else np.zeros(len(edges))
    return np.diff(below_E)


def _distances(grid_PQ: Float, count_P: Ints, symbols: Sequence[str]) -> Float:
    """How far each part is from the first of its symbol that has enough values."""
    distance_P = np.full(len(symbols), np.nan)
    first: dict[str, Float] = {}
    for p in np.flatnonzero(count_P >= _ENOUGH).tolist():
        begun = first.setdefault(symbols[p], grid_PQ[p])
        points = np.concatenate([begun, grid_PQ[p]])
        begun_K, here_K = (np.searchsorted(g, points, "right") for g in (begun, grid_PQ[p]))
        distance_P[p] = np.abs(begun_K - here_K).max() / len(_GRID)
    return distance_P


def _weighted(rows: Sequence[Float], count_P: Ints) -> Float:
    """The mean of the known ones in each place."""
    value_PL = np.stack(rows)
    weight_PL = np.where(np.isnan(value_PL), 0, count_P[:, None])
    total_L = weight_PL.sum(axis=0)
    sum_L = (np.nan_to_num(value_PL) * weight_PL).sum(axis=0)
    mean_L: Float = np.full(len(total_L), np.nan)
    np.divide(sum_L, total_L, out=mean_L, where=total_L > 0)
    return mean_L


def _largest(values: Float) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else float("nan")
