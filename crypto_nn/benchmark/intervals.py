"""Intervals of figures that are summed by day."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.metrics.significance import Interval, Resampling, day_block_bootstrap

Float = NDArray[np.float64]
Figure = Callable[[Float], Float]


def interval(sums_SDK: Float, figure: Figure, config: BenchmarkConfig) -> Interval:
    """A figure over S seeds and D days: the mean over seeds, whole days drawn with replacement.

    All seeds are drawn on the same days. The percentile interval is widened for few days by
    √(D / (D - 1)) · t / z (Hesterberg 2015): plain percentiles promise too much. The bounds are
    NaN below `config.min_days`.

    Args:
        sums_SDK: K sums of each seed and day.
        figure: from sums (…, K) to (…).
    """
    seeds, days, width = sums_SDK.shape
    estimate = float(np.mean(figure(sums_SDK.sum(axis=1)))) if days else math.nan
    if days < config.min_days:
        return Interval(estimate, math.nan, math.nan, config.level)
    flat_DK = np.moveaxis(sums_SDK, 0, 1).reshape(days, seeds * width)

    def mean_over_seeds(sums_RK: Float) -> Float:
        per_seed = figure(sums_RK[:, :-1].reshape(len(sums_RK), seeds, width))
        mean: Float = per_seed.mean(axis=1)
        return mean

    found = day_block_bootstrap(
        flat_DK,
        np.arange(days),
        mean_over_seeds,
        config.bootstrap_seed,
        Resampling(config.resamples, config.level),
    )
    widen = _widening(days, config.level)
    return Interval(
        estimate,
        estimate - (estimate - found.low) * widen,
        estimate + (found.high - estimate) * widen,
        config.level,
    )


def _widening(days: int, level: float) -> float:
    from scipy.stats import t

    tail = (1 + level) / 2
    return float(math.sqrt(days / (days - 1)) * t.ppf(tail, days - 1) / NormalDist().inv_cdf(tail))
