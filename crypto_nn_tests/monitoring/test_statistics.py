"""Distances and effects against slower, independent answers."""

import numpy as np
import pytest
from scipy import stats

from crypto_nn.monitoring import statistics
from crypto_nn.monitoring.calibration import attainable, calibrate, days_needed
from crypto_nn_tests.monitoring.blocks import blocks, last_day, normal_days

ROWS, DAYS = 300, 8
BLOCK_N = np.repeat(np.arange(DAYS), ROWS)


def test_the_distance_is_the_largest_gap_between_cumulative_shares() -> None:
    rng = np.random.default_rng(0)
    x_N = rng.standard_normal(ROWS * DAYS)
    x_N[-ROWS:] *= 2
    found = statistics.distances(x_N, BLOCK_N, DAYS, 1, 12)
    for b in range(DAYS):
        day = x_N[b == BLOCK_N]
        gaps = [
            abs(np.mean(day <= x) - np.mean([np.mean(x_N[c == BLOCK_N] <= x) for c in range(DAYS)]))
            for x in np.quantile(x_N, statistics.GRID, method="lower")
        ]
        assert found.distance_B[b] == pytest.approx(max(gaps), abs=1e-12)
        whole = stats.ks_2samp(day, x_N).statistic
        assert found.distance_B[b] == pytest.approx(whole, abs=0.02)


def test_the_distance_between_categories_is_total_variation() -> None:
    x_N = np.tile([0.0, 1.0, 2.0], ROWS * DAYS // 3)
    x_N[-ROWS:] = 2.0
    found = statistics.distances(x_N, BLOCK_N, DAYS, 1, 12)
    assert found.categorical
    mean = np.array([7 / 24, 7 / 24, 7 / 24 + 1 / 8])
    assert found.distance_B[-1] == pytest.approx(np.abs(np.array([0, 0, 1]) - mean).sum() / 2)


def test_days_with_few_values_have_no_distance_and_do_not_count() -> None:
    x_N = np.random.default_rng(1).standard_normal(ROWS * DAYS)
    few = np.ones(len(x_N), dtype=bool)
    few[5:ROWS] = False
    found = statistics.distances(x_N[few], BLOCK_N[few], DAYS, 10, 12)
    assert np.isnan(found.distance_B[0])
    assert np.isfinite(found.distance_B[1:]).all()


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.5, 1.0), (0.0, 1.5), (-2.0, 3.0)])
def test_the_effect_of_a_numeric_column_is_the_wasserstein_distance(
    shift: float, scale: float
) -> None:
    rng = np.random.default_rng(2)
    ref, now = rng.standard_normal(20_000) * 3, (rng.standard_normal(5_000) * scale + shift) * 3
    due = stats.wasserstein_distance(ref, now) / ref.std()
    assert statistics.numeric_effect(ref, now).size == pytest.approx(due, rel=0.05, abs=0.01)


def test_the_stability_index_is_that_of_ten_equal_bins() -> None:
    rng = np.random.default_rng(3)
    ref, now = rng.standard_normal(50_000), rng.standard_normal(50_000) + 0.5
    edges = np.quantile(ref, np.linspace(0, 1, 11))
    edges[0], edges[-1] = -np.inf, np.inf
    p, q = np.histogram(ref, edges)[0] / len(ref), np.histogram(now, edges)[0] / len(now)
    due = ((q - p) * np.log(q / p)).sum()
    assert statistics.numeric_effect(ref, now).psi == pytest.approx(due, rel=1e-3)


def test_the_chi_square_is_pearsons() -> None:
    rng = np.random.default_rng(4)
    ref, now = rng.integers(0, 4, 900).astype(float), rng.integers(0, 3, 300).astype(float)
    table = [[(x == c).sum() for c in range(4)] for x in (ref, now)]
    due = stats.chi2_contingency(table, correction=False).statistic
    assert statistics.categorical_effect(ref, now).chi_square == pytest.approx(due)


@pytest.mark.parametrize("digits", [12, 0])
def test_the_distances_of_a_numeric_column_are_the_textbooks(digits: int) -> None:
    """Also with ties: Kolmogorov–Smirnov, Wasserstein-1, and chi-square on ten bins."""
    rng = np.random.default_rng(8)
    ref = np.round(rng.standard_t(3, 9_000) * 2, digits)
    now = np.round(rng.standard_t(3, 700) * 2 + 0.4, digits)
    found = statistics.numeric_effect(ref, now)
    assert found.ks == pytest.approx(stats.ks_2samp(ref, now).statistic)
    assert found.wasserstein == pytest.approx(stats.wasserstein_distance(ref, now) / ref.std())
    bins = [-np.inf, *np.unique(np.quantile(ref, np.linspace(0.1, 0.9, 9))), np.inf]
    table = np.array([np.histogram(-x, -np.array(bins[::-1]))[0] for x in (ref, now)])
    table = table[:, table.sum(axis=0) > 0]
    due = stats.chi2_contingency(table, correction=False).statistic
    assert found.chi_square == pytest.approx(due)
    alike = table / table.sum(axis=1, keepdims=True) * 1e9
    due = stats.contingency.association(alike.astype(np.int64), "cramer", correction=False)
    assert found.cramers_v == pytest.approx(due, rel=1e-6)


def test_cramers_v_goes_from_nothing_to_everything_and_does_not_shrink_with_the_reference() -> None:
    few, many = np.tile([0.0, 1.0], 50), np.tile([0.0, 1.0], 5_000)
    assert statistics.categorical_effect(many, few).cramers_v == 0
    assert statistics.categorical_effect(many, few + 2).cramers_v == pytest.approx(1)
    ones = np.ones(100)
    short = statistics.categorical_effect(few, ones)
    long = statistics.categorical_effect(many, ones)
    assert short.cramers_v == pytest.approx(long.cramers_v)
    assert short.ks == long.ks == pytest.approx(0.5)
    assert short.wasserstein == 0


def test_days_without_a_distance_do_not_lower_the_bar() -> None:
    """Four of five columns begin late; left at 0 those days would let 6 % of the others alarm."""
    rng = np.random.default_rng(9)
    alarms = 0
    for _ in range(4000):
        distance_BF = rng.gumbel(3.0, 0.4, (60, 5)).clip(0.1)
        distance_BF[:11, 1:] = np.nan
        alarms += bool(calibrate(distance_BF, 0.02, 0.05).score_F.max() > 1)
    assert alarms <= stats.binom.ppf(0.95, 4000, 0.05)


def test_a_column_that_never_varied_has_the_largest_effect_when_it_moves() -> None:
    assert statistics.numeric_effect(np.ones(50), np.full(9, 2.0)).size == 100
    assert statistics.numeric_effect(np.ones(50), np.ones(9)).size == 0


def test_the_p_value_is_the_rank_of_the_largest_quotient() -> None:
    """The definition, day by day and column by column."""
    x_BNF = normal_days(5, days=30, rows=100, columns=3)
    x_BNF[-1, :, 1] += 0.2
    num_days, _, num_columns = x_BNF.shape
    worst = np.zeros(num_days)
    for j in range(num_columns):
        grid = np.quantile(x_BNF[:, :, j], statistics.GRID, method="lower")
        shares = np.array([[np.mean(day[:, j] <= x) for x in grid] for day in x_BNF])
        distance = np.abs(shares - shares.mean(axis=0)).max(axis=1)
        worst = np.maximum(worst, distance / np.quantile(distance, 0.95))
    due = (1 + sum(worst[:-1] >= worst[-1])) / num_days
    critical = sorted(worst[:-1])[-1]
    from crypto_nn_tests.monitoring.blocks import QUICK

    report = last_day(blocks(x_BNF), QUICK.model_copy(update={"min_reference_days": 19}))
    assert report.p_value == pytest.approx(due)
    assert report.drift_score == pytest.approx(worst[-1] / critical)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.05 / 3, 0.1, 0.3])
def test_the_days_needed_are_the_fewest_with_which_the_level_can_be_reached(alpha: float) -> None:
    assert attainable(days_needed(alpha), alpha) == 1
    assert attainable(days_needed(alpha) - 1, alpha) == 0


def test_among_exchangeable_days_every_rank_is_equally_likely() -> None:
    """Each of 20 days in turn as the last: each p-value from 1/20 to 1 comes exactly once."""
    distance_BF = np.random.default_rng(6).random((20, 4))
    p_values = []
    for b in range(20):
        order = [*np.delete(np.arange(20), b), b]
        p_values.append(calibrate(distance_BF[order], 0.0, 0.05).p_F.min())
    np.testing.assert_allclose(sorted(p_values), np.arange(1, 21) / 20)


def test_the_rates_of_a_calibration_are_those_of_its_own_days() -> None:
    rng = np.random.default_rng(7)
    calm = calibrate(rng.random((101, 1)), 0.0, 0.05)
    assert calm.alarm_rate(0.05) == pytest.approx(0.05, abs=0.011)
    moved = np.concatenate([rng.random((50, 1)), rng.random((50, 1)) + 2, rng.random((1, 1))])
    assert calibrate(moved, 0.0, 0.05).forward_rate(0.05) == 1
    assert np.isnan(calibrate(rng.random((31, 1)), 0.0, 0.05).forward_rate(0.05))
