"""What the modern baselines promise beyond the law of every model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from crypto_nn.errors import ConfigError
from crypto_nn.models import MODELS, Inputs, build
from crypto_nn.models.configs.modern import TCNConfig
from crypto_nn.models.d_linear import DLinear, decompose
from crypto_nn.models.prediction import Windows
from crypto_nn.models.specimen import inputs_of, random_windows
from crypto_nn.models.tcn import TCN, ChannelDropout


def small(name: str) -> tuple[object, Windows]:
    """A fresh small model in eval mode, and windows of noise that fit it."""
    config = MODELS[name].presets["small"]
    torch.manual_seed(0)
    inputs = inputs_of(config)
    return build(name, config, inputs).eval(), random_windows(4, inputs)


@pytest.mark.parametrize("kernel", [2, 5, 25, 60])
def test_trend_is_a_moving_average_and_the_remainder_the_rest(kernel: int) -> None:
    """The two sum back to the input; the trend is the mean around each moment, ends repeated."""
    x_BTF = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0))
    trend_BTF, remainder_BTF = decompose(x_BTF, kernel)
    torch.testing.assert_close(trend_BTF + remainder_BTF, x_BTF)
    x = x_BTF.numpy()
    for moment in range(30):
        around = np.arange(moment - kernel // 2, moment - kernel // 2 + kernel).clip(0, 29)
        due = x[:, around].mean(axis=1)
        np.testing.assert_allclose(trend_BTF[:, moment].numpy(), due, atol=1e-5)


@pytest.mark.parametrize("preset", ["small", "full"])
def test_d_linear_is_linear(preset: str) -> None:
    """The answer to a blend of two windows is the blend of the answers, log-variance too."""
    config = MODELS["DLinear"].presets[preset]
    inputs = inputs_of(config)
    model = build("DLinear", config, inputs).eval()
    assert isinstance(model, DLinear)
    one, other = random_windows(4, inputs, seed=1), random_windows(4, inputs, seed=2)
    blend = model(replace(one, x_BTF=0.3 * one.x_BTF + 0.7 * other.x_BTF))
    here, there = model(one), model(other)
    torch.testing.assert_close(blend.logits_BHC, 0.3 * here.logits_BHC + 0.7 * there.logits_BHC)
    assert blend.log_variance_BH is not None
    torch.testing.assert_close(
        blend.log_variance_BH, 0.3 * here.log_variance_BH + 0.7 * there.log_variance_BH
    )


def test_tcn_is_causal() -> None:
    """A changed bar changes states from it on, and no bit of any before it."""
    model, windows = small("TCN")
    assert isinstance(model, TCN)
    before_BTD = model.states(windows)
    for moment in (0, 7, windows.x_BTF.shape[1] - 1):
        x_BTF = windows.x_BTF.clone()
        x_BTF[:, moment] += 2.0
        after_BTD = model.states(replace(windows, x_BTF=x_BTF))
        assert torch.equal(before_BTD[:, :moment], after_BTD[:, :moment])
        assert not torch.equal(before_BTD[:, moment], after_BTD[:, moment])


def test_tcn_sees_as_far_as_its_settings_say() -> None:
    """The newest state depends on `sees` moments, and on none before them."""
    config = TCNConfig(width=8, kernel=3, levels=2, head=4, dropout=0.0)
    assert config.sees == 13
    torch.manual_seed(0)
    model = TCN(config, Inputs(4, 3, 2, 13)).double()
    x_BTF = torch.randn(1, 20, 4, dtype=torch.float64, requires_grad=True)
    newest_D = model.states(Windows(x_BTF, torch.zeros(1), torch.zeros(1, dtype=torch.int64)))[
        0, -1
    ]
    (gradient_BTF,) = torch.autograd.grad(newest_D.sum(), x_BTF)
    assert gradient_BTF[0].any(dim=1).tolist() == [t >= 20 - config.sees for t in range(20)]


def test_tcn_that_cannot_see_its_window_is_refused() -> None:
    """A window longer than the newest state sees is an error that says what to change."""
    config = MODELS["TCN"].presets["small"]
    with pytest.raises(ConfigError, match=r"see 125 moments, and training\.window is 240"):
        build("TCN", config, Inputs(4, 3, 2, 240))


def test_tcn_drops_whole_channels() -> None:
    """In training a channel is dropped at all moments of a window, or at none."""
    dropout = ChannelDropout(0.5).train()
    dropped_BDT = dropout(torch.ones(6, 32, 9)) == 0
    assert dropped_BDT.any()
    assert (dropped_BDT.any(dim=2) == dropped_BDT.all(dim=2)).all()
