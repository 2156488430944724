"""What is not known is told apart: noise of the market, and what the model has not seen."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from crypto_nn.errors import FeatureError, ModelError
from crypto_nn.features.panel import Panel
from crypto_nn.inference.predictor import ModelInference
from crypto_nn.inference.uncertainty import (
    Draw,
    Uncertainty,
    ensemble_uncertainty,
    entropy,
    gather,
    uncertainty,
    with_dropout,
)
from crypto_nn.models import MODELS
from crypto_nn.models.specimen import Specimen, said_by
from crypto_nn.training import Recipe, TrainConfig
from crypto_nn.training.version import train_version
from crypto_nn_tests.training.market import LABELS, fold, panel
from crypto_nn_tests.training.tasks import TINY

TRAIN = TrainConfig(
    window=10,
    max_windows=600,
    max_epochs=2,
    batch_size=50,
    max_validation_windows=300,
    learning_rate=5e-3,
)


def trained(
    market: Panel, seed: int = 0, dropout: float = 0.3, **settings: object
) -> ModelInference:
    """A linear model that learned from features that say nothing of their labels."""
    config = MODELS["DLinear"].configure({"kernel": 4, "steps": 8, "dropout": dropout})
    train = TRAIN.model_copy(update={"seed": seed, **settings})
    recipe = Recipe("DLinear", config, train, LABELS, "features-1")
    return ModelInference(train_version(market, fold(), recipe).files)


@pytest.fixture(scope="module")
def market() -> Panel:
    return panel()


@pytest.fixture(scope="module")
def members(market: Panel) -> tuple[ModelInference, ...]:
    return tuple(trained(market, seed) for seed in range(3))


@pytest.fixture(scope="module")
def inference(members: tuple[ModelInference, ...]) -> ModelInference:
    return members[0]


@pytest.fixture(scope="module")
def ends(inference: ModelInference, market: Panel) -> np.ndarray:
    return market.window_ends(inference.reach)[::60]


def far(market: Panel) -> Panel:
    """The same market with features at the scaler's clip: nothing like it was seen in training."""
    return replace(market, x_NF=market.x_NF * 50)


def check_sums(found: Uncertainty) -> None:
    whole_RH = found.expected_entropy_RH + found.mutual_information_RH
    np.testing.assert_allclose(found.entropy_RH, whole_RH, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.entropy_RH, entropy(found.probabilities_RHC), atol=1e-9)
    np.testing.assert_allclose(found.probabilities_RHC.sum(axis=-1), 1.0, atol=1e-12)
    assert (found.mutual_information_RH >= 0).all()
    assert (found.expected_entropy_RH >= 0).all()
    assert (found.entropy_RH <= np.log(3) + 1e-12).all()


def draws(*probabilities: tuple[float, float, float]) -> Iterator[Draw]:
    return (
        Draw(np.array([[each]]), np.array([[float(n)]])) for n, each in enumerate(probabilities)
    )


def test_agreement_is_no_epistemic_uncertainty() -> None:
    """Draws that all say the same are as unsure as each of them, and no more."""
    found = gather(draws((0.2, 0.3, 0.5), (0.2, 0.3, 0.5)))
    assert found.mutual_information_RH.item() == pytest.approx(0.0, abs=1e-15)
    expected = -(0.2 * np.log(0.2) + 0.3 * np.log(0.3) + 0.5 * np.log(0.5))
    assert found.entropy_RH.item() == pytest.approx(expected)


def test_sure_draws_that_disagree_are_all_epistemic_uncertainty() -> None:
    """One sure of down and one sure of up: ln 2 of entropy, none of it noise."""
    found = gather(draws((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    assert found.expected_entropy_RH.item() == 0.0
    assert found.mutual_information_RH.item() == pytest.approx(np.log(2))
    np.testing.assert_array_equal(found.probabilities_RHC[0, 0], [0.5, 0.0, 0.5])
    assert found.aleatoric_sd_RH.item() == pytest.approx(np.sqrt(0.5))  # variances 0 and 1


def test_entropy_splits_into_noise_and_doubt(
    inference: ModelInference,
    members: tuple[ModelInference, ...],
    market: Panel,
    ends: np.ndarray,
) -> None:
    """For both ways: the whole is the sum of its parts, none of them negative."""
    for found in (
        uncertainty(inference, market, ends),
        ensemble_uncertainty(members, market, ends),
    ):
        assert found.entropy_RH.shape == (len(ends), 2)
        assert (found.mutual_information_RH > 0).any()
        check_sums(found)


def test_doubt_grows_far_from_what_was_learned(
    inference: ModelInference,
    members: tuple[ModelInference, ...],
    market: Panel,
    ends: np.ndarray,
) -> None:
    """A model that learned noise in one region has more epistemic uncertainty far outside it."""
    near, away = (uncertainty(inference, each, ends) for each in (market, far(market)))
    assert (away.mutual_information_RH > near.mutual_information_RH).mean() > 0.95
    near, away = (ensemble_uncertainty(members, each, ends) for each in (market, far(market)))
    assert (away.mutual_information_RH > near.mutual_information_RH).mean() > 0.95


def test_a_seed_repeats_its_bits(
    inference: ModelInference, market: Panel, ends: np.ndarray
) -> None:
    """The same windows and seed give the same bits, and another seed others."""
    first, again, other = (
        uncertainty(inference, market, ends, samples=3, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.probabilities_RHC, again.probabilities_RHC)
    np.testing.assert_array_equal(first.mutual_information_RH, again.mutual_information_RH)
    np.testing.assert_array_equal(first.aleatoric_sd_RH, again.aleatoric_sd_RH)
    assert (first.probabilities_RHC != other.probabilities_RHC).any()


def test_order_of_windows_changes_no_more_than_the_draws(
    inference: ModelInference, market: Panel, ends: np.ndarray
) -> None:
    """Windows in another order get the same numbers but for other dropout."""
    ends = ends[:40]
    one = uncertainty(inference, market, ends, samples=100)
    other = uncertainty(inference, market, ends[::-1], samples=100)
    np.testing.assert_allclose(
        one.probabilities_RHC, other.probabilities_RHC[::-1], atol=0.005, rtol=0
    )


def test_asking_for_doubt_changes_nothing(
    inference: ModelInference, market: Panel, ends: np.ndarray
) -> None:
    """Answers afterwards have the same bits; torch's random state and the mode are left alone."""
    before = inference.predict(market, ends), torch.get_rng_state()
    weights = {name: each.clone() for name, each in inference.network.state_dict().items()}
    uncertainty(inference, market, ends, samples=2)
    assert not any(module.training for module in inference.network.modules())
    assert torch.equal(before[1], torch.get_rng_state())
    np.testing.assert_array_equal(before[0], inference.predict(market, ends))
    after = inference.network.state_dict()
    assert all(torch.equal(each, after[name]) for name, each in weights.items())


def test_an_ensemble_is_the_mean_of_its_members(
    members: tuple[ModelInference, ...], market: Panel, ends: np.ndarray
) -> None:
    """Its probabilities are the mean of theirs, and its variance too; dropout is off."""
    found = ensemble_uncertainty(members, market, ends)
    mean_RHC = np.mean([each.predict(market, ends) for each in members], axis=0)
    np.testing.assert_allclose(found.probabilities_RHC, mean_RHC, rtol=1e-12)
    assert found.draws == 3


def test_the_variance_that_a_model_says_is_given(market: Panel, ends: np.ndarray) -> None:
    """The standard deviation is about 1, that of a move as usual now; NaN where not trained."""
    config = MODELS["LSTMPricePredictor"].configure(TINY.model_dump())
    for weight in (0.1, 0.0):
        train = TRAIN.model_copy(update={"uncertainty_weight": weight})
        recipe = Recipe("LSTMPricePredictor", config, train, LABELS, "features-1")
        inference = ModelInference(train_version(market, fold(), recipe).files)
        found = uncertainty(inference, market, ends, samples=3)
        if weight:
            assert found.aleatoric_sd_RH.mean() == pytest.approx(1.0, abs=0.2)
        else:
            assert np.isnan(found.aleatoric_sd_RH).all()


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_doubt(name: str) -> None:
    """Under dropout a copy of any model says something else each time, and remembers nothing."""
    specimen = Specimen.of(MODELS[name])
    model = specimen.make().eval()
    copy = with_dropout(model, name)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        windows = specimen.windows
        assert not torch.equal(said_by(copy(windows)), said_by(copy(windows)))
        assert torch.equal(said_by(model(windows)), said_by(model(windows)))
    known = model.state_dict()
    assert all(torch.equal(each, known[key]) for key, each in copy.state_dict().items())


def test_norms_stay_in_eval() -> None:
    """Only dropout is switched on: a norm over the batch goes on with what it learned."""
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Dropout(0.0)).eval()
    copy = with_dropout(network, "a network")
    assert [module.training for module in copy.modules()] == [False, False, True, False]


def test_dropout_between_lstms_is_switched_on() -> None:
    """A network with dropout between recurrent layers alone has draws as well."""
    torch.manual_seed(0)
    network = nn.LSTM(3, 4, num_layers=2, dropout=0.5).eval()
    copy, x = with_dropout(network, "an LSTM"), torch.randn(2, 5, 3)
    assert not torch.equal(copy(x)[0], copy(x)[0])
    assert torch.equal(network(x)[0], network(x)[0])


def test_without_dropout_there_is_no_doubt_to_ask_for(market: Panel, ends: np.ndarray) -> None:
    """A model that drops nothing is refused by the setting's name, not answered with zeros."""
    inference = trained(market, dropout=0.0)
    with pytest.raises(ModelError, match=r"model\.settings\.dropout is 0 in version .* of DLinear"):
        uncertainty(inference, market, ends)


def test_one_draw_cannot_disagree(
    inference: ModelInference, market: Panel, ends: np.ndarray
) -> None:
    """Fewer than two samples or members are refused."""
    with pytest.raises(ModelError, match="1 samples cannot disagree"):
        uncertainty(inference, market, ends, samples=1)
    with pytest.raises(ModelError, match="1 members cannot disagree"):
        ensemble_uncertainty([inference], market, ends)


def test_members_must_have_learned_the_same_task(
    inference: ModelInference, market: Panel, ends: np.ndarray
) -> None:
    """Versions that mean different things by their classes make no ensemble."""
    labels = LABELS.model_copy(update={"span": 90})
    recipe = Recipe("DLinear", inference.recipe.config, TRAIN, labels, "features-1")
    other = ModelInference(train_version(market, fold(), recipe).files)
    with pytest.raises(ModelError, match="differ in labels"):
        ensemble_uncertainty([inference, other], market, ends)


def test_windows_are_checked_and_may_be_none(
    inference: ModelInference, members: tuple[ModelInference, ...], market: Panel
) -> None:
    """No windows, no numbers; windows that cannot be answered are refused as by `predict`."""
    none = np.empty(0, dtype=np.int64)
    for found in (
        uncertainty(inference, market, none),
        ensemble_uncertainty(members, market, none),
    ):
        assert found.probabilities_RHC.shape == (0, 2, 3)
        assert found.mutual_information_RH.shape == found.aleatoric_sd_RH.shape == (0, 2)
    with pytest.raises(FeatureError, match="no unbroken run"):
        uncertainty(inference, market, np.array([3]))
