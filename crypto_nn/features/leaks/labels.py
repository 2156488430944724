"""Is a label known when it says so? What every kind of label is put to, and your own.

A label may know the bars that have closed by its t1, and no other. So whatever comes after a cut,
labels whose t1 lies before it stay as they are; and where bars end at the cut, no label whose t1
lies after it may be known.
"""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_nn.bars import Bars, Times
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import FeatureError
from crypto_nn.features.labels import UNKNOWN, Labels
from crypto_nn.features.leaks.cuts import Window, main_stretch, ranked_cuts
from crypto_nn.features.leaks.far import affordable, far_cuts
from crypto_nn.features.leaks.futures import FUTURES
from crypto_nn.features.leaks.leak import Examination, Leak
from crypto_nn.features.leaks.own import OfBars
from crypto_nn.features.leaks.result import REFUSALS

Label = Callable[[Any], Any]
_WIDE = (8_000, 5_000)  # bars before and after a cut, once in so many
_WIDE_EVERY, _OTHER_EVERY = 60, 5
_FEWEST, _MOST = (300, 120), (2_500, 1_500)  # bars before and after each other cut
_DENSE = 8  # neighbouring cuts in one stretch
_FAR = 4  # all bars at once may take so many times the seconds
_PATIENCE = 12  # boundaries may take so many times the seconds of the random cuts
TOO_SOON = "is known before its t1"
NO_BAR = "has a t1 at which no bar closes"
BACKWARDS = "has a t1 before its own bar has closed"


@dataclass(frozen=True, eq=False)
class Answers:
    """Labels as numbers, each with the time from which it may be known.

    Attributes:
        names: of the columns.
        values_NF: what is said; NaN where nothing is.
        known_NF: from when on, datetime64[us]; NaT where never.
        is_label_F: which columns are labels; the others (sigma) are known at their bar's close.
    """

    names: tuple[str, ...]
    values_NF: NDArray[np.float64]
    known_NF: Times
    is_label_F: NDArray[np.bool_]


def examine_labels(
    compute: Label,
    bars: Bars,
    cuts: Sequence[int] | None = None,
    seed: int = 0,
    seconds: float = 2.0,
    subject: str = "labels",
    far: bool = True,
) -> Examination:
    """Look for labels that know more than the bars closed by their t1, or are known before it.

    Args:
        compute: from N bars to `Labels`; or to values and t1, each (N,) or (N, H); or to a
            DataFrame with a column `t1`, or `t1_x` for each column that ends in `_x`.
        bars: clean one-minute bars.
        cuts: rows to cut before; boundaries and then chance if None.
        seed: of all chance.
        seconds: how long to look on after the boundaries.
        subject: what the examination is called.
        far: whether all bars are given at once too, and cut in the middle and elsewhere.

    Raises:
        FeatureError: the function refuses the bars, or gives no labels.
    """
    look = _Look(OfBars(compute), bars, seed)
    try:
        names = look.begin((0, len(bars)) if cuts is not None else main_stretch(bars))
    except REFUSALS as error:
        raise FeatureError(
            f"{subject} cannot be examined: for {len(bars)} bars it raised "
            f"{type(error).__name__}: {error}"
        ) from error
    if far and cuts is None:
        _look_far(look, main_stretch(bars), _FAR * seconds)
    for window, cut, tests in _plan(look, cuts, seed, seconds):
        look.cut(window, cut, tests)
    return Examination(
        subject,
        names,
        tuple(sorted(look.found.values(), key=lambda leak: (leak.column, leak.cut))),
        tuple(name for name in names if name in look.unstable),
        tuple(name for name in names if name not in look.valued),
        refused=look.refused,
        num_cuts=len(look.cuts),
        num_tests=look.num_tests,
        num_left=look.num_left,
        num_places=look.num_places,
        num_bars=len(bars),
        longest=look.longest,
    )


class _Look:
    """One label function on one stretch of bars: what was compared, and what leaked."""

    def __init__(self, compute: Label, bars: Bars, seed: int) -> None:
        self.compute, self.bars, self.seed = compute, bars, seed
        self.found: dict[tuple[str, str], Leak] = {}
        self.unstable: set[str] = set()
        self.valued: set[str] = set()
        self.refused: dict[str, tuple[int, str]] = {}
        self.cuts: set[int] = set()
        self.num_tests = self.num_left = self.num_places = self.longest = 0
        self.around = _FEWEST
        self._window: Window = (0, 0)
        self._whole: Answers | None = None

    def begin(self, window: Window) -> tuple[str, ...]:
        """Label a first stretch twice, to learn the columns and whether they stay as they are."""
        bars = self.bars[slice(*window)]
        whole, again = answers_of(self.compute, bars), answers_of(self.compute, bars)
        for name, one_N, other_N in zip(whole.names, whole.values_NF.T, again.values_NF.T):
            if _differ(one_N, other_N).any():
                self.unstable.add(name)
        self._note_values(whole)
        self.around = _reach_of(whole, bars)
        self._window, self._whole = window, whole
        self._note(_rules_broken(whole, bars), window[0])
        return whole.names

    def cut(self, window: Window, cut: int, tests: Sequence[str]) -> None:
        """Change what comes after `cut` within the window, and compare what was known by then."""
        lo, hi = window
        bars = self.bars[lo:hi]
        if window != self._window:
            self._window, self._whole = window, self._run("bars", bars)
            if self._whole is not None:
                self._note_values(self._whole)
                self._note(_rules_broken(self._whole, bars), lo)
        if self._whole is None or not lo < cut < hi:
            return
        self.cuts.add(cut)
        for test in tests:
            rng = np.random.default_rng([self.seed, cut, sum(test.encode())])
            other = self._run(test, FUTURES[test](bars, cut - lo, rng))
            if other is not None:
                self.num_tests += 1
                self._note(_leaks(self._whole, other, bars, cut - lo, test), lo)

    def _note_values(self, whole: Answers) -> None:
        there_NF = ~np.isnan(whole.values_NF)
        self.valued |= {name for n, name in enumerate(whole.names) if there_NF[:, n].any()}

    def _run(self, test: str, bars: Bars) -> Answers | None:
        self.longest = max(self.longest, len(bars))
        try:
            return answers_of(self.compute, bars)
        except REFUSALS as error:
            count, first = self.refused.get(test, (0, f"{type(error).__name__}: {error}"))
            self.refused[test] = (count + 1, first)
            return None

    def _note(self, leaks: Iterable[Leak], lo: int = 0) -> None:
        for leak in leaks:
            if leak.name not in self.unstable:
                moved = replace(leak, cut=leak.cut + lo, row=leak.row + lo)
                self.found.setdefault((leak.name, leak.test), moved)


def answers_of(compute: Label, bars: Bars) -> Answers:
    """What a label function says of these bars.

    Raises:
        FeatureError: it gives no labels, or not one row per bar.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        given = compute(bars.take(np.arange(len(bars))))
    found = _answers(given, bars)
    if len(found.values_NF) != len(bars) or found.known_NF.shape != found.values_NF.shape:
        raise FeatureError(
            f"{len(bars)} bars gave labels {found.values_NF.shape} and t1 {found.known_NF.shape}; "
            "one row per bar is due in both."
        )
    return found


def _answers(given: Any, bars: Bars) -> Answers:
    if isinstance(given, Labels):
        return _of_labels(given, bars)
    if isinstance(given, pd.DataFrame):
        return _of_frame(given)
    if isinstance(given, tuple) and len(given) == 2:
        values, t1 = (np.asarray(part) for part in given)
        values_NF = values.astype(np.float64).reshape(len(values), -1)
        known_NF = t1.astype(TS).reshape(len(t1), -1)
        known_NF = np.broadcast_to(known_NF, values_NF.shape)
        names = tuple(f"label {n}" for n in range(values_NF.shape[1]))
        return Answers(names, values_NF, known_NF, np.ones(len(names), bool))
    raise FeatureError(
        f"The function gave {type(given).__name__}; Labels are due, or (values, t1), or a "
        "DataFrame with a column t1."
    )


def _of_labels(labels: Labels, bars: Bars) -> Answers:
    columns, known, names = [labels.sigma], [bars.ts + bars.timeframe.step], ["sigma"]
    for n, horizon in enumerate(labels.horizons):
        classes_N = labels.classes_NH[:, n]
        said = {
            "return": labels.returns_NH[:, n],
            "score": labels.scores_NH[:, n],
            "class": np.where(classes_N == UNKNOWN, np.nan, classes_N.astype(np.float64)),
        }
        columns += said.values()
        known += [labels.t1_NH[:, n]] * len(said)
        names += [f"{name}_{horizon}m" for name in said]
    is_label_F = np.arange(len(names)) > 0
    return Answers(tuple(names), np.column_stack(columns), np.column_stack(known), is_label_F)


def _of_frame(frame: pd.DataFrame) -> Answers:
    times = [name for name in map(str, frame.columns) if name.startswith("t1")]
    names = tuple(name for name in map(str, frame.columns) if name not in times and name != "ts")
    columns, known = [], []
    for name in names:
        own = [one for one in times if one != "t1" and name.endswith(one.removeprefix("t1"))]
        if not own and "t1" not in times:
            raise FeatureError(f"The label {name!r} has no t1; columns are {', '.join(names)}.")
        columns.append(pd.to_numeric(frame[name]).to_numpy(np.float64, na_value=np.nan))
        t1 = pd.to_datetime(frame[max(own, key=len) if own else "t1"], utc=True)
        known.append(t1.dt.tz_localize(None).to_numpy().astype(TS))
    stacked = np.column_stack(columns), np.column_stack(known)
    return Answers(names, *stacked, np.ones(len(names), bool))


def _plan(
    look: _Look, cuts: Sequence[int] | None, seed: int, seconds: float
) -> Iterator[tuple[Window, int, Sequence[str]]]:
    """Where to cut, and what to do there: all at the given rows, else each test in its turn."""
    bars = look.bars
    if cuts is not None:
        yield from (((0, len(bars)), cut, tuple(FUTURES)) for cut in cuts)
        return
    near_bars = look.around
    rng = np.random.default_rng(seed)
    others = [name for name in FUTURES if name != "prefix"]
    ends_at = time.monotonic() + _PATIENCE * seconds
    places = ranked_cuts(bars, seed=seed)
    look.num_places = len(places)
    for number, cut in enumerate(places):
        if time.monotonic() > ends_at:
            look.num_left = len(places) - number
            break
        around = _WIDE if number % _WIDE_EVERY == 0 else near_bars
        turn = (others[number // _OTHER_EVERY % len(others)],) if number % _OTHER_EVERY == 0 else ()
        yield _around(cut, around, len(bars)), cut, ("prefix", *turn)
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        cut = int(rng.integers(1, len(bars)))
        window = _around(cut, near_bars, len(bars))
        for near in range(cut, min(cut + _DENSE, window[1])):
            yield window, near, ("prefix", str(rng.choice(others)))


def _look_far(look: _Look, main: Window, seconds: float) -> None:
    """Cut all bars in the middle, and elsewhere until time is up."""
    num = len(look.bars)
    if main == (0, num):
        return
    bars = look.bars[slice(*main)]
    window = (0, affordable(lambda: answers_of(look.compute, bars), len(bars), num, seconds))
    ends_at = time.monotonic() + seconds
    for number, cut in enumerate(far_cuts(window)):
        if number and time.monotonic() > ends_at:
            return
        look.cut(window, cut, ("prefix", "perturbation"))


def _reach_of(whole: Answers, bars: Bars) -> tuple[int, int]:
    """Bars before a cut that give all labels their values, and after it until they are known."""
    there_NF = ~np.isnan(whole.values_NF)
    first = np.argmax(there_NF, axis=0)[there_NF.any(axis=0)].max(initial=0)
    ahead_NF = (whole.known_NF - bars.ts[:, None])[~np.isnat(whole.known_NF)]
    later = (ahead_NF // bars.timeframe.step).max(initial=0)
    before, after = np.clip((2 * first + 64, 2 * later + 64), _FEWEST, _MOST)
    return int(before), int(after)


def _around(cut: int, around: tuple[int, int], num: int) -> Window:
    return max(0, cut - around[0]), min(num, cut + around[1])


def _leaks(whole: Answers, other: Answers, bars: Bars, cut: int, test: str) -> Iterator[Leak]:
    """What was known before the first changed bar closed, and did not stay."""
    closes = bars.ts[cut] + bars.timeframe.step
    known_NF = whole.known_NF[:cut] < closes
    due_NF = known_NF | (other.known_NF[:cut] < closes)
    before_NF, after_NF = whole.values_NF[:cut], other.values_NF[:cut]
    moved_NF = _differ(whole.known_NF[:cut], other.known_NF[:cut]) & whole.is_label_F
    wrong_NF = due_NF & (_differ(before_NF, after_NF) | moved_NF)
    yield from _noted(wrong_NF, whole.names, bars, cut, test)
    if test == "prefix":
        told_NF = ~np.isnan(after_NF) & ~known_NF
        yield from _noted(told_NF, whole.names, bars, cut, TOO_SOON)


def _rules_broken(whole: Answers, bars: Bars) -> Iterator[Leak]:
    """What can be seen without changing a bar: t1 is not before t0, and a bar closes there."""
    step = bars.timeframe.step
    there_NF = ~np.isnan(whole.values_NF) & whole.is_label_F
    early_NF = there_NF & ~(whole.known_NF >= (bars.ts + step)[:, None])
    yield from _noted(early_NF, whole.names, bars, 0, BACKWARDS)
    row_NF = np.minimum(np.searchsorted(bars.ts, whole.known_NF - step), len(bars) - 1)
    bare_NF = there_NF & ~early_NF & (bars.ts[row_NF] + step != whole.known_NF)
    yield from _noted(bare_NF, whole.names, bars, 0, NO_BAR)


def _noted(
    wrong_NF: NDArray[np.bool_], names: Sequence[str], bars: Bars, cut: int, test: str
) -> Iterator[Leak]:
    for column in np.flatnonzero(wrong_NF.any(axis=0)):
        row_K = np.flatnonzero(wrong_NF[:, column])
        row = int(row_K[0])
        yield Leak(
            int(column), test, cut, row, len(row_K), names[int(column)], bars.ts[cut], bars.ts[row]
        )


def _differ(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Where two arrays differ; NaN is NaN, and NaT is NaT."""
    differ: NDArray[np.bool_] = (one != other) & ~((one != one) & (other != other))
    return differ
