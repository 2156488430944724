"""The probability of backtest overfitting: by hand, by a slow oracle, and where it must lie."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import rankdata

from crypto_nn.errors import ConfigError
from crypto_nn.metrics.overfitting import pbo

A, B = [0.02, 0.01], [-0.01, 0.00]  # two good days, two bad ones
FLIPPED = np.array([[*A, *B], [*B, *A]]).T
STEADY = np.array([[*A, *A], [*B, *B]]).T


def test_what_was_best_in_one_half_and_worst_in_the_other_is_overfitted() -> None:
    """By hand: rank 1 of 2 is 1/3 of the way, and its log odds ln(1/2)."""
    found = pbo(FLIPPED, 2)
    assert found.probability == 1
    np.testing.assert_allclose(found.logits_S, [-math.log(2)] * 2)
    assert sorted(found.chosen_S) == [0, 1]
    ratio = math.sqrt(2) * 3  # mean 0.015 over standard deviation 0.01 / √2
    np.testing.assert_allclose(found.inside_S, [0.015 / 0.01 * math.sqrt(2)] * 2, rtol=1e-12)
    np.testing.assert_allclose(found.outside_S, [-ratio / 6] * 2, rtol=1e-12)
    assert found.loss == 1


def test_what_is_best_in_both_halves_is_not() -> None:
    found = pbo(STEADY, 2)
    assert found.probability == 0
    np.testing.assert_allclose(found.logits_S, [math.log(2)] * 2)
    assert found.chosen_S.tolist() == [0, 0]
    assert found.loss == 0


def oracle(returns: np.ndarray, blocks: int) -> tuple[float, list[float]]:
    """As the paper says it, way by way: pick in one half, rank in the other."""
    parts = np.split(returns[len(returns) % blocks :], blocks)
    logits = []
    for ways in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[i] for i in ways])
        outside = np.concatenate([parts[i] for i in range(blocks) if i not in ways])
        chosen = (inside.mean(axis=0) / inside.std(axis=0, ddof=1)).argmax()
        rank = rankdata(outside.mean(axis=0) / outside.std(axis=0, ddof=1))[chosen]
        share = rank / (returns.shape[1] + 1)
        logits.append(math.log(share / (1 - share)))
    below = sum((logit < 0) + (logit == 0) / 2 for logit in logits)
    return below / len(logits), logits


@pytest.mark.parametrize(
    ("periods", "strategies", "blocks"), [(40, 3, 4), (103, 6, 6), (250, 9, 8)]
)
@pytest.mark.parametrize("scale", [1e-6, 1.0])
def test_it_equals_the_papers_procedure_way_by_way(
    periods: int, strategies: int, blocks: int, scale: float
) -> None:
    """Also with returns around a mean far from 0, of skewed days, in any unit."""
    generator = np.random.default_rng(periods)
    returns = scale * (generator.standard_exponential((periods, strategies)) - 0.9)
    found = pbo(returns, blocks)
    probability, logits = oracle(returns, blocks)
    assert found.probability == probability
    np.testing.assert_allclose(found.logits_S, logits, atol=1e-12)
    assert len(found.logits_S) == math.comb(blocks, blocks // 2)


def test_among_useless_strategies_choosing_tells_nothing() -> None:
    """The probability lies around one half; single histories lie far apart."""
    generator = np.random.default_rng(0)
    found = [pbo(generator.normal(size=(240, 10)), 8).probability for _ in range(150)]
    assert np.mean(found) == pytest.approx(0.5, abs=4 * float(np.std(found)) / math.sqrt(150))
    assert np.std(found) > 0.1


def test_one_that_is_truly_good_is_found_again() -> None:
    """The better the good one is, the surer; at last every half finds it."""
    generator = np.random.default_rng(1)
    means = []
    for edge in (0.0, 0.1, 0.5):
        returns = generator.normal(size=(40, 240, 10))
        returns[:, :, 3] += edge
        means.append(np.mean([pbo(history, 8).probability for history in returns]))
    assert means[0] > 0.35
    assert means[1] < 0.8 * means[0]
    assert means[2] < 0.001


def test_strategies_that_are_one_and_the_same_share_their_rank() -> None:
    """Nothing is chosen among equals: one half. Those that never trade are such."""
    same = np.repeat(np.random.default_rng(2).normal(size=(80, 1)), 4, axis=1)
    assert pbo(same, 8).probability == 0.5
    assert pbo(np.zeros((80, 4)), 8).probability == 0.5
    idle = np.column_stack([np.zeros(80), same[:, 0] - same[:, 0].mean() - 0.5])
    assert pbo(idle, 8).probability == 0, "not trading is better than losing"


@pytest.mark.parametrize("shape", [(80, 1), (80, 0), (7, 5), (0, 5)])
def test_without_a_choice_or_days_it_cannot_be_told(shape: tuple[int, int]) -> None:
    found = pbo(np.ones(shape), 8)
    assert math.isnan(found.probability)
    assert math.isnan(found.loss)


@pytest.mark.parametrize("blocks", [0, -2, 5])
def test_blocks_must_be_even(blocks: int) -> None:
    with pytest.raises(ConfigError, match="even"):
        pbo(STEADY, blocks)


def test_a_return_that_is_not_there_is_no_return_of_zero() -> None:
    with pytest.raises(ConfigError, match="not finite"):
        pbo(np.where(STEADY > 0.015, np.nan, STEADY), 2)
