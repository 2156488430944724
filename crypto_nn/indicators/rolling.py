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
    assert window > 0, "a window holds at least one row"
    sum_N = np.full(len(values_N), np.nan)
    sum_M = sum_N[window - 1 :]
    block_K = values_N  # in row k, the sum of the `size` rows that begin there
    offset = 0
    for size in block_sizes(window):
        if window & size:
            first = window - offset - size
            part_M = block_K[first : first + len(sum_M)]
            if offset:
                sum_M += part_M
            else:
                sum_M[:] = part_M
            offset += size
        if offset < window:
            block_K = block_K[size:] + block_K[:-size]
    return sum_N


def block_sizes(window: int) -> list[int]:
    """1, 2, 4, … up to the largest power of two that the window holds."""
    return [1 << level for level in range(window.bit_length())]


class RollingSum:
    """The same sum, one value at a time, in O(log window)."""

    def __init__(self, window: int) -> None:
        assert window > 0, "a window holds at least one row"
        self._window = window
        self._row = 0
        sizes = block_sizes(window)
        rings = [[float("nan")] * window for _ in sizes]  # the sums of the blocks of each size
        self._halves = tuple(zip(rings[:-1], sizes[:-1]))
        self._largest = rings[-1]
        parts = [(ring, size) for ring, size in zip(rings, sizes) if window & size]
        self._newest, offset = parts[0]
        self._older: list[tuple[list[float], int]] = []
        for ring, size in parts[1:]:
            self._older.append((ring, offset))
            offset += size

    def update(self, value: float) -> float:
        """Take the next value; give the sum of the last `window`, NaN while there are fewer."""
        row = self._row
        for ring, size in self._halves:
            ring[row] = value
            value += ring[row - size]  # a negative index counts from the end: a ring
        self._largest[row] = value
        total = self._newest[row]
        for ring, offset in self._older:
            total += ring[row - offset]
        self._row = row + 1 if row + 1 < self._window else 0
        return total
