"""MultiHeadPredictor: each horizon looks at the window with attention of its own.

- layers of self-attention that all horizons share (Vaswani et al. 2017; Xiong et al. 2020)
- for each horizon its own attention: the newest moment asks, with queries, keys, values and an
  output that no other horizon has (one task's attention on shared features: Liu, Johns &
  Davison 2019)
- for each horizon its own head
"""

import torch
from torch import nn

from crypto_nn.models.attention import Encoder, Look
from crypto_nn.models.configs.transformer import MultiHeadConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.initialise import initialise
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import Prediction, Windows
from crypto_nn.models.transformer import Moments


class MultiHeadPredictor(nn.Module):
    """A shared encoder, of which each horizon reads what matters to it."""

    def __init__(self, config: MultiHeadConfig, inputs: Inputs) -> None:
        super().__init__()
        self.moments = Moments(config, inputs)
        self.encode = Encoder(config)
        self.norm = nn.LayerNorm(config.width)
        looks = (Look(config.width, config.heads) for _ in range(inputs.num_horizons))
        self.looks = nn.ModuleList(looks)
        self.drop = ByteDropout(config.dropout)
        initialise(self)
        self.head = HorizonHeads(inputs, config.width, config.head, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        states_BTD = self.norm(self.encode(self.moments(windows)))
        newest_BD = states_BTD[:, -1]
        answers, weights = zip(*(look(newest_BD, states_BTD) for look in self.looks))
        weights_BHT = torch.stack(weights, dim=1)
        summary_BHD = newest_BD[:, None] + torch.stack(answers, dim=1)
        return self.head(
            self.drop(summary_BHD),
            windows,
            attention=weights_BHT.mean(dim=1),
            attention_horizons=weights_BHT,
        )
