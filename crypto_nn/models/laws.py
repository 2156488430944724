"""The laws of models: what every member of `models.MODELS` keeps, and any of your own must.

Each `check_…` returns nothing where the law is kept, and raises `LawError` where it is broken.
`LAWS` holds them all, each by the sentence that it holds a model to.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from crypto_nn.indicators.laws import LawError
from crypto_nn.models.export import export, from_bytes, to_bytes
from crypto_nn.models.heads import HorizonHeads
from crypto_nn.models.prediction import NUM_CLASSES, Prediction, Remembers, Windows
from crypto_nn.models.specimen import (
    Specimen,
    answers_to,
    moved,
    said_by,
    taken,
    tensors_of,
    with_each,
)

ROUNDING = 1e-6  # what a sum in another order may differ by
CLIP = 10.0  # scaled features are cut to this
_STEPS, _RATE = 150, 4e-3  # that learning 64 windows by heart may take


def check_answers_have_form(specimen: Specimen) -> None:
    """Every horizon gets three finite logits, and one log-variance or none, in any batch."""
    model = specimen.used()
    for batch in (1, 5):
        answer: Prediction = model(specimen.noise(batch))
        shape, due = answer.logits_BHC.shape, (batch, specimen.inputs.num_horizons)
        _check(
            shape == (*due, NUM_CLASSES), f"logits have shape {tuple(shape)} for {batch} windows"
        )
        if answer.log_variance_BH is not None:
            shape = answer.log_variance_BH.shape
            _check(shape == due, f"log-variances have shape {tuple(shape)} for {batch} windows")
        _check_finite(answer, f"for {batch} windows")


def check_finite_at_extremes(specimen: Specimen) -> None:
    """Features at the scaler's clip, all at once, still give numbers; in half precision too."""
    model = specimen.used()
    for value in (CLIP, -CLIP, 0.0):
        fill = partial(torch.full_like, fill_value=value)
        windows = with_each(specimen.windows, fill)
        for amp in (False, True):
            with torch.autocast("cpu", torch.bfloat16, enabled=amp):
                answer = model(windows)
            _check_finite(answer, f"where all features are {value}" + " in bfloat16" * amp)


def check_learns_in_half_precision(specimen: Specimen) -> None:
    """Under bfloat16 autocast it answers with numbers, and every gradient is one."""
    model = specimen.used().train()
    with torch.autocast("cpu", torch.bfloat16):
        answer = model(specimen.noise(16))
    _check_finite(answer, "in bfloat16")
    torch.autograd.backward(said_by(answer).float().square().sum())
    bad = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    _check(not bad, f"in bfloat16 the gradient is missing or no number in {', '.join(bad)}")


def check_neighbours_do_not_talk(specimen: Specimen) -> None:
    """What else is in the batch changes no bit of an answer, in training and after it."""
    windows = specimen.windows
    others = with_each(windows, lambda tensor: torch.cat([tensor[:1], tensor[1:] + 3.0]))
    for training in (False, True):
        model = specimen.used().train(training)
        alone, beside = (said_by(model(each))[0] for each in (windows, others))
        mode = "training" if training else "eval"
        _check(torch.equal(alone, beside), f"in {mode} a window's answer depends on the others")


def check_order_of_the_batch(specimen: Specimen) -> None:
    """The same windows in another order, or alone, get the same answers, but for rounding."""
    model, windows = specimen.used(), specimen.windows
    order_B = torch.tensor([3, 0, 4, 1, 2])
    answer, shuffled, alone = (
        model(taken(windows, rows)) for rows in (torch.arange(5), order_B, torch.tensor([3]))
    )
    _check_close(said_by(shuffled), said_by(answer)[order_B], "in another order")
    _check_close(said_by(alone), said_by(answer)[3:4], "of a window alone")
    for name, tensor in answer.inspect.items():
        _check_close(shuffled.inspect[name], tensor[order_B], f"in {name} in another order")


def check_every_moment_counts(specimen: Specimen) -> None:
    """The oldest bar of each window counts as well as the newest: base window and slower ones."""
    model, windows = specimen.used(), specimen.windows
    before = said_by(model(windows))
    for name in ("the base window", *windows.slower):
        for moment in (0, -1):
            other = moved(windows, name, moment)
            _check_all_differ(said_by(model(other)), before, f"bar {moment} of {name} is changed")


def check_symbols_are_told_apart(specimen: Specimen) -> None:
    """The same features of another symbol get another answer."""
    model, windows = specimen.used(), specimen.windows
    other = replace(windows, symbol_B=1 - windows.symbol_B)
    _check_all_differ(said_by(model(other)), said_by(model(windows)), "the symbol is another one")


def check_every_parameter_learns(specimen: Specimen) -> None:
    """No parameter is left without a gradient that is not zero."""
    model = specimen.used().train()
    torch.autograd.backward(said_by(model(specimen.noise(16))).square().sum())
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    _check(not idle, f"no gradient reaches {', '.join(idle)}")


def check_horizons_have_their_own_heads(specimen: Specimen) -> None:
    """Each horizon has weights of its own; changing one's head changes no other's answer."""
    model = specimen.used().train()
    said_BHA = said_by(model(specimen.windows))
    parameters = list(model.parameters())
    reached = []
    for h in range(specimen.inputs.num_horizons):
        slopes = torch.autograd.grad(
            said_BHA[:, h].square().sum(), parameters, retain_graph=True, allow_unused=True
        )
        reached.append([None if slope is None else slope != 0 for slope in slopes])
    for h, mine in enumerate(reached):
        own = False
        for position, mask in enumerate(mine):
            others = [each[position] for i, each in enumerate(reached) if i != h]
            for other in others:
                mask = mask if mask is None or other is None else mask & ~other
            own = own or (mask is not None and bool(mask.any()))
        _check(own, f"no weight serves horizon {h} alone")
    _check_heads(model.eval(), specimen.windows)


def _check_heads(model: nn.Module, windows: Windows) -> None:
    heads = [each for each in model.modules() if isinstance(each, HorizonHeads)]
    before = said_by(model(windows))
    for each in heads:
        for h, head in enumerate(each.heads):
            kept = [parameter.detach().clone() for parameter in head.parameters()]
            with torch.no_grad():
                for parameter in head.parameters():
                    parameter.add_(0.1)
            after = said_by(model(windows))
            with torch.no_grad():
                for parameter, old in zip(head.parameters(), kept):
                    parameter.copy_(old)
            others = [i for i in range(before.shape[1]) if i != h]
            _check(
                torch.equal(after[:, others], before[:, others]),
                f"the head of horizon {h} changes the answers of others",
            )
            _check_all_differ(after[:, h], before[:, h], f"the head of horizon {h} is changed")


def check_eval_is_deterministic(specimen: Specimen) -> None:
    """Asked twice it answers with the same bits, draws no chance, and can still learn after."""
    model, windows = specimen.used(), specimen.windows
    with torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        with torch.inference_mode():
            first, second = (said_by(model(windows)).clone() for _ in range(2))
        drawn = not torch.equal(torch.get_rng_state(), before)
    _check(torch.equal(first, second), "asked twice, it answers differently")
    _check(not drawn, "it draws random numbers in eval")
    torch.autograd.backward(said_by(model.train()(windows)).sum())


def check_answering_changes_nothing(specimen: Specimen) -> None:
    """Neither weights nor memory nor the windows change by being asked, in eval or training."""
    for training in (False, True):
        model, windows = specimen.used().train(training), specimen.noise(5)
        with _unchanged(model, "by being asked, in " + ("training" if training else "eval")):
            model(windows)
        _check(
            all(
                torch.equal(a, b)
                for a, b in zip(tensors_of(windows), tensors_of(specimen.noise(5)))
            ),
            "the windows that it is asked of are written to",
        )


def check_remembers_only_when_told(specimen: Specimen) -> None:
    """`remember` changes what is saved with the model and nothing else, and stays finite."""
    model = specimen.used().train()
    if not isinstance(model, Remembers):
        return
    windows = specimen.noise(32, seed=7, minutes=500)
    saved = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    weights = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    every = {name: tensor.clone() for name, tensor in model.named_buffers()}
    model.remember(windows, model(windows), answers_to(windows))
    changed = [n for n, tensor in model.named_buffers() if not torch.equal(tensor, every[n])]
    _check(bool(changed), "remembering changes nothing")
    lost = [name for name in changed if name not in saved]
    _check(not lost, f"what changes in {', '.join(lost)} is not saved with the model")
    moved = [n for n, p in model.named_parameters() if not torch.equal(p, weights[n])]
    _check(not moved, f"remembering changes the weights {', '.join(moved)}")
    bound = [name for name, tensor in model.named_buffers() if tensor.requires_grad]
    _check(not bound, f"{', '.join(bound)} keeps the graph of a step that is over")
    bad = [name for name, tensor in model.state_dict().items() if not tensor.isfinite().all()]
    _check(not bad, f"after unknown answers {', '.join(bad)} is no number")


def check_dropout_is_known(specimen: Specimen) -> None:
    """All chance in training is `nn.Dropout` or an LSTM's, so that it can be switched on and off.

    Monte Carlo dropout (Gal & Ghahramani 2016) finds its layers by their type.
    """
    windows = specimen.windows
    model = specimen.used().train()
    still = [said_by(model(windows)) for _ in range(2)]
    _check(torch.equal(*still), "without nn.Dropout, training still answers by chance")
    dropping = specimen.make().train()
    layers = [m for m in dropping.modules() if isinstance(m, nn.Dropout) and m.p > 0]
    if layers:
        answers = [said_by(dropping(windows)) for _ in range(2)]
        _check(not torch.equal(*answers), "its nn.Dropout layers drop nothing that matters")


def check_inspected_is_sound(specimen: Specimen) -> None:
    """What is shown has one row a window; attention sums to one, and gates lie from 0 to 1."""
    model = specimen.used()
    for training in (False, True):
        answer: Prediction = model.train(training)(specimen.windows)
        for name, tensor in answer.inspect.items():
            shape = tuple(tensor.shape)
            _check(len(tensor) == 5, f"{name} has shape {shape} for 5 windows")
            if name.startswith("attention"):
                sums = tensor.sum(dim=-1)
                _check(bool((tensor >= 0).all()), f"{name} has weights below 0")
                _check_close(sums, torch.ones_like(sums), f"of the sum of {name}")
            if name.startswith("gate"):
                inside = bool(((tensor >= 0) & (tensor <= 1)).all())
                _check(inside, f"{name} goes from {tensor.min():.3g} to {tensor.max():.3g}")


def check_same_seed_same_weights(specimen: Specimen) -> None:
    """First weights depend on torch's seed and on nothing else."""
    first, again, other = (
        torch.cat([p.detach().flatten() for p in specimen.fresh(seed).parameters()])
        for seed in (1, 1, 2)
    )
    _check(torch.equal(first, again), "the same seed gives other weights")
    _check(not torch.equal(first, other), "another seed gives the same weights")


def check_first_answers_are_nearly_uniform(specimen: Specimen) -> None:
    """Before it has learned, a model says a third each, so that its first loss is ln 3."""
    p_BHC = specimen.fresh()(specimen.noise(32)).logits_BHC.softmax(dim=-1)
    away = (p_BHC - 1 / NUM_CLASSES).abs().max().item()
    _check(away < 0.1, f"its first answers are up to {away:.2f} away from a third")


def check_save_and_load_keep_every_bit(specimen: Specimen) -> None:
    """Weights and memory through safetensors into a model of another seed give the same bits."""
    model, other = specimen.used(), specimen.fresh(seed=5)
    state = model.state_dict()
    bad = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    _check(not bad, f"{', '.join(bad)} is no number, and could not be saved")
    other.load_state_dict(load(save(state)))
    first, second = model(specimen.windows), other(specimen.windows)
    _check(torch.equal(said_by(first), said_by(second)), "once loaded, it answers differently")
    for name, tensor in first.inspect.items():
        _check(torch.equal(tensor, second.inspect[name]), f"once loaded, {name} is another")


def check_export(specimen: Specimen) -> None:
    """`torch.export` makes a program of it; saved and loaded, it answers the same to any batch."""
    model = specimen.used()
    program = from_bytes(to_bytes(export(model, specimen.noise(3)))).module()
    for batch in (1, 2, 7):
        windows = specimen.noise(batch, seed=batch)
        due, found = model(windows), program(windows)
        _check_close(said_by(found), said_by(due), f"of the program to {batch} windows")
        _check(found.inspect.keys() == due.inspect.keys(), "the program shows other tensors")


def check_learns_by_heart(specimen: Specimen) -> None:
    """Shown 64 windows of noise again and again, it learns more than 95 % of their labels."""
    model, windows = specimen.fresh().train(), specimen.noise(64)
    answers = answers_to(windows, seed=3)
    classes_BH, known_BH = answers.classes_BH, answers.classes_BH >= 0
    optimizer = torch.optim.Adam(model.parameters(), lr=_RATE)
    for _ in range(_STEPS):
        answer = model(windows)
        optimizer.zero_grad()
        torch.autograd.backward(
            nn.functional.cross_entropy(answer.logits_BHC[known_BH], classes_BH[known_BH])
        )
        optimizer.step()
        if isinstance(model, Remembers):
            model.remember(windows, answer, answers)
        right_BH = answer.logits_BHC.argmax(dim=-1) == classes_BH
        if right_BH[known_BH].float().mean() > 0.98:
            break
    told_BH = model.eval()(windows).logits_BHC.argmax(dim=-1)
    share = (told_BH == classes_BH)[known_BH].float().mean().item()
    _check(share > 0.95, f"it knows {share:.0%} of 64 windows by heart after {_STEPS} steps")


LAWS: Mapping[str, Callable[[Specimen], None]] = {
    "three finite logits for each horizon": check_answers_have_form,
    "finite at the scaler's clip": check_finite_at_extremes,
    "finite in half precision, gradients too": check_learns_in_half_precision,
    "neighbours in the batch do not talk": check_neighbours_do_not_talk,
    "the order of the batch does not matter": check_order_of_the_batch,
    "the oldest bar of each window counts": check_every_moment_counts,
    "symbols are told apart": check_symbols_are_told_apart,
    "gradients reach every parameter": check_every_parameter_learns,
    "each horizon has its own head": check_horizons_have_their_own_heads,
    "eval is deterministic": check_eval_is_deterministic,
    "answering changes nothing": check_answering_changes_nothing,
    "memory changes only when told": check_remembers_only_when_told,
    "all chance is nn.Dropout's": check_dropout_is_known,
    "what is shown is sound": check_inspected_is_sound,
    "the same seed gives the same weights": check_same_seed_same_weights,
    "first answers are nearly uniform": check_first_answers_are_nearly_uniform,
    "saved and loaded, the same bits": check_save_and_load_keep_every_bit,
    "the exported program gives the same answers": check_export,
    "64 windows can be learned by heart": check_learns_by_heart,
}
"""The laws of any model, each by the sentence that it holds one to."""


def _check(kept: bool, broken: str) -> None:
    if not kept:
        raise LawError(broken)


def _check_close(found: Tensor, due: Tensor, where: str) -> None:
    away = (found.double() - due.double()).abs().max().item()
    if not away <= ROUNDING * max(1.0, due.abs().max().item()):
        raise LawError(f"answers {where} are up to {away:.3g} off; {ROUNDING:g} may be rounding")


def _check_all_differ(found: Tensor, before: Tensor, told: str) -> None:
    same = (found == before).flatten(1).all(dim=1).sum().item()
    _check(same == 0, f"{same} of {len(found)} answers stay the same where {told}")


def _check_finite(answer: Prediction, where: str) -> None:
    for name, tensor in {"the answer": said_by(answer), **answer.inspect}.items():
        _check(bool(tensor.isfinite().all()), f"{name} is no number {where}")


@contextmanager
def _unchanged(model: nn.Module, how: str) -> Iterator[None]:
    everything = [*model.named_parameters(), *model.named_buffers()]
    before = {name: tensor.detach().clone() for name, tensor in everything}
    yield
    changed = [n for n, t in model.named_parameters() if not torch.equal(t, before[n])]
    changed += [n for n, t in model.named_buffers() if not torch.equal(t, before[n])]
    _check(not changed, f"{', '.join(changed)} changed {how}")
