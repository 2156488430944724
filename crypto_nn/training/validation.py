"""How good a model is on the validation rows: what stopping goes by."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from crypto_nn.metrics.classification import balanced_accuracy
from crypto_nn.models.prediction import NUM_CLASSES
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.evaluation import BATCH, evenly, log_loss, predict_logits
from crypto_nn.training.ranks import ALONE, Ranks
from crypto_nn.training.windows import LearningTask


@dataclass(frozen=True)
class Validation:
    """Log-loss and balanced accuracy, both as means over horizons.

    Attributes:
        loss: plain cross entropy in nats, without weights or smoothing; a model that knows
            nothing has ln 3 = 1.0986 on balanced classes.
        accuracy: mean recall of the classes that occur; 1/3 for a model that knows nothing.
    """

    loss: float
    accuracy: float


def validate(
    model: nn.Module, task: LearningTask, config: TrainConfig, ranks: Ranks = ALONE
) -> Validation:
    """Answer the validation rows, each process its part of them; all get the same numbers."""
    ends = evenly(task.validation_ends, config.max_validation_windows)
    logits_RHC = _shared_logits(model, task, ends, ranks)
    classes_RH = task.classes_NH.cpu()[ends.cpu()]
    return Validation(log_loss(logits_RHC, classes_RH), _accuracy(logits_RHC, classes_RH))


def _shared_logits(model: nn.Module, task: LearningTask, ends: Tensor, ranks: Ranks) -> Tensor:
    """Whole batches go to processes in turn, so that any number of them gives the same bits."""
    if ranks.alone:
        return predict_logits(model, task.windows, ends)
    logits_RHC = torch.zeros(len(ends), task.classes_NH.shape[1], NUM_CLASSES)
    targets = logits_RHC.split(BATCH)
    for part, target in list(zip(ends.split(BATCH), targets))[ranks.rank :: ranks.size]:
        target.copy_(predict_logits(model, task.windows, part))
    return ranks.add_up(logits_RHC)


def _accuracy(logits_RHC: Tensor, classes_RH: Tensor) -> float:
    told_RH, classes_RH = logits_RHC.argmax(dim=-1), classes_RH
    known = [(told_RH[:, h], came_R) for h, came_R in enumerate(classes_RH.unbind(dim=1))]
    shares = [
        balanced_accuracy(told_R[came_R >= 0].numpy(), came_R[came_R >= 0].numpy())
        for told_R, came_R in known
        if (came_R >= 0).any()
    ]
    return sum(shares) / max(1, len(shares))
