"""Past windows with what came of them, found again only once that was known.

Shapes beside the usual ones: M slots, K neighbours, S segments, O = 5·H facts of an outcome.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from crypto_nn.models.importance import tickets
from crypto_nn.models.inputs import Inputs
from crypto_nn.models.prediction import MINUTE_US, NUM_CLASSES, Answers, Windows
from crypto_nn.models.segments import segments

NEVER = torch.iinfo(torch.int64).max
LARGEST_SCORE = 8.0
NOT_KNOWN = -1
_COLUMNS = ("sketch", "classes", "scores", "known_at", "t", "symbol", "priority")


@dataclass(frozen=True)
class Recalled:
    """The episodes that each window's question found, best first.

    Attributes:
        episodes_BK: slots, −1 where fewer were found.
        weights_BK: how much each counts; 0 where there is none. What lacks to one is the weight
            of having found nothing.
        outcome_BO: weighted shares of unknown, down, flat and up by horizon, then weighted mean
            scores by horizon. Nothing counts as unknown.
        key_BD: weighted mean of the keys; the key of nothing counts too.
    """

    episodes_BK: Tensor
    weights_BK: Tensor
    outcome_BO: Tensor
    key_BD: Tensor


class EpisodeStore(nn.Module):
    """M past windows: a sketch of each as it was seen, its outcomes, and when they were known.

    A sketch is the window's scaled features averaged over S even parts. Keys are made of sketches
    anew whenever a question is asked, so that none goes stale while the encoder learns, unlike
    the stored keys of neural episodic control (Pritzel et al. 2017) and kNN-LM (Khandelwal et al.
    2020).

    Which windows are kept: the M with the best tickets, a weighted reservoir sample over all
    windows that training has shown (A-Res, Efraimidis & Spirakis 2006). Seen again, a window has
    one more ticket and the best of them counts, but it is stored once.

    All of it lies in buffers: it moves, is saved and loaded with the weights, always holds finite
    numbers, and changes in `remember` only. Averaging of weights (EMA) is of parameters; the
    buffers that go with averaged weights are those of the raw model.
    """

    def __init__(self, inputs: Inputs, slots: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        horizons = inputs.num_horizons
        self.sketch: Tensor
        self.classes: Tensor
        self.scores: Tensor
        self.known_at: Tensor
        self.t: Tensor
        self.symbol: Tensor
        self.priority: Tensor
        lowest = torch.finfo(torch.float64).min
        for name, empty in (
            ("sketch", torch.zeros(slots, parts * inputs.num_features)),
            ("classes", torch.full((slots, horizons), NOT_KNOWN)),
            ("scores", torch.zeros(slots, horizons)),
            ("known_at", torch.full((slots,), NEVER)),
            ("t", torch.zeros(slots, dtype=torch.int64)),
            ("symbol", torch.full((slots,), NOT_KNOWN)),
            ("priority", torch.full((slots,), lowest, dtype=torch.float64)),
        ):
            self.register_buffer(name, empty)

    @property
    def filled_M(self) -> Tensor:
        """Which slots hold an episode."""
        return self.known_at < NEVER

    def sketch_of(self, windows: Windows) -> Tensor:
        """Features averaged over even parts of each window (B, S·F)."""
        x_BTF = windows.x_BTF
        cover_ST = segments(x_BTF.shape[1], self.parts, x_BTF.device).to(x_BTF.dtype)
        return (cover_ST / cover_ST.sum(dim=1, keepdim=True) @ x_BTF).flatten(1)

    def recall(
        self, query_BD: Tensor, keys_MD: Tensor, nothing_D: Tensor, t_B: Tensor, most: int
    ) -> Recalled:
        """The episodes most like each query among those known by the close of its newest bar.

        Weights are a softmax over scaled dot products with the keys found and with `nothing_D`.
        What is not known yet, or empty, changes no bit: its similarity is replaced by −∞ before
        any comparison, what it holds by 0 before any sum, and its weight is 0.
        """
        scale = query_BD.shape[1] ** -0.5
        close_B1 = t_B[:, None] + MINUTE_US
        eligible_BM = (self.known_at <= close_B1) & self.filled_M
        like_BM = (query_BD @ keys_MD.T * scale).masked_fill(~eligible_BM, -torch.inf)
        like_BK, slot_BK = like_BM.topk(most, dim=1)
        found_BK = eligible_BM.gather(1, slot_BK)
        like_B1 = (query_BD @ nothing_D)[:, None] * scale
        weights_BN = torch.cat([like_B1, like_BK], dim=1).float().softmax(dim=1)
        nothing_B1, weights_BK = weights_BN[:, :1], weights_BN[:, 1:]
        keys_BKD = torch.where(found_BK[..., None], keys_MD[slot_BK], 0.0)
        key_BD = (weights_BK[..., None] * keys_BKD).sum(dim=1) + nothing_B1 * nothing_D
        outcome_BKO = self._outcome(slot_BK, found_BK)
        outcome_BO = (weights_BK[..., None] * outcome_BKO).sum(dim=1)
        unknown_O = torch.zeros_like(outcome_BO[0])
        unknown_O[: self.classes.shape[1]] = 1.0
        outcome_BO = outcome_BO + nothing_B1 * unknown_O
        return Recalled(slot_BK.where(found_BK, -1), weights_BK, outcome_BO, key_BD)

    def look_up(self, name: str, episodes_BK: Tensor, otherwise: int) -> Tensor:
        """What the store has of episodes, `otherwise` where there is none (−1)."""
        column = getattr(self, name)[episodes_BK.clamp_min(0)]
        none_BK = episodes_BK < 0
        return column.masked_fill(
            none_BK.view(*none_BK.shape, *(1,) * (column.ndim - 2)), otherwise
        )

    def _outcome(self, slot_BK: Tensor, found_BK: Tensor) -> Tensor:
        classes_BKH = self.classes[slot_BK]
        scores_BKH = self.scores[slot_BK].where(found_BK[..., None], 0.0)
        kinds = range(NOT_KNOWN, NUM_CLASSES)
        shares = [(classes_BKH == kind).to(scores_BKH.dtype) for kind in kinds]
        return torch.cat([*shares, scores_BKH], dim=-1)

    @torch.no_grad()
    def remember(self, windows: Windows, answers: Answers, weight_B: Tensor) -> None:
        """Offer windows with their answers; those without weight are not taken."""
        offered = {
            "sketch": self.sketch_of(windows).to(self.sketch.dtype),
            "classes": answers.classes_BH,
            "scores": answers.scores_BH.nan_to_num(0.0).clamp(-LARGEST_SCORE, LARGEST_SCORE),
            "known_at": answers.known_at_B,
            "t": windows.t_B,
            "symbol": windows.symbol_B,
            "priority": tickets(weight_B),
        }
        wanted_B, filled_M = weight_B > 0, self.filled_M
        both = {
            name: torch.cat([getattr(self, name)[filled_M], offered[name][wanted_B]])
            for name in _COLUMNS
        }
        best = _best(both["priority"], both["t"], both["symbol"])[: len(filled_M)]
        for name in _COLUMNS:
            getattr(self, name)[: len(best)] = both[name][best]


def _best(priority_N: Tensor, t_N: Tensor, symbol_N: Tensor) -> Tensor:
    """Positions in falling order of priority, of each (t, symbol) only the first."""
    order_N = priority_N.argsort(descending=True, stable=True)
    for column_N in (symbol_N, t_N):  # stable: the best of equals stays in front
        order_N = order_N[column_N[order_N].argsort(stable=True)]
    first_N = torch.ones_like(order_N, dtype=torch.bool)
    first_N[1:] = t_N[order_N].diff().ne(0) | symbol_N[order_N].diff().ne(0)
    best = order_N[first_N]
    return best[priority_N[best].argsort(descending=True, stable=True)]
