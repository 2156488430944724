"""Intervals and p-values of the benchmark keep their promise where rows and symbols overlap."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, ttest_1samp

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.day_sums import FIGURES, LOSS, ROWS, WIDTH, day_sums
from crypto_nn.benchmark.intervals import interval, intervals
from crypto_nn.benchmark.verdict import Verdict, compare
from crypto_nn.metrics.significance import Interval, effective_n, percentile_interval

QUICK = BenchmarkConfig(resamples=400)
RUNS = 400


def mean(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def losses(rng: np.random.Generator, days: int, symbols: int, rows: int) -> np.ndarray:
    """Two equally good models' difference in loss (S, D, R): symbols and rows of a day hang
    together, as they do where labels overlap and markets move as one."""
    of_day = rng.normal(size=(1, days, 1))
    of_symbol = rng.normal(size=(symbols, days, 1)) / 2
    return of_day + of_symbol + rng.normal(size=(symbols, days, rows))


def gain(difference: np.ndarray, day: np.ndarray, days: int) -> Interval:
    """The paired test of `compare`, of rows that lie on these days."""
    ours, theirs = np.zeros((1, days, WIDTH)), np.zeros((1, days, WIDTH))
    ours[0, :, ROWS] = theirs[0, :, ROWS] = np.bincount(day, minlength=days)
    theirs[0, :, LOSS] = np.bincount(day, difference, minlength=days)
    return compare("a", 5, ours, {"b": theirs}, QUICK).gains["b"]


def test_between_equals_p_values_are_uniform() -> None:
    """All symbols of a day are one draw; were each a day of its own, equals would be told apart."""
    rng, days, symbols, rows = np.random.default_rng(0), 40, 3, 10
    together, apart = [], []
    day = np.tile(np.repeat(np.arange(days), rows), symbols)
    alone = np.repeat(np.arange(days * symbols), rows)
    for _ in range(RUNS):
        difference = losses(rng, days, symbols, rows).ravel()
        together.append(gain(difference, day, days).p_value)
        apart.append(gain(difference, alone, days * symbols).p_value)
    assert kstest(together, "uniform").pvalue > 0.001
    for level in (0.01, 0.05, 0.2):
        bound = RUNS * level + 4 * math.sqrt(RUNS * level * (1 - level))
        assert 0 < np.sum(np.array(together) < level) <= bound
    assert kstest(apart, "uniform").pvalue < 1e-6


def test_a_true_difference_has_a_small_p_value_that_falls_with_days() -> None:
    """The medians of twenty histories each."""
    rng = np.random.default_rng(1)
    found = []
    for days in (10, 40, 160):
        day = np.tile(np.repeat(np.arange(days), 10), 2)
        histories = [losses(rng, days, 2, 10).ravel() + 0.4 for _ in range(20)]
        found.append(float(np.median([gain(each, day, days).p_value for each in histories])))
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.1
    assert found[-1] < 0.01


def test_it_is_near_the_p_value_of_a_t_test() -> None:
    """For means of days of equal length both are known to agree, also for few days."""
    rng = np.random.default_rng(2)
    config = BenchmarkConfig(resamples=4000)
    for days in (12, 60):
        for shift in (0.0, 0.3):
            values = rng.normal(shift, 1, days)
            sums = np.stack([values, np.ones(days)], axis=1)[None]
            expected = ttest_1samp(values, 0).pvalue
            assert interval(sums, mean, config).p_value == pytest.approx(expected, abs=0.04)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(10, 60), st.sampled_from([0.8, 0.95, 0.99]))
def test_it_is_below_the_level_exactly_where_the_interval_excludes_zero(
    seed: int, days: int, level: float
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.normal(0, 0.5), 1, days)
    config = BenchmarkConfig(resamples=400, level=level, bootstrap_seed=seed % 3)
    found = interval(np.stack([values, np.ones(days)], axis=1)[None], mean, config)
    assert 0 < found.p_value <= 1
    assert (found.p_value < 1 - level) == found.excludes(0)
    turned = interval(np.stack([-values, np.ones(days)], axis=1)[None], mean, config)
    assert turned.p_value == pytest.approx(found.p_value, abs=1e-9), "two-sided"


def test_it_does_not_promise_more_than_the_draws_can_tell() -> None:
    """Of 99 draws the surest p-value is 0.02; equals have 1, and what cannot be told has none."""
    assert percentile_interval(5.0, np.full(99, 5.0)).p_value == pytest.approx(0.02)
    assert percentile_interval(0.0, np.zeros(99)).p_value == 1
    assert math.isnan(percentile_interval(math.nan, np.ones(99)).p_value)
    assert math.isnan(percentile_interval(1.0, np.full(99, math.nan)).p_value)
    few = interval(np.ones((1, 9, 2)), mean, BenchmarkConfig(min_days=10))
    assert math.isnan(few.p_value)
    assert math.isnan(interval(np.ones((1, 0, 2)), mean, BenchmarkConfig()).estimate)


def test_figures_together_are_the_figures_one_by_one() -> None:
    """Drawn once or twelve times: the same days, and the same numbers to the last bit."""
    rng = np.random.default_rng(3)
    days, rows = 30, 900
    p, y = rng.dirichlet(np.ones(3), (2, rows)), rng.integers(0, 3, rows)
    prior, day = np.full((rows, 3), 1 / 3), np.arange(rows) % days
    sums = np.stack([day_sums(one, y, prior, day, days) for one in p])
    together = intervals(sums, FIGURES, QUICK)
    assert together == {name: interval(sums, FIGURES[name], QUICK) for name in FIGURES}
    assert together["majority"].low < together["majority"].estimate


def test_of_strided_rows_those_that_do_not_overlap_count_in_full() -> None:
    """A day's 288 rows of every 5 minutes hold 288, 96 and 24 independent labels."""
    assert [effective_n(288, horizon, 5) for horizon in (5, 15, 60)] == [288, 96, 24]
    assert effective_n(1440, 60) == effective_n(288, 60, 5) == effective_n(24, 60, 60) == 24
    assert effective_n(24, 60, 90) == 24
    assert effective_n(360, 15, 4) == 96, "also where the stride does not divide the horizon"


@pytest.mark.parametrize(
    ("gains", "p_value"),
    [
        ({"a": Interval(1, 0, 2, p_value=0.02), "b": Interval(1, 0, 2, p_value=0.4)}, 0.2),
        ({"a": Interval(1, 0, 2, p_value=0.02), "b": Interval(-1, -2, 0, p_value=0.4)}, 0.8),
        ({"a": Interval(1, math.nan, math.nan)}, math.nan),
        ({}, math.nan),
    ],
)
def test_the_whole_claim_is_as_sure_as_its_weakest_test(
    gains: dict[str, Interval], p_value: float
) -> None:
    """Better than every baseline needs every test (Berger 1982)."""
    assert Verdict("m", 5, gains).p_value == pytest.approx(p_value, nan_ok=True)
