"""Volatility regime."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.log_return import log_ratio_of, log_returns
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed

_CHUNK = 65_536


@dataclass(frozen=True)
class VolatilityRegime(Windowed):
    """How lively the market is by its own recent standard: 0 the calmest, 1 the wildest.

    The rank of `RealisedVolatility` over `period` bars among its own last `lookback` values: the
    share of the others that are lower, those that are equal counting half; so 0.5 where nothing
    moves. Variances are compared in single precision (seven digits), so that the same moves in
    another order count as equal and not as their rounding falls. The look-back is at least 2.

    Source: Andersen, Bollerslev, Diebold and Labys, Modeling and Forecasting Realized Volatility,
    Econometrica 71, 2003 (the volatility); its rank is what options traders call a percentile.
    """

    least: ClassVar[Mapping[str, int | float]] = {"lookback": 2}

    period: int = 60
    lookback: int = 480

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"volatility_regime_{self.period}_{self.lookback}",)

    @property
    def warm_up(self) -> int:
        return self.period + self.lookback - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return_N = log_returns(bars.close)
        variance_N = rolling_sum(return_N * return_N, self.period).astype(np.float32)
        rank_N = np.full(len(bars), np.nan)
        for first in range(self.warm_up, len(bars), _CHUNK):
            part_K = variance_N[first - self.lookback + 1 : first + _CHUNK]
            rank_N[first : first + _CHUNK] = _ranks(part_K, self.lookback)
        return (rank_N,)

    def fresh(self) -> "_Live":
        return _Live(self)


def _ranks(value_K: NDArray[np.float32], lookback: int) -> Float:
    """The rank of each value from the `lookback`-th on among those and the ones before it."""
    others = lookback - 1
    now_M = value_K[others:]
    num_rows = len(now_M)
    below_M = np.zeros(num_rows, np.int64)  # twice how many are lower, and once how many equal
    true_M = np.empty(num_rows, np.bool_)
    for starts in np.array_split(np.arange(others), others // 127 + 1):
        few_M = np.zeros(num_rows, np.uint8)  # of at most 127 others: bytes are fast, and suffice
        for start in starts:
            other_M = value_K[start : start + num_rows]
            few_M += np.less(other_M, now_M, out=true_M).view(np.uint8)
            few_M += np.less_equal(other_M, now_M, out=true_M).view(np.uint8)
        below_M += few_M
    return below_M / (2.0 * others)


class _Live:
    def __init__(self, indicator: VolatilityRegime) -> None:
        self._lookback = indicator.lookback
        self._sum = RollingSum(indicator.period)
        self._values: deque[float] = deque()
        self._ordered: list[float] = []
        self._before = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.close, self._before
        self._before = close
        move = log_ratio_of(close, before)
        value = float(np.float32(self._sum.update(move * move)))
        if value != value:
            return (value,)
        values, ordered = self._values, self._ordered
        num_others = len(values)
        lower = bisect_left(ordered, value)
        below = lower + bisect_right(ordered, value, lower)
        values.append(value)
        ordered.insert(lower, value)
        if num_others + 1 < self._lookback:
            return (float("nan"),)
        del ordered[bisect_left(ordered, values.popleft())]
        return (below / (2.0 * num_others),)
