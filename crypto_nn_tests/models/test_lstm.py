"""What the LSTMs promise beyond the law of every model."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from crypto_nn.errors import ConfigError
from crypto_nn.models import MODELS, build, find_slower
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import Windows
from crypto_nn.models.specimen import inputs_of, random_windows
from crypto_nn.models.stacked_lstm import StackedLSTM

ENTRIES = [entry for entry in MODELS.values() if entry.family == "lstm"]
NAMES = [entry.name for entry in ENTRIES]
ATTENTIVE = MODELS["AttentiveLSTM"]
BARS = ("5m", "15m", "1h")


def small(name: str) -> tuple[nn.Module, Windows]:
    """A fresh small model in eval mode, and windows of noise that fit it."""
    config = MODELS[name].presets["small"]
    torch.manual_seed(0)
    inputs = inputs_of(config)
    return build(name, config, inputs).eval(), random_windows(4, inputs)


def lstms(model: nn.Module) -> list[nn.LSTM]:
    return [module for module in model.modules() if isinstance(module, nn.LSTM)]


def changed(windows: Windows, moment: int) -> Windows:
    """The same windows, but for one moment."""
    x_BTF = windows.x_BTF.clone()
    x_BTF[:, moment] += 2.0
    return replace(windows, x_BTF=x_BTF)


@pytest.mark.parametrize("num_features", [40, 90])
@pytest.mark.parametrize("name", NAMES)
def test_full_preset_has_two_and_a_half_million_parameters(name: str, num_features: int) -> None:
    """The `full` LSTMs have the 2.5 M parameters of the family, to 2 %, on any feature set."""
    config = MODELS[name].presets["full"]
    names = [f"f{i}_{bars}" for bars in BARS for i in range(7)]
    slower = find_slower(config.slower, names)
    model = build(name, config, Inputs(num_features, 3, 2, 48, slower))
    size = sum(weight.numel() for weight in model.parameters())
    assert size == pytest.approx(2_500_000, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_attention_weights_of_each_window_sum_to_one(name: str) -> None:
    """Attention is a weighting of the bars of a window: positive, and one in all."""
    model, windows = small(name)
    lengths = {"attention": windows.x_BTF.shape[1]}
    lengths |= {f"attention_{text}": x.shape[1] for text, x in windows.slower.items()}
    inspect = model(windows).inspect
    assert set(lengths) == {key for key in inspect if key.startswith("attention")}
    for key, length in lengths.items():
        assert inspect[key].shape == (4, length)
        assert (inspect[key] > 0).all()
        torch.testing.assert_close(inspect[key].sum(dim=1), torch.ones(4))


@pytest.mark.parametrize("name", NAMES)
def test_forget_gates_start_open(name: str) -> None:
    """A fresh LSTM remembers: its forget gates have a bias of one in all, all others none."""
    for lstm in lstms(small(name)[0]):
        weights = dict(lstm.named_parameters())
        for suffix in {key.removeprefix("bias_ih") for key in weights if key.startswith("bias_ih")}:
            each = (weights[f"bias_ih{suffix}"] + weights[f"bias_hh{suffix}"]).chunk(4)
            assert [set(gate.tolist()) for gate in each] == [{0.0}, {1.0}, {0.0}, {0.0}]


@pytest.mark.parametrize("name", NAMES)
def test_recurrent_weights_start_orthogonal(name: str) -> None:
    """Each gate's recurrent matrix turns states without stretching them."""
    for lstm in lstms(small(name)[0]):
        for key, weight in lstm.named_parameters():
            if key.startswith("weight_hh"):
                for gate in weight.detach().chunk(4):
                    torch.testing.assert_close(
                        gate @ gate.T, torch.eye(lstm.hidden_size), atol=1e-5, rtol=0
                    )


def _moved(before_BTD: Tensor, after_BTD: Tensor) -> list[bool]:
    """For each moment, whether any state of it is another."""
    return (before_BTD != after_BTD).flatten(2).any(dim=2).all(dim=0).tolist()


def test_both_directions_are_read() -> None:
    """A changed bar moves forward states from it on, and backward states up to it."""
    model, windows = small("BiLSTMPredictor")
    lstm, moment, length = lstms(model)[0], 5, windows.x_BTF.shape[1]
    embedded = [model.embed(each) for each in (windows, changed(windows, moment))]  # type: ignore[operator]
    before, after = (lstm(each)[0] for each in embedded)
    hidden = lstm.hidden_size
    forwards = _moved(before[..., :hidden], after[..., :hidden])
    backwards = _moved(before[..., hidden:], after[..., hidden:])
    assert forwards == [t >= moment for t in range(length)]
    assert backwards == [t <= moment for t in range(length)]


def test_stacked_layers_only_add() -> None:
    """With every LSTM silenced, what enters the stack leaves it, bit for bit."""
    model, windows = small("StackedLSTM")
    assert isinstance(model, StackedLSTM)
    with torch.no_grad():
        for lstm in lstms(model):
            for weight in lstm.parameters():
                weight.zero_()
    x_BTD = model.embed(windows)
    assert torch.equal(model.layers(x_BTD), x_BTD)


def test_timeframes_are_weighed_and_each_one_counts() -> None:
    """The weights of the timeframes sum to one, and none of the slower windows is left unread."""
    model, windows = small("AttentiveLSTM")
    answer = model(windows)
    gate_BS = answer.inspect["gate_timeframes"]
    assert gate_BS.shape == (4, 1 + len(BARS))
    assert (gate_BS > 0).all()
    torch.testing.assert_close(gate_BS.sum(dim=1), torch.ones(4))
    for timeframe in BARS:
        other = windows.slower | {timeframe: windows.slower[timeframe] + 1.0}
        moved = model(replace(windows, slower=other)).logits_BHC != answer.logits_BHC
        assert moved.any(dim=-1).all()


def test_the_weight_of_a_timeframe_is_what_it_says() -> None:
    """Where the gate gives everything to the base window, slower bars change nothing."""
    model, windows = small("AttentiveLSTM")

    def base_only(_: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        return torch.eye(1 + len(BARS))[:1].expand(len(inputs[0]), -1)

    model.get_submodule("gate").register_forward_hook(lambda m, i, _: base_only(m, i))
    other = {timeframe: x + 1.0 for timeframe, x in windows.slower.items()}
    here, there = model(windows), model(replace(windows, slower=other))
    assert torch.equal(here.logits_BHC, there.logits_BHC)


def test_timeframes_may_be_left_out_and_their_order_does_not_matter() -> None:
    """Without slower bars there is one weight, of one; settings are kept fastest first."""
    settings = ATTENTIVE.presets["small"].model_dump()
    alone = ATTENTIVE.configure(settings | {"bars": {}})
    inputs = inputs_of(alone)
    answer = build(ATTENTIVE.name, alone, inputs)(random_windows(3, inputs))
    assert answer.inspect["gate_timeframes"].tolist() == [[1.0]] * 3
    mixed = ATTENTIVE.configure(settings | {"bars": {"1h": 3, "5m": 4}})
    assert list(mixed.slower) == ["5m", "1h"]
    assert mixed.reach(48) == 121


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        ({"7m": 3}, "7 minutes does not divide a day"),
        ({"quick": 3}, "'quick' is not a timeframe"),
        ({"1m": 3}, "1m is the base window"),
        ({"5m": 0}, "5m"),
    ],
)
def test_slower_bars_that_cannot_be_are_refused(bars: dict[str, int], said: str) -> None:
    """A timeframe that is none, the base window itself, or no bars at all: named in the error."""
    settings = ATTENTIVE.presets["small"].model_dump() | {"bars": bars}
    with pytest.raises(ConfigError, match=said):
        ATTENTIVE.configure(settings)
