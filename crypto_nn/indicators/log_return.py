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
    return_N[period:] = np.log(close_N[period:] / close_N[: max(len(close_N) - period, 0)])
    return return_N


class _Live:
    def __init__(self, indicator: LogReturn) -> None:
        self._closes: deque[float] = deque(maxlen=indicator.period + 1)

    def update(self, bar: Bar) -> tuple[float, ...]:
        self._closes.append(bar.close)
        if len(self._closes) < (self._closes.maxlen or 0):
            return (float("nan"),)
        return (float(np.log(bar.close / self._closes[0])),)
