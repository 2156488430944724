"""StackedLSTM: several LSTMs on top of each other, each of which only adds to the one below.

- features to the width of the model, plus a vector for each symbol
- deep LSTM (Graves, Mohamed & Hinton 2013) with a residual connection around every layer
  (Prakash et al. 2016; Wu et al. 2016), so that gradients reach the lowest one undiminished
- layer norm (Ba, Kiros & Hinton 2016) before each layer, which leaves the residual path free
  (Xiong et al. 2020), and after the last one
- additive attention over time, as in `LSTMPricePredictor`
- one head per horizon on the shared summary
"""

from torch import Tensor, nn

from crypto_nn.models.configs.lstm import StackedLSTMConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.embedding import WindowEmbedding
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.initialise import initialise
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.lstm import TemporalAttention
from crypto_nn.models.prediction import Prediction, Windows


class ResidualLSTM(nn.Module):
    """x + dropout(LSTM(norm(x))): (B, T, D) in and out."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.drop = ByteDropout(dropout)

    def forward(self, x_BTD: Tensor) -> Tensor:
        states_BTD, _ = self.lstm(self.norm(x_BTD))
        return x_BTD + self.drop(states_BTD)


class StackedLSTM(nn.Module):
    """A deep LSTM whose last state is joined by an attention-weighted mean of all its states."""

    def __init__(self, config: StackedLSTMConfig, inputs: Inputs) -> None:
        super().__init__()
        self.embed = WindowEmbedding(inputs, config.hidden)
        layers = (ResidualLSTM(config.hidden, config.dropout) for _ in range(config.layers))
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(config.hidden)
        self.attend = TemporalAttention(config.hidden, config.attention)
        self.drop = ByteDropout(config.dropout)
        initialise(self)
        self.head = HorizonHeads(inputs, config.hidden, config.head, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        states_BTD = self.norm(self.layers(self.drop(self.embed(windows))))
        attended_BD, weights_BT = self.attend(states_BTD)
        summary_BD = states_BTD[:, -1] + attended_BD
        return self.head(self.drop(summary_BD), windows, attention=weights_BT)
