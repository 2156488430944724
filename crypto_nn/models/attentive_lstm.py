"""AttentiveLSTM: one reader for each timeframe, and a weighting of what they say.

- the base window and each window of slower bars: features to the width of the model, an LSTM
  (Hochreiter & Schmidhuber 1997), layer norm (Ba, Kiros & Hinton 2016), and additive attention
  over its bars, asked by its newest state (Bahdanau, Cho & Bengio 2015; temporal attention as in
  Qin et al. 2017)
- attention over the timeframes, asked by the base window (hierarchical attention, Yang et al.
  2016): their summaries are joined by weights that sum to one
- one head per horizon on the joined summary
"""

import torch
from torch import Tensor, nn

from crypto_nn.models.configs.lstm import AttentiveLSTMConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.embedding import WindowEmbedding
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.initialise import initialise
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.lstm import TemporalAttention
from crypto_nn.models.prediction import Prediction, Windows


class TimeframeReader(nn.Module):
    """The summary (B, D) of one timeframe's bars (B, L, width), and its attention (B, L)."""

    def __init__(self, config: AttentiveLSTMConfig) -> None:
        super().__init__()
        self.lstm = nn.LSTM(config.width, config.hidden, batch_first=True)
        self.norm = nn.LayerNorm(config.hidden)
        self.attend = TemporalAttention(config.hidden, config.attention)

    def forward(self, x_BLW: Tensor) -> tuple[Tensor, Tensor]:
        states_BLD, _ = self.lstm(x_BLW)
        states_BLD = self.norm(states_BLD)
        attended_BD, weights_BL = self.attend(states_BLD)
        return states_BLD[:, -1] + attended_BD, weights_BL


class TimeframeGate(nn.Module):
    """How much each timeframe counts (B, S), the first one asking; the weights sum to one."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.key = nn.Linear(width, hidden)
        self.query = nn.Linear(width, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, summaries_BSD: Tensor) -> Tensor:
        asked_B1A = self.query(summaries_BSD[:, :1])
        scores_BS1 = self.score((self.key(summaries_BSD) + asked_B1A).tanh())
        return scores_BS1.squeeze(-1).softmax(dim=-1)


class AttentiveLSTM(nn.Module):
    """LSTMs with temporal attention over several timeframes, joined by a learned weighting."""

    def __init__(self, config: AttentiveLSTMConfig, inputs: Inputs) -> None:
        super().__init__()
        self.embed = WindowEmbedding(inputs, config.width)
        self.read = TimeframeReader(config)
        self.embed_slower = nn.ModuleDict(
            {bars.timeframe: nn.Linear(len(bars.columns), config.width) for bars in inputs.slower}
        )
        self.read_slower = nn.ModuleDict(
            {bars.timeframe: TimeframeReader(config) for bars in inputs.slower}
        )
        self.gate = TimeframeGate(config.hidden, config.attention)
        self.drop = ByteDropout(config.dropout)
        initialise(self)
        self.head = HorizonHeads(inputs, config.hidden, config.head, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        summary_BD, weights_BT = self.read(self.drop(self.embed(windows)))
        summaries, inspect = [summary_BD], {"attention": weights_BT}
        for timeframe, embed in self.embed_slower.items():
            x_BLW = self.drop(embed(windows.slower[timeframe]))
            summary_BD, weights_BL = self.read_slower[timeframe](x_BLW)
            summaries.append(summary_BD)
            inspect[f"attention_{timeframe}"] = weights_BL
        summaries_BSD = torch.stack(summaries, dim=1)
        gate_BS = self.gate(summaries_BSD)
        joined_BD = (gate_BS[..., None] * summaries_BSD).sum(dim=1)
        return self.head(self.drop(joined_BD), windows, gate_timeframes=gate_BS, **inspect)
