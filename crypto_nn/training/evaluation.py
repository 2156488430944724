"""What a model answers to many windows, without learning from them."""

import torch
from torch import Tensor, nn

from crypto_nn.training.losses import LabelSmoothingCrossEntropy, mean_over
from crypto_nn.training.windows import WindowReader, WindowTensors

BATCH = 1024


def predict_logits(
    model: nn.Module, windows: WindowTensors, ends: Tensor, batch_size: int = BATCH
) -> Tensor:
    """Logits (R, H, C) of the windows that end in `ends`, float32, on the CPU; dropout is off."""
    was_training = model.training
    model.eval()
    logits_RHC, _ = predict_answers(model, windows, ends, batch_size)
    model.train(was_training)
    return logits_RHC


@torch.inference_mode()
def predict_answers(
    model: nn.Module, windows: WindowTensors, ends: Tensor, batch_size: int = BATCH
) -> tuple[Tensor, Tensor | None]:
    """Logits (R, H, C) and log-variances (R, H) or None, with the model in the mode it is in."""
    logits, log_variances = [], []
    read = WindowReader(windows)
    for part in ends.split(batch_size):
        answer = model(read(part))
        logits.append(answer.logits_BHC.float().cpu())
        if answer.log_variance_BH is not None:
            log_variances.append(answer.log_variance_BH.float().cpu())
    return torch.cat(logits), torch.cat(log_variances) if log_variances else None


def log_loss(logits_RHC: Tensor, classes_RH: Tensor) -> float:
    """Mean negative log-likelihood of the classes that came: over rows, then horizons; in nats."""
    cost_RH = LabelSmoothingCrossEntropy(0.0)(logits_RHC, classes_RH).double()
    known_RH = (classes_RH >= 0).double()
    return mean_over(cost_RH, known_RH, torch.ones(classes_RH.shape[1]).double()).item()


def evenly(ends: Tensor, most: int) -> Tensor:
    """At most `most` of the ends, evenly spaced over all of them."""
    if len(ends) <= most:
        return ends
    return ends[torch.linspace(0, len(ends) - 1, most, dtype=torch.float64).long()]
