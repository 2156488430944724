"""TransformerPredictor: every moment of the window looks at every other (Vaswani et al. 2017).

- features to the width of the model, a vector for each symbol, and one for each age
- layers of self-attention that normalise first (Xiong et al. 2020)
- pooling: what stands for the whole window
- one head per horizon on it
"""

from typing import Any

import torch
from torch import Tensor, nn

from crypto_nn.models.attention import Encoder, Look, NewestLayer
from crypto_nn.models.configs.transformer import EncoderConfig, TransformerConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.embedding import WindowEmbedding
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.initialise import initialise
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.positions import LEARNED_STD, Positions
from crypto_nn.models.prediction import Prediction, Windows

Summary = tuple[Tensor, dict[str, Tensor]]


class Moments(nn.Module):
    """The base window as vectors of moments (B, T, D): what came, of which symbol, how long ago."""

    def __init__(self, config: EncoderConfig, inputs: Inputs) -> None:
        super().__init__()
        self.embed = WindowEmbedding(inputs, config.width)
        self.positions = Positions(config.positions, inputs.window, config.width)
        self.drop = ByteDropout(config.dropout)

    def forward(self, windows: Windows) -> Tensor:
        return self.drop(self.positions(self.embed(windows)))


class LastPooling(nn.Module):
    """The newest moment after the last layer stands for the window; `attention` is that layer's.

    Nobody wants the last layer's other moments, so they are not computed.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.encode = Encoder(config, config.layers - 1)
        self.last = NewestLayer(config)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x_BTD: Tensor) -> Summary:
        newest_BD, weights_BT = self.last(self.encode(x_BTD))
        return self.norm(newest_BD), {"attention": weights_BT}


class MeanPooling(nn.Module):
    """All moments count the same; `attention` is the newest moment's in the last layer."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.encode = Encoder(config)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x_BTD: Tensor) -> Summary:
        states_BTD, weights_BT = self.encode.with_attention(x_BTD)
        return self.norm(states_BTD).mean(dim=1), {"attention": weights_BT}


class AttentionPooling(nn.Module):
    """A learned question decides how much each moment counts (Lee et al. 2019)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.encode = Encoder(config)
        self.norm = nn.LayerNorm(config.width)
        self.question = nn.Parameter(torch.randn(1, config.width) * LEARNED_STD)
        self.look = Look(config.width, config.heads)

    def forward(self, x_BTD: Tensor) -> Summary:
        summary_BD, weights_BT = self.ask(self.norm(self.encode(x_BTD)))
        return summary_BD, {"attention": weights_BT}

    def ask(self, states_BTD: Tensor) -> tuple[Tensor, Tensor]:
        return self.look(self.question.expand(states_BTD.shape[0], -1), states_BTD)


class LearnedPooling(AttentionPooling):
    """Newest moment, mean and attention pooling, by weights that are learned: `gate_pooling`."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.mix = nn.Parameter(torch.zeros(3))

    def forward(self, x_BTD: Tensor) -> Summary:
        states_BTD = self.norm(self.encode(x_BTD))
        asked_BD, weights_BT = self.ask(states_BTD)
        mix_3 = self.mix.softmax(dim=0)
        each_B3D = torch.stack((states_BTD[:, -1], states_BTD.mean(dim=1), asked_BD), dim=1)
        summary_BD = (mix_3[:, None] * each_B3D).sum(dim=1)
        gate_B3 = mix_3.expand(summary_BD.shape[0], -1)
        return summary_BD, {"attention": weights_BT, "gate_pooling": gate_B3}


POOLINGS: dict[str, Any] = {
    "last": LastPooling,
    "mean": MeanPooling,
    "attention": AttentionPooling,
    "learned": LearnedPooling,
}


class TransformerPredictor(nn.Module):
    """A pre-norm Transformer encoder whose pooled states answer for all horizons."""

    def __init__(self, config: TransformerConfig, inputs: Inputs) -> None:
        super().__init__()
        self.moments = Moments(config, inputs)
        self.summarise = POOLINGS[config.pooling](config)
        self.drop = ByteDropout(config.dropout)
        initialise(self)
        self.head = HorizonHeads(inputs, config.width, config.head, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        summary_BD, inspect = self.summarise(self.moments(windows))
        return self.head(self.drop(summary_BD), windows, **inspect)
