"""Controls: a known signal is learned, a market without one is not, and both are told apart."""

from dataclasses import replace

import numpy as np
import pytest

from crypto_nn.features.panel import Panel
from crypto_nn.training import Recipe, TrainConfig
from crypto_nn.training.scores import MODEL, Scores
from crypto_nn.training.version import train_version
from crypto_nn_tests.training.market import LABELS, fold, panel
from crypto_nn_tests.training.tasks import TINY

RECIPE = Recipe(
    "LSTMPricePredictor",
    TINY.model_copy(update={"hidden": 12, "layers": 1, "dropout": 0.1}),
    TrainConfig(window=8, max_windows=2_000, max_epochs=5, batch_size=64, learning_rate=5e-3),
    LABELS,
)


def with_signal(market: Panel, strength: float) -> Panel:
    """The market with a last feature that knows each horizon's coming score, through noise."""
    random = np.random.default_rng(5)
    told_N = np.nan_to_num(market.scores_NH[:, 0])
    x_NF = market.x_NF.copy()
    x_NF[:, -1] = strength * told_N + random.standard_normal(len(told_N))
    x_NF[:60] = np.nan
    return replace(market, x_NF=x_NF)


def scored(market: Panel, recipe: Recipe = RECIPE) -> Scores:
    return Scores.from_dict(train_version(market, fold(), recipe).config["scores"])


def skills(market: Panel) -> list[float]:
    return [score.skill for score in scored(market).of(MODEL)]


def test_a_planted_signal_is_learned() -> None:
    """A feature that half knows the next five minutes takes away a good part of the surprise."""
    assert skills(with_signal(panel(), 1.0))[0] > 0.1


def test_a_signal_in_the_past_of_the_window_is_learned() -> None:
    """What a feature said three bars ago is remembered, which no baseline on the last bar can."""
    market = panel()
    scores_NH = np.random.default_rng(1).standard_normal(market.scores_NH.shape)
    x_NF = market.x_NF.copy()
    x_NF[:-3, -1] = scores_NH[3:, 0]
    longer = RECIPE.train.model_copy(
        update={"max_windows": 4_000, "max_epochs": 6, "learning_rate": 0.01}
    )
    scores = scored(replace(market, scores_NH=scores_NH, x_NF=x_NF), replace(RECIPE, train=longer))
    assert scores.of(MODEL)[0].skill > 0.1
    assert scores.of("logistic")[0].skill < 0.01


@pytest.mark.parametrize("seed", [0, 1])
def test_labels_in_random_order_cannot_be_learned(seed: int) -> None:
    """The same features with permuted labels: no skill, and calibration makes it say so."""
    market = with_signal(panel(), 1.0)
    order = np.random.default_rng(seed).permutation(len(market))
    permuted = replace(market, scores_NH=market.scores_NH[order])
    assert max(skills(permuted)) < 0.01


def test_a_random_walk_cannot_be_learned() -> None:
    """A market without an edge gives none, and the card says so."""
    trained = train_version(panel(seed=3), fold(), RECIPE)
    scores = Scores.from_dict(trained.config["scores"]).of(MODEL)
    assert max(score.skill for score in scores) < 0.01
    assert "no better than" in trained.files["card.md"].decode()
