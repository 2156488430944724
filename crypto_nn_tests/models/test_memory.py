"""The memory family: both models in training, and the slots of `MemoryAugmentedNetwork`.

What episodes are kept and found is in `test_episodes.py`.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from crypto_nn.errors import ConfigError
from crypto_nn.models import MODELS, build
from crypto_nn.models.configs.memory import EpisodicConfig, MemoryAugmentedConfig
from crypto_nn.models.memory_augmented import LongTermMemory, MemoryAugmentedNetwork
from crypto_nn.models.prediction import MINUTE_US, Answers, Prediction, Remembers, Windows
from crypto_nn.models.segments import segments
from crypto_nn.training.loop import fit
from crypto_nn_tests.training.tasks import INPUTS, QUICK, noise_task

SHARED = {"width": 6, "hidden": 8, "layers": 1, "attention": 4, "head": 5, "dropout": 0.3}
EPISODIC = EpisodicConfig.model_validate(
    SHARED | {"episodes": 30, "neighbours": 4, "segments": 2, "key": 6}
)
AUGMENTED = MemoryAugmentedConfig.model_validate(
    SHARED | {"heads": 2, "short_slots": 3, "long_slots": 5}
)
CONFIGS = {"EpisodicMemoryNetwork": EPISODIC, "MemoryAugmentedNetwork": AUGMENTED}


def model_of(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(name, CONFIGS[name], INPUTS)


def step_of(
    model: nn.Module, batch: int = 24, seed: int = 0
) -> tuple[Windows, Prediction, Answers]:
    """Windows of noise, what a model in training says of them, and what came."""
    generator = torch.Generator().manual_seed(seed)
    x_BTF = torch.randn(batch, INPUTS.window, INPUTS.num_features, generator=generator)
    t_B = (1000 * seed + torch.arange(batch)) * MINUTE_US
    windows = Windows(x_BTF, t_B, torch.zeros(batch, dtype=torch.int64))
    classes_BH = torch.randint(-1, 3, (batch, INPUTS.num_horizons), generator=generator)
    scores_BH = torch.randn(batch, INPUTS.num_horizons, generator=generator)
    sigma_B = torch.ones(batch)
    answers = Answers(classes_BH, scores_BH, scores_BH, sigma_B, t_B + 16 * MINUTE_US)
    return windows, model.train()(windows), answers


def remember(model: nn.Module, seed: int) -> None:
    assert isinstance(model, Remembers)
    model.remember(*step_of(model, seed=seed))


def buffers_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.named_buffers()}


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_remembered_hangs_on_the_step_and_chance_alone(name: str) -> None:
    """The same steps and the same state of torch's generator leave the same bits in memory."""
    kept = []
    for chance in (3, 3, 4):
        model = model_of(name)
        for seed in range(3):
            step = step_of(model, seed=seed)
            torch.manual_seed(chance)
            assert isinstance(model, Remembers)
            model.remember(*step)
        kept.append(buffers_of(model))
    assert all(torch.equal(tensor, kept[1][n]) for n, tensor in kept[0].items())
    assert not all(torch.equal(tensor, kept[2][n]) for n, tensor in kept[0].items())


@pytest.mark.parametrize("name", CONFIGS)
def test_only_remember_writes(name: str) -> None:
    """Answers, in eval or in training, leave memory as it is, bit for bit; `remember` does not."""
    model = model_of(name)
    remember(model, seed=0)
    before = buffers_of(model)
    windows, _, _ = step_of(model, seed=1)
    model.train()(windows)
    model.eval()(windows)
    assert all(torch.equal(tensor, before[n]) for n, tensor in model.named_buffers())
    remember(model, seed=1)
    assert not all(torch.equal(tensor, before[n]) for n, tensor in model.named_buffers())


@pytest.mark.parametrize("name", CONFIGS)
def test_memory_is_saved_and_loaded_with_the_weights(name: str) -> None:
    """A model of another seed that loads the state of one with a memory answers with its bits."""
    model, other = model_of(name), model_of(name, seed=1)
    for seed in range(3):
        remember(model, seed)
    windows, _, _ = step_of(model, seed=9)
    other.load_state_dict(model.state_dict())
    said, other_said = model.eval()(windows), other.eval()(windows)
    assert torch.equal(said.logits_BHC, other_said.logits_BHC)
    for key, tensor in said.inspect.items():
        assert torch.equal(tensor, other_said.inspect[key]), key


@pytest.mark.parametrize("name", CONFIGS)
def test_training_fills_memory(name: str) -> None:
    """The loop shows the model each step; memory goes with the best weights, of trained windows."""
    task = noise_task()
    model = model_of(name)
    before = buffers_of(model)
    fitted = fit(model, task, QUICK)
    assert any(not torch.equal(tensor, fitted.weights[n]) for n, tensor in before.items())
    if name == "EpisodicMemoryNetwork":
        t_M = fitted.weights["episodes.t"][fitted.weights["episodes.symbol"] >= 0]
        assert len(t_M) == EPISODIC.episodes
        assert torch.isin(t_M, task.windows.t_N[task.train_ends]).all()


def test_what_was_read_and_written_is_shown() -> None:
    """Weights of moments, of short-term and of long-term slots sum to one each; two gates."""
    model = model_of("MemoryAugmentedNetwork").eval()
    windows, _, _ = step_of(model, batch=7)
    shown = model.eval()(windows).inspect
    assert shown["memory_reads"].shape == (7, 3 + 5)
    for weights in (shown["attention"], *torch.split(shown["memory_reads"], [3, 5], dim=1)):
        assert (weights > 0).all()
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(7))
    assert shown["gate"].shape == (7, 2)
    assert not shown["state"].requires_grad


def test_short_term_slots_are_means_of_their_parts() -> None:
    """Each slot is the mean of its moments by importance; its strength the log of their share."""
    model = model_of("MemoryAugmentedNetwork")
    assert isinstance(model, MemoryAugmentedNetwork)
    states_BTD = torch.randn(2, 9, 8)
    slots_BSD, strength_BS, attention_BT = model.short(states_BTD)
    for part in range(3):
        moments = slice(3 * part, 3 * part + 3)
        weights_BT = attention_BT[:, moments]
        due_BD = (weights_BT[..., None] * states_BTD[:, moments]).sum(1) / weights_BT.sum(1)[
            :, None
        ]
        torch.testing.assert_close(slots_BSD[:, part], due_BD)
        torch.testing.assert_close(strength_BS[:, part].exp(), weights_BT.sum(1))


@pytest.mark.parametrize(("moments", "count"), [(48, 6), (5, 3), (2, 6), (1, 1), (30, 8)])
def test_parts_cover_the_window(moments: int, count: int) -> None:
    """Parts are runs of moments, from ⌊j·T/S⌋ to before ⌈(j + 1)·T/S⌉; none is empty."""
    cover_ST = segments(moments, count, torch.device("cpu"))
    for part in range(count):
        due = range(part * moments // count, -(-(part + 1) * moments // count))
        assert cover_ST[part].nonzero().flatten().tolist() == list(due)


def long_term(slots: int = 3, width: int = 4) -> LongTermMemory:
    """Slots in use, far from each other."""
    memory = LongTermMemory(width, slots, pull=0.1)
    memory.slots_MD.copy_(10 * torch.eye(width)[:slots])
    memory.usage_M.fill_(1 / slots)
    return memory


def test_a_window_of_no_weight_leaves_the_slots_alone() -> None:
    """Weight 0 changes no bit of slots or usage, fresh or in use."""
    for memory in (long_term(), LongTermMemory(4, 3, 0.1)):
        before = buffers_of(memory)
        memory.remember(torch.randn(6, 4), torch.zeros(6))
        assert all(torch.equal(tensor, before[n]) for n, tensor in memory.named_buffers())


def test_weight_two_is_two_windows_of_weight_one() -> None:
    """A window of weight 2 pulls its slot as far as it would twice; for a small pull, double."""
    state_BD = torch.tensor([[8.0, 1.0, 0.0, 1.0]])
    once, twice, double = long_term(), long_term(), long_term()
    once.remember(state_BD, torch.tensor([1.0]))
    for _ in range(2):
        twice.remember(state_BD, torch.tensor([1.0]))
    double.remember(state_BD, torch.tensor([2.0]))
    torch.testing.assert_close(double.slots_MD, twice.slots_MD)
    start_MD = long_term().slots_MD
    torch.testing.assert_close(once.slots_MD[0], start_MD[0] + 0.1 * (state_BD[0] - start_MD[0]))
    assert torch.equal(double.slots_MD[1:], start_MD[1:])
    moved_once, moved_double = ((m.slots_MD - start_MD).norm() for m in (once, double))
    assert 1.85 < moved_double / moved_once < 2.0


def test_slots_find_the_groups_of_what_is_shown() -> None:
    """Shown three groups of states again and again, each has a slot near its centre."""
    torch.manual_seed(0)
    memory = LongTermMemory(4, 6, pull=0.05)
    centres_GD = 6 * torch.eye(4)[:3]
    for _ in range(60):
        states_BD = centres_GD[torch.arange(30) % 3] + 0.5 * torch.randn(30, 4)
        memory.remember(states_BD, torch.ones(30))
    away_G = torch.cdist(centres_GD, memory.slots_MD).min(dim=1).values
    assert (away_G < 0.8).all()


def test_dead_slots_start_anew_from_windows_with_weight() -> None:
    """A slot that is no longer near anything becomes the state of a window that has weight."""
    torch.manual_seed(0)
    memory = long_term()
    memory.usage_M[2] = 0.01
    states_BD = torch.tensor([[10.0, 0, 0, 0], [0, 10.0, 0, 0], [5.0, 5.0, 5.0, 5.0]])
    memory.remember(states_BD, torch.tensor([0.0, 0.0, 1.0]))
    assert torch.equal(memory.slots_MD[2], states_BD[2])
    torch.testing.assert_close(memory.slots_MD[:2], long_term().slots_MD[:2])


def test_surprise_decides_what_pulls_the_slots() -> None:
    """By surprise, the slots of a model come from the windows that it got most wrong."""
    model = model_of("MemoryAugmentedNetwork")
    assert isinstance(model, MemoryAugmentedNetwork)
    windows, prediction, answers = step_of(model, batch=12)
    right_B = torch.arange(12) >= 5
    sure_BHC = 60.0 * torch.eye(3)[answers.classes_BH.clamp_min(0)]
    logits_BHC = torch.where(right_B[:, None, None], sure_BHC, -sure_BHC)
    known = replace(answers, classes_BH=answers.classes_BH.clamp_min(0))
    model.remember(windows, replace(prediction, logits_BHC=logits_BHC), known)
    away_B = torch.cdist(prediction.inspect["state"], model.long.slots_MD).min(dim=1).values
    assert away_B[~right_B].max() < 1e-3
    assert away_B[right_B].min() > 1e-3


def test_heads_that_do_not_divide_the_state_are_refused() -> None:
    """The error names both settings and their values."""
    settings = AUGMENTED.model_dump() | {"heads": 3}
    with pytest.raises(ConfigError, match="hidden 8 must be a multiple of heads, 3"):
        MODELS["MemoryAugmentedNetwork"].configure(settings)
