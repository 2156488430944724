"""PatchTST: its patches, its channels, and what it leaves out of a window."""

import pytest
import torch
from torch import Tensor

from crypto_nn.errors import ConfigError
from crypto_nn.models import MODELS, build
from crypto_nn.models.configs.modern import PatchTSTConfig
from crypto_nn.models.laws import (
    check_every_moment_counts,
    check_every_parameter_learns,
    check_neighbours_do_not_talk,
)
from crypto_nn.models.patch_tst import Patches, PatchTST
from crypto_nn.models.specimen import Specimen, inputs_of

EACH_FEATURE = PatchTSTConfig(
    width=8, heads=2, layers=1, feed_forward=12, head=8, patch=5, stride=3, summary=4
)


def specimen(config: PatchTSTConfig = EACH_FEATURE) -> Specimen:
    inputs = inputs_of(config)
    return Specimen(lambda: build("PatchTST", config, inputs), inputs)


def test_patches_are_stretches_with_the_newest_moment_repeated() -> None:
    """Token p of a channel is the linear map of moments p·stride to p·stride + patch."""
    patches, x_BTC = Patches(EACH_FEATURE, 16), torch.randn(2, 16, 3)
    tokens_XPD = patches(x_BTC)
    assert tokens_XPD.shape == (2 * 3, patches.number, EACH_FEATURE.width)
    padded_BTC = torch.cat([x_BTC, x_BTC[:, -1:].repeat(1, 3, 1)], dim=1)
    for row in range(2):
        for channel in range(3):
            for p in range(patches.number):
                due_D = patches.embed(padded_BTC[row, 3 * p : 3 * p + 5, channel])
                due_D = due_D + patches.positions.table[p]
                torch.testing.assert_close(tokens_XPD[3 * row + channel, p], due_D)


def test_channels_do_not_see_each_other() -> None:
    """With no mixture, a feature changes what its own channel says, and nothing else."""
    model = specimen().used()
    assert isinstance(model, PatchTST)
    told: list[Tensor] = []
    model.flatten.register_forward_hook(lambda *called: told.append(called[2]))
    windows = specimen().windows
    model(windows)
    windows.x_BTF[:, 4, 2] += 1.0
    model(windows)
    same_BC = (told[0] == told[1]).all(dim=1).view(5, -1)
    assert not same_BC[:, 2].any()
    assert same_BC[:, [c for c in range(same_BC.shape[1]) if c != 2]].all()


def test_tokens_do_not_depend_on_level_and_scale() -> None:
    """Instance norm: a channel moved and stretched is read the same; the heads are told of it."""
    model = specimen().used()
    assert isinstance(model, PatchTST)
    told: list[Tensor] = []
    model.flatten.register_forward_hook(lambda *called: told.append(called[2]))
    windows = specimen().windows
    before = model(windows).logits_BHC
    windows.x_BTF.mul_(3.0).add_(2.0)
    after = model(windows).logits_BHC
    torch.testing.assert_close(told[0], told[1], atol=1e-3, rtol=0)
    assert ((before - after).abs() > 0.1).any()


@pytest.mark.parametrize(
    "law", [check_every_moment_counts, check_every_parameter_learns, check_neighbours_do_not_talk]
)
def test_every_feature_on_its_own_keeps_the_laws(law: object) -> None:
    """The form of the paper, with no mixture of features, is a model like any other."""
    assert callable(law)
    law(specimen())


def test_a_patch_longer_than_the_window_is_refused() -> None:
    """The error names the setting, its value and what is allowed."""
    config = MODELS["PatchTST"].presets["small"]
    with pytest.raises(ConfigError, match=r"patch is 16.*training\.window is 12.*1 to 12"):
        build("PatchTST", config, inputs_of(config, window=12))
