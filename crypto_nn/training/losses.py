"""What a wrong answer costs, for each window and horizon (B, H), and how these are averaged.

What did not become known (class -1, NaN) costs nothing and teaches nothing. Costs are computed in
float32 at least, whatever precision the model answers in.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crypto_nn.models.prediction import NUM_CLASSES

# A minute's move of more than this many of its own standard deviations counts as this many, so
# that one crash does not drown a whole epoch; so does what a round trip costs in a dead market.
LARGEST_SCORE = 8.0
# Log-variances beyond this many count as this many.
LARGEST_LOG_VARIANCE = 10.0


class LabelSmoothingCrossEntropy(nn.Module):
    """Cross entropy whose label is spread a little over all classes (Szegedy et al. 2016).

    (1 - s)·(-log p_y) + s·mean_c(-log p_c) for each window and horizon; plain cross entropy, in
    nats, where `smoothing` is 0.
    """

    def __init__(self, smoothing: float = 0.1) -> None:
        super().__init__()
        self.smoothing = smoothing

    def forward(self, logits_BHC: Tensor, classes_BH: Tensor) -> Tensor:
        log_p_BHC = precise(logits_BHC).log_softmax(dim=-1)
        right_BH = of_class(log_p_BHC, classes_BH)
        cost_BH = -(1 - self.smoothing) * right_BH - self.smoothing * log_p_BHC.mean(dim=-1)
        return torch.where(classes_BH >= 0, cost_BH, 0.0)


class FocalLoss(nn.Module):
    """Cross entropy that sets back what is already easy: (1 - p_y)^γ·(-log p_y) (Lin et al. 2017).

    γ = 0 is cross entropy. With `smoothing`, the smoothed cross entropy is set back the same way.
    """

    def __init__(self, gamma: float = 2.0, smoothing: float = 0.0) -> None:
        super().__init__()
        self.gamma = gamma
        self.cross_entropy = LabelSmoothingCrossEntropy(smoothing)

    def forward(self, logits_BHC: Tensor, classes_BH: Tensor) -> Tensor:
        right_BH = of_class(precise(logits_BHC).log_softmax(dim=-1), classes_BH)
        # 1 - p can be 0, where the slope of x^γ has no bound for γ < 1.
        hard_BH = (-right_BH.expm1()).clamp_min(1e-8) ** self.gamma
        return hard_BH * self.cross_entropy(logits_BHC, classes_BH)


class TradingLoss(nn.Module):
    """What is lost by trading on the answer: minus the profit, plus a fine for the wrong side.

    The probabilities are held as a position a = p_up - p_down from -1 to 1, which is opened when
    the window closes and closed at the horizon. With s the move that came and c what a round trip
    costs, both in units of the move to be expected, σ·√h, so that calm and wild markets weigh
    alike (Lim, Zohren & Roberts 2019, after Moody & Saffell 2001), each window and horizon costs

        -(a·s - c·|a|) + penalty·max(0, -a·sign s)·max(0, |s| - c)

    The first part is the expected loss. The second one fines positions against moves that would
    have paid for their round trip, so that a missed move is cheaper than one taken backwards.
    Both s and c count as 8 at most: no answer costs less than -8.

    Args:
        horizons: minutes ahead, one for each answer.
        cost_bps: fee and slippage of opening and closing a whole position, in basis points.
        penalty: weight of the fine; none where 0.
    """

    def __init__(
        self, horizons: Sequence[int], cost_bps: float = 2.0, penalty: float = 0.5
    ) -> None:
        super().__init__()
        self.penalty = penalty
        self.cost_H: Tensor
        costs = [cost_bps * 1e-4 / math.sqrt(minutes) for minutes in horizons]
        self.register_buffer("cost_H", torch.tensor(costs), persistent=False)

    def forward(self, logits_BHC: Tensor, scores_BH: Tensor, sigma_BH: Tensor) -> Tensor:
        """Costs (B, H) of answers to windows whose volatility of one minute is `sigma_BH`."""
        p_BHC = precise(logits_BHC).softmax(dim=-1)
        position_BH = p_BHC[..., -1] - p_BHC[..., 0]
        known_BH = scores_BH.isfinite() & (sigma_BH > 0)
        s_BH = torch.where(known_BH, scores_BH, 0.0).clamp(-LARGEST_SCORE, LARGEST_SCORE)
        c_BH = (self.cost_H / torch.where(known_BH, sigma_BH, 1.0)).clamp_max(LARGEST_SCORE)
        loss_BH = c_BH * position_BH.abs() - position_BH * s_BH
        wrong_BH = (-position_BH * s_BH.sign()).relu() * (s_BH.abs() - c_BH).relu()
        return torch.where(known_BH, loss_BH + self.penalty * wrong_BH, 0.0)


class UncertaintyLoss(nn.Module):
    """How badly the predicted variance fits the moves that came: ½(s²/v + log v).

    The negative log-likelihood of the vol-scaled return s under a normal law of mean zero and
    variance v (Nix & Weigend 1994), up to a constant; over minutes the mean is far below noise.
    """

    def forward(self, log_variance_BH: Tensor, scores_BH: Tensor) -> Tensor:
        known_BH = scores_BH.isfinite()
        s_BH = torch.where(known_BH, scores_BH, 0.0).clamp(-LARGEST_SCORE, LARGEST_SCORE)
        log_v_BH = precise(log_variance_BH).clamp(-LARGEST_LOG_VARIANCE, LARGEST_LOG_VARIANCE)
        cost_BH = 0.5 * (s_BH.square() * (-log_v_BH).exp() + log_v_BH)
        return torch.where(known_BH, cost_BH, 0.0)


class MultiHorizonLoss(nn.Module):
    """The mean of one loss over windows and horizons, weighted by class and by horizon.

    Each horizon's mean is taken over the windows whose answer is known, weighted by the weight of
    the class that came; the horizons' means are then averaged by their weights. A horizon without
    any known answer is left out.

    Args:
        loss: gives the cost of each window and horizon (B, H).
        horizon_weights_H: weight of each horizon.
        class_weights_HC: weight of each class, horizon by horizon; all one if None.
    """

    def __init__(
        self,
        loss: nn.Module,
        horizon_weights_H: Tensor,
        class_weights_HC: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.horizon_weights_H: Tensor
        self.class_weights_HC: Tensor
        if class_weights_HC is None:
            class_weights_HC = torch.ones(len(horizon_weights_H), NUM_CLASSES)
        self.register_buffer("horizon_weights_H", horizon_weights_H, persistent=False)
        self.register_buffer("class_weights_HC", class_weights_HC, persistent=False)

    def forward(
        self, said: Tensor, classes_BH: Tensor, *came: Tensor, total_H: Tensor | None = None
    ) -> Tensor:
        """The mean cost of what was said, a number.

        Args:
            said: what the loss judges: logits (B, H, C) or log-variances (B, H).
            classes_BH: the classes that came.
            came: what the loss compares with (B, H), where that is not the classes.
            total_H: weight of all windows of which these are a part (`total_weight`): the means of
                parts add up to that of all. Of these windows alone if None.
        """
        cost_BH = self.loss(said, *(came or (classes_BH,)))
        weights_BH = self._weights(classes_BH, *came)
        return mean_over(cost_BH, weights_BH, self.horizon_weights_H, total_H)

    def total_weight(self, classes_BH: Tensor, *came: Tensor) -> Tensor:
        """The weight of all these windows together, at each horizon (H,)."""
        return self._weights(classes_BH, *came).sum(dim=0)

    def _weights(self, classes_BH: Tensor, *came: Tensor) -> Tensor:
        weights_BHC = self.class_weights_HC.expand(len(classes_BH), -1, -1)
        known_BH = classes_BH >= 0
        for each_BH in came:
            known_BH = known_BH & each_BH.isfinite()
        return torch.where(known_BH, of_class(weights_BHC, classes_BH), 0.0)


def mean_over(
    cost_BH: Tensor, weights_BH: Tensor, horizon_weights_H: Tensor, total_H: Tensor | None = None
) -> Tensor:
    """Weighted mean over windows, then over those horizons that have a window of any weight.

    With `total_H`, the weights of more windows than these, it is the part of these in the mean.
    """
    if total_H is None:
        total_H = weights_BH.sum(dim=0)
    known_H = torch.where(total_H > 0, horizon_weights_H, 0.0)
    means_H = (cost_BH * weights_BH).sum(dim=0) / total_H.clamp_min(1e-12)
    return (means_H * known_H).sum() / known_H.sum().clamp_min(1e-12)


def of_class(values_BHC: Tensor, classes_BH: Tensor) -> Tensor:
    """The value of the class that came; any one where none is known (B, H)."""
    return values_BHC.gather(-1, classes_BH.clamp_min(0)[..., None]).squeeze(-1)


def precise(tensor: Tensor) -> Tensor:
    """At least float32: the half precisions of autocast are too coarse for a loss."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
