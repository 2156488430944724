"""Intervals of figures that are summed by day."""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.metrics.significance import Interval, Resampling, draw_days, percentile_interval

Float = NDArray[np.float64]
Figure = Callable[[Float], Float]


def interval(sums_SDK: Float, figure: Figure, config: BenchmarkConfig) -> Interval:
    """A figure over S seeds and D days: the mean over seeds, whole days drawn with replacement.

    A day's rows stay together: labels that overlap, and all symbols of the day. All seeds are
    drawn on the same days. The percentile interval is widened for few days, and has the p-value
    that belongs to it (`percentile_interval`). Both are NaN below `config.min_days`.

    Args:
        sums_SDK: K sums of each seed and day.
        figure: from sums (…, K) to (…).
    """
    return intervals(sums_SDK, {"": figure}, config)[""]


def intervals(
    sums_SDK: Float, figures: Mapping[str, Figure], config: BenchmarkConfig
) -> dict[str, Interval]:
    """`interval` of several figures of the same sums: the days are drawn and summed once."""
    seeds, days, width = sums_SDK.shape
    if not days:
        return dict.fromkeys(figures, Interval(math.nan, math.nan, math.nan, config.level))
    total_SK = sums_SDK.sum(axis=1)
    estimates = {name: float(np.mean(figure(total_SK))) for name, figure in figures.items()}
    if days < config.min_days:
        return {
            name: Interval(estimate, math.nan, math.nan, config.level)
            for name, estimate in estimates.items()
        }
    flat_DK = np.moveaxis(sums_SDK, 0, 1).reshape(days, seeds * width)
    resampling = Resampling(config.resamples, config.level)
    drawn_RSK = draw_days(flat_DK, config.bootstrap_seed, resampling).reshape(-1, seeds, width)
    return {
        name: percentile_interval(
            estimates[name], figure(drawn_RSK).mean(axis=1), config.level, days
        )
        for name, figure in figures.items()
    }
