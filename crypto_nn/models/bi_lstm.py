"""BiLSTMPredictor: reads the window forwards and backwards.

- features to the width of the model, plus a vector for each symbol
- LSTMs in both directions (Schuster & Paliwal 1997; Graves & Schmidhuber 2005), layer norm after
- additive attention over time, as in `LSTMPricePredictor`
- one head per horizon on the shared summary

The second direction starts at the newest closed bar and ends at the oldest of the same window.
Nothing beyond the window's end is read, in training as live: there is no look-ahead.
"""

import torch
from torch import Tensor, nn

from crypto_nn.models.configs.lstm import BiLSTMConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.embedding import WindowEmbedding
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.initialise import initialise
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.lstm import TemporalAttention
from crypto_nn.models.prediction import Prediction, Windows


class BiLSTMPredictor(nn.Module):
    """Where both readings of the window end, joined by an attention-weighted mean of all states."""

    def __init__(self, config: BiLSTMConfig, inputs: Inputs) -> None:
        super().__init__()
        self.hidden, width = config.hidden, 2 * config.hidden
        self.embed = WindowEmbedding(inputs, config.width)
        self.lstm = nn.LSTM(
            config.width,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
            bidirectional=True,
        )
        self.norm = nn.LayerNorm(width)
        self.attend = TemporalAttention(width, config.attention)
        self.drop = ByteDropout(config.dropout)
        initialise(self)
        self.head = HorizonHeads(inputs, width, config.head, config.dropout)

    def states(self, windows: Windows) -> Tensor:
        """States of both directions (B, T, 2 · hidden), forwards in the first half."""
        states_BTD, _ = self.lstm(self.drop(self.embed(windows)))
        return self.norm(states_BTD)

    def forward(self, windows: Windows) -> Prediction:
        states_BTD = self.states(windows)
        forwards_BD, backwards_BD = (
            states_BTD[:, -1, : self.hidden],
            states_BTD[:, 0, self.hidden :],
        )
        attended_BD, weights_BT = self.attend(states_BTD)
        summary_BD = torch.cat([forwards_BD, backwards_BD], dim=-1) + attended_BD
        return self.head(self.drop(summary_BD), windows, attention=weights_BT)
