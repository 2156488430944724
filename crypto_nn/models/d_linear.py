"""DLinear: is anything but a linear model needed? (Zeng, Chen, Zhang & Xu 2023)

- each feature's window is split into a trend, its moving average, and the remainder
- a linear map over time of each, shared by all features or one for every feature, turns the
  moments of the window into a few numbers; the two are added
- where the paper forecasts each feature from these numbers, a linear layer over all features
  gives the logits and the log-variance of each horizon here, and each symbol has its own offset

There is no nonlinearity between features and logits.
"""

import torch
from torch import Tensor, nn

from crypto_nn.models.configs.modern import DLinearConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.initialise import OUTPUT_STD
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import NUM_CLASSES, Prediction, Windows


def decompose(x_BTF: Tensor, kernel: int) -> tuple[Tensor, Tensor]:
    """Trend and remainder of each feature (B, T, F); their sum is the input.

    The trend is the mean of the `kernel` moments around each one; beyond both ends the first
    and the last moment are repeated. It looks ahead inside the window, never beyond its end.
    """
    before, after = kernel // 2, kernel - 1 - kernel // 2
    x_BFT = x_BTF.transpose(1, 2)
    padded_BFT = nn.functional.pad(x_BFT, (before, after), mode="replicate")
    trend_BTF = nn.functional.avg_pool1d(padded_BFT, kernel, stride=1).transpose(1, 2)
    return trend_BTF, x_BTF - trend_BTF


class TimeMap(nn.Module):
    """A linear map over time: (B, T, F) to (B, F, S), for windows of T moments."""

    def __init__(self, config: DLinearConfig, inputs: Inputs) -> None:
        super().__init__()
        self.individual = config.individual
        maps = inputs.num_features if config.individual else 1
        self.weight = nn.Parameter(torch.empty(maps, inputs.window, config.steps))
        nn.init.normal_(self.weight, std=inputs.window**-0.5)

    def forward(self, x_BTF: Tensor) -> Tensor:
        if self.individual:
            return torch.bmm(x_BTF.permute(2, 0, 1), self.weight).transpose(0, 1)
        return x_BTF.transpose(1, 2) @ self.weight[0]


class DLinear(nn.Module):
    """Linear maps over time of trend and remainder, and a linear answer for each horizon."""

    def __init__(self, config: DLinearConfig, inputs: Inputs) -> None:
        super().__init__()
        self.kernel, self.num_horizons = config.kernel, inputs.num_horizons
        answers = inputs.num_horizons * (NUM_CLASSES + 1)
        self.trend = TimeMap(config, inputs)
        self.remainder = TimeMap(config, inputs)
        self.drop = ByteDropout(config.dropout)
        self.output = nn.Linear(inputs.num_features * config.steps, answers)
        self.symbol = nn.Embedding(inputs.num_symbols, answers)
        # So many numbers come together that the usual first weights would be far from uniform.
        nn.init.normal_(self.output.weight, std=0.1 * self.output.in_features**-0.5)
        nn.init.zeros_(self.output.bias)
        nn.init.normal_(self.symbol.weight, std=OUTPUT_STD)

    def forward(self, windows: Windows) -> Prediction:
        trend_BTF, remainder_BTF = decompose(windows.x_BTF, self.kernel)
        mapped_BFS = self.trend(trend_BTF) + self.remainder(remainder_BTF)
        answers = self.output(self.drop(mapped_BFS.flatten(1))) + self.symbol(windows.symbol_B)
        answers_BHA = answers.unflatten(1, (self.num_horizons, NUM_CLASSES + 1))
        return Prediction(answers_BHA[..., :NUM_CLASSES], answers_BHA[..., NUM_CLASSES])
