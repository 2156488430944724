"""CrossTimeframeTransformer: the newest minute asks its own past and every slower timeframe.

- the base window, and a window of closed bars of each slower timeframe, each with an embedding
  and layers of self-attention of its own (Vaswani et al. 2017; Xiong et al. 2020)
- fusion: the newest minute looks at each of them with attention of its own, as one token of a
  branch asks the other branch in CrossViT (Chen, Fan & Panda 2021)
- a learned gate weighs what the timeframes answered (Jacobs et al. 1991)
- one head per horizon on the result
"""

import torch
from torch import Tensor, nn

from crypto_nn.models.attention import Encoder, FeedForward, Look
from crypto_nn.models.configs.transformer import CrossTimeframeConfig
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.initialise import initialise
from crypto_nn.models.inputs import Inputs, Slower
from crypto_nn.models.positions import Positions
from crypto_nn.models.prediction import Prediction, Windows
from crypto_nn.models.transformer import Moments


class SlowerStates(nn.Module):
    """The closed bars of one slower timeframe, each told by the others: (B, L, columns) in."""

    def __init__(self, config: CrossTimeframeConfig, slower: Slower) -> None:
        super().__init__()
        self.embed = nn.Linear(len(slower.columns), config.width)
        self.positions = Positions(config.positions, slower.length, config.width)
        self.drop = ByteDropout(config.dropout)
        self.encode = Encoder(config, config.slower_layers)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, bars_BLF: Tensor) -> Tensor:
        return self.norm(self.encode(self.drop(self.positions(self.embed(bars_BLF)))))


class Fusion(nn.Module):
    """The newest minute asks each of n timeframes, and weighs what they answer."""

    def __init__(self, config: CrossTimeframeConfig, timeframes: int) -> None:
        super().__init__()
        looks = (Look(config.width, config.heads) for _ in range(timeframes))
        self.norm_ask = nn.LayerNorm(config.width)
        self.looks = nn.ModuleList(looks)
        self.gate = nn.Linear(config.width, timeframes)
        self.norm_feed = nn.LayerNorm(config.width)
        self.feed = FeedForward(config.width, config.feed_forward)
        self.drop = ByteDropout(config.dropout)

    def forward(
        self, newest_BD: Tensor, states: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The newest minute (B, D), the timeframes' weights (B, n), and where each was looked at.

        Args:
            states: of each timeframe (B, L, D).
        """
        asking_BD = self.norm_ask(newest_BD)
        answers, weights = zip(*(look(asking_BD, s) for look, s in zip(self.looks, states)))
        gate_Bn = self.gate(asking_BD).softmax(dim=-1)
        told_BD = (gate_Bn[..., None] * torch.stack(answers, dim=1)).sum(dim=1)
        newest_BD = newest_BD + self.drop(told_BD)
        newest_BD = newest_BD + self.drop(self.feed(self.norm_feed(newest_BD)))
        return newest_BD, gate_Bn, list(weights)


class CrossTimeframeTransformer(nn.Module):
    """Minutes and slower bars, each read by an encoder, joined by the newest minute's questions.

    `gate_timeframes` has the weight of the base window first, then of the slower timeframes,
    fastest first; it and the attentions are those of the last fusion.
    """

    def __init__(self, config: CrossTimeframeConfig, inputs: Inputs) -> None:
        super().__init__()
        self.timeframes = [each.timeframe for each in inputs.slower]
        self.moments = Moments(config, inputs)
        self.encode = Encoder(config)
        self.norm = nn.LayerNorm(config.width)
        self.slower = nn.ModuleList(SlowerStates(config, each) for each in inputs.slower)
        count = 1 + len(inputs.slower)
        self.fusions = nn.ModuleList(Fusion(config, count) for _ in range(config.fusions))
        self.norm_summary = nn.LayerNorm(config.width)
        self.drop = ByteDropout(config.dropout)
        initialise(self)
        self.head = HorizonHeads(inputs, config.width, config.head, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        base_BTD = self.norm(self.encode(self.moments(windows)))
        bars = (windows.slower[timeframe] for timeframe in self.timeframes)
        states = [base_BTD, *(read(bars_BLF) for read, bars_BLF in zip(self.slower, bars))]
        newest_BD = base_BTD[:, -1]
        for fuse in self.fusions:
            newest_BD, gate_Bn, weights = fuse(newest_BD, states)
        inspect = {f"attention_{t}": w_BL for t, w_BL in zip(self.timeframes, weights[1:])}
        return self.head(
            self.drop(self.norm_summary(newest_BD)),
            windows,
            attention=weights[0],
            gate_timeframes=gate_Bn,
            **inspect,
        )
