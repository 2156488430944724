"""TCN: convolutions over time instead of recurrence (Bai, Kolter & Koltun 2018).

- features to the width of the model, plus a vector for each symbol
- residual blocks of two causal convolutions, each with weight norm (Salimans & Kingma 2016),
  ReLU and dropout of whole channels; each block looks twice as far apart as the one before
- layer norm of the newest state, which has seen the whole window
- one head per horizon on it
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from crypto_nn.errors import ConfigError
from crypto_nn.models.configs.modern import TCNConfig
from crypto_nn.models.embedding import WindowEmbedding
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.initialise import initialise
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import Prediction, Windows


class CausalConv(nn.Module):
    """A dilated convolution of moments that are not later: (B, D, T) in and out."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.before = (kernel - 1) * dilation
        conv = nn.Conv1d(width, width, kernel, dilation=dilation)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        assert conv.bias is not None
        nn.init.zeros_(conv.bias)
        self.conv = weight_norm(conv)

    def forward(self, x_BDT: Tensor) -> Tensor:
        return self.conv(nn.functional.pad(x_BDT, (self.before, 0)))


class ChannelDropout(nn.Module):
    """Drops whole channels of a window (B, D, T), all moments at once (Tompson et al. 2015)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(share)

    def forward(self, x_BDT: Tensor) -> Tensor:
        return x_BDT * self.drop(torch.ones_like(x_BDT[..., :1]))


class CausalBlock(nn.Module):
    """Two causal convolutions that add to what they were given: (B, D, T) in and out."""

    def __init__(self, config: TCNConfig, dilation: int) -> None:
        super().__init__()
        conv = (config.width, config.kernel, dilation)
        self.body = nn.Sequential(
            CausalConv(*conv),
            nn.ReLU(),
            ChannelDropout(config.dropout),
            CausalConv(*conv),
            nn.ReLU(),
            ChannelDropout(config.dropout),
        )

    def forward(self, x_BDT: Tensor) -> Tensor:
        return (x_BDT + self.body(x_BDT)).relu()


class TCN(nn.Module):
    """Dilated causal convolutions whose newest state answers.

    Raises:
        ConfigError: the newest state would not see the oldest moment of the window.
    """

    def __init__(self, config: TCNConfig, inputs: Inputs) -> None:
        super().__init__()
        if config.sees < inputs.window:
            raise ConfigError(
                f"model.settings: {config.levels} levels with a kernel of {config.kernel} see "
                f"{config.sees} moments, and training.window is {inputs.window}. "
                "Use more levels, a larger kernel, or a shorter window."
            )
        self.embed = WindowEmbedding(inputs, config.width)
        self.blocks = nn.Sequential(*(CausalBlock(config, 2**i) for i in range(config.levels)))
        self.norm = nn.LayerNorm(config.width)
        self.drop = nn.Dropout(config.dropout)
        initialise(self)
        self.head = HorizonHeads(inputs, config.width, config.head, config.dropout)

    def states(self, windows: Windows) -> Tensor:
        """States (B, T, width), each of which knows of no later moment than its own."""
        return self.blocks(self.embed(windows).transpose(1, 2)).transpose(1, 2)

    def forward(self, windows: Windows) -> Prediction:
        newest_BD = self.norm(self.states(windows)[:, -1])
        return self.head(self.drop(newest_BD), windows)
