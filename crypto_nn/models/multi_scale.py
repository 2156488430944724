"""MultiScaleHybrid: from the hour down to the minute, each scale knowing what the slower one saw.

- each slower timeframe's window of closed bars goes through Transformer blocks (Vaswani et al.
  2017) and is summed up by attention; the base window goes through an LSTM (Hochreiter &
  Schmidhuber 1997): few coarse bars, of which each may matter to any other, and many fine ones in
  their order
- coarse to fine: the summary of a scale is added to each bar of the next finer one, and the last
  one sets the LSTM's first states, as static context does in Lim et al. 2021; the slowest scale
  starts from the vector of the symbol
- each horizon weighs the summaries of all scales, by a softmax over a gated residual network, as
  Lim et al. 2021 weigh variables
"""

import torch
from torch import Tensor, nn

from crypto_nn.bars.timeframe import M1
from crypto_nn.models.configs.hybrid import MultiScaleConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.embedding import WindowEmbedding
from crypto_nn.models.gating import GatedResidual
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.hybrid import LSTMBranch, TransformerBranch
from crypto_nn.models.initialise import initialise, initialise_output
from crypto_nn.models.inputs import Inputs, Slower
from crypto_nn.models.lstm import TemporalAttention
from crypto_nn.models.prediction import Prediction, Windows

BASE = str(M1)


class CoarseScale(nn.Module):
    """A window of slower bars, read in the light of a context (B, D), as one summary (B, D)."""

    def __init__(self, config: MultiScaleConfig, bars: Slower) -> None:
        super().__init__()
        self.features = nn.Linear(len(bars.columns), config.width)
        self.context = nn.Linear(config.width, config.width, bias=False)
        self.drop = ByteDropout(config.dropout)
        self.branch = TransformerBranch(config, bars.length)
        self.attend = TemporalAttention(config.width, config.attention)

    def forward(self, bars_BLF: Tensor, context_BD: Tensor) -> tuple[Tensor, Tensor]:
        x_BLD = self.features(bars_BLF) + self.context(context_BD)[:, None]
        states_BLD = self.branch(self.drop(x_BLD))
        attended_BD, weights_BL = self.attend(states_BLD)
        return states_BLD[:, -1] + attended_BD, weights_BL


class FineScale(nn.Module):
    """The base window, read by an LSTM that starts from a context (B, D), as one summary (B, D)."""

    def __init__(self, config: MultiScaleConfig) -> None:
        super().__init__()
        self.layers = config.lstm_layers
        self.start = nn.Linear(config.width, 2 * config.lstm_layers * config.width)
        self.branch = LSTMBranch(config)
        self.attend = TemporalAttention(config.width, config.attention)

    def forward(self, x_BTD: Tensor, context_BD: Tensor) -> tuple[Tensor, Tensor]:
        start_BSD = self.start(context_BD).tanh().unflatten(-1, (2 * self.layers, -1))
        hidden_SBD, cell_SBD = start_BSD.transpose(0, 1).contiguous().chunk(2)
        states_BTD = self.branch(x_BTD, (hidden_SBD, cell_SBD))
        attended_BD, weights_BT = self.attend(states_BTD)
        return states_BTD[:, -1] + attended_BD, weights_BT


class MultiScaleHybrid(nn.Module):
    """Every timeframe with its own encoder, fused from the slowest to the base window.

    Attributes:
        scales: "1m", then the slower timeframes, fastest first: the columns of `gate_scales`.
    """

    def __init__(self, config: MultiScaleConfig, inputs: Inputs) -> None:
        super().__init__()
        self.scales = (BASE, *(bars.timeframe for bars in inputs.slower))
        by_minutes = sorted(inputs.slower, key=lambda bars: bars.minutes, reverse=True)
        self.slowest_first = tuple(bars.timeframe for bars in by_minutes)
        self.embed = WindowEmbedding(inputs, config.width)
        self.drop = ByteDropout(config.dropout)
        self.coarse = nn.ModuleDict(
            {bars.timeframe: CoarseScale(config, bars) for bars in inputs.slower}
        )
        self.fine = FineScale(config)
        self.weigh = GatedResidual(config.width, config.dropout)
        self.share = nn.Linear(config.width, inputs.num_horizons * len(self.scales))
        initialise(self)
        initialise_output(self.share)
        self.head = HorizonHeads(inputs, config.width, config.head, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        context_BD = self.embed.symbol(windows.symbol_B)
        summaries, attention = {}, {}
        for timeframe in self.slowest_first:
            scale = self.coarse[timeframe]
            context_BD, attention[timeframe] = scale(windows.slower[timeframe], context_BD)
            summaries[timeframe] = context_BD
        fine_BD, weights_BT = self.fine(self.drop(self.embed(windows)), context_BD)
        summaries[BASE] = fine_BD
        summary_BSD = torch.stack([summaries[scale] for scale in self.scales], dim=1)
        share = self.share(self.weigh(fine_BD, context_BD))
        gate_BHS = share.unflatten(-1, (-1, len(self.scales))).softmax(dim=-1)
        return self.head(
            self.drop(gate_BHS @ summary_BSD),
            windows,
            attention=weights_BT,
            **{f"attention_{timeframe}": attention[timeframe] for timeframe in self.scales[1:]},
            gate_scales=gate_BHS.mean(dim=1),
            gate_horizons=gate_BHS,
        )
