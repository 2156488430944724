"""Log return."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.windowed import Windowed


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
    difference is not. For live bars write the same with one price: np.log1p, because the C
    library's (math.log1p) differs from it in the last bit.
    """
    ratio_N: Float = np.log1p((price_N - other_N) / other_N)
    return ratio_N


class _Live:
    def __init__(self, indicator: LogReturn) -> None:
        self._closes = deque([float("nan")] * indicator.period, maxlen=indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.close, self._closes[0]
        self._closes.append(close)
        return (float(np.log1p((close - before) / before)),)
