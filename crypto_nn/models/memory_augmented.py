"""MemoryAugmentedNetwork: an LSTM that writes notes on the window and keeps some for good.

- short-term memory: the parts of this very window, each a slot written through a learned
  importance of its moments; it is gone with the window
- long-term memory: slots that stay, drawn by training towards the states of windows that
  surprised it; frozen otherwise
- both are read by multi-head attention that the last state asks, and mixed by a gate

After neural Turing machines and the differentiable neural computer (Graves et al. 2014, 2016),
memory-augmented networks (Santoro et al. 2016) and key-value memory (Weston et al. 2015, Miller et
al. 2016); the slots that stay are an averaged codebook (van den Oord et al. 2017, appendix A).
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from crypto_nn.models.configs.memory import MemoryAugmentedConfig
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.importance import importance, tickets
from crypto_nn.models.initialise import initialise
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import Answers, Prediction, Windows
from crypto_nn.models.segments import segments
from crypto_nn.models.window_encoder import WindowEncoder

USAGE_MEMORY = 0.99  # of a slot's share of the weight, per step
DEAD_SHARE = 0.1  # of an even share; slots that are used less are taken up anew


class ShortTermMemory(nn.Module):
    """One slot for each even part of a window: a mean of its states, weighted by importance."""

    def __init__(self, hidden: int, width: int, slots: int) -> None:
        super().__init__()
        self.slots = slots
        # No last bias: the softmax over moments would not see it.
        self.score = nn.Sequential(nn.Linear(hidden, width), nn.Tanh(), nn.Linear(width, 1, False))

    def forward(self, states_BTD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The slots (B, S, D), the log of the importance in each (B, S), and that of moments."""
        score_BT = self.score(states_BTD).squeeze(-1).float()
        cover_ST = segments(states_BTD.shape[1], self.slots, states_BTD.device)
        score_BST = score_BT[:, None].masked_fill(~cover_ST, -torch.inf)
        slots_BSD = score_BST.softmax(dim=-1).to(states_BTD.dtype) @ states_BTD
        strength_BS = score_BST.logsumexp(dim=-1) - score_BT.logsumexp(dim=-1, keepdim=True)
        return slots_BSD, strength_BS, score_BT.softmax(dim=-1)


class LongTermMemory(nn.Module):
    """Slots that stay: an importance-weighted exponential average of the states nearest to each.

    A window of weight w replaces the share 1 − (1 − pull)^w of its slot: one of weight 2 does what
    two of weight 1 do one after the other, and one of weight 0 nothing. Windows of one step with
    the same slot enter by their weighted mean. A slot that gets less than a tenth of its even
    share of the weight, as all do at first, starts anew from a window drawn by weight.

    Slots hold states, no labels, and as weights do, they come from the whole of training: nothing
    in them is as of a moment. They are buffers, and only `remember` changes them.
    """

    def __init__(self, hidden: int, slots: int, pull: float) -> None:
        super().__init__()
        self.pull = pull
        self.slots_MD: Tensor
        self.usage_M: Tensor
        self.register_buffer("slots_MD", torch.randn(slots, hidden))
        self.register_buffer("usage_M", torch.zeros(slots))

    @torch.no_grad()
    def remember(self, states_BD: Tensor, weight_B: Tensor) -> None:
        """Draw the slots towards the states (B, D) of windows of these weights (B,)."""
        states_BD = states_BD.detach().to(self.slots_MD.dtype)
        self._revive(states_BD, weight_B)
        nearest_B = torch.cdist(states_BD, self.slots_MD).argmin(dim=1)
        each_M = torch.arange(len(self.usage_M), device=weight_B.device)
        weight_BM = (nearest_B[:, None] == each_M) * weight_B[:, None]
        weight_M, total = weight_BM.sum(dim=0), weight_B.sum()
        mean_MD = weight_BM.T @ states_BD / weight_M.clamp_min(1e-12)[:, None]
        share_M1 = (1 - (1 - self.pull) ** weight_M)[:, None]
        self.slots_MD.add_(share_M1 * (mean_MD - self.slots_MD))
        used_M = weight_M / total.clamp_min(1e-12)
        self.usage_M.copy_(
            torch.where(total > 0, self.usage_M.lerp(used_M, 1 - USAGE_MEMORY), self.usage_M)
        )

    def _revive(self, states_BD: Tensor, weight_B: Tensor) -> None:
        even = 1 / len(self.usage_M)
        dead = (self.usage_M < DEAD_SHARE * even).nonzero().squeeze(1)
        drawn = tickets(weight_B).argsort(descending=True, stable=True)
        drawn = drawn[weight_B[drawn] > 0][: len(dead)]
        self.slots_MD[dead[: len(drawn)]] = states_BD[drawn]
        self.usage_M[dead[: len(drawn)]] = even


class SlotReader(nn.Module):
    """Multi-head attention of one question to slots (Vaswani et al. 2017), weights returned."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(hidden, hidden)
        # No bias: one that all slots have in common changes no weight.
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.value = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, hidden)

    def forward(
        self, state_BD: Tensor, slots: Tensor, strength_BS: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What was read (B, D), and the mean weight of each slot over heads (B, slots).

        Slots are a window's own (B, S, D) or all windows' (S, D); strengths are added to scores.
        """
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1))
            for layer, x in ((self.query, state_BD), (self.key, slots), (self.value, slots))
        )
        axes = "bshe" if slots.ndim == 3 else "she"
        like_BHS = torch.einsum(f"bhe,{axes}->bhs", query, key).float() * query.shape[-1] ** -0.5
        if strength_BS is not None:
            like_BHS = like_BHS + strength_BS[:, None]
        weights_BHS = like_BHS.softmax(dim=-1)
        read_BD = torch.einsum(f"bhs,{axes}->bhe", weights_BHS.to(value.dtype), value).flatten(1)
        return self.out(read_BD), weights_BHS.mean(dim=1)


class MemoryAugmentedNetwork(nn.Module):
    """An LSTM whose last state is joined by what it reads from a short and a long memory."""

    branches: ClassVar = {"gate": ("short-term", "long-term")}

    def __init__(self, config: MemoryAugmentedConfig, inputs: Inputs) -> None:
        super().__init__()
        self.power = config.importance
        hidden = config.hidden
        self.encode = WindowEncoder(inputs, config)
        self.short = ShortTermMemory(hidden, config.attention, config.short_slots)
        self.long = LongTermMemory(hidden, config.long_slots, config.pull)
        self.read_short = SlotReader(hidden, config.heads)
        self.read_long = SlotReader(hidden, config.heads)
        self.gate = nn.Linear(3 * hidden, 2)
        self.norm = nn.LayerNorm(hidden)
        self.drop = nn.Dropout(config.dropout)
        initialise(self)
        self.head = HorizonHeads(inputs, hidden, config.head, config.dropout)

    def forward(self, windows: Windows) -> Prediction:
        states_BTD = self.encode(windows)
        state_BD = states_BTD[:, -1]
        slots_BSD, strength_BS, attention_BT = self.short(states_BTD)
        short_BD, short_BS = self.read_short(state_BD, slots_BSD, strength_BS)
        long_BD, long_BM = self.read_long(state_BD, self.long.slots_MD)
        gate_B2 = self.gate(torch.cat([state_BD, short_BD, long_BD], dim=1)).sigmoid()
        read_BD = gate_B2[:, :1] * short_BD + gate_B2[:, 1:] * long_BD
        return self.head(
            self.drop(self.norm(state_BD + read_BD)),
            windows,
            attention=attention_BT,
            memory_reads=torch.cat([short_BS, long_BM], dim=1),
            gate=gate_B2,
            state=state_BD.detach(),
        )

    def remember(self, windows: Windows, prediction: Prediction, answers: Answers) -> None:
        """Draw the slots that stay towards a step's windows, by how much each was a surprise."""
        weight_B = importance(prediction, answers, self.power)
        self.long.remember(prediction.inspect["state"], weight_B)
