"""PatchTST: a Transformer over stretches of each feature on its own (Nie et al. 2023).

- every channel of a window less its mean, by its standard deviation (Kim et al. 2022, RevIN)
- stretches of `patch` moments, `stride` apart, the newest moment repeated at the end, are tokens
- layers of self-attention over the patches of one channel; all channels share their weights
- all patches of a channel flattened, then a linear layer that channels share
- one head per horizon on what all channels say

What differs from the paper: it forecasts each series from its own channel; here all channels
together answer a question about the price. It adds mean and deviation back to its forecast; here
the heads are told them. Layer norm stands before each part, where it has batch norm after each,
since windows of a batch must not talk to one another. `channels` learned mixtures can be read
instead of the features: then channels are independent of each other, but features are not.
"""

import torch
from torch import Tensor, nn

from crypto_nn.errors import ConfigError
from crypto_nn.models.attention import Encoder
from crypto_nn.models.configs.modern import PatchTSTConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.initialise import initialise
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.positions import Positions
from crypto_nn.models.prediction import Prediction, Windows

SMALLEST_VARIANCE = 1e-5


class Patches(nn.Module):
    """Windows of channels (B, T, C) as tokens of their patches (B·C, P, D).

    Raises:
        ConfigError: a patch is longer than the window.
    """

    def __init__(self, config: PatchTSTConfig, window: int) -> None:
        super().__init__()
        if config.patch > window:
            raise ConfigError(
                f"model.settings.patch is {config.patch}, and training.window is {window}. "
                f"Use a patch of 1 to {window}, or a longer window."
            )
        self.patch, self.stride = config.patch, config.stride
        self.number = (window - config.patch) // config.stride + 2
        self.embed = nn.Linear(config.patch, config.width)
        self.positions = Positions(config.positions, self.number, config.width)

    def forward(self, x_BTC: Tensor) -> Tensor:
        newest_B1C = x_BTC[:, -1:]
        padded_BTC = torch.cat((x_BTC, newest_B1C.expand(-1, self.stride, -1)), dim=1)
        patches_BPCM = padded_BTC.unfold(1, self.patch, self.stride)
        return self.positions(self.embed(patches_BPCM.transpose(1, 2).flatten(0, 1)))


class PatchTST(nn.Module):
    """Patches of each channel through one encoder, then all channels' answers together.

    `attention_patches` (B, P) is what the newest patch looks at in the last layer, the mean of
    all channels and heads.

    Attributes:
        steps: minutes from one entry of a tensor that is shown to the next.
    """

    def __init__(self, config: PatchTSTConfig, inputs: Inputs) -> None:
        super().__init__()
        self.mix: nn.Module = nn.Identity()
        channels = inputs.num_features
        if config.channels is not None:
            channels = config.channels
            self.mix = nn.Linear(inputs.num_features, channels)
        self.patches = Patches(config, inputs.window)
        self.steps = {"attention_patches": config.stride}
        self.encode = Encoder(config)
        self.norm = nn.LayerNorm(config.width)
        self.flatten = nn.Linear(self.patches.number * config.width, config.summary)
        self.symbol = nn.Embedding(inputs.num_symbols, channels * config.summary)
        self.drop = ByteDropout(config.dropout)
        initialise(self)
        width = channels * (config.summary + 2)
        self.head = HorizonHeads(inputs, width, config.head, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        x_BTC = self.mix(windows.x_BTF).float()
        variance_B1C, mean_B1C = torch.var_mean(x_BTC, dim=1, keepdim=True, correction=0)
        deviation_B1C = (variance_B1C + SMALLEST_VARIANCE).sqrt()
        tokens_XPD = self.drop(self.patches((x_BTC - mean_B1C) / deviation_B1C))
        states_XPD, weights_XP = self.encode.with_attention(tokens_XPD)
        by_channel = -1, x_BTC.shape[2]
        told_XS = self.flatten(self.norm(states_XPD).flatten(1))
        told_BS = told_XS.unflatten(0, by_channel).flatten(1) + self.symbol(windows.symbol_B)
        level_BS = torch.cat((mean_B1C, deviation_B1C.log()), dim=2).flatten(1)
        weights_BCP = weights_XP.unflatten(0, by_channel)
        return self.head(
            self.drop(torch.cat((told_BS, level_BS), dim=1)),
            windows,
            attention_patches=weights_BCP.mean(dim=1),
        )
