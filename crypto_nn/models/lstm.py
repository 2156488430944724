"""LSTMPricePredictor: reads the window in order, then looks back at what mattered.

- one linear layer brings the features to the width of the model, plus a vector for each symbol
- an LSTM (Hochreiter & Schmidhuber 1997), layer norm after it (Ba, Kiros & Hinton 2016)
- additive attention over time, asked by the last state (Bahdanau, Cho & Bengio 2015)
- one head per horizon on the shared summary
- a straight linear path from the newest bar to the logits, so that what a logistic regression can
  see need not be learned by the rest (Cheng et al. 2016, "wide & deep")
"""

from dataclasses import replace

from torch import Tensor, nn

from crypto_nn.models.configs import LSTMConfig
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.initialise import initialise
from crypto_nn.models.prediction import NUM_CLASSES, Prediction, Windows


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

    def __init__(
        self, config: LSTMConfig, num_features: int, num_horizons: int, num_symbols: int
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(num_features, config.width)
        self.symbol = nn.Embedding(num_symbols, config.width)
        self.lstm = nn.LSTM(
            config.width,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.norm = nn.LayerNorm(config.hidden)
        self.attend = TemporalAttention(config.hidden, config.attention)
        self.drop = nn.Dropout(config.dropout)
        self.shortcut = nn.Linear(num_features, num_horizons * NUM_CLASSES, bias=False)
        initialise(self)
        nn.init.zeros_(self.shortcut.weight)
        self.head = HorizonHeads(config.hidden, config.head, num_horizons, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        embedded_BTW = self.embed(windows.x_BTF) + self.symbol(windows.symbol_B)[:, None]
        states_BTD, _ = self.lstm(self.drop(embedded_BTW))
        states_BTD = self.norm(states_BTD)
        attended_BD, weights_BT = self.attend(states_BTD)
        summary_BD = states_BTD[:, -1] + attended_BD
        answer = self.head(self.drop(summary_BD), attention=weights_BT)
        straight_BHC = self.shortcut(windows.x_BTF[:, -1]).view_as(answer.logits_BHC)
        return replace(answer, logits_BHC=answer.logits_BHC + straight_BHC)
