"""Attention: moments look at moments (Vaswani et al. 2017), in layers that normalise first.

Shapes: B windows, T moments, N heads, D width, K = D/N width of a head.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from crypto_nn.models.configs.transformer import EncoderConfig
from crypto_nn.models.dropout import ByteDropout


class SelfAttention(nn.Module):
    """Every moment asks every moment: (B, T, D) in and out.

    Queries, keys and values come from one matrix product, without biases, as in the paper.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.asked = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        asked_BT3NK = self.asked(x_BTD).unflatten(-1, (3, self.heads, -1))
        answer_BNTK = attend(*asked_BT3NK.transpose(1, 3).unbind(2))
        return self.out(answer_BNTK.transpose(1, 2).flatten(2))

    def newest_weights(self, x_BTD: Tensor) -> Tensor:
        """What the newest moment looks at (B, T): the mean of its heads' weights."""
        query, key, _ = self.asked.weight.chunk(3)
        return look(x_BTD[:, -1] @ query.T, key, x_BTD, self.heads).mean(dim=1)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(q·kᵀ/√K)·v of (B, N, T, K) each.

    On a CPU in bf16, torch 2.13's own kernel takes four to ten times as long in backward as plain
    products do (`benchmarks/train_speed.py`), so there the weights are written out.
    """
    if query.dtype == torch.bfloat16 and query.device.type == "cpu":
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        return scores.softmax(dim=-1) @ value
    return functional.scaled_dot_product_attention(query, key, value)


class Look(nn.Module):
    """One asks, all moments answer: attention of a single query, with its weights.

    Its matrices of keys and values are applied to the query and to the weighted mean instead of
    to each moment: the same numbers, since products of matrices may be bracketed either way, for
    a T-th of the work.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, asking_BD: Tensor, states_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """The answer (B, D), and what was looked at (B, T): the mean of the heads' weights."""
        weights_BNT = look(self.query(asking_BD), self.key.weight, states_BTD, self.heads)
        seen_NBD = (weights_BNT.to(states_BTD.dtype) @ states_BTD).transpose(0, 1)
        value_NDK = self.value.weight.unflatten(0, (self.heads, -1)).transpose(1, 2)
        answer_BD = (seen_NBD @ value_NDK).transpose(0, 1).flatten(1)
        return self.out(answer_BD), weights_BNT.float().mean(dim=1)


def look(query_BD: Tensor, key_DD: Tensor, states_BTD: Tensor, heads: int) -> Tensor:
    """The weights (B, N, T) that a single query gives to states, by the matrix of keys."""
    query_NBK = query_BD.unflatten(1, (heads, -1)).transpose(0, 1)
    asked_BND = (query_NBK @ key_DD.unflatten(0, (heads, -1))).transpose(0, 1)
    scores_BNT = asked_BND @ states_BTD.transpose(1, 2)
    return (scores_BNT / math.sqrt(query_NBK.shape[-1])).softmax(dim=-1)


class FeedForward(nn.Sequential):
    """What each moment makes of what it was told, on its own."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))


class EncoderLayer(nn.Module):
    """Self-attention, then a network for each moment; both add to what they were given.

    Layer norm comes before each, not after: then it learns without a warm-up (Xiong et al. 2020).
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.norm_attend = nn.LayerNorm(config.width)
        self.attend = SelfAttention(config.width, config.heads)
        self.norm_feed = nn.LayerNorm(config.width)
        self.feed = FeedForward(config.width, config.feed_forward)
        self.drop = ByteDropout(config.dropout)

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_BTD = x_BTD + self.drop(self.attend(self.norm_attend(x_BTD)))
        return x_BTD + self.drop(self.feed(self.norm_feed(x_BTD)))

    @torch.no_grad()
    def newest_weights(self, x_BTD: Tensor) -> Tensor:
        """What the newest moment looks at (B, T) in this layer, for whoever wants to see it."""
        return self.attend.newest_weights(self.norm_attend(x_BTD))


class NewestLayer(nn.Module):
    """An encoder layer of which only the newest moment is wanted, so that only it is computed."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.norm_look = nn.LayerNorm(config.width)
        self.look = Look(config.width, config.heads)
        self.norm_feed = nn.LayerNorm(config.width)
        self.feed = FeedForward(config.width, config.feed_forward)
        self.drop = ByteDropout(config.dropout)

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """The newest moment (B, D), and what it looked at (B, T)."""
        states_BTD = self.norm_look(x_BTD)
        answer_BD, weights_BT = self.look(states_BTD[:, -1], states_BTD)
        newest_BD = x_BTD[:, -1] + self.drop(answer_BD)
        return newest_BD + self.drop(self.feed(self.norm_feed(newest_BD))), weights_BT


class Encoder(nn.Sequential):
    """Layers of self-attention on top of each other: (B, T, D) in and out."""

    def __init__(self, config: EncoderConfig, layers: int | None = None) -> None:
        count = config.layers if layers is None else layers
        super().__init__(*(EncoderLayer(config) for _ in range(count)))

    def with_attention(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, D), and what the newest moment looks at (B, T) in the last layer."""
        *first, last = self.children()
        assert isinstance(last, EncoderLayer)
        for layer in first:
            x_BTD = layer(x_BTD)
        return last(x_BTD), last.newest_weights(x_BTD)
