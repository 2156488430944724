"""Hybrids: two ways of reading a window that ask, weigh and inform each other."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crypto_nn.errors import ConfigError
from crypto_nn.models import MODELS, build
from crypto_nn.models.adaptive_hybrid import AdaptiveHybridModel
from crypto_nn.models.gating import GatedResidual
from crypto_nn.models.hybrid import HybridLSTMTransformer
from crypto_nn.models.multi_scale import MultiScaleHybrid
from crypto_nn.models.prediction import Prediction, Windows
from crypto_nn.models.specimen import inputs_of, random_windows

HYBRIDS = ("HybridLSTMTransformer", "AdaptiveHybridModel", "MultiScaleHybrid")
SURE = 1e4  # a logit that leaves nothing to any other


def small(name: str) -> Any:
    torch.manual_seed(0)
    config = MODELS[name].presets["small"]
    return build(name, config, inputs_of(config)).eval()


@pytest.fixture(scope="module")
def hybrid() -> HybridLSTMTransformer:
    model: HybridLSTMTransformer = small("HybridLSTMTransformer")
    return model


@pytest.fixture
def adaptive() -> AdaptiveHybridModel:
    model: AdaptiveHybridModel = small("AdaptiveHybridModel")
    return model


@pytest.fixture(scope="module")
def scales() -> MultiScaleHybrid:
    model: MultiScaleHybrid = small("MultiScaleHybrid")
    return model


@pytest.fixture(scope="module")
def windows() -> Windows:
    return random_windows(6, inputs_of(MODELS["MultiScaleHybrid"].presets["small"]))


@torch.no_grad()
def ask(model: nn.Module, windows: Windows) -> Prediction:
    answer: Prediction = model(windows)
    return answer


def shifted(module: nn.Module, moment: int) -> Callable[[], None]:
    """Let a branch's state at one moment differ from now on; returns what ends it."""

    def shift(_module: nn.Module, _given: Any, states_BTD: Tensor) -> Tensor:
        states_BTD = states_BTD.clone()
        states_BTD[:, moment] += torch.linspace(-2, 2, states_BTD.shape[-1])
        return states_BTD

    return module.register_forward_hook(shift).remove


@pytest.mark.parametrize("branch", ["lstm", "transformer"])
def test_each_branch_is_asked_by_the_other(
    hybrid: HybridLSTMTransformer, windows: Windows, branch: str
) -> None:
    """An old state of a branch reaches the answer, and only by the other branch's question."""
    look: Any = hybrid.get_submodule(f"ask_{branch}.look")
    before = ask(hybrid, windows)
    end = shifted(hybrid.get_submodule(branch), 3)
    try:
        after = ask(hybrid, windows)
        assert not torch.equal(before.logits_BHC, after.logits_BHC)
        told = look.out.weight.clone()
        with torch.no_grad():
            look.out.weight.zero_()
            deaf = ask(hybrid, windows)
    finally:
        end()
    torch.testing.assert_close(ask(hybrid, windows).logits_BHC, deaf.logits_BHC, rtol=0, atol=0)
    with torch.no_grad():
        look.out.weight.copy_(told)


def test_attention_is_the_mean_of_both_questions(
    hybrid: HybridLSTMTransformer, windows: Windows
) -> None:
    """What either branch was asked about is shown, and each adds up to one."""
    seen = ask(hybrid, windows).inspect
    both_BT = (seen["attention_lstm"] + seen["attention_transformer"]) / 2
    torch.testing.assert_close(seen["attention"], both_BT)
    assert not torch.equal(seen["attention_lstm"], seen["attention_transformer"])
    for name in ("attention", "attention_lstm", "attention_transformer"):
        torch.testing.assert_close(seen[name].sum(dim=1), torch.ones(6))


def force_gate(model: AdaptiveHybridModel, expert: int) -> None:
    with torch.no_grad():
        model.gate.share.weight.zero_()
        model.gate.share.bias.zero_()
        model.gate.share.bias[expert::2] = SURE


@pytest.mark.parametrize("expert", [0, 1], ids=["lstm", "transformer"])
def test_a_gate_on_one_expert_gives_that_experts_answer(
    adaptive: AdaptiveHybridModel, windows: Windows, expert: int
) -> None:
    """With all of the share, a branch answers alone, to the bit."""
    force_gate(adaptive, expert)
    answer = ask(adaptive, windows)
    with torch.no_grad():
        x_BTD = adaptive.embed(windows)
        alone: Prediction = (adaptive.lstm, adaptive.transformer)[expert](x_BTD, windows)
    assert alone.log_variance_BH is not None
    assert answer.log_variance_BH is not None
    assert torch.equal(answer.logits_BHC, alone.logits_BHC.log_softmax(dim=-1))
    assert torch.equal(answer.log_variance_BH, alone.log_variance_BH)
    assert torch.equal(answer.inspect["attention"], alone.inspect["attention"])
    assert torch.equal(answer.inspect["gate"], torch.eye(2)[expert].expand(6, 2))


def test_the_answer_is_the_mixture_of_the_experts(
    adaptive: AdaptiveHybridModel, windows: Windows
) -> None:
    """Probabilities and variances are the experts' own, weighted by the gate of each horizon."""
    with torch.no_grad():
        adaptive.gate.share.bias.copy_(torch.linspace(-1, 1, 6))
        experts = [
            e(adaptive.embed(windows), windows) for e in (adaptive.lstm, adaptive.transformer)
        ]
    answer = ask(adaptive, windows)
    gate_BHE = answer.inspect["gate_horizons"]
    p_BHC, variance_BH = torch.zeros(6, 3, 3), torch.zeros(6, 3)
    for number, expert in enumerate(experts):
        p_BHC += gate_BHE[..., number, None] * expert.logits_BHC.softmax(dim=-1)
        variance_BH += gate_BHE[..., number] * expert.log_variance_BH.exp()
    assert answer.log_variance_BH is not None
    torch.testing.assert_close(answer.logits_BHC.exp(), p_BHC)
    torch.testing.assert_close(answer.log_variance_BH.exp(), variance_BH)
    torch.testing.assert_close(answer.inspect["gate"], gate_BHE.mean(dim=1))
    torch.testing.assert_close(answer.inspect["gate"].sum(dim=1), torch.ones(6))


def test_the_gate_is_driven_by_the_input_alone(
    adaptive: AdaptiveHybridModel, windows: Windows
) -> None:
    """Other windows get other shares; other experts do not change the share of either."""
    before = ask(adaptive, windows).inspect["gate_horizons"]
    assert all(not torch.equal(before[0], each) for each in before[1:])
    with torch.no_grad():
        for weight in [*adaptive.lstm.parameters(), *adaptive.transformer.parameters()]:
            weight.mul_(1.5)
    assert torch.equal(ask(adaptive, windows).inspect["gate_horizons"], before)


def test_the_gate_learns_whom_to_believe(adaptive: AdaptiveHybridModel) -> None:
    """Of an expert that always says down and one that always says up, each gets its windows."""
    for expert, up in ((adaptive.lstm, -4.0), (adaptive.transformer, 4.0)):
        for head in expert.head.heads:
            output: Any = list(head.children())[-1]
            with torch.no_grad():
                output.weight.zero_()
                output.bias[:3] = torch.tensor([-up, 0.0, up])
    windows = random_windows(96, inputs_of(MODELS["AdaptiveHybridModel"].presets["small"]))
    rises_B = windows.x_BTF[:, -1, 0] > 0
    classes_BH = (2 * rises_B.long())[:, None].expand(-1, 3)
    optimizer = torch.optim.Adam(adaptive.gate.parameters(), lr=0.01)
    for _ in range(40):
        logits_BHC = adaptive(windows).logits_BHC
        loss = nn.functional.cross_entropy(logits_BHC.flatten(0, 1), classes_BH.flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    gate_BE = ask(adaptive, windows).inspect["gate"]
    assert ((gate_BE[:, 1] > 0.5) == rises_B).float().mean() > 0.95


def moved(windows: Windows, timeframe: str) -> Windows:
    slower = windows.slower | {timeframe: windows.slower[timeframe] + 1.0}
    return Windows(windows.x_BTF, windows.t_B, windows.symbol_B, slower)


def test_scales_inform_finer_ones_only(scales: MultiScaleHybrid, windows: Windows) -> None:
    """Bars change where finer scales look, never where slower ones do, and always the answer."""
    order = ("attention_1h", "attention_15m", "attention_5m", "attention")
    before = ask(scales, windows)
    for number, name in enumerate(order[:-1]):
        after = ask(scales, moved(windows, name.removeprefix("attention_")))
        assert not torch.equal(before.logits_BHC, after.logits_BHC)
        same = [torch.equal(before.inspect[each], after.inspect[each]) for each in order]
        assert same == [True] * number + [False] * (len(order) - number)


def test_every_scale_is_weighed_by_every_horizon(
    scales: MultiScaleHybrid, windows: Windows
) -> None:
    """Shares of scales add up to one, and a scale that has all of it answers alone."""
    assert scales.scales == ("1m", "5m", "15m", "1h")
    seen = ask(scales, windows).inspect
    assert seen["gate_scales"].shape == (6, 4)
    torch.testing.assert_close(seen["gate_horizons"].sum(dim=-1), torch.ones(6, 3))
    torch.testing.assert_close(seen["gate_horizons"].mean(dim=1), seen["gate_scales"])
    kept = scales.share.bias.detach().clone()
    with torch.no_grad():
        scales.share.bias[3::4] = SURE  # the hour, at every horizon
    only = ask(scales, windows)
    finer = ask(scales, moved(windows, "15m"))
    with torch.no_grad():
        scales.share.bias.copy_(kept)
    assert torch.equal(only.logits_BHC, finer.logits_BHC)
    assert not torch.equal(only.logits_BHC, ask(scales, windows).logits_BHC)


def test_a_closed_gate_leaves_its_input_alone() -> None:
    """A gated residual network whose gate is shut is the layer norm of what it was given."""
    network = GatedResidual(8, 0.0)
    with torch.no_grad():
        network.gate.bias[8:] = -SURE
    a, context = torch.randn(5, 8), torch.randn(5, 8)
    torch.testing.assert_close(network(a, context), nn.functional.layer_norm(a, (8,)))
    with torch.no_grad():
        network.gate.bias[8:] = 0.0
    assert not torch.allclose(network(a, context), network(a, -context))


@pytest.mark.parametrize("name", HYBRIDS)
def test_heads_that_do_not_divide_the_width_are_refused(name: str) -> None:
    """The error names the key, its value, and what is allowed."""
    settings = MODELS[name].presets["small"].model_dump() | {"heads": 5}
    with pytest.raises(ConfigError, match=r"heads is 5.*width 32.*use 1, 2, 4, 8, 16, 32"):
        MODELS[name].configure(settings)


@pytest.mark.parametrize(
    ("bars", "said"),
    [({"7m": 3}, "7 minutes"), ({"15m": 0}, "15m"), ({}, "bars"), ({"1m": 5}, "base window")],
)
def test_scales_that_cannot_be_are_refused(bars: dict[str, int], said: str) -> None:
    """A timeframe that does not exist, no bars of one, and no timeframe at all are errors."""
    settings = MODELS["MultiScaleHybrid"].presets["small"].model_dump() | {"bars": bars}
    with pytest.raises(ConfigError, match=said):
        MODELS["MultiScaleHybrid"].configure(settings)
