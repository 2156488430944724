"""Where to cut: the places at which code that looks ahead is most likely to show it."""

from collections.abc import Sequence
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.features.leaks.futures import NUMBERS

Window = tuple[int, int]
_LONGEST = 13_000  # bars of the main stretch: nine days, so that a week's and a month's turn fit
_SHARED = 3_000  # bars from the first to the last cut of one result: three midnights
_FEW = 20
_RARE = 4  # of each kind of extreme row
_AFTER = (1, 2, 3)  # a leak that minds a hole may do so some bars later


def cuts_of(
    bars: Bars, num_random: int = 10, most: int | None = None, seed: int = 0
) -> tuple[int, ...]:
    """Rows to cut before: every hole, day and month, and some of all else that is special.

    Special are: bars just after holes, the borders of missing values and of minutes without
    trades, the starts of hours and weeks, the largest moves, ranges and volumes, and rows drawn
    at random.

    Args:
        bars: ordered bars.
        num_random: how many rows are drawn at random.
        most: how many rows are drawn of each kind of place, if there are more. None: all holes,
            days and months, and 20 of each other kind.
        seed: of the draws.
    """
    places = np.unique(np.array(ranked_cuts(bars, num_random, most, seed), np.int64))
    return tuple(int(place) for place in places)


def ranked_cuts(
    bars: Bars, num_random: int = 10, most: int | None = None, seed: int = 0
) -> tuple[int, ...]:
    """The same rows, each kind in its turn, so that one soon has some of all."""
    if len(bars) < 2:
        return ()
    rng = np.random.default_rng(seed)
    kinds = [rng.permutation(places_K) for places_K in borders_of(bars)]
    kinds += [_some(places_K, _FEW, rng) for places_K in _rare(bars)]
    kinds.append(rng.integers(1, len(bars), num_random))
    ranked = chain.from_iterable(zip_longest(*(places_K[:most].tolist() for places_K in kinds)))
    places = dict.fromkeys(place for place in ranked if place is not None)
    return tuple(place for place in places if 0 < place < len(bars))


def borders_of(bars: Bars) -> list[NDArray[np.int64]]:
    """The first rows of months, after holes, and of days."""
    hole_K = np.flatnonzero(np.diff(bars.ts) != bars.timeframe.step) + 1
    return [_first_of(bars, "M"), hole_K, _first_of(bars, "D")]


def shared_windows(
    cuts: Sequence[int], past: int, ahead: int, num: int
) -> list[tuple[Window, tuple[int, ...]]]:
    """Stretches that hold neighbouring cuts, so that they share a result; every cut is in one."""
    groups: list[list[int]] = []
    for cut in sorted(cuts):
        if groups and cut - groups[-1][0] <= _SHARED:
            groups[-1].append(cut)
        else:
            groups.append([cut])
    return [
        ((max(0, group[0] - past), min(num, group[-1] + ahead)), tuple(group)) for group in groups
    ]


def main_stretch(bars: Bars) -> Window:
    """All bars, or the days around the turn of a month in the middle of many."""
    if len(bars) <= _LONGEST:
        return 0, len(bars)
    month_K, _, _ = borders_of(bars)
    inside = month_K[(month_K > _LONGEST // 2) & (month_K < len(bars) - _LONGEST // 2)]
    middle = int(inside[len(inside) // 2]) if len(inside) else len(bars) // 2
    lo = max(0, middle - _LONGEST // 2)
    return lo, lo + _LONGEST


def _rare(bars: Bars) -> list[NDArray[np.int64]]:
    _, hole_K, _ = borders_of(bars)
    found = [hole_K + after for after in _AFTER]
    for blank_N in _blanks(bars):
        border_K = np.flatnonzero(np.diff(blank_N)) + 1
        found += [border_K, border_K + 1]
    week_K = np.flatnonzero(np.diff((bars.ts.astype("datetime64[D]").astype(np.int64) + 3) // 7))
    found += [week_K + 1, _first_of(bars, "h")]
    move_N = np.abs(np.diff(bars.close, prepend=bars.close[:1]))
    for size_N in (move_N, bars.high - bars.low, bars.volume, bars.high, -bars.low):
        row_K = np.argpartition(size_N, -_RARE)[-_RARE:] if len(bars) > _RARE else np.arange(1)
        found += [row_K + after for after in (0, 1, 2)]
    return found


def _blanks(bars: Bars) -> list[NDArray[np.bool_]]:
    columns = [getattr(bars, name) for name in NUMBERS if getattr(bars, name) is not None]
    return [np.isnan(np.stack(columns)).any(axis=0), bars.volume == 0]


def _first_of(bars: Bars, unit: str) -> NDArray[np.int64]:
    return np.flatnonzero(np.diff(bars.ts.astype(f"datetime64[{unit}]"))) + 1


def _some(place_K: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.permutation(place_K)[:most]
