"""How far the values of a moving window lie apart, to the last digits, however large they are.

The mean of squares less the square of the mean loses all digits where values hardly differ, such
as prices of 30 000 that move by a cent. Here every number is a difference within the window: two
halves with means m₁, m₂ and sums of squared deviations q₁, q₂ make q₁ + q₂ + (m₁ - m₂)²·n₁n₂/n, and
means are taken relative to the newest value (Chan, Golub and LeVeque, Algorithms for Computing the
Sample Variance, The American Statistician 37, 1983). Halves are joined in the tree of `rolling`, so
that a result depends on its own rows only; values that are all equal give exactly 0.
"""

import numpy as np

from crypto_nn.bars import Float
from crypto_nn.indicators.rolling import block_sizes


def rolling_spread(values_N: Float, window: int) -> tuple[Float, Float]:
    """Of each row and the `window` - 1 before it: newest less mean, and sum of squared deviations.

    NaN where there are fewer rows.
    """
    assert window > 0, "a window holds at least one row"
    mean_N, square_N = np.full(len(values_N), np.nan), np.full(len(values_N), np.nan)
    num_rows = max(len(values_N) - window + 1, 0)
    mean_M, square_M = mean_N[window - 1 :], square_N[window - 1 :]
    newest_M = values_N[window - 1 :]
    # In row k: of the `size` rows that begin there. Means are relative to the newest of these.
    mean_K, square_K = values_N - values_N, values_N - values_N
    offset = 0
    for size in block_sizes(window):
        if window & size:
            first = window - offset - size
            rows = slice(first, first + num_rows)
            if offset:
                shift_M = values_N[first + size - 1 :][:num_rows] - newest_M
                apart_M = (mean_K[rows] + shift_M) - mean_M
                mean_M += apart_M * (size / (offset + size))
                square_M += square_K[rows] + apart_M * apart_M * _weight(offset, size)
            else:
                mean_M[:], square_M[:] = mean_K[rows], square_K[rows]
            offset += size
        if offset < window:
            shift_K = values_N[size - 1 : -size] - values_N[2 * size - 1 :]
            apart_K = (mean_K[:-size] + shift_K) - mean_K[size:]
            mean_K = mean_K[size:] + apart_K * 0.5
            square_K = square_K[size:] + (square_K[:-size] + apart_K * apart_K * (0.5 * size))
    return 0.0 - mean_N, square_N  # and not -0 where all are equal


def _weight(newer: int, older: int) -> float:
    return newer * older / (newer + older)


class RollingSpread:
    """The same, one value at a time, in O(log window)."""

    def __init__(self, window: int) -> None:
        assert window > 0, "a window holds at least one row"
        self._window = window
        self._row = 0
        nan = float("nan")
        self._values = [nan] * window
        sizes = block_sizes(window)
        # Of the blocks of each size: their means and sums of squares, and weights to join two.
        rings = [([nan] * window, [nan] * window) for _ in sizes]
        self._halves = [(*ring, size, 0.5 * size) for ring, size in zip(rings, sizes[:-1])]
        self._largest = rings[-1]
        parts = [(ring, size) for ring, size in zip(rings, sizes) if window & size]
        self._newest, offset = parts[0]
        self._older: list[tuple[list[float], list[float], int, float, float]] = []
        for ring, size in parts[1:]:
            share = size / (offset + size)
            self._older.append((*ring, offset, share, _weight(offset, size)))
            offset += size

    def update(self, value: float) -> tuple[float, float]:
        """Take the next value; NaN while there are fewer than `window`."""
        row, values = self._row, self._values
        values[row] = value
        mean = square = value - value
        for means, squares, size, weight in self._halves:
            means[row], squares[row] = mean, square
            late = row - size  # a negative index counts from the end: a ring
            apart = (means[late] + (values[late] - value)) - mean
            mean += apart * 0.5
            square += squares[late] + apart * apart * weight
        means, squares = self._largest
        means[row], squares[row] = mean, square
        means, squares = self._newest
        mean, square = means[row], squares[row]
        for means, squares, offset, share, weight in self._older:
            late = row - offset
            apart = (means[late] + (values[late] - value)) - mean
            mean += apart * share
            square += squares[late] + apart * apart * weight
        self._row = row + 1 if row + 1 < self._window else 0
        return 0.0 - mean, square


def rolling_plane_spread(x_N: Float, y_N: Float, square_N: Float, window: int) -> Float:
    """Sums of squared distances of points (x, y) from the mean point of each window.

    For values around zero, such as returns. NaN where there are fewer rows than the window.

    Args:
        x_N: the one coordinate.
        y_N: the other.
        square_N: what else each row adds to the sum.
        window: how many rows, the row itself the newest.
    """
    assert window > 0, "a window holds at least one row"
    sum_N = np.full(len(x_N), np.nan)
    sum_M = sum_N[window - 1 :]
    x_M, y_M = np.empty(len(sum_M)), np.empty(len(sum_M))
    offset = 0
    for size in block_sizes(window):
        if window & size:
            first = window - offset - size
            rows = slice(first, first + len(sum_M))
            if offset:
                right_M, up_M = x_N[rows] - x_M, y_N[rows] - y_M
                x_M += right_M * (size / (offset + size))
                y_M += up_M * (size / (offset + size))
                apart_M = (right_M * right_M + up_M * up_M) * _weight(offset, size)
                sum_M += square_N[rows] + apart_M
            else:
                x_M[:], y_M[:], sum_M[:] = x_N[rows], y_N[rows], square_N[rows]
            offset += size
        if offset < window:
            right_K, up_K = x_N[:-size] - x_N[size:], y_N[:-size] - y_N[size:]
            x_N, y_N = x_N[size:] + right_K * 0.5, y_N[size:] + up_K * 0.5
            apart_K = (right_K * right_K + up_K * up_K) * (0.5 * size)
            square_N = square_N[size:] + (square_N[:-size] + apart_K)
    return sum_N


class RollingPlaneSpread:
    """The same, one point at a time, in O(log window)."""

    def __init__(self, window: int) -> None:
        assert window > 0, "a window holds at least one row"
        self._window = window
        self._row = 0
        sizes = block_sizes(window)
        # Of the blocks of each size: their mean x, mean y and sums of squares.
        nan = float("nan")
        rings = [([nan] * window, [nan] * window, [nan] * window) for _ in sizes]
        self._halves = [(*ring, size, 0.5 * size) for ring, size in zip(rings, sizes[:-1])]
        self._largest = rings[-1]
        parts = [(ring, size) for ring, size in zip(rings, sizes) if window & size]
        self._newest, offset = parts[0]
        self._older: list[tuple[list[float], list[float], list[float], int, float, float]] = []
        for ring, size in parts[1:]:
            share = size / (offset + size)
            self._older.append((*ring, offset, share, _weight(offset, size)))
            offset += size

    def update(self, x: float, y: float, square: float) -> float:
        """Take the next point; NaN while there are fewer than `window`."""
        row = self._row
        for xs, ys, squares, size, weight in self._halves:
            xs[row] = x
            ys[row] = y
            squares[row] = square
            late = row - size  # a negative index counts from the end: a ring
            right, up = xs[late] - x, ys[late] - y
            x += right * 0.5
            y += up * 0.5
            square += squares[late] + (right * right + up * up) * weight
        xs, ys, squares = self._largest
        xs[row], ys[row], squares[row] = x, y, square
        xs, ys, squares = self._newest
        x, y, square = xs[row], ys[row], squares[row]
        for xs, ys, squares, offset, share, weight in self._older:
            late = row - offset
            right, up = xs[late] - x, ys[late] - y
            x += right * share
            y += up * share
            square += squares[late] + (right * right + up * up) * weight
        self._row = row + 1 if row + 1 < self._window else 0
        return square
