"""The search for columns that know the future: cut, change what comes later, compare."""

import time
from collections.abc import Iterable, Sequence

import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.errors import FeatureError
from crypto_nn.features.leaks.cuts import Window
from crypto_nn.features.leaks.futures import FUTURES
from crypto_nn.features.leaks.leak import FRESH, Examination, Leak
from crypto_nn.features.leaks.result import (
    REFUSALS,
    AreLabelsError,
    Compute,
    Difference,
    Result,
    differences,
    run,
)


class Search:
    """One function on one stretch of bars: what was compared, and what leaked.

    Args:
        compute: the function.
        bars: ordered bars.
        names: of its columns, where it gives an array.
        seed: of all chance.
        limit_s: seconds after which `is_over` says so.
        tolerance: differences up to so many standard deviations of a column are rounding.
    """

    def __init__(
        self,
        compute: Compute,
        bars: Bars,
        names: Sequence[str] | None,
        seed: int,
        limit_s: float,
        tolerance: float = 0.0,
    ) -> None:
        self.compute, self.bars, self.names, self.seed = compute, bars, names, seed
        self.tolerance = tolerance
        self.columns: tuple[str, ...] = ()
        self.found: dict[tuple[str, str], Leak] = {}
        self.unstable: set[str] = set()
        self._random: set[str] = set()
        self.valued: set[str] = set()
        self.moved: set[str] = set()
        self.refused: dict[str, tuple[int, str]] = {}
        self.cuts: set[int] = set()
        self.num_tests = 0
        self.num_left = self.num_places = 0
        self.words: set[str] = set()
        self.longest = 0
        self._ends_at = time.monotonic() + limit_s
        self._window: Window = (0, 0)
        self._whole: Result | None = None

    @property
    def is_over(self) -> bool:
        """No time is left, or nothing is left to be found."""
        return self.is_settled or time.monotonic() >= self._ends_at

    @property
    def is_settled(self) -> bool:
        """Of every column it is known that it leaks, or that nothing can be known."""
        known = {name for name, _ in self.found} | self.unstable
        return bool(self.columns) and known >= set(self.columns)

    def extend(self, seconds: float) -> None:
        """Search for so many seconds from now."""
        self._ends_at = time.monotonic() + seconds

    def begin(self, window: Window) -> Result:
        """Compute a first stretch twice, to learn the columns and whether they stay as they are.

        Raises:
            FeatureError: the function refuses these bars.
        """
        bars = self.bars[slice(*window)]
        try:
            whole = run(self.compute, bars, self.names)
            again = run(self.compute, bars, self.names)
        except AreLabelsError:
            raise
        except REFUSALS as error:
            raise FeatureError(
                f"The function cannot be examined: for {len(bars)} bars it raised "
                f"{type(error).__name__}: {error}"
            ) from error
        if not whole.names:
            raise FeatureError("The function gives no column; at least one is due.")
        self.columns = whole.names
        self.unstable |= {one.name for one in differences(whole, again, len(bars))}
        self._random = set(self.unstable)
        self._window, self._whole = window, whole
        self._note_values(whole)
        self.note_moved(bars, whole)
        return whole

    def whole(self, window: Window) -> Result | None:
        """The result for a stretch of bars; None where the function refuses them."""
        if window != self._window:
            self._window, self._whole = window, self._run("bars", self.bars[slice(*window)])
            if self._whole is not None:
                self._note_values(self._whole)
        return self._whole

    def repeat(self, window: Window) -> Result | None:
        """The result once more, not the one that is kept."""
        return self._run("bars", self.bars[slice(*window)])

    def cut(self, window: Window, cut: int, tests: Iterable[str]) -> None:
        """Change what comes after `cut` within the window, and compare what comes before.

        Args:
            window: first row and end of the bars that the function is given.
            cut: the first row of the future, a position in all bars, inside the window.
            tests: names of `FUTURES`.
        """
        before = self.whole(window)
        lo, hi = window
        if before is None or not lo < cut < hi:
            return
        bars = self.bars[lo:hi]
        self.cuts.add(cut)
        for test in tests:
            rng = np.random.default_rng([self.seed, cut, sum(test.encode())])
            changed = FUTURES[test](bars, cut - lo, rng)
            after = self._run(test, changed)
            if after is not None:
                self._compare(before, after, window, cut, test, changed)

    def compare_fresh(self, whole: Result, alone: Result, window: Window, cut: int) -> None:
        """Note what a process that never saw the future says otherwise, if nothing else told it.

        A column that has shown itself unstable since is not spared: it may keep what it was shown.
        """
        told = {name for name, _ in self.found} | self._random
        apart = differences(whole, alone, cut - window[0])
        found = [one for one in apart if one.name not in told and one.far > self.tolerance]
        self.num_tests += 1
        self.unstable -= {one.name for one in found}
        self._note(found, window, cut, FRESH)

    def _compare(
        self, before: Result, after: Result, window: Window, cut: int, test: str, changed: Bars
    ) -> None:
        """Note which columns differ before the cut, unless a second look says otherwise.

        A column that differs from itself when nothing was changed is unstable, and no leak.
        """
        self.num_tests += 1
        found = [
            one
            for one in differences(before, after, cut - window[0])
            if (one.name, test) not in self.found and one.far > self.tolerance
        ]
        if found:
            self._look_again(before, after, window, changed)
        self._note(found, window, cut, test)

    def _note(self, found: list[Difference], window: Window, cut: int, test: str) -> None:
        for one in found:
            if one.name in self.unstable:
                continue
            row = window[0] + one.row
            self.found[(one.name, test)] = Leak(
                one.column, test, cut, row, one.num_rows, one.name,
                self.bars.ts[cut], self.bars.ts[row], one.size,
            )  # fmt: skip

    def examination(self, subject: str) -> Examination:
        """What is known by now."""
        leaks = sorted(self.found.values(), key=lambda leak: (leak.column, leak.cut, leak.test))
        return Examination(
            subject,
            self.columns,
            tuple(leaks),
            tuple(name for name in self.columns if name in self.unstable),
            tuple(name for name in self.columns if name not in self.valued),
            tuple(name for name in self.columns if name in self.valued - self.moved),
            self.refused,
            len(self.cuts),
            self.num_tests,
            self.num_left,
            self.num_places,
            tuple(name for name in self.columns if name in self.words),
            len(self.bars),
            self.longest,
        )

    def _look_again(self, before: Result, after: Result, window: Window, changed: Bars) -> None:
        leaky = {name for name, _ in self.found}
        lo, hi = window
        for result, bars in ((before, self.bars[lo:hi]), (after, changed)):
            again = self._run("bars", bars)
            if again is not None:
                odd = {one.name for one in differences(result, again, len(bars))}
                self.unstable |= odd - leaky

    def _run(self, test: str, bars: Bars) -> Result | None:
        try:
            self.longest = max(self.longest, len(bars))
            return run(self.compute, bars, self.names)
        except REFUSALS as error:
            if isinstance(error, FeatureError) and "one row per bar" in str(error):
                raise
            count, first = self.refused.get(test, (0, f"{type(error).__name__}: {error}"))
            self.refused[test] = (count + 1, first)
            return None

    def _note_values(self, whole: Result) -> None:
        self.words |= whole.words
        values_NF = whole.values_NF
        there_F = (values_NF == values_NF).any(axis=0)
        self.valued |= {name for name, there in zip(whole.names, there_F) if there}

    def note_moved(self, bars: Bars, whole: Result) -> None:
        """Learn which columns follow the bars at all."""
        rng = np.random.default_rng(self.seed)
        other = self._run("bars", FUTURES["shuffle"](bars, 0, rng))
        if other is not None:
            self.moved |= {one.name for one in differences(whole, other, len(bars))}
