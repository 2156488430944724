"""Sums over a moving window that hold no trace of what has left it.

The usual running sum (add the newest, take the oldest away) keeps a rounding residue for ever: a
window of zero volume after heavy trading sums to -4e-12, and a ratio of two such residues is
noise. Here a window is added up as a fixed tree of blocks of 1, 2, 4, … rows, so that each result
depends on its own rows only, in one order, for history and live bars alike.
"""

import numpy as np

from crypto_nn.bars import Float


def rolling_sum(values_N: Float, window: int) -> Float:
    """The sum of each row and the `window` - 1 before it; NaN where there are fewer."""
    block_N = values_N
    total_N: Float | None = None
    offset = 0
    for level in range(window.bit_length()):
        if window >> level & 1:
            part_N = _delayed(block_N, offset)
            total_N = part_N if total_N is None else total_N + part_N
            offset += 1 << level
        if window >> (level + 1):
            block_N = block_N + _delayed(block_N, 1 << level)
    assert total_N is not None, "a window holds at least one row"
    return total_N


def _delayed(values_N: Float, rows: int) -> Float:
    if rows == 0:
        return values_N
    late_N = np.full(len(values_N), np.nan)
    late_N[rows:] = values_N[: max(len(values_N) - rows, 0)]
    return late_N


class RollingSum:
    """The same sum, one value at a time, in O(log window)."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._row = 0
        # For each block size: the ring of its sums, how late its part of the window is (None where
        # it has none), and how late the other half of the next larger block is (0: the last one).
        self._plan: list[tuple[list[float], int | None, int]] = []
        offset = 0
        for level in range(window.bit_length()):
            used = window >> level & 1
            last = level + 1 == window.bit_length()
            ring = [float("nan")] * window
            self._plan.append((ring, offset if used else None, 0 if last else 1 << level))
            offset += used << level

    def update(self, value: float) -> float:
        """Take the next value; give the sum of the last `window`, NaN while there are fewer."""
        row, block = self._row, value
        total: float | None = None
        for ring, offset, delay in self._plan:
            ring[row] = block
            if offset is not None:
                part = ring[row - offset]  # a negative index counts from the end: a ring
                total = part if total is None else total + part
            if delay:
                block += ring[row - delay]
        self._row = row + 1 if row + 1 < self._window else 0
        assert total is not None, "a window holds at least one row"
        return total
