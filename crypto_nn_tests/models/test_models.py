"""Every model obeys the law of models; presets have the sizes that they promise."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module

import pytest
import torch
from torch import nn

import crypto_nn.training
import crypto_nn.tuning
from crypto_nn.errors import ConfigError, ModelError
from crypto_nn.models import MODELS, Inputs, LSTMConfig, ModelConfig, build, find, find_slower
from crypto_nn.models.heads import HorizonHeads
from crypto_nn_tests.contracts.model import LAWS, Specimen, check_looks_at_its_window_only

LSTM = "LSTMPricePredictor"
FULL = {"lstm": 2_500_000, "transformer": 8_100_000, "hybrid": 10_300_000, "memory": 12_700_000}
OF_THE_BRIEF = [name for name, entry in MODELS.items() if entry.family in FULL]
USUAL_SLOWER = 7  # features of each slower timeframe, as in the shipped feature set


def small(name: str) -> nn.Module:
    return specimen(name).make()


@cache
def specimen(name: str) -> Specimen:
    return Specimen.of(MODELS[name], "small")


def size(name: str, preset: str, num_features: int) -> int:
    """Parameters of a preset for so many features, counted without making their numbers."""
    config = MODELS[name].presets[preset]
    slower = [f"f{i}_{text}" for text in config.slower for i in range(USUAL_SLOWER)]
    names = [*(f"f{i}" for i in range(num_features - len(slower))), *slower]
    inputs = Inputs(num_features, 3, 2, 48, find_slower(config.slower, names))
    with torch.device("meta"):
        return sum(weight.numel() for weight in build(name, config, inputs).parameters())


def law_name(law: Callable[..., None]) -> str:
    return law.__name__.removeprefix("check_")


@pytest.mark.parametrize("law", [*LAWS.values(), check_looks_at_its_window_only], ids=law_name)
@pytest.mark.parametrize("name", MODELS)
def test_law(name: str, law: Callable[[Specimen], None]) -> None:
    """Each law of models holds for each model."""
    law(specimen(name))


@pytest.mark.parametrize("num_features", [60, 90])
@pytest.mark.parametrize("name", MODELS)
def test_small_preset_is_small(name: str, num_features: int) -> None:
    """The `small` preset has 20 to 200 thousand parameters: minutes on a CPU."""
    assert 20_000 <= size(name, "small", num_features) <= 200_000


@pytest.mark.parametrize("num_features", [40, 60, 90])
@pytest.mark.parametrize("name", OF_THE_BRIEF)
def test_full_preset_has_the_size_of_its_family(name: str, num_features: int) -> None:
    """The `full` presets have the parameters of the brief, to 2 %, whatever the feature set."""
    due = FULL[MODELS[name].family]
    assert size(name, "full", num_features) == pytest.approx(due, rel=0.02)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_both_sizes(name: str) -> None:
    """Each model can be had as `small` and as `full`, `small` first, which is the default."""
    assert list(MODELS[name].presets)[:2] == ["small", "full"]
    assert size(name, "full", 60) > size(name, "small", 60)


@pytest.mark.parametrize("name", OF_THE_BRIEF)
def test_horizons_share_a_backbone_and_have_heads(name: str) -> None:
    """Each model of the brief answers through one head per horizon."""
    heads = [each for each in small(name).modules() if isinstance(each, HorizonHeads)]
    assert {len(each.heads) for each in heads} == {specimen(name).inputs.num_horizons}


@pytest.mark.parametrize(
    "name", [name for name in MODELS if any(c.slower for c in MODELS[name].presets.values())]
)
def test_reach_is_that_of_the_settings(name: str) -> None:
    """A model that looks at slower bars says so before it is built, and when it is."""
    config = MODELS[name].presets["small"]
    names = [f"f_{text}" for text in config.slower]
    inputs = Inputs(len(names), 3, 2, 48, find_slower(config.slower, names))
    assert inputs.reach == config.reach(48) > 48


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


PUBLIC = {
    "crypto_nn.models": tuple(MODELS),
    "crypto_nn.training": crypto_nn.training.__all__,
    "crypto_nn.tuning": crypto_nn.tuning.__all__,
}


@pytest.mark.parametrize("room", PUBLIC)
def test_public_names_are_found_where_their_room_is(room: str) -> None:
    """`from crypto_nn.models import TransformerPredictor`, and so on; others are not there."""
    module = import_module(room)
    for name in PUBLIC[room]:
        assert getattr(module, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = module.Nothing
