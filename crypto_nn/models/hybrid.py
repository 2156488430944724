"""HybridLSTMTransformer: one reads in order, one looks everywhere, and each asks the other.

- features to the width of the model, plus a vector for each symbol
- an LSTM branch (Hochreiter & Schmidhuber 1997) for what just happened, in its order, and a
  Transformer branch (Vaswani et al. 2017) for what is far apart; Lim et al. 2021 (Temporal Fusion
  Transformers) put the one after the other for the same reason, here they stand side by side
- co-attention (Lu et al. 2019, ViLBERT): the newest state of each branch asks all moments of the
  other branch; only the newest states ask, as only they answer
- one head per horizon on both of them
"""

import torch
from torch import Tensor, nn

from crypto_nn.models.attention import Encoder, FeedForward, Look
from crypto_nn.models.configs.hybrid import HybridConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.embedding import WindowEmbedding
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.initialise import initialise
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.positions import Positions
from crypto_nn.models.prediction import Prediction, Windows


class LSTMBranch(nn.Module):
    """States of an LSTM after each moment (B, T, D), normalised (Ba, Kiros & Hinton 2016)."""

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        dropout = config.dropout if config.lstm_layers > 1 else 0.0
        self.lstm = nn.LSTM(
            config.width, config.width, config.lstm_layers, batch_first=True, dropout=dropout
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x_BTD: Tensor, start: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """`start`: hidden and cell states to begin with (layers, B, D); zeros if None."""
        states_BTD, _ = self.lstm(x_BTD, start)
        return self.norm(states_BTD)


class TransformerBranch(nn.Module):
    """States of layers of self-attention over moments that know their age (B, T, D)."""

    def __init__(self, config: HybridConfig, length: int) -> None:
        super().__init__()
        self.positions = Positions(config.positions, length, config.width)
        self.encode = Encoder(config)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.norm(self.encode(self.positions(x_BTD)))


class AskOther(nn.Module):
    """The newest state of a branch, and what it learns from all moments of the other branch.

    A layer of attention and one of its own, both adding to what they were given.
    """

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        self.look = Look(config.width, config.heads)
        self.norm_feed = nn.LayerNorm(config.width)
        self.feed = FeedForward(config.width, config.feed_forward)
        self.drop = ByteDropout(config.dropout)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, newest_BD: Tensor, other_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """The newest state (B, D), and how much it looked at each moment (B, T)."""
        answer_BD, weights_BT = self.look(newest_BD, other_BTD)
        newest_BD = newest_BD + self.drop(answer_BD)
        newest_BD = newest_BD + self.drop(self.feed(self.norm_feed(newest_BD)))
        return self.norm(newest_BD), weights_BT


class HybridLSTMTransformer(nn.Module):
    """An LSTM and a Transformer over the same window, joined by cross-attention both ways."""

    def __init__(self, config: HybridConfig, inputs: Inputs) -> None:
        super().__init__()
        self.embed = WindowEmbedding(inputs, config.width)
        self.drop = ByteDropout(config.dropout)
        self.lstm = LSTMBranch(config)
        self.transformer = TransformerBranch(config, inputs.window)
        self.ask_lstm = AskOther(config)
        self.ask_transformer = AskOther(config)
        initialise(self)
        self.head = HorizonHeads(inputs, 2 * config.width, config.head, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        x_BTD = self.drop(self.embed(windows))
        ordered_BTD, everywhere_BTD = self.lstm(x_BTD), self.transformer(x_BTD)
        first_BD, of_transformer_BT = self.ask_transformer(ordered_BTD[:, -1], everywhere_BTD)
        second_BD, of_lstm_BT = self.ask_lstm(everywhere_BTD[:, -1], ordered_BTD)
        return self.head(
            self.drop(torch.cat([first_BD, second_BD], dim=-1)),
            windows,
            attention=(of_lstm_BT + of_transformer_BT) / 2,
            attention_lstm=of_lstm_BT,
            attention_transformer=of_transformer_BT,
        )
