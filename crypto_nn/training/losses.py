"""What a wrong answer costs. Classes that are not known (-1) cost nothing."""

import torch
from torch import Tensor, nn

from crypto_nn.models.prediction import Answers, Prediction

# A minute's move of more than this many of its own standard deviations counts as this many in the
# variance loss, so that one crash does not drown a whole epoch.
LARGEST_SCORE = 8.0


class LabelSmoothingCrossEntropy(nn.Module):
    """Cross entropy whose label is spread a little over all classes (Szegedy et al. 2016).

    (1 - s)·(-log p_y) + s·mean_c(-log p_c) for each window and horizon; plain cross entropy, in
    nats, where `smoothing` is 0.
    """

    def __init__(self, smoothing: float = 0.1) -> None:
        super().__init__()
        self.smoothing = smoothing

    def forward(self, logits_BHC: Tensor, classes_BH: Tensor) -> Tensor:
        log_p_BHC = logits_BHC.float().log_softmax(dim=-1)
        right_BH = log_p_BHC.gather(-1, classes_BH.clamp_min(0)[..., None]).squeeze(-1)
        return -(1 - self.smoothing) * right_BH - self.smoothing * log_p_BHC.mean(dim=-1)


class FocalLoss(nn.Module):
    """Cross entropy that sets back what is already easy: (1 - p_y)^γ·(-log p_y) (Lin et al. 2017).

    γ = 0 is cross entropy. With `smoothing`, the smoothed cross entropy is set back the same way.
    """

    def __init__(self, gamma: float = 2.0, smoothing: float = 0.0) -> None:
        super().__init__()
        self.gamma = gamma
        self.cross_entropy = LabelSmoothingCrossEntropy(smoothing)

    def forward(self, logits_BHC: Tensor, classes_BH: Tensor) -> Tensor:
        p_BHC = logits_BHC.float().softmax(dim=-1)
        right_BH = p_BHC.gather(-1, classes_BH.clamp_min(0)[..., None]).squeeze(-1)
        # 1 - p can round to 0, where the slope of x^γ has no bound for γ < 1.
        easy_BH = (1 - right_BH).clamp_min(1e-8) ** self.gamma
        return easy_BH * self.cross_entropy(logits_BHC, classes_BH)


class MultiHorizonLoss(nn.Module):
    """The mean of one loss over windows and horizons.

    Each horizon's mean is taken over the windows whose class is known, weighted by the weight of
    their class; the horizons' means are then averaged by their weights. A horizon without any
    known class is left out.

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
            class_weights_HC = torch.ones(len(horizon_weights_H), 3)
        self.register_buffer("horizon_weights_H", horizon_weights_H, persistent=False)
        self.register_buffer("class_weights_HC", class_weights_HC, persistent=False)

    def forward(self, logits_BHC: Tensor, classes_BH: Tensor) -> Tensor:
        weights_BHC = self.class_weights_HC.expand(len(classes_BH), -1, -1)
        weights_BH = weights_BHC.gather(-1, classes_BH.clamp_min(0)[..., None]).squeeze(-1)
        weights_BH = weights_BH * (classes_BH >= 0)
        return mean_over(self.loss(logits_BHC, classes_BH), weights_BH, self.horizon_weights_H)


class UncertaintyLoss(nn.Module):
    """How badly the predicted variance fits the moves that came: ½(s²/v + log v), mean over all.

    The negative log-likelihood of the vol-scaled return s under a normal law of mean zero and
    variance v (Nix & Weigend 1994), up to a constant; over minutes the mean is far below noise.
    """

    def forward(self, log_variance_BH: Tensor, scores_BH: Tensor) -> Tensor:
        known_BH = scores_BH.isfinite()
        s_BH = torch.where(known_BH, scores_BH, 0.0).clamp(-LARGEST_SCORE, LARGEST_SCORE)
        log_v_BH = log_variance_BH.float().clamp(-10, 10)
        cost_BH = 0.5 * (s_BH.square() * (-log_v_BH).exp() + log_v_BH)
        return (cost_BH * known_BH).sum() / known_BH.sum().clamp_min(1)


class Objective(nn.Module):
    """The sum that training lowers: the loss of the classes, and that of the variance by weight."""

    def __init__(self, classes: MultiHorizonLoss, uncertainty_weight: float) -> None:
        super().__init__()
        self.classes = classes
        self.uncertainty = UncertaintyLoss()
        self.uncertainty_weight = uncertainty_weight

    def forward(self, prediction: Prediction, answers: Answers) -> Tensor:
        total = self.classes(prediction.logits_BHC, answers.classes_BH)
        if prediction.log_variance_BH is not None and self.uncertainty_weight > 0:
            cost = self.uncertainty(prediction.log_variance_BH, answers.scores_BH)
            total = total + self.uncertainty_weight * cost
        return total


def mean_over(cost_BH: Tensor, weights_BH: Tensor, horizon_weights_H: Tensor) -> Tensor:
    """Weighted mean over windows, then over those horizons that have a window of any weight."""
    total_H = weights_BH.sum(dim=0)
    known_H = torch.where(total_H > 0, horizon_weights_H, 0.0)
    means_H = (cost_BH * weights_BH).sum(dim=0) / total_H.clamp_min(1e-12)
    return (means_H * known_H).sum() / known_H.sum().clamp_min(1e-12)
