"""Every model obeys the law of models; presets have the sizes that they promise."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn

from crypto_nn.errors import ConfigError, ModelError
from crypto_nn.models import MODELS, Inputs, LSTMConfig, ModelConfig, build, find
from crypto_nn_tests.contracts.model import LAWS, inputs_of, random_windows

LSTM = "LSTMPricePredictor"


def small(name: str) -> nn.Module:
    config = MODELS[name].presets["small"]
    return build(name, config, inputs_of(config))


def size(name: str, preset: str, num_features: int) -> int:
    model = build(name, MODELS[name].presets[preset], Inputs(num_features, 3, 2, 48))
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", MODELS)
def test_law(name: str, law: Callable[[Callable[[], nn.Module]], None]) -> None:
    """Each law of `contracts.model` holds for each model."""
    law(lambda: small(name))


@pytest.mark.parametrize("name", MODELS)
def test_small_preset_is_small(name: str) -> None:
    """The `small` preset has 20 to 200 thousand parameters: minutes on a CPU."""
    assert 20_000 <= size(name, "small", 60) <= 200_000


@pytest.mark.parametrize("num_features", [40, 60, 90])
def test_full_lstm_has_two_and_a_half_million_parameters(num_features: int) -> None:
    """The `full` LSTM has the 2.5 M parameters of the brief, to 2 %, whatever the feature set."""
    assert size(LSTM, "full", num_features) == pytest.approx(2_500_000, rel=0.02)


def test_attention_weights_of_each_window_sum_to_one() -> None:
    """Attention is a weighting of the moments of the window: positive, and one in all."""
    attention_BT = small(LSTM).eval()(random_windows(4, 20)).inspect["attention"]
    assert attention_BT.shape == (4, 20)
    assert (attention_BT > 0).all()
    torch.testing.assert_close(attention_BT.sum(dim=1), torch.ones(4))


def test_symbols_are_told_apart() -> None:
    """The same features of another symbol get another answer."""
    model = small(LSTM).eval()
    windows = random_windows(2)
    first, other = (
        model(type(windows)(windows.x_BTF, windows.t_B, torch.full((2,), s))).logits_BHC
        for s in (0, 1)
    )
    assert not torch.equal(first, other)


def test_forget_gates_start_open() -> None:
    """A fresh LSTM remembers: its forget gates have a bias of one in all, all others none."""
    lstm = small(LSTM).get_submodule("lstm")
    assert isinstance(lstm, nn.LSTM)
    weights = dict(lstm.named_parameters())
    bias = weights["bias_ih_l0"] + weights["bias_hh_l0"]
    hidden = lstm.hidden_size
    assert (bias[hidden : 2 * hidden] == 1).all()
    assert not bias[:hidden].any()
    assert not bias[2 * hidden :].any()


def test_recurrent_weights_start_orthogonal() -> None:
    """Each gate's recurrent matrix turns states without stretching them."""
    lstm = small(LSTM).get_submodule("lstm")
    assert isinstance(lstm, nn.LSTM)
    for gate in dict(lstm.named_parameters())["weight_hh_l0"].detach().chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(lstm.hidden_size), atol=1e-5, rtol=0)


def test_unknown_model_is_named_with_the_known_ones() -> None:
    """A wrong name is answered with the names there are."""
    with pytest.raises(ModelError, match=r"no model 'LSTN'.*LSTMPricePredictor"):
        find("LSTN")


def test_unknown_preset_is_named_with_the_known_ones() -> None:
    """A wrong preset is answered with the presets there are."""
    with pytest.raises(ConfigError, match=r"no preset 'huge'.*small, full"):
        MODELS[LSTM].configure("huge")


def test_settings_out_of_range_are_refused() -> None:
    """A setting that cannot be is answered with its name."""
    with pytest.raises(ConfigError, match="dropout"):
        MODELS[LSTM].configure(MODELS[LSTM].presets["small"].model_dump() | {"dropout": 1.5})


def test_config_of_another_model_is_refused() -> None:
    """A model is not built from settings that are not its own."""

    class Other(ModelConfig):
        pass

    with pytest.raises(ModelError, match="set up by LSTMConfig"):
        build(LSTM, Other(), Inputs(3, 3, 1, 12))
    assert find(LSTM).config is LSTMConfig


def test_names_and_settings_load_without_torch() -> None:
    """The table of models and the settings of training are read without loading torch."""
    code = (
        "import sys, crypto_nn.models, crypto_nn.training, crypto_nn.inference, "
        "crypto_nn.models.baselines; "
        "sys.exit(' '.join(m for m in ('torch', 'sklearn', 'dagster') if m in sys.modules) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
