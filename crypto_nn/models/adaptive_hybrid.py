"""AdaptiveHybridModel: two experts answer, and the state of the market decides whom to believe.

- an LSTM and a Transformer branch over the same window, each with attention over time and heads
  of its own: two experts
- a gating network that sees the input and not the experts' answers gives each expert a share, and
  the answer is the mixture of their distributions (Jacobs, Jordan, Nowlan & Hinton 1991)
- the gating network is a gated residual network over the newest bar, with the mean of the window
  as its context (Lim et al. 2021), and gives each horizon its own shares
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from crypto_nn.models.configs.hybrid import AdaptiveHybridConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.embedding import WindowEmbedding
from crypto_nn.models.gating import GatedResidual
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.hybrid import LSTMBranch, TransformerBranch
from crypto_nn.models.initialise import initialise, initialise_output
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.lstm import TemporalAttention
from crypto_nn.models.prediction import Prediction, Windows

EXPERTS = ("LSTM", "Transformer")


class Expert(nn.Module):
    """A branch with attention over its states and heads of its own: a model in itself."""

    def __init__(self, branch: nn.Module, config: AdaptiveHybridConfig, inputs: Inputs) -> None:
        super().__init__()
        self.branch = branch
        self.attend = TemporalAttention(config.width, config.attention)
        self.drop = ByteDropout(config.dropout)
        initialise(self)
        self.head = HorizonHeads(inputs, config.width, config.head, config.dropout)

    def forward(self, x_BTD: Tensor, windows: Windows) -> Prediction:
        states_BTD = self.branch(x_BTD)
        attended_BD, weights_BT = self.attend(states_BTD)
        summary_BD = self.drop(states_BTD[:, -1] + attended_BD)
        return self.head(summary_BD, windows, attention=weights_BT)


class Gate(nn.Module):
    """Log of each expert's share for each horizon (B, H, 2), from the input alone."""

    def __init__(self, width: int, num_horizons: int, dropout: float) -> None:
        super().__init__()
        self.network = GatedResidual(width, dropout)
        self.share = nn.Linear(width, num_horizons * len(EXPERTS))
        initialise(self)
        initialise_output(self.share)

    def forward(self, x_BTD: Tensor) -> Tensor:
        state_BD = self.network(x_BTD[:, -1], x_BTD.mean(dim=1))
        return self.share(state_BD).unflatten(-1, (-1, len(EXPERTS))).log_softmax(dim=-1)


class AdaptiveHybridModel(nn.Module):
    """A mixture of an LSTM and a Transformer whose shares depend on what the window looks like.

    Logits are log-probabilities of the mixture, and the log-variance is that of the mixture of
    the experts' moves, so that with all of the share on one expert the answer is the expert's.

    Attributes:
        branches: what the columns of `gate` stand for.
    """

    branches: ClassVar = {"gate": EXPERTS}

    def __init__(self, config: AdaptiveHybridConfig, inputs: Inputs) -> None:
        super().__init__()
        self.embed = WindowEmbedding(inputs, config.width)
        initialise(self.embed)
        self.drop = ByteDropout(config.dropout)
        self.lstm = Expert(LSTMBranch(config), config, inputs)
        self.transformer = Expert(TransformerBranch(config, inputs.window), config, inputs)
        self.gate = Gate(config.width, inputs.num_horizons, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        embedded_BTD = self.embed(windows)
        x_BTD = self.drop(embedded_BTD)
        answers = [self.lstm(x_BTD, windows), self.transformer(x_BTD, windows)]
        log_gate_BHE = self.gate(embedded_BTD)
        gate_BHE = log_gate_BHE.exp()
        gate_BE = gate_BHE.mean(dim=1)
        log_p_BHCE = torch.stack([a.logits_BHC.log_softmax(dim=-1) for a in answers], dim=-1)
        log_variance_BHE = torch.stack([a.log_variance_BH for a in answers], dim=-1)
        attention_BTE = torch.stack([a.inspect["attention"] for a in answers], dim=-1)
        return Prediction(
            (log_p_BHCE + log_gate_BHE[:, :, None]).logsumexp(dim=-1),
            (log_variance_BHE + log_gate_BHE).logsumexp(dim=-1),
            {
                "attention": (attention_BTE * gate_BE[:, None]).sum(dim=-1),
                "attention_lstm": answers[0].inspect["attention"],
                "attention_transformer": answers[1].inspect["attention"],
                "gate": gate_BE,
                "gate_horizons": gate_BHE,
            },
        )
