"""Does a number know the future? What any function of bars is put to, and the shipped features."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, cycle, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.errors import FeatureError
from crypto_nn.features.leaks.cuts import (
    Window,
    borders_of,
    main_stretch,
    ranked_cuts,
    shared_windows,
)
from crypto_nn.features.leaks.far import look_far
from crypto_nn.features.leaks.fresh import fresh_results
from crypto_nn.features.leaks.futures import FUTURES
from crypto_nn.features.leaks.leak import Examination, Leak
from crypto_nn.features.leaks.own import OfBars
from crypto_nn.features.leaks.result import Compute, Result
from crypto_nn.features.leaks.scattered import scatter
from crypto_nn.features.leaks.search import Search

if TYPE_CHECKING:
    from crypto_nn.features.feature_set import FeatureSet

_AHEAD = 240  # bars after a cut, in the short stretches
_FEWEST, _MOST = 128, 6_000  # bars before it
_DENSE = 24  # neighbouring cuts of one short stretch
_WIDE = 8  # boundary cuts on the main stretch
_SELDOM = 10  # one boundary in so many is put to another test than the prefix too
_FAR = 4  # all bars at once may take so many times the seconds
_PATIENCE = 10  # boundaries may take so many times the seconds of the random cuts
_OTHERS = tuple(name for name in FUTURES if name != "prefix")


def find_leaks(
    compute: Callable[[Any], Any],
    bars: Bars,
    cuts: Sequence[int] | None = None,
    seed: int = 0,
    seconds: float = 3.0,
    names: Sequence[str] | None = None,
    tolerance: float = 0.0,
) -> list[Leak]:
    """Look for columns that know the future; see `examine`.

    Returns:
        The first leak found of each column and test; empty if none is.

    Raises:
        FeatureError: the result does not have one row per bar, or is another each time.
    """
    done = examine(compute, bars, cuts, seed, seconds, names, tolerance=tolerance)
    if done.unstable and not done.leaks:
        raise FeatureError(
            f"{', '.join(done.unstable)}: the same bars give other values each time, so that "
            "nothing can be said of the future. Fix the seed, and keep nothing between calls."
        )
    return list(done.leaks)


def examine(
    compute: Callable[[Any], Any],
    bars: Bars,
    cuts: Sequence[int] | None = None,
    seed: int = 0,
    seconds: float = 3.0,
    names: Sequence[str] | None = None,
    subject: str = "function",
    past: int | None = None,
    tolerance: float = 0.0,
    far: bool = True,
) -> Examination:
    """Look for columns that know the future, in many ways and at many places in time.

    At each cut the later bars are taken away, or changed in one of the ways of `FUTURES`; not one
    earlier row of the result may then differ in one bit. Every earlier row is compared, because
    some leaks touch one row in 500. A test whose bars the function refuses with an error says
    nothing, and is counted in `refused`.

    Args:
        compute: from N bars, as `Bars` or as a DataFrame (see `own.OfBars`), to a matrix (N, F), a
            column (N,), or a DataFrame or Series with one row per bar (or indexed by their times).
        bars: bars to try it on; the more holes, extremes and boundaries, the better.
        cuts: rows to cut before, all tests at each, and nothing else. If None: `cuts_of(bars)`,
            then every row for columns that forget soon, then chance.
        seed: of all chance; the same seed looks at the same places in the same order.
        seconds: how long to look on after the boundaries (which may take ten times as long).
        names: of the columns, where the function gives an array.
        subject: what the examination is called.
        past: bars that the function needs before a row to give a value; measured if None.
        tolerance: a change up to so many standard deviations of a column is rounding, and no leak.
            0 takes every bit seriously, as shipped features do. Some library code does not: the
            `skew` of a pandas window is centred on the mean of all rows, and rounded by it.
        far: whether all bars are given at once too, and cut in the middle and elsewhere.

    Raises:
        FeatureError: the function refuses the bars, or gives no row per bar.
    """
    compute = OfBars(compute)
    search = Search(compute, bars, names, seed, _PATIENCE * seconds, tolerance)
    if len(bars) < 3:
        raise FeatureError(f"{len(bars)} bars cannot be cut; give at least a few hundred.")
    if cuts is not None:
        search.begin((0, len(bars)))
        for cut in cuts:
            search.cut((0, len(bars)), cut, FUTURES)
        return search.examination(subject)
    main = main_stretch(bars)
    fresh = _fresh(compute, bars, main, names, seed)
    whole = search.begin(main)
    for cut, alone in fresh.items():
        search.cut(main, cut, ("prefix", "perturbation"))
        search.compare_fresh(whole, alone, main, cut)
    reach = past or _needed(whole)
    if far:
        look_far(search, main, _FAR * seconds)
        search.extend(_PATIENCE * seconds)
    _look_at_boundaries(search, main, reach)
    search.extend(seconds / 2)
    scatter(search, main)
    search.extend(seconds / 2)
    _look_anywhere(search, main, reach)
    return search.examination(subject)


def check_features(
    feature_set: "FeatureSet", bars: Bars, seconds: float = 0.5, seed: int = 0
) -> list[Leak]:
    """A quick look at a feature set on fresh bars, as each materialisation takes it.

    Prefix and perturbation at the turns of months and days, at holes and by chance, on short
    stretches, until the time is up; each change to the code comes by here many times.
    """
    if len(bars) < 3:
        return []
    search = Search(compute_of(feature_set), bars, feature_set.names, seed, seconds)
    past = feature_set.warm_up + 64
    rng = np.random.default_rng(seed)
    borders = [rng.permutation(places_K) for places_K in borders_of(bars)]
    chance = rng.integers(1, len(bars), 1000)
    first = int(chance[0])
    search.begin(_around(first, past, len(bars)))
    places = chain.from_iterable(zip_longest(*borders, chance))
    for number, cut in enumerate(place for place in places if place is not None):
        if search.is_over and number:
            break
        tests = ("prefix", _OTHERS[number % len(_OTHERS)])
        search.cut(_around(int(cut), past, len(bars)), int(cut), tests)
    return list(search.examination("features").leaks)


def examine_features(
    feature_set: "FeatureSet",
    bars: Bars,
    seconds: float = 10.0,
    seed: int = 0,
    far: bool = False,
) -> Examination:
    """All columns of a feature set, on bars that have a `reference` where it needs one.

    A month's features follow from the bars since its anchor, so that all bars at once (`far`) show
    no more than stretches do, unless a feature is made to know how many bars there are.
    """
    return examine(
        compute_of(feature_set),
        bars,
        seed=seed,
        seconds=seconds,
        names=feature_set.names,
        subject="features",
        past=feature_set.warm_up + 64,
        far=far,
    )


def compute_of(feature_set: "FeatureSet") -> Compute:
    """A feature set as a function of bars that begin anywhere."""

    def compute(bars: Bars) -> NDArray[Any]:
        return feature_set.compute(bars, complete=True)

    return compute


def _fresh(
    compute: Compute, bars: Bars, main: Window, names: Sequence[str] | None, seed: int
) -> dict[int, Result]:
    lo, hi = main
    piece = bars[lo:hi]
    chance = np.random.default_rng(seed).integers(len(piece) // 3, len(piece), 3)
    peak = max(int(np.argmax(piece.high)), 2)  # what remembers the highest has not seen it yet
    found = fresh_results(compute, piece, [*map(int, chance), peak], names)
    return {lo + cut: result for cut, result in found.items()}


def _needed(whole: Result) -> int:
    """Bars before a row that give its columns their values, twice over."""
    values_NF = whole.values_NF
    there_NF = values_NF == values_NF
    first_F = np.argmax(there_NF, axis=0)[there_NF.any(axis=0)]
    return int(np.clip(2 * first_F.max(initial=0) + 64, _FEWEST, _MOST))


def _around(cut: int, past: int, num: int) -> Window:
    return max(0, cut - past), min(num, cut + _AHEAD)


def _look_at_boundaries(search: Search, main: Window, past: int) -> None:
    """Every boundary on a short stretch that some share; some on the long one with all tests."""
    cuts = ranked_cuts(search.bars, seed=search.seed)
    lo, hi = main
    search.num_places = len(cuts)
    short = past + _AHEAD < (hi - lo) // 2
    wide = [cut for cut in cuts if lo < cut < hi][: _WIDE if short else None]
    for number, cut in enumerate(wide):
        if search.is_over:
            search.num_left = 0 if short or search.is_settled else len(wide) - number
            break
        search.cut(main, cut, ("prefix", *_turn(number, 3)))
    shared = shared_windows(cuts, past, _AHEAD, len(search.bars)) if short else []
    month_K, hole_K, _ = borders_of(search.bars)
    special = {*month_K.tolist(), *hole_K.tolist()}
    number = 0
    for place in np.random.default_rng([search.seed, 3]).permutation(len(shared)):
        window, group = shared[place]
        for cut in group:
            if search.is_over:
                search.num_left = 0 if search.is_settled else len(cuts) - number
                return
            others = _turn(number, 1) if cut in special or number % _SELDOM == 0 else ()
            search.cut(window, cut, ("prefix", *others))
            number += 1


def _turn(number: int, num: int) -> Iterator[str]:
    """Some of the other tests, so that each gets its turn."""
    for n in range(num):
        yield _OTHERS[(number * num + n) % len(_OTHERS)]


def _look_anywhere(search: Search, main: Window, past: int) -> None:
    """Until time is up: all rows of short stretches, which are drawn, and far ones in the long."""
    rng = np.random.default_rng([search.seed, 2])
    num = len(search.bars)
    lo, hi = main
    for number, block in enumerate(cycle(rng.permutation(-(-num // _DENSE)).tolist())):
        if search.is_over:
            return
        if number % 3 == 0:
            search.cut(main, int(rng.integers(lo + 1, hi)), ("prefix", *_turn(number // 3, 1)))
        cut = block * _DENSE
        before = past + int(rng.integers(past))  # not always at the same place of the stretch
        window = max(0, cut - before), min(num, cut + _DENSE + _AHEAD)
        for near in range(cut, min(cut + _DENSE, num)):
            search.cut(window, near, ("prefix", *(_turn(number, 2) if near == cut else ())))
