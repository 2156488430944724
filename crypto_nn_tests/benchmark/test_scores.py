"""Figures from sums by day are the figures from rows; intervals keep their promise."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.benchmark import day_sums
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.day_sums import FIGURES, LOSS, ROWS, WIDTH
from crypto_nn.benchmark.intervals import interval
from crypto_nn.benchmark.profits import luckiest_sharpe
from crypto_nn.benchmark.verdict import compare
from crypto_nn.metrics import calibration, classification, trading

ORACLES: dict[str, Callable[..., float]] = {
    "accuracy": classification.accuracy,
    "majority": lambda p, y: classification.majority_share(y),
    "balanced_accuracy": classification.balanced_accuracy,
    "mcc": classification.mcc,
    "precision": classification.precision,
    "recall": classification.recall,
    "f1": classification.f1,
    "log_loss": classification.log_loss,
    "brier": classification.brier,
    "ece": calibration.ece,
    "direction_hit": classification.direction_hit_rate,
}


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 9), st.integers(1, 3))
def test_figures_are_those_of_metrics(seed: int, rows: int, days: int, classes: int) -> None:
    """Whatever the rows, days and missing classes: the same number as from all rows at once."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3) * rng.choice([0.05, 1, 20]), rows)
    y = rng.integers(0, classes, rows)
    prior = np.array([0.2, 0.5, 0.3])
    day = rng.integers(0, days, rows)
    sums = day_sums.day_sums(p, y, np.tile(prior, (rows, 1)), day, days).sum(axis=0)
    for name, oracle in ORACLES.items():
        np.testing.assert_allclose(
            FIGURES[name](sums), oracle(p, y), rtol=0, atol=1e-12, err_msg=name
        )
    skill = classification.log_loss_skill(p, y, prior)
    np.testing.assert_allclose(FIGURES["log_loss_skill"](sums), skill, rtol=0, atol=1e-12)


def test_every_figure_has_an_oracle() -> None:
    """No figure is reported that was not compared with `metrics`."""
    assert set(FIGURES) == {*ORACLES, "log_loss_skill"}


def test_seeds_are_averaged_and_their_spread_is_not_lost() -> None:
    """The figure of two seeds is the mean of both, from the same drawn days."""
    rng = np.random.default_rng(0)
    sums = np.zeros((2, 20, 2))
    sums[:, :, 0], sums[:, :, 1] = rng.normal(size=(2, 20)), 1.0

    def mean(s: np.ndarray) -> np.ndarray:
        return s[..., 0] / s[..., 1]

    config = BenchmarkConfig()
    both, one, other = (interval(s, mean, config) for s in (sums, sums[:1], sums[1:]))
    assert both.estimate == pytest.approx((one.estimate + other.estimate) / 2)
    assert both.low < both.estimate < both.high
    assert both.high - both.low < max(one.high - one.low, other.high - other.low)


def test_few_days_give_no_interval() -> None:
    """Below `min_days` there is an estimate and no promise."""
    sums = np.ones((1, 9, 2))
    found = interval(sums, lambda s: s[..., 0] / s[..., 1], BenchmarkConfig(min_days=10))
    assert found.estimate == 1
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize("days", [12, 30])
def test_the_paired_test_errs_as_often_as_it_says(days: int) -> None:
    """Between two that are equally good, at most 5 % of intervals miss zero (binomial, 4 sd)."""
    runs, wrong = 400, 0
    rng = np.random.default_rng(5)
    config = BenchmarkConfig(resamples=400)
    for _ in range(runs):
        ours, theirs = np.zeros((1, days, WIDTH)), np.zeros((1, days, WIDTH))
        ours[0, :, ROWS] = theirs[0, :, ROWS] = rng.integers(50, 100, days)
        shared = rng.normal(100, 20, days)
        ours[0, :, LOSS] = shared + rng.standard_t(5, days)
        theirs[0, :, LOSS] = shared + rng.standard_t(5, days)
        wrong += compare("a", 5, ours, {"b": theirs}, config).gains["b"].excludes(0.0)
    assert wrong <= runs * 0.05 + 4 * math.sqrt(runs * 0.05 * 0.95)
    assert wrong > 0


def test_the_luckiest_of_one_trial_is_no_luck() -> None:
    """More trials raise the bar, more days lower it; one trial sets none."""
    assert luckiest_sharpe(1, 100) == 0
    assert 0 < luckiest_sharpe(10, 100) < luckiest_sharpe(1000, 100)
    assert luckiest_sharpe(10, 1000) < luckiest_sharpe(10, 100)


def test_the_luckiest_sharpe_is_that_of_bailey_and_lopez_de_prado() -> None:
    """With trials that spread as chance does, both formulas agree, and so does a simulation."""
    rng = np.random.default_rng(1)
    trials, days = 50, 200
    returns = rng.normal(size=(400, trials, days))
    ratios = returns.mean(axis=2) / returns.std(axis=2, ddof=1)
    luck = luckiest_sharpe(trials, days)
    assert luck == pytest.approx(ratios.max(axis=1).mean(), rel=0.03)
    known = np.mean([trading.expected_best_sharpe(row) for row in ratios])
    assert luck == pytest.approx(float(known), rel=0.03)
