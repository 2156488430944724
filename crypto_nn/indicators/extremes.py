"""The highest high and the lowest low of a moving window of live bars; history has talib.MAX."""

from collections import deque


class RollingRange:
    """Looks through the window only when an extreme leaves it."""

    def __init__(self, window: int) -> None:
        self._highs = deque([float("nan")] * window, maxlen=window)
        self._lows = deque([float("nan")] * window, maxlen=window)
        self._highest, self._lowest = float("-inf"), float("inf")

    def update(self, high: float, low: float) -> tuple[float, float]:
        """Take the next bar; give the highest and the lowest, NaN while there are too few."""
        highs, lows = self._highs, self._lows
        leaves, leaves_too = highs[0], lows[0]
        highs.append(high)
        lows.append(low)
        if high >= self._highest:
            self._highest = high
        elif leaves == self._highest:
            self._highest = max(highs)
        if low <= self._lowest:
            self._lowest = low
        elif leaves_too == self._lowest:
            self._lowest = min(lows)
        if highs[0] != highs[0]:
            return float("nan"), float("nan")
        return self._highest, self._lowest
