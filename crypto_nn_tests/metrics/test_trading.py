"""Trading figures: hand-computed cases, and laws of order and scale."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import kurtosis, norm, skew

from crypto_nn.metrics import trading
from crypto_nn.metrics.trading import TradingMetrics

HAND = [0.10, -0.05, 0.02, 0.0, -0.10, 0.04]
RETURNS = np.random.default_rng(0).standard_t(4, 500) * 0.01 + 0.001

# figure: (function, unchanged when rows are shuffled, unchanged when all returns are doubled)
FIGURES: dict[str, tuple[Callable[..., float], bool, bool]] = {
    "sharpe": (trading.sharpe, True, True),
    "sortino": (trading.sortino, True, True),
    "max_drawdown": (trading.max_drawdown, False, False),
    "annual_return": (trading.annual_return, True, False),
    "calmar": (trading.calmar, False, False),
    "win_rate": (trading.win_rate, True, True),
    "profit_factor": (trading.profit_factor, True, True),
    "psr": (trading.psr, True, True),
    "min_track_record": (trading.min_track_record, True, True),
}


def near(value: float) -> Any:
    """To twelve digits."""
    return pytest.approx(value, rel=1e-12, abs=1e-12)


def test_hand_computed_figures() -> None:
    mean, variance = 0.01 / 6, sum((r - 0.01 / 6) ** 2 for r in HAND) / 5
    assert trading.sharpe(HAND) == near(mean / math.sqrt(variance) * math.sqrt(365))
    downside = math.sqrt((0.05**2 + 0.10**2) / 6)
    assert trading.sortino(HAND) == near(mean / downside * math.sqrt(365))
    curve = [1, 1.1, 1.045, 1.0659, 1.0659, 0.95931, 0.9976824]
    np.testing.assert_allclose(trading.equity(HAND), curve, rtol=1e-12)
    assert trading.max_drawdown(HAND) == near(0.95931 / 1.1 - 1)
    assert trading.annual_return(HAND, 12) == near(0.9976824**2 - 1)
    expected = (0.9976824**2 - 1) / (1 - 0.95931 / 1.1)
    assert trading.calmar(HAND, 12) == near(expected)
    assert trading.win_rate(HAND) == near(3 / 5)
    assert trading.profit_factor(HAND) == near(0.16 / 0.15)


def test_turnover_and_break_even_cost_by_hand() -> None:
    """In, flip, out: 1 + 2 + 1 = 4 changes are 2 round trips over 5 bars."""
    positions, gross = [1, 1, -1, -1, 0], [0.001, 0.0, 0.002, 0.001, 0.0]
    assert trading.turnover(positions) == near(4 / 5)
    assert trading.break_even_cost_bps(gross, positions) == near(20)
    changes = np.abs(np.diff(positions, prepend=0))
    net = np.array(gross) - changes / 2 * 20 / 1e4
    assert net.sum() == near(0)


@pytest.mark.parametrize("name", FIGURES)
def test_laws_of_order_and_scale(name: str) -> None:
    figure, order_is_free, scale_is_free = FIGURES[name]
    value = figure(RETURNS)
    shuffled = figure(np.random.default_rng(1).permutation(RETURNS))
    assert (shuffled == pytest.approx(value, rel=1e-9)) == order_is_free
    assert (figure(RETURNS * 2) == pytest.approx(value, rel=1e-9)) == scale_is_free


@pytest.mark.parametrize("name", ["sharpe", "sortino"])
def test_a_year_has_as_many_periods_as_one_says(name: str) -> None:
    figure = FIGURES[name][0]
    assert figure(RETURNS, 252) == pytest.approx(figure(RETURNS) * math.sqrt(252 / 365))


def test_turning_every_return_around_turns_the_sharpe_ratio_around() -> None:
    assert trading.sharpe(-RETURNS) == pytest.approx(-trading.sharpe(RETURNS))
    assert trading.psr(-RETURNS) == pytest.approx(1 - trading.psr(RETURNS))
    assert trading.win_rate(-RETURNS) == pytest.approx(1 - trading.win_rate(RETURNS))
    assert trading.profit_factor(-RETURNS) == pytest.approx(1 / trading.profit_factor(RETURNS))


def test_psr_and_deflated_sharpe_equal_the_published_formulas() -> None:
    """Bailey and López de Prado 2012 and 2014, with scipy's moments."""
    ratio = RETURNS.mean() / RETURNS.std(ddof=1)
    g3, g4 = skew(RETURNS), kurtosis(RETURNS, fisher=False)
    error = np.sqrt(1 - g3 * ratio + (g4 - 1) / 4 * ratio**2)
    for benchmark in (0.0, 0.05):
        expected = norm.cdf((ratio - benchmark) * np.sqrt(499) / error)
        assert trading.psr(RETURNS, benchmark) == pytest.approx(expected, abs=1e-12)
    trials = np.random.default_rng(2).normal(0, 0.04, 50)
    gamma = np.euler_gamma
    luck = (1 - gamma) * norm.ppf(1 - 1 / 50) + gamma * norm.ppf(1 - 1 / (50 * np.e))
    luck *= trials.std(ddof=1)
    assert trading.expected_best_sharpe(trials) == pytest.approx(luck, abs=1e-12)
    expected = norm.cdf((ratio - luck) * np.sqrt(499) / error)
    assert trading.deflated_sharpe(RETURNS, trials) == pytest.approx(expected, abs=1e-12)


def test_one_trial_deflates_nothing_and_more_trials_deflate_more() -> None:
    assert trading.deflated_sharpe(RETURNS, [0.1]) == trading.psr(RETURNS)
    ladder = [trading.deflated_sharpe(RETURNS, [-0.05, 0.05] * n) for n in (1, 5, 50)]
    assert ladder == sorted(ladder, reverse=True)
    assert ladder[0] > ladder[-1]


def test_the_best_of_many_useless_strategies_is_found_out() -> None:
    """Without deflation the luckiest of 100 looks sure; deflated it does not."""
    histories = np.random.default_rng(3).normal(0, 0.01, (100, 365))
    ratios = [trading.sharpe(r, 1) for r in histories]
    best = histories[int(np.argmax(ratios))]
    assert trading.psr(best) > 0.95
    assert trading.deflated_sharpe(best, ratios) < 0.8


def test_the_expected_best_of_useless_trials_is_what_they_reach() -> None:
    generator = np.random.default_rng(4)
    trials = generator.normal(0, 1, (2000, 30))
    expected = np.mean([trading.expected_best_sharpe(row) for row in trials])
    assert trials.max(axis=1).mean() == pytest.approx(expected, rel=0.03)


def test_after_the_minimum_track_record_psr_reaches_its_level() -> None:
    """Repeating the same returns until that length gives the level that was asked for."""
    needed = trading.min_track_record(RETURNS, level=0.99)
    ratio = trading.sharpe(RETURNS, 1)
    z = norm.ppf(trading.psr(RETURNS)) / math.sqrt(len(RETURNS) - 1)
    assert norm.cdf(z * math.sqrt(needed - 1)) == pytest.approx(0.99, abs=1e-9)
    assert trading.min_track_record(-RETURNS) == np.inf
    assert trading.min_track_record(RETURNS, benchmark_sharpe=ratio) == np.inf


UNDEFINED = ["sharpe", "sortino", "calmar", "win_rate", "profit_factor", "psr", "min_track_record"]


@pytest.mark.parametrize("returns", [[], [0.0], [0.0] * 10])
@pytest.mark.parametrize("name", UNDEFINED)
def test_a_figure_that_cannot_be_told_is_nan(name: str, returns: list[float]) -> None:
    assert math.isnan(FIGURES[name][0](returns))


def test_extremes_stay_what_they_mean() -> None:
    assert math.isnan(trading.sharpe([0.1] * 7))  # no spread but rounding
    assert trading.profit_factor([0.1, 0.2]) == np.inf
    assert trading.max_drawdown([0.5, -1.0, 0.3]) == -1
    assert trading.annual_return([0.5, -1.0, 0.3]) == -1
    assert trading.annual_return([1.0], 10_000) == np.inf
    assert trading.max_drawdown([-0.2]) == pytest.approx(-0.2)
    assert math.isnan(trading.turnover([]))
    assert math.isnan(trading.break_even_cost_bps([0.1], [0.0]))


def test_all_figures_at_once_are_the_single_ones() -> None:
    positions = np.sign(RETURNS)
    all_at_once = TradingMetrics.of(RETURNS, 365, [0.1, 0.0], (RETURNS, positions))
    for name, (figure, _, _) in FIGURES.items():
        assert getattr(all_at_once, name) == figure(RETURNS)
    assert all_at_once.turnover == trading.turnover(positions)
    assert all_at_once.deflated_sharpe == trading.deflated_sharpe(RETURNS, [0.1, 0.0])
    assert all_at_once.to_dict()["periods"] == 500
    assert math.isnan(TradingMetrics.of(RETURNS).break_even_cost_bps)
