"""Many cuts at once, for columns that forget soon.

Where a changed bar moves a column for at most L rows, one bar in every 2L can be changed at once:
the rows in between must stay as they are, up to the next changed bar. So a few dozen results test
every single row of the history, and a leak in one row of a thousand cannot hide between cuts. What
looks like a leak is put to a plain test at that bar before it is believed.
"""

import numpy as np
from numpy.typing import NDArray

from crypto_nn.features.leaks.cuts import Window
from crypto_nn.features.leaks.futures import scaled
from crypto_nn.features.leaks.result import REFUSALS, Result, run
from crypto_nn.features.leaks.search import Search

_BOUNDS = (16, 64, 256, 1024)  # rows for which a changed bar may matter
_FEWEST = 3  # changed bars at once for which this pays
_DOUBTS = 3  # false suspicions after which a column is known to remember longer
_ROUNDING = 1e-9  # running sums and averages never forget the last bits
_PROOFS = ("one bar", "perturbation", "prefix")


def scatter(search: Search, window: Window) -> None:
    """Change bars all over a stretch, until each was changed once or time is up."""
    whole = search.whole(window)
    if whole is None:
        return
    rng = np.random.default_rng([search.seed, 1])
    reach_F = _reaches(search, window, whole, rng)
    if reach_F is None:
        return
    least = 0
    for bound in _BOUNDS:
        columns = np.flatnonzero((reach_F > least) & (2 * reach_F <= bound))
        least = bound // 2
        step = 2 * bound
        if not len(columns) or len(whole) < _FEWEST * step:
            continue
        doubts_F = np.zeros(len(reach_F), np.int64)
        for offset in rng.permutation(step):
            if search.is_over:
                return
            _try(search, window, whole, columns[doubts_F[columns] < _DOUBTS], bound, int(offset),
                 doubts_F, rng)  # fmt: skip


def _reaches(
    search: Search, window: Window, whole: Result, rng: np.random.Generator
) -> NDArray[np.int64] | None:
    """For how many rows one changed bar moves each column; the whole length if to the end."""
    lo, hi = window
    num = hi - lo
    reach_F = np.zeros(whole.values_NF.shape[1], np.int64)
    for place in (num // 3, num // 2, num * 2 // 3):
        differ_NF = _changed(search, window, whole, np.array([place]), rng)
        if differ_NF is None:
            return None
        last_F = num - 1 - np.argmax(differ_NF[::-1], axis=0)
        moved_F = differ_NF.any(axis=0)
        reach_F = np.maximum(reach_F, np.where(moved_F, np.maximum(last_F - place, 0) + 1, 0))
    return reach_F


def _try(
    search: Search,
    window: Window,
    whole: Result,
    columns: NDArray[np.int64],
    bound: int,
    offset: int,
    doubts_F: NDArray[np.int64],
    rng: np.random.Generator,
) -> None:
    """Change one bar in every two bounds; what changes elsewhere is suspect."""
    lo, hi = window
    place_K = np.arange(offset, hi - lo, 2 * bound)
    differ_NF = _changed(search, window, whole, place_K, rng)
    if differ_NF is None or not len(columns):
        return
    search.num_tests += 1
    search.cuts.update((lo + place_K[place_K > 0]).tolist())
    row_N = np.arange(hi - lo)
    next_N = np.searchsorted(place_K, row_N, side="right")  # the first changed bar after each row
    since_N = row_N - place_K[np.maximum(next_N - 1, 0)]
    free_N = ((next_N == 0) | (since_N >= bound)) & (next_N < len(place_K))
    for column in columns:
        suspect = np.flatnonzero(differ_NF[:, column] & free_N)
        name = whole.names[column]
        if not suspect.size or (name, _PROOFS[0]) in search.found:
            continue
        place = int(place_K[next_N[suspect[0]]])
        search.cut(window, lo + place, _PROOFS)
        if not any(name == leaky for leaky, _ in search.found):
            doubts_F[column] += 1


def _changed(
    search: Search,
    window: Window,
    whole: Result,
    place_K: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.bool_] | None:
    """Which values differ, by more than rounding, once the bars at these places are others."""
    bars = scaled(search.bars[slice(*window)], place_K, rng)
    try:
        after = run(search.compute, bars, search.names).with_names(whole.names)
    except REFUSALS:
        return None
    a_NF, b_NF = whole.values_NF.astype(np.float64), after.values_NF.astype(np.float64)
    with np.errstate(all="ignore"):
        near_NF = np.abs(a_NF - b_NF) <= _ROUNDING * np.maximum(np.abs(a_NF), np.abs(b_NF))
    differ_NF: NDArray[np.bool_] = ~near_NF & (a_NF != b_NF) & ~(np.isnan(a_NF) & np.isnan(b_NF))
    return differ_NF
