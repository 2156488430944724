"""What was found: leaks, and how far one looked for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from crypto_nn.features.leaks.futures import FUTURES

_ROUNDING = 1e-6  # a change this small beside the value is told by its size
FRESH = "fresh"
"""The test in which a process that was never shown the later bars computes the earlier ones."""


@dataclass(frozen=True)
class Leak:
    """A column whose past changed when only what it must not know did.

    Attributes:
        column: its position; −1 where what leaks is no column.
        test: how the future was changed, a name in `futures.FUTURES`, or `FRESH`; for labels,
            splits and scalers it may also be the rule that is broken, in words.
        cut: the first row of what was changed.
        row: the first row that changed and must not.
        num_rows: how many such rows changed.
        name: the column's name.
        cut_at: when the bar at `cut` opens; NaT where rows have no time.
        row_at: when the bar at `row` opens.
        size: the largest change beside the value; 1 where a value came or went.
    """

    column: int
    test: str
    cut: int
    row: int
    num_rows: int
    name: str = ""
    cut_at: np.datetime64 = field(default=np.datetime64("NaT", "us"), compare=False)
    row_at: np.datetime64 = field(default=np.datetime64("NaT", "us"), compare=False)
    size: float = 1.0

    def __str__(self) -> str:
        rows = "1 row" if self.num_rows == 1 else f"{self.num_rows} rows"
        first = f"row {self.row}{_at(self.row_at)}"
        told = f"{self.name or f'column {self.column}'}: "
        if self.test not in FUTURES and self.test != FRESH:
            place = f"; see row {self.cut}{_at(self.cut_at)}" if self.cut else ""
            return f"{told}{rows}, the first of them {first}: {self.test}{place}"
        how = "in a process that was never shown them"
        if self.test in FUTURES:
            doc = (FUTURES[self.test].__doc__ or "").split("\n")[0].rstrip(".")
            how = f"{doc[:1].lower()}{doc[1:]}"
        size = f", by {self.size:.1g} of the value at most" if self.size < _ROUNDING else ""
        return (
            f"{told}{rows} before row {self.cut}{_at(self.cut_at)}, the first of them {first}, "
            f"changed in the {self.test} test{size}. Later bars were {how}"
        )


@dataclass(frozen=True)
class Examination:
    """How one subject did.

    Attributes:
        subject: what was examined: "features", "labels: volatility", …
        columns: the names of its columns, or of its parts.
        leaks: the first leak of each column and test.
        unstable: columns that give other values for the same bars each time they are computed.
        silent: columns without any value on these bars, of which nothing is known.
        unmoved: columns that no change of prices, volumes and amounts moves: they follow the clock
            alone, or something that no test of bars can see.
        refused: for each test, how often the function raised an error, and the first one.
        num_cuts: different places that were cut at.
        num_tests: results that were compared.
        num_left: boundaries that were not cut at, since time was up.
        num_places: boundaries that there are: all kinds of `ranked_cuts`.
        words: columns of strings or objects, which are compared but are no numbers to learn from.
        num_bars: how many bars there are.
        longest: how many of them the function was given at once, at most; fewer than all where
            it would have taken too long.
    """

    subject: str
    columns: tuple[str, ...] = ()
    leaks: tuple[Leak, ...] = ()
    unstable: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    unmoved: tuple[str, ...] = ()
    refused: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    num_cuts: int = 0
    num_tests: int = 0
    num_left: int = 0
    num_places: int = 0
    words: tuple[str, ...] = ()
    num_bars: int = 0
    longest: int = 0

    @property
    def passed(self) -> bool:
        """No leak, and the same answer each time."""
        return not self.leaks and not self.unstable

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.leaks:
            leaky = sorted({leak.name for leak in self.leaks})
            return f"LEAKS: {_few(leaky)}"
        if self.unstable:
            return f"NOT REPEATABLE: {_few(self.unstable)}"
        if self.silent:
            return f"NO VALUE: nothing is known of {_few(self.silent)}"
        if self.words:
            return f"NO NUMBERS: {_few(self.words)}"
        if self.num_left:
            return f"no leak found, but {self.num_left} of {self.num_places} boundaries not tried"
        return "no leak found"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _at(when: np.datetime64) -> str:
    return "" if np.isnat(when) else f" ({str(when.astype('datetime64[m]')).replace('T', ' ')})"
