"""Correlation with the reference, and beta to it."""

import math
from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.cross import Cross
from crypto_nn.indicators.log_return import log_ratio_of, log_returns
from crypto_nn.indicators.rolling import RollingSum, rolling_sum


@dataclass(frozen=True)
class ReferenceCorrelation(Cross):
    """How closely the market moves with the leading one: 1 together, 0 apart, -1 against it.

    Realised correlation of the last `period` 1-bar log returns, r of the market and s of the
    reference: sum of r·s / sqrt(sum of r² · sum of s²). Means are taken as zero, the convention of
    realised covariances: over minutes they are nothing beside the moves. 0 where either market has
    not moved; otherwise exactly 1 for a market that is its own reference.

    Source: O. E. Barndorff-Nielsen and N. Shephard, Econometric Analysis of Realized Covariation,
    Econometrica 72, 2004.
    """

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"reference_correlation_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        own_N, other_N = log_returns(bars.close), log_returns(self.reference(bars))
        product_N = rolling_sum(own_N * other_N, self.period)
        own_N = rolling_sum(own_N * own_N, self.period)
        size_N = own_N * rolling_sum(other_N * other_N, self.period)
        size_N[size_N <= 0] = 1.0  # one of them stood still: 0 / 1
        return (np.clip(product_N / np.sqrt(size_N), -1.0, 1.0),)

    def fresh(self) -> "_LiveCorrelation":
        return _LiveCorrelation(self)


@dataclass(frozen=True)
class ReferenceBeta(Cross):
    """How far the market moves when the leading one moves by one per cent.

    Realised regression of the last `period` 1-bar log returns, r of the market and s of the
    reference: sum of r·s / sum of s². Means are taken as zero, the convention of realised
    covariances: over minutes they are nothing beside the moves. 0 where the reference has not
    moved; otherwise exactly 1 for a market that is its own reference.

    Source: O. E. Barndorff-Nielsen and N. Shephard, Econometric Analysis of Realized Covariation,
    Econometrica 72, 2004.
    """

    period: int = 60

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"reference_beta_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        own_N, other_N = log_returns(bars.close), log_returns(self.reference(bars))
        size_N = rolling_sum(other_N * other_N, self.period)
        size_N[size_N <= 0] = 1.0  # the reference stood still: 0 / 1
        return (rolling_sum(own_N * other_N, self.period) / size_N,)

    def fresh(self) -> "_LiveBeta":
        return _LiveBeta(self)


class _LiveCorrelation:
    def __init__(self, indicator: ReferenceCorrelation) -> None:
        self._products = RollingSum(indicator.period)
        self._own = RollingSum(indicator.period)
        self._other = RollingSum(indicator.period)
        self._before = self._before_other = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.close, self._before
        self._before = close
        own = log_ratio_of(close, before)
        close, before = bar.reference, self._before_other
        self._before_other = close
        other = log_ratio_of(close, before)
        product = self._products.update(own * other)
        size = self._own.update(own * own) * self._other.update(other * other)
        correlation = product / math.sqrt(size or 1.0)
        return (1.0 if correlation > 1.0 else -1.0 if correlation < -1.0 else correlation,)


class _LiveBeta:
    def __init__(self, indicator: ReferenceBeta) -> None:
        self._products = RollingSum(indicator.period)
        self._other = RollingSum(indicator.period)
        self._before = self._before_other = float("nan")

    def update(self, bar: Bar) -> tuple[float, ...]:
        close, before = bar.close, self._before
        self._before = close
        own = log_ratio_of(close, before)
        close, before = bar.reference, self._before_other
        self._before_other = close
        other = log_ratio_of(close, before)
        product = self._products.update(own * other)
        return (product / (self._other.update(other * other) or 1.0),)
