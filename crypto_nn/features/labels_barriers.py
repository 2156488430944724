"""Three barriers around a price: which of upper, lower and the end of the horizon is met first."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Bars, Float

Touch = Literal["close", "range"]
Positions = NDArray[np.int64]

MINUTE = np.timedelta64(60_000_000, "us")
BLOCK_ROWS = 65_536  # so that what is searched stays in the processor's cache


@dataclass(frozen=True, eq=False)
class Touches:
    """Which barrier the price met first after each of N bars.

    Attributes:
        side_N: 1 the upper one, −1 the lower, 0 neither within the horizon; int8.
        end_N: position of the bar at whose close that was known; −1 where it is not known.
        returns_N: log return until then; NaN where it is not known.
    """

    side_N: NDArray[np.int8]
    end_N: Positions
    returns_N: Float


def first_touches(bars: Bars, half_width_N: Float, horizon: int, touch: Touch) -> Touches:
    """Follow the price from each bar's close to the first barrier that it goes beyond.

    Barriers lie at close·exp(±half width), the last one at the close `horizon` minutes later
    (López de Prado 2018, ch. 3). With `touch="close"` it is a bar's close that goes beyond, with
    "range" its high or low. Where one bar reaches beyond both, it has met first the one nearer to
    its open, which a path without drift is likelier to do; where it opened midway, the one
    farther from its close.

    The return is to the touching bar's close; with "range" to the barrier, or to the bar's open
    where that lay beyond: what an order that rests at the barrier gets.

    A path is followed over consecutive minutes only. Where one is missing before any touch, any
    barrier may have been met in it, and the answer stays unknown for ever; what was met before
    the hole is known. Without a half width nothing is known, nor where it is 0 and prices moved.

    Args:
        bars: clean 1-minute bars.
        half_width_N: of the barriers around each bar's close, as a log return; NaN for none.
        horizon: minutes until the last barrier.
        touch: what goes beyond a barrier.
    """
    highs, lows = (bars.close, bars.close) if touch == "close" else (bars.high, bars.low)
    row_N = np.arange(len(bars))
    run_end_N = _run_ends(bars)
    last_N = np.minimum(row_N + horizon, run_end_N)
    upper_N, lower_N = bars.close * np.exp(half_width_N), bars.close * np.exp(-half_width_N)
    at_N = _first_beyond(highs, lows, upper_N, lower_N, last_N, horizon)
    touched_N = at_N <= last_N
    known_N = np.where(touched_N, half_width_N > 0, run_end_N >= row_N + horizon)
    known_N &= ~np.isnan(half_width_N)
    end_N = np.where(known_N, np.minimum(at_N, last_N), -1)
    from_, to = known_N.nonzero()[0], end_N[known_N]
    returns_N = np.full(len(bars), np.nan)
    returns_N[from_] = np.log(bars.close[to] / bars.close[from_])
    side_N = np.zeros(len(bars), dtype=np.int8)
    met = np.flatnonzero(known_N & touched_N)
    at = end_N[met]
    side_N[met] = _sides(bars, met, at, highs[at] > upper_N[met], lows[at] < lower_N[met])
    if touch == "range":
        opened = side_N[met] * np.log(bars.open[at] / bars.close[met])
        returns_N[met] = side_N[met] * np.maximum(opened, half_width_N[met])
    return Touches(side_N, end_N, returns_N)


def _run_ends(bars: Bars) -> Positions:
    """For each bar the position of the last one that follows it minute by minute."""
    breaks = np.flatnonzero(np.diff(bars.ts) != MINUTE)
    ends = np.append(breaks, len(bars) - 1)
    found: Positions = ends[np.searchsorted(breaks, np.arange(len(bars)))]
    return found


def _sides(
    bars: Bars,
    rows: Positions,
    at: Positions,
    above: NDArray[np.bool_],
    below: NDArray[np.bool_],
) -> NDArray[np.int8]:
    """1 or −1 for the barriers of `rows`, beyond one of which, or both, the bar `at` went."""
    start, opened, closed = bars.close[rows], bars.open[at], bars.close[at]
    nearer_above = np.where(opened == start, closed < start, opened > start)
    up = np.where(above & below, nearer_above, above)
    return np.where(up, 1, -1).astype(np.int8)


def _first_beyond(
    highs: Float, lows: Float, upper_N: Float, lower_N: Float, last_N: Positions, horizon: int
) -> Positions:
    """The first bar after each that is beyond a barrier; behind `last_N` where none up to it is."""
    at_N = np.empty(len(highs), dtype=np.int64)
    for lo in range(0, len(highs), BLOCK_ROWS):
        rows = slice(lo, min(lo + BLOCK_ROWS, len(highs)))
        reach = slice(lo, rows.stop + horizon)
        tops, bottoms = _extremes(highs[reach], lows[reach], horizon)
        at = np.arange(1, rows.stop - lo + 1)
        for level in reversed(range(len(tops))):
            size = 1 << level
            whole = at + size - 1 <= last_N[rows] - lo
            place = np.minimum(at, len(tops[level]) - 1)
            inside = (tops[level][place] <= upper_N[rows]) & (
                bottoms[level][place] >= lower_N[rows]
            )
            at += size * (whole & inside)  # a stretch that stays between the barriers is skipped
        at_N[rows] = lo + at
    return at_N


def _extremes(highs: Float, lows: Float, horizon: int) -> tuple[list[Float], list[Float]]:
    """Highest high and lowest low of the 1, 2, 4, 8 … bars from each on, up to the horizon."""
    tops, bottoms = [highs], [lows]
    while 2 ** len(tops) <= min(horizon, len(highs)):
        size = 1 << (len(tops) - 1)
        tops.append(np.maximum(tops[-1][:-size], tops[-1][size:]))
        bottoms.append(np.minimum(bottoms[-1][:-size], bottoms[-1][size:]))
    return tops, bottoms
