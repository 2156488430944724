"""Losses agree with slow ones written out, and cost what they should."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from crypto_nn.errors import ConfigError
from crypto_nn.models.prediction import Answers, Prediction
from crypto_nn.training.losses import (
    FocalLoss,
    LabelSmoothingCrossEntropy,
    MultiHorizonLoss,
    TradingLoss,
    UncertaintyLoss,
)
from crypto_nn.training.objective import Objective, Totals, make_objective
from crypto_nn_tests.training.tasks import QUICK, noise_task

B, H, C = 11, 3, 3
HORIZONS = (5, 15, 60)
HORIZON_WEIGHTS = [0.5, 1.0, 2.0]
CLASS_WEIGHTS = [[1.0, 2.0, 0.5], [1.0, 1.0, 1.0], [0.125, 3.0, 1.0]]
COST_BPS, PENALTY = 3.0, 0.7


def example(seed: int = 0) -> tuple[Prediction, Answers]:
    """Answers of all sorts: known, without a class, without a move, without a volatility."""
    random = np.random.default_rng(seed)
    scores_BH = 3 * random.standard_normal((B, H))
    scores_BH[0, 0] = 40.0
    classes_BH = np.digitize(scores_BH, [-0.4, 0.4])
    classes_BH[random.random((B, H)) < 0.2] = -1
    scores_BH[random.random((B, H)) < 0.2] = np.nan
    sigma_B = random.uniform(1e-5, 2e-3, B)
    sigma_B[1], sigma_B[2], sigma_B[3] = 0.0, np.nan, 1e-9
    returns_BH = scores_BH * sigma_B[:, None] * np.sqrt(HORIZONS)
    said = Prediction(
        torch.from_numpy(2 * random.standard_normal((B, H, C))),
        torch.from_numpy(random.standard_normal((B, H))),
    )
    came = (classes_BH, scores_BH, returns_BH, sigma_B, np.zeros(B, dtype=np.int64))
    return said, Answers(*map(torch.from_numpy, came))


def weighted(cost: nn.Module) -> MultiHorizonLoss:
    """The loss with weights, in double precision."""
    return MultiHorizonLoss(cost, torch.tensor(HORIZON_WEIGHTS), torch.tensor(CLASS_WEIGHTS)).to(
        torch.float64
    )


def objective(trading_weight: float = 0.3, uncertainty_weight: float = 0.2) -> Objective:
    return Objective(
        weighted(FocalLoss(2.0, 0.1)),
        weighted(TradingLoss(HORIZONS, COST_BPS, PENALTY)),
        weighted(UncertaintyLoss()),
        trading_weight,
        uncertainty_weight,
    )


def shares(logits: list[float]) -> list[float]:
    e = [math.exp(v - max(logits)) for v in logits]
    return [v / sum(e) for v in e]


def slow_class(p: list[float], y: int, smoothing: float, gamma: float) -> float:
    spread = sum(math.log(v) for v in p) / C
    return (1 - p[y]) ** gamma * (-(1 - smoothing) * math.log(p[y]) - smoothing * spread)


def slow_trade(p: list[float], score: float, sigma: float, minutes: int) -> float:
    a, s = p[2] - p[0], max(-8.0, min(8.0, score))
    c = min(8.0, COST_BPS / 10_000 / (sigma * math.sqrt(minutes)))
    wrong = a * s < 0 and abs(s) > c
    return -(a * s - c * abs(a)) + (PENALTY * abs(a) * (abs(s) - c) if wrong else 0.0)


def slow_variance(log_v: float, score: float) -> float:
    return 0.5 * (max(-8.0, min(8.0, score)) ** 2 / math.exp(log_v) + log_v)


def slow_mean(answers: Answers, cost: Callable[[int, int, int], float | None]) -> float:
    """The weighted mean as its definition reads; `cost` has None where nothing is known."""
    total = weight = 0.0
    for h in range(H):
        above = below = 0.0
        for b in range(B):
            y = int(answers.classes_BH[b, h])
            one = cost(b, h, y) if y >= 0 else None
            if one is not None:
                above += CLASS_WEIGHTS[h][y] * one
                below += CLASS_WEIGHTS[h][y]
        if below:
            total += HORIZON_WEIGHTS[h] * above / below
            weight += HORIZON_WEIGHTS[h]
    return total / weight if weight else 0.0


def slow_classes(said: Prediction, answers: Answers, smoothing: float, gamma: float) -> float:
    return slow_mean(
        answers,
        lambda b, h, y: slow_class(shares(said.logits_BHC[b, h].tolist()), y, smoothing, gamma),
    )


def slow_trading(said: Prediction, answers: Answers) -> float:
    def cost(b: int, h: int, y: int) -> float | None:
        score, sigma = float(answers.scores_BH[b, h]), float(answers.sigma_B[b])
        if math.isnan(score) or not sigma > 0:
            return None
        return slow_trade(shares(said.logits_BHC[b, h].tolist()), score, sigma, HORIZONS[h])

    return slow_mean(answers, cost)


def slow_uncertainty(said: Prediction, answers: Answers) -> float:
    assert said.log_variance_BH is not None
    told_BH = said.log_variance_BH.detach()

    def cost(b: int, h: int, y: int) -> float | None:
        score = float(answers.scores_BH[b, h])
        return None if math.isnan(score) else slow_variance(float(told_BH[b, h]), score)

    return slow_mean(answers, cost)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_class_loss_agrees_with_its_definition(smoothing: float, gamma: float, seed: int) -> None:
    """Cross entropy and focal loss, smoothed and weighted, equal a loop over their formula."""
    said, answers = example(seed)
    loss = weighted(FocalLoss(gamma, smoothing))
    due = slow_classes(said, answers, smoothing, gamma)
    assert loss(said.logits_BHC, answers.classes_BH).item() == pytest.approx(due, rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_objective_agrees_with_its_definition(seed: int) -> None:
    """Classes, trades and variances, each weighted, add up as a loop over their formulas does."""
    said, answers = example(seed)
    due = [slow_classes(said, answers, 0.1, 2.0)]
    due += [0.3 * slow_trading(said, answers), 0.2 * slow_uncertainty(said, answers)]
    assert all(due)
    assert objective()(said, answers).item() == pytest.approx(sum(due), rel=1e-6)


def test_cross_entropy_is_torchs_own() -> None:
    """Without weights it is `torch.nn.functional.cross_entropy`, smoothed or not."""
    said, answers = example()
    logits_BC, classes_B = said.logits_BHC[:, 0], answers.classes_BH[:, 0]
    for smoothing in (0.0, 0.1):
        due = nn.functional.cross_entropy(
            logits_BC, classes_B, ignore_index=-1, label_smoothing=smoothing
        )
        loss = MultiHorizonLoss(LabelSmoothingCrossEntropy(smoothing), torch.ones(1))
        torch.testing.assert_close(loss(logits_BC[:, None], classes_B[:, None]), due)


def test_weights_of_one_change_nothing() -> None:
    """Class weights of one are no weights."""
    said, answers = example()
    plain = MultiHorizonLoss(LabelSmoothingCrossEntropy(0.0), torch.ones(H))
    ones = MultiHorizonLoss(LabelSmoothingCrossEntropy(0.0), torch.ones(H), torch.ones(H, C))
    given = said.logits_BHC, answers.classes_BH
    assert torch.equal(plain(*given), ones(*given))


@pytest.mark.parametrize("cost", [LabelSmoothingCrossEntropy(0.0), FocalLoss(2.0)])
def test_right_costs_less_than_unsure_and_that_less_than_wrong(cost: nn.Module) -> None:
    """Sure and right is cheapest, then saying a third each, then sure and wrong."""
    classes_BH = torch.zeros(1, 1, dtype=torch.int64)
    right, unsure, wrong = (
        float(cost(torch.tensor([[logits]]), classes_BH).sum())
        for logits in ([5.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 5.0, 0.0])
    )
    assert right < unsure < wrong


def trade(logits: list[float], score: float, penalty: float = 0.0) -> float:
    """What one answer costs as a trade, at a round trip of half the move to be expected."""
    loss = TradingLoss((4,), cost_bps=10.0, penalty=penalty)
    given = torch.tensor([[logits]]), torch.tensor([[score]]), torch.tensor([[1e-3]])
    return float(loss(*given))


def test_trade_costs_its_loss() -> None:
    """A whole position gains the move less the round trip; no position gains and loses nothing."""
    up, out = [-50.0, 0.0, 50.0], [0.0, 50.0, 0.0]
    assert trade(up, 2.0) == pytest.approx(-(2.0 - 0.5))
    assert trade(up, -2.0) == pytest.approx(2.0 + 0.5)
    assert trade(out, -2.0) == pytest.approx(0.0, abs=1e-6)


def test_small_moves_are_not_worth_a_trade() -> None:
    """Where a move is smaller than the round trip, standing aside is cheaper than being right."""
    assert trade([0.0, 50.0, 0.0], 0.3) < trade([-50.0, 0.0, 50.0], 0.3)


def test_wrong_side_is_fined_where_the_move_would_have_paid() -> None:
    """The fine meets only positions against a move larger than its cost."""
    up = [-50.0, 0.0, 50.0]
    assert trade(up, -2.0, penalty=1.0) - trade(up, -2.0) == pytest.approx(2.0 - 0.5)
    assert trade(up, -0.4, penalty=1.0) == trade(up, -0.4)
    assert trade(up, 2.0, penalty=1.0) == trade(up, 2.0)


def test_regimes_weigh_alike() -> None:
    """The same move in units of what was to be expected, at the same cost in them, costs alike."""
    logits_BHC = torch.tensor([[[0.3, -0.1, 0.9]]])
    calm, wild = (
        float(TradingLoss((5,), bps)(logits_BHC, torch.tensor([[1.2]]), torch.tensor([[sigma]])))
        for bps, sigma in ((2.0, 2e-4), (20.0, 2e-3))
    )
    assert calm == pytest.approx(wild, rel=1e-6)


COSTS = [LabelSmoothingCrossEntropy(0.1), FocalLoss(2.0), FocalLoss(0.5)]


@pytest.mark.parametrize("size", [100.0, 1e4])
@pytest.mark.parametrize("cost", COSTS)
def test_class_loss_and_slope_are_finite_at_extremes(cost: nn.Module, size: float) -> None:
    """Very sure answers give numbers, and numbers as gradients, right or wrong."""
    logits_BHC = torch.tensor([[[size, -size, 0.0]], [[-size, size, 0.0]]], requires_grad=True)
    (slope,) = torch.autograd.grad(cost(logits_BHC, torch.tensor([[0], [0]])).sum(), logits_BHC)
    assert slope.isfinite().all()


@pytest.mark.parametrize("size", [0.0, 1e4, -1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_objective_and_slope_are_finite_at_extremes(size: float, dtype: torch.dtype) -> None:
    """Whatever is said, in whatever precision, each loss is a number and so is its gradient."""
    said, answers = example()
    logits_BHC = (size * said.logits_BHC).to(dtype).requires_grad_()
    log_variance_BH = torch.full((B, H), size, dtype=dtype, requires_grad=True)
    loss = objective()(Prediction(logits_BHC, log_variance_BH), answers)
    assert loss.isfinite()
    for slope in torch.autograd.grad(loss, (logits_BHC, log_variance_BH)):
        assert slope.isfinite().all()


def test_half_precision_answers_are_judged_in_single() -> None:
    """The loss of bfloat16 logits is that of the same numbers in float32, bit for bit."""
    said, answers = example()
    assert said.log_variance_BH is not None
    half = Prediction(said.logits_BHC.bfloat16(), said.log_variance_BH.bfloat16())
    assert half.log_variance_BH is not None
    single = Prediction(half.logits_BHC.float(), half.log_variance_BH.float())
    assert torch.equal(objective()(half, answers), objective()(single, answers))


@pytest.mark.parametrize("weights", [(0.0, 0.0), (1.0, 0.0), (0.3, 0.2)])
@pytest.mark.parametrize("seed", range(3))
def test_slopes_are_those_of_the_loss(weights: tuple[float, float], seed: int) -> None:
    """Gradients of all losses agree with finite differences, in double precision."""
    said, answers = example(seed)
    assert said.log_variance_BH is not None
    loss = objective(*weights)
    assert torch.autograd.gradcheck(
        lambda logits, log_variance: loss(Prediction(logits, log_variance), answers),
        (said.logits_BHC.requires_grad_(), said.log_variance_BH.requires_grad_()),
    )


def test_unknown_answers_cost_nothing_and_teach_nothing() -> None:
    """What did not become known moves no logit and no variance; a horizon without any is left out.

    The others then cost what they cost without it.
    """
    said, answers = example()
    assert said.log_variance_BH is not None
    answers.classes_BH[:, 1] = -1
    leaves = said.logits_BHC.requires_grad_(), said.log_variance_BH.requires_grad_()
    of_logits, of_variance = torch.autograd.grad(objective()(said, answers), leaves)
    assert not of_logits[answers.classes_BH < 0].any()
    assert not of_variance[answers.classes_BH < 0].any()
    assert not of_variance[answers.scores_BH.isnan()].any()
    assert of_logits[answers.classes_BH >= 0].any(dim=-1).all()
    due = slow_classes(said, answers, 0.1, 2.0) + 0.3 * slow_trading(said, answers)
    due += 0.2 * slow_uncertainty(said, answers)
    assert objective()(said, answers).item() == pytest.approx(due, rel=1e-6)


def test_nothing_known_costs_nothing() -> None:
    """A batch without any known answer has the loss 0 and gradients of 0, not NaN."""
    said, answers = example()
    nothing = replace(answers, classes_BH=torch.full((B, H), -1))
    loss = objective()(Prediction(said.logits_BHC.requires_grad_()), nothing)
    assert loss.item() == 0
    (slope,) = torch.autograd.grad(loss, said.logits_BHC)
    assert not slope.any()


def test_a_class_of_weight_zero_counts_for_nothing() -> None:
    """Windows of such a class change no loss; where no other class came, the loss is 0."""
    said, answers = example()
    weights_HC = torch.tensor([[0.0, 1.0, 1.0]] * H)
    given = said.logits_BHC, answers.classes_BH
    loss = MultiHorizonLoss(FocalLoss(), torch.ones(H), weights_HC)
    without = answers.classes_BH.masked_fill(answers.classes_BH == 0, -1)
    torch.testing.assert_close(loss(*given), loss(said.logits_BHC, without))
    assert loss(said.logits_BHC, torch.zeros(B, H).long()).item() == 0


def test_one_class_alone_is_learned() -> None:
    """Where only one class came, its weight does not matter and more of it is always cheaper."""
    came_BH = torch.full((B, H), 2)
    heavy = MultiHorizonLoss(FocalLoss(), torch.ones(H), torch.full((H, C), 7.0))
    light = MultiHorizonLoss(FocalLoss(), torch.ones(H))
    less, more = (torch.tensor([0.0, 0.0, up]).expand(B, H, C) for up in (1.0, 2.0))
    torch.testing.assert_close(heavy(less, came_BH), light(less, came_BH))
    assert light(more, came_BH) < light(less, came_BH)


def test_variance_loss_is_lowest_at_the_true_variance() -> None:
    """Of all constant answers, the one that equals the variance of the moves costs least."""
    scores_BH = torch.randn(4_000, 1, generator=torch.Generator().manual_seed(0)) * 1.5
    true = math.log(float(scores_BH.square().mean()))
    costs = [
        float(UncertaintyLoss()(torch.full_like(scores_BH, true + d), scores_BH).mean())
        for d in (-0.5, 0.0, 0.5)
    ]
    assert costs[1] < costs[0]
    assert costs[1] < costs[2]


def test_weights_of_zero_leave_the_classes_alone() -> None:
    """Without weight, trades and variances cost nothing, whatever they are."""
    said, answers = example()
    one = objective(0.0, 0.0)
    assert torch.equal(one(said, answers), one.classes(said.logits_BHC, answers.classes_BH))


def parts_of(said: Prediction, answers: Answers) -> list[tuple[Prediction, Answers]]:
    """Three unequal parts of a batch, the last of one window with nothing known."""
    assert said.log_variance_BH is not None
    answers.classes_BH[-1] = -1
    cuts = [slice(0, 4), slice(4, B - 1), slice(B - 1, B)]
    names = ("classes_BH", "scores_BH", "returns_BH", "sigma_B", "known_at_B")
    return [
        (
            Prediction(said.logits_BHC[cut], said.log_variance_BH[cut]),
            Answers(*(getattr(answers, name)[cut] for name in names)),
        )
        for cut in cuts
    ]


def test_parts_of_a_batch_add_up_to_the_whole() -> None:
    """Over the totals of all, losses of parts add up to the loss of all, and so do gradients."""
    said, answers = example()
    parts, loss = parts_of(said, answers), objective()
    totals = loss.totals(answers)
    whole = loss(said, answers)
    logits_BHC = said.logits_BHC.requires_grad_()
    parted = torch.stack([loss(*part, totals) for part in parts_of(said, answers)]).sum()
    torch.testing.assert_close(parted, whole)
    (of_parts,) = torch.autograd.grad(parted, logits_BHC)
    (of_whole,) = torch.autograd.grad(loss(said, answers), logits_BHC)
    torch.testing.assert_close(of_parts, of_whole)
    assert not torch.allclose(torch.stack([loss(*part) for part in parts]).mean(), whole)


def test_totals_of_parts_add_up() -> None:
    """The totals of parts are those of all: processes may add up what each of them knows."""
    said, answers = example()
    loss = objective()
    first, *others = (loss.totals(part) for _, part in parts_of(said, answers))
    for other in others:
        first = first + other
    assert torch.equal(Totals.of(first.stacked()).stacked(), loss.totals(answers).stacked())
    torch.testing.assert_close(loss(said, answers, first), loss(said, answers))


def test_horizons_are_weighed_by_their_minutes() -> None:
    """A horizon's weight is found by its minutes; those that are not named weigh 1."""
    config = QUICK.model_copy(update={"horizon_weights": {15: 3.0}})
    made = make_objective(noise_task(), config)
    for part in (made.classes, made.trading, made.uncertainty):
        assert part.horizon_weights_H.tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({5: 1.0, 7: 2.0}, "horizon_weights names 7 minutes; labels.horizons are 5, 15"),
        ({5: 0.0, 15: 0.0}, "gives 0 to each of the horizons 5, 15"),
    ],
)
def test_weights_of_other_horizons_are_refused(weights: dict[int, float], told: str) -> None:
    """A weight for a horizon that there is not is answered with those there are."""
    config = QUICK.model_copy(update={"horizon_weights": weights})
    with pytest.raises(ConfigError, match=told):
        make_objective(noise_task(), config)


def test_settings_reach_the_losses() -> None:
    """Each setting of the loss changes it, and class weights are those of the task."""
    base = QUICK.model_copy(update={"trading_weight": 0.5})
    said, answers = example()
    assert said.log_variance_BH is not None
    said = Prediction(said.logits_BHC[:, :2], said.log_variance_BH[:, :2])
    answers = replace(
        answers, classes_BH=answers.classes_BH[:, :2], scores_BH=answers.scores_BH[:, :2]
    )
    task = noise_task()

    def loss(**changes: object) -> float:
        return make_objective(task, base.model_copy(update=changes))(said, answers).item()

    plain = loss()
    for changes in (
        {"loss": "focal"},
        {"label_smoothing": 0.1},
        {"trading_weight": 0.0},
        {"trading_cost_bps": 9.0},
        {"directional_penalty": 2.0},
        {"uncertainty_weight": 0.0},
        {"horizon_weights": {5: 2.0}},
    ):
        assert loss(**changes) != plain, changes
    task = replace(task, class_weights_HC=torch.tensor([[1.0, 2.0, 3.0]] * 2))
    assert loss() != plain
