"""Kaufman's efficiency ratio."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class EfficiencyRatio(Windowed):
    """How straight the price has gone: 1 if all moves went one way, 0 if they led nowhere.

    |close - close `period` bars ago| / sum of the sizes of the moves between; 0 where nothing moved
    (TA-Lib's ER says 1 there, as of the cleanest trend). Composed, because TA-Lib's running sum
    keeps the rounding of past prices, which after a crash is not small beside the moves.

    Source: P. J. Kaufman, Smarter Trading, 1995.
    """

    period: int = 10

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"efficiency_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (np.abs(efficiency(bars.close, self.period)),)

    def fresh(self) -> "_Live":
        return _Live(Efficiency(self.period))


def efficiency(close_N: Float, period: int) -> Float:
    """The same with its sign: 1 straight up, -1 straight down, 0 nowhere or no move at all."""
    path_N = rolling_sum(np.abs(np.diff(close_N, prepend=np.nan)), period)
    way_N = np.full(len(close_N), np.nan)
    way_N[period:] = close_N[period:] - close_N[: max(len(close_N) - period, 0)]
    still_N = path_N <= 0
    share_N = np.where(still_N, 0.0, way_N / np.where(still_N, 1.0, path_N))
    return np.minimum(np.maximum(share_N, -1.0), 1.0)


class Efficiency:
    """The same for live closes."""

    def __init__(self, period: int) -> None:
        self._closes: deque[float] = deque([float("nan")] * (period + 1), maxlen=period + 1)
        self._path = RollingSum(period)

    def update(self, close: float) -> float:
        """Take the next close; NaN while there are fewer than `period` moves."""
        closes = self._closes
        path = self._path.update(abs(close - closes[-1]))
        closes.append(close)
        if path <= 0:
            return 0.0
        share = (close - closes[0]) / path
        return 1.0 if share > 1.0 else -1.0 if share < -1.0 else share


class _Live:
    def __init__(self, efficiency: Efficiency) -> None:
        self._efficiency = efficiency

    def update(self, bar: Bar) -> tuple[float, ...]:
        return (abs(self._efficiency.update(bar.close)),)
