"""The one gap policy: what a hole in the bars does to features, in history and live.

Where more than `max_gap_minutes` are missing (at a slower timeframe: more than that and more than
one slow bar), indicators start anew and are null for their warm-up. Over a shorter hole the rows
count as consecutive, and a slow value stays visible across it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.bars.calendar import TS

MINUTE_US = 60_000_000


@dataclass(frozen=True)
class GapPolicy:
    """How much may be missing, and how much of a slow bar must be there."""

    max_gap_minutes: int = 5
    slow_bar_min_share: float = 0.8

    def longest_step_us(self, timeframe: Timeframe) -> int:
        """The longest time from one bar's open to the next that counts as consecutive, in µs."""
        missing = self.max_gap_minutes
        if timeframe != M1:
            missing = max(missing, timeframe.minutes)
        return (timeframe.minutes + missing) * MINUTE_US

    def runs(self, bars: Bars) -> Iterator[slice]:
        """The stretches of bars without a longer hole, in order."""
        longest = np.timedelta64(self.longest_step_us(bars.timeframe), "us")
        cuts = np.flatnonzero(bars.ts[1:] - bars.ts[:-1] > longest) + 1
        edges = [0, *cuts.tolist(), len(bars)] if len(bars) else [0]
        yield from (slice(lo, hi) for lo, hi in pairwise(edges))

    def visible(self, slow: Bars, bars: Bars) -> NDArray[np.int64]:
        """For each bar, the row of the slow bar that is seen at its close; -1 where none is.

        That is the last one that has closed by then, unless it has grown too old.
        """
        row_N = np.full(len(bars), -1, dtype=np.int64)
        if not len(slow) or not len(bars):
            return row_N
        # Slow bars are few: it is quicker to look each of them up among the rows than each row.
        closes_N, closes_M = bars.ts + bars.timeframe.step, slow.ts + slow.timeframe.step
        first_M = np.append(np.searchsorted(closes_N, closes_M), len(bars))
        row_N[first_M[0] :] = np.repeat(np.arange(len(slow)), np.diff(first_M))
        too_old_M = slow.ts + np.timedelta64(self.oldest_us(slow.timeframe), "us")
        for row in np.flatnonzero(too_old_M <= np.append(closes_M[1:], closes_N[-1])):
            stale = int(np.searchsorted(closes_N, too_old_M[row]))
            row_N[stale : first_M[row + 1]] = -1
        return row_N

    def oldest_us(self, timeframe: Timeframe) -> int:
        """How long after its open a slow bar is no longer seen, in µs."""
        return self.longest_step_us(timeframe) + timeframe.minutes * MINUTE_US


def microseconds(ts: np.datetime64) -> int:
    """An instant as a count of microseconds since 1970."""
    return int(ts.astype(TS).astype(np.int64))
