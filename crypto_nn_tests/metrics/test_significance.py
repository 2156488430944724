"""Intervals hold what they promise, also when the rows of a day hang together."""

import math
import os

import numpy as np
import pytest
from scipy.stats import norm

from crypto_nn.metrics.significance import (
    Interval,
    Resampling,
    day_block_bootstrap,
    effective_n,
    paired_day_block_bootstrap,
    proportion_interval,
    ratio_of_sums,
    sharpe_interval,
)
from crypto_nn.metrics.trading import sharpe

HISTORIES = int(os.environ.get("CRYPTO_NN_LONG_HISTORIES", "200"))
QUICK = Resampling(resamples=400)


def persistent(generator: np.random.Generator, days: int, rows: int, phi: float) -> np.ndarray:
    """AR(1) of unit variance within each day, days independent, as one long series."""
    noise = generator.normal(size=(days, rows)) * math.sqrt(1 - phi**2)
    values = np.empty((days, rows))
    values[:, 0] = generator.normal(size=days)
    for i in range(1, rows):
        values[:, i] = phi * values[:, i - 1] + noise[:, i]
    return values.ravel()


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """95 % intervals of the mean hold 0 in about 95 % of histories; drawing rows would not."""
    generator = np.random.default_rng(0)
    by_day = by_row = 0
    days = np.repeat(np.arange(60), 30)
    for seed in range(HISTORIES):
        values = persistent(generator, 60, 30, 0.9)
        by_day += not day_block_bootstrap(values, days, seed=seed, resampling=QUICK).excludes(0)
        alone = day_block_bootstrap(values, np.arange(len(values)), seed=seed, resampling=FEW)
        by_row += not alone.excludes(0)
    assert 0.90 <= by_day / HISTORIES <= 0.985
    assert by_row / HISTORIES < 0.6


FEW = Resampling(resamples=100)


def test_blocks_of_days_mend_what_days_that_hang_together_break() -> None:
    generator = np.random.default_rng(1)
    lone = blocks = 0
    weekly = Resampling(resamples=400, block_days=10)
    for seed in range(HISTORIES):
        values, days = persistent(generator, 1, 300, 0.7), np.arange(300)
        lone += not day_block_bootstrap(values, days, seed=seed, resampling=QUICK).excludes(0)
        blocks += not day_block_bootstrap(values, days, seed=seed, resampling=weekly).excludes(0)
    assert lone / HISTORIES < 0.75
    assert blocks / HISTORIES > 0.84


@pytest.mark.parametrize("length", [1, 4])
def test_it_equals_drawing_runs_of_days_and_concatenating_them(length: int) -> None:
    """The sums give the same distribution as rows do (an independent, slow bootstrap)."""
    generator = np.random.default_rng(2)
    days = np.repeat(np.arange(20), generator.integers(5, 50, 20))
    values = generator.normal(size=len(days)) + np.sin(days)
    resampling = Resampling(20_000, block_days=length)
    found = day_block_bootstrap(values, days, seed=0, resampling=resampling)
    by_day = [values[days == day] for day in range(20)]
    means = []
    for _ in range(10_000):
        starts = generator.integers(0, 20, 20 // length)
        drawn = [by_day[(start + i) % 20] for start in starts for i in range(length)]
        means.append(np.concatenate(drawn).mean())
    low, high = np.quantile(means, [0.025, 0.975])
    assert found.estimate == pytest.approx(values.mean())
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)


def test_the_same_seed_gives_the_same_interval_and_rows_may_come_in_any_order() -> None:
    generator = np.random.default_rng(3)
    values = generator.integers(0, 2, 500)
    days = np.datetime64("2024-01-01") + np.repeat(np.arange(50), 10)
    first = day_block_bootstrap(values, days, seed=7)
    order = generator.permutation(500)
    assert day_block_bootstrap(values[order], days[order], seed=7) == first
    assert day_block_bootstrap(values, days, seed=8) != first


def test_intervals_shift_and_scale_with_their_values() -> None:
    generator = np.random.default_rng(4)
    values, days = generator.normal(size=300), np.repeat(np.arange(30), 10)
    first = day_block_bootstrap(values, days)
    moved = day_block_bootstrap(3 * values + 1, days)
    for one, other in zip((first.estimate, first.low, first.high),
                          (moved.estimate, moved.low, moved.high)):  # fmt: skip
        assert other == pytest.approx(3 * one + 1)


def test_a_surer_interval_is_wider() -> None:
    generator = np.random.default_rng(5)
    values, days = generator.normal(size=300), np.repeat(np.arange(30), 10)
    widths = []
    for level in (0.5, 0.9, 0.99):
        interval = day_block_bootstrap(values, days, resampling=Resampling(level=level))
        assert interval.low < interval.estimate < interval.high
        widths.append(interval.high - interval.low)
    assert widths == sorted(widths)


def test_pairing_cancels_what_is_hard_for_both() -> None:
    """A small steady advantage is seen in the difference and not in the two losses."""
    generator = np.random.default_rng(6)
    days = np.repeat(np.arange(60), 20)
    hardness = 1 + np.repeat(generator.normal(0, 0.3, 60), 20)
    theirs = hardness + generator.normal(0, 0.02, 1200)
    ours = hardness - 0.01 + generator.normal(0, 0.02, 1200)
    difference = paired_day_block_bootstrap(ours, theirs, days)
    assert difference.high < 0
    assert difference.estimate == pytest.approx((ours - theirs).mean())
    alone = day_block_bootstrap(ours, days)
    assert alone.high - alone.low > 10 * (difference.high - difference.low)


def test_a_model_against_itself_differs_by_nothing() -> None:
    values, days = np.random.default_rng(7).normal(size=100), np.repeat(np.arange(10), 10)
    same = paired_day_block_bootstrap(values, values, days)
    assert (same.estimate, same.low, same.high) == (0, 0, 0)
    assert not same.excludes(0)


def test_a_share_among_marked_rows_is_that_of_the_marked_rows() -> None:
    generator = np.random.default_rng(8)
    days, moved = np.repeat(np.arange(40), 25), generator.random(1000) < 0.6
    hit = generator.random(1000) < 0.55
    columns = np.column_stack([hit & moved, moved])
    found = day_block_bootstrap(columns, days, ratio_of_sums)
    assert found.estimate == pytest.approx(hit[moved].mean())
    assert found.low < 0.55 < found.high


def test_the_sharpe_interval_is_around_the_sharpe_ratio_and_as_wide_as_theory_says() -> None:
    """Normal returns: the standard error is √((1 + SR²/2) / n) (Lo 2002)."""
    returns = np.random.default_rng(9).normal(0.001, 0.02, 500)
    found = sharpe_interval(returns, np.arange(500), resampling=Resampling(4000))
    assert found.estimate == pytest.approx(sharpe(returns), rel=1e-9)
    ratio = found.estimate / math.sqrt(365)
    expected = 2 * 1.96 * math.sqrt((1 + ratio**2 / 2) / 500) * math.sqrt(365)
    assert found.high - found.low == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("days", [0, 1])
def test_too_few_days_have_no_bounds(days: int) -> None:
    found = day_block_bootstrap(np.ones(days * 5), np.zeros(days * 5))
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert not found.excludes(0)
    assert math.isnan(found.estimate) == (days == 0)


def test_three_months_hold_2160_independent_hours() -> None:
    assert effective_n(90 * 1440, 60) == 2160
    assert effective_n(90 * 1440, 1) == 90 * 1440


@pytest.mark.parametrize(("share", "n"), [(0.5, 10), (0.0, 20), (1.0, 20), (0.52, 2160.5)])
def test_bounds_of_a_share_are_where_the_score_test_turns(share: float, n: float) -> None:
    """Wilson: at each bound the distance from the share is z standard errors of the bound."""
    found = proportion_interval(share, n, level=0.9)
    z = norm.ppf(0.95)
    for bound in (found.low, found.high):
        variance = bound * (1 - bound) / n
        assert (share - bound) ** 2 == pytest.approx(z**2 * variance, abs=1e-12)
    assert 0 <= found.low <= share <= found.high <= 1


def test_bounds_of_a_share_of_nothing_are_unknown() -> None:
    assert math.isnan(proportion_interval(0.5, 0).low)
    assert Interval(1, 0, 2).excludes(3)
    assert not Interval(1, 0, 2).excludes(2)
