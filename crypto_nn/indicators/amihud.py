"""Amihud's illiquidity."""

from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.log_return import log_ratio_of, log_returns
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.typical import typical_price, typical_price_of
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class Amihud(Windowed):
    """How far a unit of money moves the price: high where the market is thin.

    The mean of |log return| / (typical price · volume) over those of the last `period` bars in
    which something was traded, per unit of the quote currency; 0 where nothing was.

    Source: Y. Amihud, Illiquidity and Stock Returns, Journal of Financial Markets 5, 2002.
    """

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"amihud_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        money_N = typical_price(bars) * bars.volume
        traded_N = (money_N > 0).astype(np.float64)
        impact_N = np.abs(log_returns(bars.close)) / np.where(money_N > 0, money_N, np.inf)
        num_N = rolling_sum(traded_N, self.period)
        num_N[num_N <= 0] = 1.0  # nothing was traded: 0 / 1
        return (rolling_sum(impact_N, self.period) / num_N,)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: Amihud) -> None:
        self._impact = RollingSum(indicator.period)
        self._traded = RollingSum(indicator.period)
        self._before = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.close, self._before
        self._before = close
        money = typical_price_of(bar) * bar.volume
        move = abs(log_ratio_of(close, before))
        impact = self._impact.update(move / (money if money > 0 else float("inf")))
        return (impact / (self._traded.update(1.0 if money > 0 else 0.0) or 1.0),)
