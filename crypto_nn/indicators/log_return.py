"""Log return."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.windowed import Windowed

_FAR = -0.5  # falls below half the price
_log, _log1p = np.log, np.log1p  # a name is found faster than an attribute


@dataclass(frozen=True)
class LogReturn(Windowed):
    """What a holder gained over the period, compounding counted: ln(close / close before).

    Source: Campbell, Lo and MacKinlay, The Econometrics of Financial Markets, 1997, ch. 1.
    """

    period: int = 1

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"log_return_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (log_returns(bars.close, self.period),)

    def fresh(self) -> "_Live":
        return _Live(self)


def log_returns(close_N: Float, period: int = 1) -> Float:
    """ln(close / close `period` rows before); NaN in the first `period` rows."""
    return_N = np.full(len(close_N), np.nan)
    return_N[period:] = log_ratio(close_N[period:], close_N[: max(len(close_N) - period, 0)])
    return return_N


def log_ratio(price_N: Float, other_N: Float) -> Float:
    """ln(price / other), to the last digits also where the two hardly differ.

    The quotient itself is rounded at 1e-16, which is much beside a move of a cent in 100 000; the
    difference is not, and is exact down to half the price. Below that it loses what is left of the
    price (all of it once this is less than 1e-16 of what it was), and the quotient is right.
    """
    move_N = (price_N - other_N) / other_N
    far_N = move_N < _FAR
    if not far_N.any():
        return np.log1p(move_N)
    move_N[far_N] = 0.0
    ratio_N: Float = np.log1p(move_N)
    ratio_N[far_N] = np.log(price_N[far_N] / other_N[far_N])
    return ratio_N


def log_ratio_of(price: float, other: float) -> float:
    """The same of two prices, with the same bits; the C library's logarithms have others."""
    move = (price - other) / other
    return float(_log(price / other) if move < _FAR else _log1p(move))


class _Live:
    def __init__(self, indicator: LogReturn) -> None:
        self._closes = deque([float("nan")] * indicator.period, maxlen=indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.close, self._closes[0]
        self._closes.append(close)
        return (log_ratio_of(close, before),)
