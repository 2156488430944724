"""Trading figures equal those of libraries that others wrote, and what papers print."""

import math
from collections.abc import Callable

import empyrical
import jsharpe
import numpy as np
import pytest
from scipy.stats import kstest, kurtosis, skew

from crypto_nn.benchmark.tried import Trials
from crypto_nn.metrics import trading

EXACT = 1e-12


def histories() -> dict[str, np.ndarray]:
    """Daily returns of several kinds."""
    generator = np.random.default_rng(0)
    return {
        "normal": generator.normal(0.001, 0.02, 500),
        "fat tails": generator.standard_t(3, 700) * 0.01,
        "losing": generator.normal(-0.01, 0.01, 250),
        "rarely traded": generator.normal(0, 0.01, 365) * (generator.random(365) < 0.1),
        "short": generator.normal(0.0, 0.01, 5),
        "never down": generator.random(60) * 0.01,
        "wild": np.maximum(generator.normal(0.0, 0.3, 300), -0.99),
    }


YEAR = {"period": "daily", "annualization": 365}
AGAINST_EMPYRICAL: dict[str, tuple[Callable[..., float], Callable[..., float]]] = {
    "sharpe": (trading.sharpe, lambda r: empyrical.sharpe_ratio(r, **YEAR)),
    "sortino": (trading.sortino, lambda r: empyrical.sortino_ratio(r, **YEAR)),
    "max_drawdown": (trading.max_drawdown, empyrical.max_drawdown),
    "annual_return": (trading.annual_return, lambda r: empyrical.annual_return(r, **YEAR)),
    "calmar": (trading.calmar, lambda r: empyrical.calmar_ratio(r, **YEAR)),
    "equity": (lambda r: trading.equity(r)[-1] - 1, empyrical.cum_returns_final),
}


@pytest.mark.parametrize("kind", histories())
@pytest.mark.parametrize("name", AGAINST_EMPYRICAL)
def test_figures_are_those_of_empyrical(name: str, kind: str) -> None:
    """To twelve digits. Without a loss it calls Sortino infinite, and we say it cannot be told."""
    returns = histories()[kind]
    ours, theirs = (float(figure(returns)) for figure in AGAINST_EMPYRICAL[name])
    if kind == "never down" and name in ("sortino", "calmar"):
        assert math.isnan(ours)
        assert not math.isfinite(theirs)
    else:
        assert ours == pytest.approx(theirs, rel=EXACT, abs=EXACT)


def moments(returns: np.ndarray) -> tuple[float, dict[str, float]]:
    ratio = float(returns.mean() / returns.std(ddof=1))
    shape = {
        "gamma3": float(skew(returns)),
        "gamma4": float(kurtosis(returns, fisher=False)),
    }
    return ratio, shape


@pytest.mark.parametrize("kind", sorted(set(histories()) - {"short"}))
@pytest.mark.parametrize("benchmark", [0.0, 0.05])
def test_psr_and_track_record_are_those_of_jsharpe(kind: str, benchmark: float) -> None:
    """With the error of the measured ratio over T - 1 days, as in Bailey and López de Prado 2012.

    By itself jsharpe takes the error under the null (López de Prado 2025), so it is told which.
    """
    returns = histories()[kind]
    ratio, shape = moments(returns)
    error = jsharpe.sharpe_ratio_variance(ratio, len(returns) - 1, **shape)
    expected = jsharpe.probabilistic_sharpe_ratio(ratio, benchmark, variance=error)
    assert trading.psr(returns, benchmark) == pytest.approx(expected, abs=EXACT)
    needed = trading.min_track_record(returns, benchmark, 0.9)
    if ratio > benchmark:
        then = jsharpe.sharpe_ratio_variance(ratio, needed - 1, **shape)
        reached = jsharpe.probabilistic_sharpe_ratio(ratio, benchmark, variance=then)
        assert reached == pytest.approx(0.9, abs=EXACT)
    else:
        assert needed == math.inf


@pytest.mark.parametrize("count", [2, 7, 100, 10_000])
def test_the_best_of_useless_trials_is_that_of_jsharpe(count: int) -> None:
    expected = jsharpe.expected_maximum_sharpe_ratio(count, 0.04**2)
    assert trading.expected_best(count, 0.04) == pytest.approx(expected, abs=EXACT)
    sharpes = {str(i): value for i, value in enumerate(np.linspace(-1, 1, count))}
    spread = np.linspace(-1, 1, count).std(ddof=1) if count >= 5 else 1.0
    expected = jsharpe.expected_maximum_sharpe_ratio(count, spread**2 / 364)
    assert Trials.of(sharpes).luck(365) == pytest.approx(expected, abs=EXACT)


def test_the_published_example_of_the_deflated_sharpe_ratio() -> None:
    """Bailey and López de Prado 2014, "a numerical example": 0.9004.

    An annual ratio of 2.5 over 1,250 days of 250 a year, skew -3, kurtosis 10, the best of 100
    trials whose annual ratios have a variance of 1/2. Only two values have such moments: one loss
    in about twelve days.
    """
    losses = 105
    days = np.concatenate([np.full(losses, -1.0), np.full(1250 - losses, 0.0)])
    unit = (days - days.mean()) / days.std(ddof=1)
    returns = 0.01 * (unit + 2.5 / math.sqrt(250))
    assert skew(returns) == pytest.approx(-3, abs=0.01)
    assert kurtosis(returns, fisher=False) == pytest.approx(10, abs=0.01)
    luck = trading.expected_best(100, math.sqrt(0.5 / 250))
    assert luck == pytest.approx(0.1132, abs=5e-5)
    assert trading.psr(returns, luck) == pytest.approx(0.9004, abs=5e-4)


DRAWS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "normal": lambda rng: rng.normal(size=(600, 300)),
    "fat tails": lambda rng: rng.standard_t(5, size=(600, 300)),
    "skewed": lambda rng: rng.standard_exponential(size=(600, 300)) - 1,
}


@pytest.mark.parametrize("kind", DRAWS)
def test_without_skill_psr_is_uniform(kind: str) -> None:
    """Every value is as likely as every other where the true ratio is 0, and not where it is."""
    returns = DRAWS[kind](np.random.default_rng(1))
    useless = [trading.psr(history) for history in returns]
    skilled = [trading.psr(history) for history in returns + 0.1 * returns.std()]
    assert kstest(useless, "uniform").pvalue > 0.01
    assert kstest(skilled, "uniform").pvalue < 1e-6
    high = np.mean(np.array(useless) > 0.95)
    assert abs(high - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 600)


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("related", [0.0, 0.8])
def test_the_best_of_useless_trials_is_seldom_called_good(measured: bool, related: float) -> None:
    """At most one in twenty histories has a best of 50 whose deflated ratio is above 0.95.

    Undeflated nearly all have where trials differ, and more than due where they are related.
    """
    rng, runs, trials, days = np.random.default_rng(2), 200, 50, 250
    own, shared = rng.normal(size=(runs, trials, days)), rng.normal(size=(runs, 1, days))
    returns = math.sqrt(1 - related) * own + math.sqrt(related) * shared
    ratios = returns.mean(axis=2) / returns.std(axis=2, ddof=1)
    plain, deflated = [], []
    for history, ratio in zip(returns, ratios):
        known = {str(i): value * math.sqrt(days - 1) for i, value in enumerate(ratio)}
        luck = (Trials.of(known) if measured else Trials(trials)).luck(days)
        best = history[ratio.argmax()]
        plain.append(trading.psr(best))
        deflated.append(trading.psr(best, luck))
    due = runs * 0.05 + 4 * math.sqrt(runs * 0.05 * 0.95)
    assert np.sum(np.array(plain) > 0.95) > due
    if measured or not related:
        assert np.sum(np.array(deflated) > 0.95) <= due
        assert 0.3 < np.median(deflated) < 0.7, "deflated by what luck does, and not by more"
    else:
        assert np.median(deflated) < 0.3, "the null spread is too strict where trials are related"
