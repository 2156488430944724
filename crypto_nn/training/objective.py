"""What training lowers: the losses of classes, of trading and of variance, added up by weight."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from crypto_nn.models.prediction import Answers, Prediction
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.losses import (
    FocalLoss,
    LabelSmoothingCrossEntropy,
    MultiHorizonLoss,
    TradingLoss,
    UncertaintyLoss,
)
from crypto_nn.training.windows import LearningTask


@dataclass(frozen=True)
class Totals:
    """The weights of all windows of a step, horizon by horizon (H,), for each of the losses.

    Windows of one step may be spread over batches and processes. Divided by these totals instead
    of its own, each part's losses add up to the loss of all, and so do their gradients.
    """

    classes_H: Tensor
    trading_H: Tensor
    uncertainty_H: Tensor

    def __add__(self, other: "Totals") -> "Totals":
        return Totals.of(self.stacked() + other.stacked())

    def stacked(self) -> Tensor:
        """All as one tensor (3, H), to be sent between processes."""
        return torch.stack([self.classes_H, self.trading_H, self.uncertainty_H])

    @classmethod
    def of(cls, stacked: Tensor) -> "Totals":
        """The totals that `stacked` made one tensor of."""
        return cls(*stacked.unbind())


class Objective(nn.Module):
    """The weighted sum of what the answers cost as classes, as trades, and as variances.

    Every part is a `MultiHorizonLoss` over the same weights of classes and horizons. Parts of
    weight 0 are not computed.
    """

    def __init__(
        self,
        classes: MultiHorizonLoss,
        trading: MultiHorizonLoss,
        uncertainty: MultiHorizonLoss,
        trading_weight: float = 0.0,
        uncertainty_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.classes, self.trading, self.uncertainty = classes, trading, uncertainty
        self.trading_weight, self.uncertainty_weight = trading_weight, uncertainty_weight

    def forward(
        self, prediction: Prediction, answers: Answers, totals: Totals | None = None
    ) -> Tensor:
        """The loss of these windows, a number; with `totals` their part in the loss of all."""
        classes_BH = answers.classes_BH
        total = self.classes(prediction.logits_BHC, classes_BH, total_H=totals and totals.classes_H)
        if self.trading_weight > 0:
            cost = self.trading(
                prediction.logits_BHC,
                classes_BH,
                *_trade(answers),
                total_H=totals and totals.trading_H,
            )
            total = total + self.trading_weight * cost
        if prediction.log_variance_BH is not None and self.uncertainty_weight > 0:
            cost = self.uncertainty(
                prediction.log_variance_BH,
                classes_BH,
                answers.scores_BH,
                total_H=totals and totals.uncertainty_H,
            )
            total = total + self.uncertainty_weight * cost
        return total

    def totals(self, answers: Answers) -> Totals:
        """The weights of all these windows, to be given to `forward` with any part of them."""
        classes_BH = answers.classes_BH
        return Totals(
            self.classes.total_weight(classes_BH),
            self.trading.total_weight(classes_BH, *_trade(answers)),
            self.uncertainty.total_weight(classes_BH, answers.scores_BH),
        )


def make_objective(task: LearningTask, config: TrainConfig) -> Objective:
    """The loss that the settings ask for.

    Raises:
        ConfigError: `horizon_weights` names a horizon that the task does not have.
    """
    cost: nn.Module = LabelSmoothingCrossEntropy(config.label_smoothing)
    if config.loss == "focal":
        cost = FocalLoss(config.focal_gamma, config.label_smoothing)
    trading = TradingLoss(task.horizons, config.trading_cost_bps, config.directional_penalty)
    weights_H = torch.tensor(config.weights_of(task.horizons))
    classes, trades, variances = (
        MultiHorizonLoss(loss, weights_H, task.class_weights_HC)
        for loss in (cost, trading, UncertaintyLoss())
    )
    return Objective(classes, trades, variances, config.trading_weight, config.uncertainty_weight)


def _trade(answers: Answers) -> tuple[Tensor, Tensor]:
    """The moves and the volatility of one minute (B, H); NaN where there was no volatility."""
    sigma_BH = answers.sigma_B[:, None].expand_as(answers.scores_BH)
    return answers.scores_BH, torch.where(sigma_BH > 0, sigma_BH, torch.nan)
