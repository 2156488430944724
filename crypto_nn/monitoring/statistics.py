"""How far one day lies from the others, column by column, and how large a move is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Ints = NDArray[np.int64]

GRID = np.linspace(0.02, 0.98, 49)
FINE_GRID = np.linspace(0.0025, 0.9975, 200)
LARGEST_EFFECT = 100.0
_SMALLEST_SHARE = 1e-4


@dataclass(frozen=True, eq=False)
class Distances:
    """How far each of B days lies from all of them together, in one column.

    Attributes:
        distance_B: 0 to 1; NaN on days with too few values.
        points_G: quantiles of all values (numeric), or every distinct value (categorical).
        mean_G: mean over days of the share of values ≤ each point (categorical: equal to it).
        categorical: whether the column has so few distinct values that shares are compared.
        new_values: how many values a categorical column has today that it never had before.
    """

    distance_B: Float
    points_G: Float
    mean_G: Float
    categorical: bool
    new_values: int

    def of(self, ordered: Float) -> float:
        """The distance of a day with these sorted values from the mean of a numeric column."""
        share_G = np.searchsorted(ordered, self.points_G, side="right") / max(len(ordered), 1)
        return float(np.abs(share_G - self.mean_G).max())


def distances(
    x_N: NDArray[np.floating], block_N: Ints, num_blocks: int, min_rows: int, max_categories: int
) -> Distances:
    """The distance of each day from the mean of all days, the last (the current one) included.

    Numeric columns: the largest gap between the day's cumulative distribution and the mean one,
    on the 49 quantiles 0.02 to 0.98 of all values (Kolmogorov–Smirnov on a grid). Columns with at
    most `max_categories` distinct values: half the sum of the gaps between shares (total
    variation). Every day plays the same part, so that on exchangeable days ranks are uniform.

    `x_N` is finite, and at least one day has `min_rows` values.
    """
    count_B = np.bincount(block_N, minlength=num_blocks)
    enough_B = count_B >= min_rows
    ordered = np.sort(x_N)
    step = np.flatnonzero(ordered[1:] != ordered[:-1])
    categorical = len(step) < max_categories
    if categorical:
        points_G = ordered[np.concatenate(([0], step + 1))]
    else:
        points_G = np.unique(ordered[(GRID * (len(ordered) - 1)).astype(np.int64)])
    bin_N = np.searchsorted(points_G, x_N, side="left")  # x ≤ points[g] exactly where bin ≤ g
    width = len(points_G) + 1
    count_BG = np.bincount(block_N * width + bin_N, minlength=num_blocks * width)
    count_BG = count_BG.reshape(num_blocks, width)
    share_BG = count_BG[:, :-1] / np.maximum(count_B, 1)[:, None]
    if not categorical:
        share_BG = np.cumsum(share_BG, axis=1)
    mean_G = share_BG[enough_B].mean(axis=0)
    gap_BG = np.abs(share_BG - mean_G)
    distance_B = gap_BG.sum(axis=1) / 2 if categorical else gap_BG.max(axis=1)
    distance_B[~enough_B] = np.nan
    never = (count_BG[:-1, :-1].sum(axis=0) == 0).sum() if categorical else 0
    return Distances(distance_B, points_G.astype(np.float64), mean_G, categorical, int(never))


def day_means(x_N: NDArray[np.floating], block_N: Ints, num_blocks: int, min_rows: int) -> Float:
    """The mean of each day's finite values; NaN on days with fewer than `min_rows` of them."""
    count_B = np.bincount(block_N, minlength=num_blocks)
    total_B = np.bincount(block_N, weights=x_N, minlength=num_blocks)
    return np.where(count_B >= min_rows, total_B / np.maximum(count_B, 1), np.nan)


@dataclass(frozen=True)
class Effect:
    """How large the move from the reference to today is, whatever its significance.

    Attributes:
        size: mean distance between equal quantiles (Wasserstein-1) in standard deviations of the
            reference, both without the outer 0.25 % on either side; for categorical columns the
            largest change of a share in standard deviations of that category's indicator.
            At most 100, which also stands for a move of a column that never varied.
        ks: largest gap between the cumulative distributions of today and of all reference rows
            (two-sample Kolmogorov–Smirnov statistic); for categorical columns half the sum of
            the gaps between shares, the largest gap over all sets of categories.
        wasserstein: mean distance between equal quantiles in standard deviations, of all values,
            the outermost too; at most 100; 0 for categorical columns, which have no distances.
        psi: population stability index over ten bins of equal reference share (or categories).
        chi_square: Pearson's statistic of today and reference over the same bins (or categories).
        cramers_v: the effect size of `chi_square`, 0 (equal) to 1 (nothing in common): Cramér's V
            of the table in which both sides weigh alike, so that it does not shrink as the
            reference grows.
        reference_sd: the standard deviation that is the unit of `size` (numeric columns).
    """

    size: float = 0.0
    ks: float = 0.0
    wasserstein: float = 0.0
    psi: float = 0.0
    chi_square: float = 0.0
    cramers_v: float = 0.0
    reference_sd: float = 0.0


def numeric_effect(reference: NDArray[np.floating], today: NDArray[np.floating]) -> Effect:
    """The move of a numeric column; both inputs finite and not empty."""
    ordered = np.sort(reference).astype(np.float64)
    now = np.sort(today).astype(np.float64)
    q_ref, q_now = _quantiles(ordered, FINE_GRID), _quantiles(now, FINE_GRID)
    edges = np.unique(_quantiles(ordered, np.linspace(0.1, 0.9, 9)))
    bins = _bin_counts(ordered, edges), _bin_counts(now, edges)
    ks, wasserstein = _gaps(ordered, now)
    return Effect(
        size=_in_sd(float(np.abs(q_now - q_ref).mean()), float(q_ref.std())),
        ks=ks,
        wasserstein=_in_sd(wasserstein, float(ordered.std())),
        psi=_psi(*bins),
        chi_square=_chi_square(*bins),
        cramers_v=_cramers_v(*bins),
        reference_sd=float(q_ref.std()),
    )


def categorical_effect(reference: NDArray[np.floating], today: NDArray[np.floating]) -> Effect:
    """The move of a column with few distinct values; both inputs finite and not empty."""
    values = np.unique(np.concatenate([reference, today]))
    ref = np.bincount(np.searchsorted(values, reference), minlength=len(values))
    now = np.bincount(np.searchsorted(values, today), minlength=len(values))
    p, q = ref / ref.sum(), now / now.sum()
    middle = (p + q) / 2
    moves = np.abs(q - p) / np.sqrt(np.maximum(middle * (1 - middle), 1e-12))
    return Effect(
        size=min(float(moves.max()), LARGEST_EFFECT),
        ks=float(np.abs(q - p).sum() / 2),
        psi=_psi(ref, now),
        chi_square=_chi_square(ref, now),
        cramers_v=_cramers_v(ref, now),
    )


def _gaps(reference: Float, today: Float) -> tuple[float, float]:
    """Largest gap between two cumulative distributions, and the area between them; both sorted."""
    both = np.concatenate([reference, today])
    order = np.argsort(both, kind="stable")  # of two sorted runs: a merge
    both = both[order]
    step_N = np.where(order < len(reference), 1 / len(reference), -1 / len(today))
    gap_N = np.abs(np.cumsum(step_N))[:-1]
    width_N = np.diff(both)
    area = float((gap_N * width_N).sum())
    return min(1.0, float(gap_N[width_N > 0].max(initial=0.0))), area


def mean_effect(means_B: Float) -> Effect:
    """The move of the last day's mean, in standard deviations of the other days' means."""
    ref = means_B[:-1][np.isfinite(means_B[:-1])]
    move = abs(float(means_B[-1] - ref.mean()))
    return Effect(size=_in_sd(move, float(ref.std())))


def _quantiles(ordered: Float, grid: Float) -> Float:
    """Quantiles of sorted values, linear between neighbours."""
    place = grid * (len(ordered) - 1)
    low = place.astype(np.int64)
    high = np.minimum(low + 1, len(ordered) - 1)
    share = place - low
    return ordered[low] * (1 - share) + ordered[high] * share


def _in_sd(move: float, sd: float) -> float:
    if move == 0:
        return 0.0
    return LARGEST_EFFECT if sd * LARGEST_EFFECT <= move else move / sd


def _bin_counts(ordered: Float, edges: Float) -> Ints:
    cuts = np.concatenate(([0], np.searchsorted(ordered, edges, side="right"), [len(ordered)]))
    return np.diff(cuts)


def _psi(reference: Ints, today: Ints) -> float:
    p = np.maximum(reference / reference.sum(), _SMALLEST_SHARE)
    q = np.maximum(today / today.sum(), _SMALLEST_SHARE)
    return float(((q - p) * np.log(q / p)).sum())


def _chi_square(reference: Ints, today: Ints) -> float:
    """Pearson's statistic of the 2 × K table; bins that are empty on both sides count nothing."""
    n, m, both = float(reference.sum()), float(today.sum()), (reference + today).astype(np.float64)
    excess = today - both * (m / (n + m))
    # both rows miss their expectation by as much: Σ excess² / expected over the two
    return float((excess**2 / np.maximum(both, 1.0)).sum() * (n + m) * (1 / n + 1 / m))


def _cramers_v(reference: Ints, today: Ints) -> float:
    p, q = reference / reference.sum(), today / today.sum()
    both = p + q
    return float(np.sqrt(((p - q) ** 2 / np.where(both > 0, both, 1.0)).sum() / 2))
