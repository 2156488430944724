"""The law of every model: windows in, logits out, and nothing else."""

from collections.abc import Callable

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from crypto_nn.models import Inputs, ModelConfig, Slower, find_slower
from crypto_nn.models.prediction import NUM_CLASSES, Prediction, Windows

NUM_FEATURES, NUM_HORIZONS, NUM_SYMBOLS, WINDOW = 13, 3, 2, 12
SLOWER = ("5m", "15m", "1h")
# Seven features of a minute, then two of each slower timeframe.
NAMES = tuple(f"f{i}" for i in range(7)) + tuple(f"f{i}_{t}" for t in SLOWER for i in range(2))
Make = Callable[[], nn.Module]


def inputs_of(config: ModelConfig, window: int = WINDOW) -> Inputs:
    """What a model of these settings sees in the tests."""
    slower = find_slower(config.slower, NAMES)
    return Inputs(NUM_FEATURES, NUM_HORIZONS, NUM_SYMBOLS, window, slower)


def random_windows(
    batch: int = 5, window: int = WINDOW, seed: int = 0, slower: tuple[Slower, ...] = ()
) -> Windows:
    """Windows of noise, of all symbols in turn."""
    generator = torch.Generator().manual_seed(seed)
    x_BTF = torch.randn(batch, window, NUM_FEATURES, generator=generator)
    minutes_B = torch.arange(batch, dtype=torch.int64) * 60_000_000
    bars = {
        each.timeframe: torch.randn(batch, each.length, len(each.columns), generator=generator)
        for each in slower
    }
    return Windows(x_BTF, minutes_B, torch.arange(batch) % NUM_SYMBOLS, bars)


def check_shapes_and_finite(make: Make) -> None:
    """Every horizon gets three finite logits, for windows of any length and batches of any size."""
    model = make().eval()
    for batch, window in ((1, 12), (5, 12), (4, 30)):
        answer: Prediction = model(random_windows(batch, window))
        assert answer.logits_BHC.shape == (batch, NUM_HORIZONS, NUM_CLASSES)
        assert answer.logits_BHC.isfinite().all()
        if answer.log_variance_BH is not None:
            assert answer.log_variance_BH.shape == (batch, NUM_HORIZONS)
            assert answer.log_variance_BH.isfinite().all()


def check_finite_at_extremes(make: Make) -> None:
    """Features at the scaler's clip, all at once, still give numbers."""
    model = make().eval()
    windows = random_windows()
    for value in (10.0, -10.0):
        x_BTF = torch.full_like(windows.x_BTF, value)
        answer = model(Windows(x_BTF, windows.t_B, windows.symbol_B))
        assert answer.logits_BHC.isfinite().all()


def check_neighbours_do_not_talk(make: Make) -> None:
    """What else is in the batch changes no bit of an answer."""
    model = make().eval()
    windows = random_windows()
    x_BTF = windows.x_BTF.clone()
    x_BTF[1:] += 3.0
    alone = model(windows).logits_BHC[0]
    beside_others = model(Windows(x_BTF, windows.t_B, windows.symbol_B)).logits_BHC[0]
    assert torch.equal(alone, beside_others)


def check_answers_depend_on_every_moment(make: Make) -> None:
    """The oldest bar of the window counts as well as the newest."""
    model = make().eval()
    windows = random_windows()
    before = model(windows).logits_BHC
    for moment in (0, -1):
        x_BTF = windows.x_BTF.clone()
        x_BTF[:, moment] += 2.0
        after = model(Windows(x_BTF, windows.t_B, windows.symbol_B)).logits_BHC
        assert not torch.equal(before, after)


def check_every_parameter_learns(make: Make) -> None:
    """No parameter is left without a gradient that is not zero."""
    model = make().train()
    answer = model(random_windows(16))
    total = answer.logits_BHC.square().sum()
    if answer.log_variance_BH is not None:
        total = total + answer.log_variance_BH.square().sum()
    torch.autograd.backward(total)
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle, f"no gradient reaches {idle}"


def check_eval_is_deterministic(make: Make) -> None:
    """Asked twice, it answers with the same bits, and learns nothing from being asked."""
    model = make().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    windows = random_windows()
    assert torch.equal(model(windows).logits_BHC, model(windows).logits_BHC)
    assert all(torch.equal(before[n], tensor) for n, tensor in model.state_dict().items())


def check_same_seed_same_weights(make: Make) -> None:
    """First weights depend on torch's seed and on nothing else."""
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(torch.cat([p.detach().flatten() for p in make().parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def check_first_answers_are_nearly_uniform(make: Make) -> None:
    """Before it has learned, a model says a third each, so that its first loss is ln 3."""
    torch.manual_seed(0)
    p_BHC = make().eval()(random_windows(32)).logits_BHC.softmax(dim=-1)
    assert (p_BHC - 1 / NUM_CLASSES).abs().max() < 0.1


def check_save_and_load_keep_every_bit(make: Make) -> None:
    """Weights through safetensors into a new model give the same answers, bit for bit."""
    model, other = make().eval(), make().eval()
    other.load_state_dict(load(save(model.state_dict())))
    windows = random_windows()
    assert torch.equal(model(windows).logits_BHC, other(windows).logits_BHC)


def check_overfits_64_windows(make: Make) -> None:
    """Shown 64 windows of noise again and again, it learns their labels by heart."""
    torch.manual_seed(0)
    model = without_dropout(make()).train()
    windows = random_windows(64, window=5)
    classes_BH = torch.randint(NUM_CLASSES, (64, NUM_HORIZONS))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(80):
        loss = classes_loss(model(windows).logits_BHC, classes_BH)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    told_BH = model.eval()(windows).logits_BHC.argmax(dim=-1)
    assert (told_BH == classes_BH).float().mean() > 0.98


def classes_loss(logits_BHC: Tensor, classes_BH: Tensor) -> Tensor:
    """torch's own cross entropy over all horizons."""
    return nn.functional.cross_entropy(logits_BHC.flatten(0, 1), classes_BH.flatten())


def without_dropout(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.LSTM):
            module.dropout = 0.0
    return model


LAWS = (
    check_shapes_and_finite,
    check_finite_at_extremes,
    check_neighbours_do_not_talk,
    check_answers_depend_on_every_moment,
    check_every_parameter_learns,
    check_eval_is_deterministic,
    check_same_seed_same_weights,
    check_first_answers_are_nearly_uniform,
    check_save_and_load_keep_every_bit,
    check_overfits_64_windows,
)
