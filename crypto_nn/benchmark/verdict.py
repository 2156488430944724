"""Better than every baseline, or not: said in words, from paired intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.day_sums import LOSS, ROWS
from crypto_nn.benchmark.intervals import interval
from crypto_nn.metrics.significance import Interval

Float = NDArray[np.float64]
BLEND = "blend"
"""The baseline that is the mean of two others."""


@dataclass(frozen=True)
class Verdict:
    """Whether a model told more than each baseline about the same test rows.

    A model that is better than every baseline must be better than each, so no correction for
    their number is due (an intersection-union test, Berger 1982).

    Attributes:
        model: who is judged.
        horizon: minutes ahead.
        gains: by baseline, how much less surprised the model was, in nats a row, with interval
            and the p-value of the paired test; empty for a baseline.
    """

    model: str
    horizon: int
    gains: Mapping[str, Interval]

    @property
    def better(self) -> bool | None:
        """True where every gain's interval lies above 0; None where it cannot be told."""
        lows = [gain.low for gain in self.gains.values()]
        if not lows or any(math.isnan(low) for low in lows):
            return None
        return min(lows) > 0

    @property
    def better_than_each_alone(self) -> bool:
        """Whether every single baseline is beaten, whatever their blend does."""
        lows = [gain.low for name, gain in self.gains.items() if name != BLEND]
        return bool(lows) and min(lows) > 0  # NaN is above nothing

    @property
    def p_value(self) -> float:
        """Of the whole claim "better than every baseline", one-sided: the largest of its tests.

        NaN where there is no test. A baseline that is ahead of the model counts with 1 - p / 2.
        """
        sides = [
            g.p_value / 2 if g.estimate > 0 else 1 - g.p_value / 2 for g in self.gains.values()
        ]
        return float(np.max(sides)) if sides else math.nan

    @property
    def hardest(self) -> str:
        """The baseline that is furthest ahead of the model, of those it is not better than."""
        unbeaten = {n: gain for n, gain in self.gains.items() if not gain.low > 0} or self.gains
        return min(unbeaten, key=lambda name: unbeaten[name].estimate)

    @property
    def text(self) -> str:
        """The verdict in words."""
        if not self.gains:
            return "baseline"
        if self.better is None:
            return "too few test days for a verdict"
        if self.better:
            return "better than every baseline"
        if self.better_than_each_alone:
            return f"better than each single baseline, no better than their {BLEND}"
        return f"no better than the baseline ({self.hardest})"


def compare(
    model: str,
    horizon: int,
    sums_SDK: Float,
    baselines: Mapping[str, Float],
    config: BenchmarkConfig,
) -> Verdict:
    """Compare a model with each baseline on the same days.

    Args:
        sums_SDK: day sums of the model for S seeds.
        baselines: day sums of each baseline, for as many seeds or one.
    """
    gains = {name: _gain(sums_SDK, theirs, config) for name, theirs in baselines.items()}
    return Verdict(model, horizon, gains)


def _gain(ours_SDK: Float, theirs_SDK: Float, config: BenchmarkConfig) -> Interval:
    """Mean over rows of their log loss - ours, both averaged over their seeds."""
    ours_D, theirs_D = ours_SDK[:, :, LOSS].mean(axis=0), theirs_SDK[:, :, LOSS].mean(axis=0)
    rows_D = ours_SDK[0, :, ROWS]
    sums = np.stack([theirs_D - ours_D, rows_D], axis=1)[None]
    return interval(sums, lambda s: s[..., 0] / s[..., 1], config)
