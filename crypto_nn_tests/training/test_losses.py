"""Losses agree with slow ones written out, and cost what they should."""

import math

import pytest
import torch
from torch import Tensor

from crypto_nn.errors import ConfigError
from crypto_nn.models.prediction import Answers, Prediction
from crypto_nn.training.losses import (
    FocalLoss,
    LabelSmoothingCrossEntropy,
    MultiHorizonLoss,
    Objective,
    UncertaintyLoss,
)
from crypto_nn.training.optimizing import make_objective
from crypto_nn_tests.training.tasks import QUICK, noise_task

B, H, C = 11, 3, 3


def example(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits_BHC = torch.randn(B, H, C, generator=generator)
    return logits_BHC, torch.randint(-1, C, (B, H), generator=generator)


def slow_mean(
    logits_BHC: Tensor, classes_BH: Tensor, horizons: list[float], classes: list[list[float]],
    smoothing: float, gamma: float,
) -> float:  # fmt: skip
    """The loss as its definition reads, in plain Python."""
    total = weight = 0.0
    for h in range(H):
        cost = share = 0.0
        for b in range(B):
            y = int(classes_BH[b, h])
            if y < 0:
                continue
            e = [math.exp(v) for v in logits_BHC[b, h].tolist()]
            p = [v / sum(e) for v in e]
            smooth = -(1 - smoothing) * math.log(p[y]) - smooth_part(p, smoothing)
            cost += classes[h][y] * (1 - p[y]) ** gamma * smooth
            share += classes[h][y]
        if share:
            total += horizons[h] * cost / share
            weight += horizons[h]
    return total / weight


def smooth_part(p: list[float], smoothing: float) -> float:
    return smoothing * sum(math.log(v) for v in p) / C


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_loss_agrees_with_its_definition(smoothing: float, gamma: float, seed: int) -> None:
    """Cross entropy and focal loss, smoothed and weighted, equal a loop over their formula."""
    logits_BHC, classes_BH = example(seed)
    horizons, classes = [0.5, 1.0, 2.0], [[1.0, 2.0, 0.5], [1.0, 1.0, 1.0], [0.1, 3.0, 1.0]]
    loss = MultiHorizonLoss(
        FocalLoss(gamma, smoothing), torch.tensor(horizons), torch.tensor(classes)
    )
    due = slow_mean(logits_BHC, classes_BH, horizons, classes, smoothing, gamma)
    assert loss(logits_BHC, classes_BH).item() == pytest.approx(due, rel=1e-5)


def test_cross_entropy_is_torchs_own() -> None:
    """Without weights and smoothing it is `torch.nn.functional.cross_entropy`, with too."""
    logits_BHC, classes_BH = example()
    for smoothing in (0.0, 0.1):
        due = torch.nn.functional.cross_entropy(
            logits_BHC[:, 0], classes_BH[:, 0], ignore_index=-1, label_smoothing=smoothing
        )
        loss = MultiHorizonLoss(LabelSmoothingCrossEntropy(smoothing), torch.ones(1))
        torch.testing.assert_close(loss(logits_BHC[:, :1], classes_BH[:, :1]), due)


def test_focal_with_gamma_zero_is_cross_entropy() -> None:
    """γ = 0 sets nothing back."""
    logits_BHC, classes_BH = example()
    known_BH = classes_BH.clamp_min(0)
    torch.testing.assert_close(
        FocalLoss(0.0)(logits_BHC, known_BH), LabelSmoothingCrossEntropy(0.0)(logits_BHC, known_BH)
    )


def test_weights_of_one_change_nothing() -> None:
    """Class weights of one are no weights."""
    logits_BHC, classes_BH = example()
    plain = MultiHorizonLoss(LabelSmoothingCrossEntropy(0.0), torch.ones(H))
    weighted = MultiHorizonLoss(LabelSmoothingCrossEntropy(0.0), torch.ones(H), torch.ones(H, C))
    assert torch.equal(plain(logits_BHC, classes_BH), weighted(logits_BHC, classes_BH))


@pytest.mark.parametrize("cost", [LabelSmoothingCrossEntropy(0.0), FocalLoss(2.0)])
def test_right_costs_less_than_unsure_and_that_less_than_wrong(cost: torch.nn.Module) -> None:
    """Sure and right is cheapest, then saying a third each, then sure and wrong."""
    classes_BH = torch.zeros(1, 1, dtype=torch.int64)
    right, unsure, wrong = (
        float(cost(torch.tensor([[logits]]), classes_BH).sum())
        for logits in ([5.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 5.0, 0.0])
    )
    assert right < unsure < wrong


@pytest.mark.parametrize("cost", [LabelSmoothingCrossEntropy(0.1), FocalLoss(2.0), FocalLoss(0.5)])
def test_loss_and_slope_are_finite_at_extremes(cost: torch.nn.Module) -> None:
    """Logits of ±100 give numbers, and numbers as gradients."""
    logits_BHC = torch.tensor([[[100.0, -100.0, 0.0]], [[-100.0, 100.0, 0.0]]], requires_grad=True)
    loss = cost(logits_BHC, torch.zeros(2, 1, dtype=torch.int64)).sum()
    loss.backward()
    assert loss.isfinite()
    assert logits_BHC.grad is not None
    assert logits_BHC.grad.isfinite().all()


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_slopes_are_those_of_the_loss(gamma: float) -> None:
    """Gradients agree with finite differences."""
    _, classes_BH = example()
    logits = torch.randn(4, 2, C, dtype=torch.float64, requires_grad=True)
    # float() inside the loss would make finite differences meaningless; the loss is the same.
    cost = FocalLoss(gamma, 0.1)

    def double(logits_BHC: Tensor) -> Tensor:
        log_p = logits_BHC.log_softmax(-1)
        right = log_p.gather(-1, classes_BH[:4, :2].clamp_min(0)[..., None]).squeeze(-1)
        return (1 - right.exp()) ** gamma * (-0.9 * right - 0.1 * log_p.mean(-1))

    assert torch.autograd.gradcheck(double, logits)
    single = logits.detach().float().requires_grad_()
    cost(single, classes_BH[:4, :2].clamp_min(0)).sum().backward()
    torch.autograd.backward(double(logits).sum())
    assert single.grad is not None
    assert logits.grad is not None
    torch.testing.assert_close(single.grad.double(), logits.grad, rtol=1e-4, atol=1e-5)


def test_unknown_labels_cost_nothing_and_teach_nothing() -> None:
    """A horizon without any known class is left out; nothing known at all costs zero."""
    logits_BHC, classes_BH = example()
    logits_BHC.requires_grad_()
    classes_BH[:, 1] = -1
    loss = MultiHorizonLoss(LabelSmoothingCrossEntropy(0.0), torch.ones(H))
    cost = loss(logits_BHC, classes_BH)
    (slope,) = torch.autograd.grad(cost, logits_BHC)
    assert not slope[:, 1].any()
    assert not slope[classes_BH < 0].any()
    others = loss.loss(logits_BHC, classes_BH.clamp_min(0))
    due = torch.stack([others[classes_BH[:, h] >= 0, h].mean() for h in (0, 2)]).mean()
    torch.testing.assert_close(cost, due)
    assert loss(logits_BHC, torch.full((B, H), -1)).item() == 0


def test_variance_loss_is_lowest_at_the_true_variance() -> None:
    """Of all constant answers, the one that equals the variance of the moves costs least."""
    scores_BH = torch.randn(4_000, 1, generator=torch.Generator().manual_seed(0)) * 1.5
    scores_BH[::9] = math.nan
    true = math.log(float(scores_BH[scores_BH.isfinite()].square().mean()))
    loss = UncertaintyLoss()
    costs = [float(loss(torch.full_like(scores_BH, true + d), scores_BH)) for d in (-0.5, 0.0, 0.5)]
    assert costs[1] < costs[0]
    assert costs[1] < costs[2]


def test_uncertainty_weight_of_zero_leaves_the_classes_alone() -> None:
    """Without weight the variance costs nothing, whatever it is."""
    logits_BHC, classes_BH = example()
    classes = MultiHorizonLoss(LabelSmoothingCrossEntropy(0.0), torch.ones(H))
    prediction = Prediction(logits_BHC, torch.full((B, H), 5.0))
    ones_BH, ones_B = torch.ones(B, H), torch.ones(B)
    answers = Answers(classes_BH, ones_BH, ones_BH, ones_B, ones_B.long())
    assert torch.equal(
        Objective(classes, 0.0)(prediction, answers), classes(logits_BHC, classes_BH)
    )


def test_one_weight_is_due_for_each_horizon() -> None:
    """Weights for other horizons than there are, are refused before training."""
    config = QUICK.model_copy(update={"horizon_weights": (1.0, 2.0, 3.0)})
    with pytest.raises(ConfigError, match="3 weights for 2 horizons"):
        make_objective(noise_task(), config)
