"""LSTMPricePredictor: reads the window in order, then looks back at what mattered.

- features to the width of the model, plus a vector for each symbol
- an LSTM (Hochreiter & Schmidhuber 1997), layer norm after it (Ba, Kiros & Hinton 2016)
- additive attention over time, asked by the last state (Bahdanau, Cho & Bengio 2015)
- one head per horizon on the shared summary
"""

from torch import Tensor, nn

from crypto_nn.models.configs.lstm import LSTMConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.embedding import WindowEmbedding
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.initialise import initialise
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import Prediction, Windows


class TemporalAttention(nn.Module):
    """A weighted mean of all moments of the window; the newest state asks which ones matter."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.key = nn.Linear(width, hidden)
        self.query = nn.Linear(width, hidden, bias=False)
        # No bias: the softmax over moments would not see it, so that it would never learn.
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, states_BTD: Tensor) -> tuple[Tensor, Tensor]:
        asked_B1A = self.query(states_BTD[:, -1:])
        scores_BT1 = self.score((self.key(states_BTD) + asked_B1A).tanh())
        weights_BT1 = scores_BT1.softmax(dim=1)
        return (weights_BT1 * states_BTD).sum(dim=1), weights_BT1.squeeze(-1)


class LSTMPricePredictor(nn.Module):
    """An LSTM whose last state is joined by an attention-weighted mean of all its states."""

    def __init__(self, config: LSTMConfig, inputs: Inputs) -> None:
        super().__init__()
        self.embed = WindowEmbedding(inputs, config.width)
        self.lstm = nn.LSTM(
            config.width,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.norm = nn.LayerNorm(config.hidden)
        self.attend = TemporalAttention(config.hidden, config.attention)
        self.drop = ByteDropout(config.dropout)
        initialise(self)
        self.head = HorizonHeads(inputs, config.hidden, config.head, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        states_BTD, _ = self.lstm(self.drop(self.embed(windows)))
        states_BTD = self.norm(states_BTD)
        attended_BD, weights_BT = self.attend(states_BTD)
        summary_BD = states_BTD[:, -1] + attended_BD
        return self.head(self.drop(summary_BD), windows, attention=weights_BT)
