"""Which windows a memory should rather keep: those that surprised the model."""

import torch
from torch import Tensor

from crypto_nn.models.prediction import Answers, Prediction


@torch.no_grad()
def importance(prediction: Prediction, answers: Answers, power: float) -> Tensor:
    """The weight of each window (B,): its surprise to the power given, float32.

    Surprise is the log-loss of the classes that came, in nats, a mean over the horizons whose
    class is known. Power 0 makes all windows alike. A window of which nothing is known has no
    weight, and neither has one whose logits are no numbers.
    """
    known_BH = answers.classes_BH >= 0
    log_p_BHC = prediction.logits_BHC.float().log_softmax(dim=-1)
    picked_BH1 = log_p_BHC.gather(-1, answers.classes_BH.clamp_min(0)[..., None])
    cost_BH = torch.where(known_BH, -picked_BH1.squeeze(-1), 0.0)
    surprise_B = cost_BH.sum(dim=1) / known_BH.sum(dim=1).clamp_min(1)
    usable_B = known_BH.any(dim=1) & log_p_BHC.flatten(1).isfinite().all(dim=1)
    return torch.where(usable_B, surprise_B**power, 0.0)


def tickets(weight_B: Tensor) -> Tensor:
    """A random number for each window, such that keeping the largest samples by weight.

    log(u)/w with u uniform in (0, 1): the largest M are a weighted sample without replacement,
    over a stream of any length (A-Res, Efraimidis & Spirakis 2006). The best of several tickets
    of one window is distributed as one ticket of the sum of their weights. float64 and finite;
    u comes from torch's global CPU generator, wherever the weights lie.
    """
    uniform_B = torch.rand(len(weight_B), dtype=torch.float64).clamp_min(1e-300)
    smallest = torch.finfo(torch.float32).tiny
    return uniform_B.log().to(weight_B.device) / weight_B.double().clamp_min(smallest)
