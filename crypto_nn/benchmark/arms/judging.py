"""From forecasts to findings: differences of two arms on the same rows and days."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.arms.learning import MEASURES, Comparison, Learning, Measure, Side
from crypto_nn.benchmark.arms.recall import EXPECTED, SAME
from crypto_nn.benchmark.arms.result import Answer, Finding
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.day_sums import ROWS, ece, log_loss
from crypto_nn.benchmark.forecasts import Forecast
from crypto_nn.benchmark.intervals import interval
from crypto_nn.benchmark.scores import Answers, scopes, sums_of
from crypto_nn.features.panel import Panel
from crypto_nn.metrics.significance import Interval

Float = NDArray[np.float64]
Figure = Callable[[Float], Float]
_FIGURES: Mapping[Measure, tuple[Figure, float]] = {
    "log_loss": (log_loss, 1000.0),
    "ece": (ece, 100.0),
    "raw_ece": (ece, 100.0),
}
MOST_RAW = 1e-300  # a probability of 0 stays one that a logarithm can be taken of


@dataclass(frozen=True, eq=False)
class Told:
    """What everyone said, and what came.

    Attributes:
        forecasts: by contestant and seed, one for each fold.
    """

    panel: Panel
    answers: Answers
    forecasts: Mapping[str, Mapping[int, Sequence[Forecast]]]
    config: BenchmarkConfig

    def sums(self, name: str, column: int, raw: bool) -> Float:
        """Day sums of a contestant at one horizon, by seed (S, D, K)."""
        horizon = self.panel.horizons[column]
        said = [
            np.concatenate([_said(f, horizon, column, raw) for f in of_seed])
            for of_seed in self.forecasts[name].values()
        ]
        return sums_of(said, self.answers, scopes(self.panel, self.answers)[0], column)


def judge(learning: Learning, told: Told) -> Answer:
    """Everything that a learning's comparisons say, by horizon and over all of them."""
    findings = tuple(f for each in learning.comparisons for f in _findings(each, told))
    return Answer(learning.key, learning.claim, learning.asked, findings, learning.elsewhere)


def _findings(comparison: Comparison, told: Told) -> Iterator[Finding]:
    raw = comparison.measure == "raw_ece"
    names = (*comparison.ours.names, *comparison.theirs.names)
    if raw and not all(_has_temperatures(told, name) for name in names):
        return
    figure, unit = _FIGURES[comparison.measure]
    ours, theirs = [], []
    for column, horizon in enumerate(told.panel.horizons):
        ours.append(_side(told, comparison.ours, column, raw))
        theirs.append(_side(told, comparison.theirs, column, raw))
        yield _finding(comparison, horizon, gain(ours[-1], theirs[-1], figure, told.config), unit)
    over_all = gain(np.sum(ours, axis=0), np.sum(theirs, axis=0), figure, told.config)
    yield _finding(comparison, None, over_all, unit)


def _finding(comparison: Comparison, horizon: int | None, found: Interval, unit: float) -> Finding:
    return Finding(
        MEASURES[comparison.measure],
        horizon,
        comparison.ours.label,
        comparison.theirs.label,
        Interval(
            unit * found.estimate, unit * found.low, unit * found.high, found.level, found.p_value
        ),
        comparison.decides,
    )


def _side(told: Told, side: Side, column: int, raw: bool) -> Float:
    """Day sums of all seeds of all who stand for an arm (S, D, K)."""
    return np.concatenate([told.sums(name, column, raw) for name in side.names])


def gain(ours_SDK: Float, theirs_SDK: Float, figure: Figure, config: BenchmarkConfig) -> Interval:
    """Their figure - ours, each the mean over its seeds, on the same drawn days.

    Args:
        ours_SDK: day sums; the two may have different numbers of seeds.
        figure: from sums (…, K) to (…); less of it is better.
    """
    both = np.concatenate([ours_SDK, theirs_SDK])
    # A mean over both with these weights is the difference of the two means. They travel as a
    # multiple of the rows, so that any draw of days gives them back.
    weights_S = len(both) * np.concatenate(
        [np.full(len(ours_SDK), -1 / len(ours_SDK)), np.full(len(theirs_SDK), 1 / len(theirs_SDK))]
    )
    carried_SD1 = (weights_S[:, None] * both[:, :, ROWS])[:, :, None]

    def weighted(sums: Float) -> Float:
        share = sums[..., -1] / sums[..., ROWS]
        found: Float = share * figure(sums[..., :-1])
        return found

    return interval(np.concatenate([both, carried_SD1], axis=2), weighted, config)


def _said(forecast: Forecast, horizon: int, column: int, raw: bool) -> Float:
    """The probabilities; where raw, as they were before the temperature softened them."""
    p_RHC = forecast.probabilities_RHC
    if not raw:
        return p_RHC
    sharp_RHC = p_RHC.copy()
    logs_RC = np.log(np.maximum(p_RHC[:, column], MOST_RAW))
    logs_RC *= forecast.facts[_temperature(horizon)]
    powers_RC = np.exp(logs_RC - logs_RC.max(axis=1, keepdims=True))
    sharp_RHC[:, column] = powers_RC / powers_RC.sum(axis=1, keepdims=True)
    return sharp_RHC


def _has_temperatures(told: Told, name: str) -> bool:
    each = [f.facts for of_seed in told.forecasts[name].values() for f in of_seed]
    return all(_temperature(h) in facts for facts in each for h in told.panel.horizons)


def _temperature(horizon: int) -> str:
    return f"temperature_{horizon}m"


def recall_finding(name: str, told: Told) -> Finding | None:
    """How much oftener than by chance a memory recalls the regime that the window is in."""
    per_fold = [
        fmean(f.facts[SAME] - f.facts[EXPECTED] for f in seeds)
        for seeds in zip(*told.forecasts[name].values())
        if all(SAME in f.facts for f in seeds)
    ]
    known = [100 * each for each in per_fold if not math.isnan(each)]
    if not known:
        return None
    return Finding(
        "own regime among what is recalled, points above chance",
        None,
        name,
        "an episode at random",
        student(known, told.config.level),
        decides=False,
        digits=1,
    )


def student(values: Sequence[float], level: float) -> Interval:
    """The mean of a few independent values with Student's interval; none below three values."""
    mean = fmean(values)
    if len(values) < 3 or not (spread := stdev(values) / math.sqrt(len(values))):
        return Interval(mean, math.nan, math.nan, level)
    from scipy.stats import t

    freedom = len(values) - 1
    reach = float(t.ppf((1 + level) / 2, freedom)) * spread
    p_value = float(2 * t.sf(abs(mean) / spread, freedom))
    return Interval(mean, mean - reach, mean + reach, level, p_value)
