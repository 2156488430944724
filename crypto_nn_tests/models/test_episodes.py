"""Episodes are found only once they were known, and kept by how much they surprised."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from crypto_nn.errors import ConfigError
from crypto_nn.models import MODELS, Inputs
from crypto_nn.models.configs.memory import EpisodicConfig
from crypto_nn.models.episodes import NEVER, EpisodeStore
from crypto_nn.models.episodic import EpisodicMemoryNetwork
from crypto_nn.models.importance import importance
from crypto_nn.models.prediction import MINUTE_US, Answers, Prediction, Windows

CONFIG = EpisodicConfig(
    width=8,
    hidden=8,
    layers=1,
    attention=4,
    head=6,
    dropout=0.3,
    episodes=40,
    neighbours=6,
    segments=3,
    key=8,
)
INPUTS = Inputs(num_features=5, num_horizons=2, num_symbols=2, window=9)
LONGEST = 60  # minutes until the last answer of a window is known
MAX, MIN = torch.iinfo(torch.int64).max, torch.iinfo(torch.int64).min
LARGEST = torch.finfo(torch.float32).max


def windows_at(minutes: Tensor, seed: int = 0) -> Windows:
    """Windows of noise that end in these minutes, each the same whenever it is asked for."""
    generator = torch.Generator().manual_seed(seed)
    x_NTF = torch.randn(400, INPUTS.window, INPUTS.num_features, generator=generator)
    return Windows(x_NTF[minutes % 400], minutes * MINUTE_US, minutes % 2)


def answers_of(windows: Windows, classes_BH: Tensor | None = None) -> Answers:
    """Classes from the time alone, unless given; all known an hour after the bar has closed."""
    minutes_B = windows.t_B // MINUTE_US
    if classes_BH is None:
        classes_BH = torch.stack([minutes_B % 3, minutes_B // 3 % 3], dim=1)
    scores_BH = classes_BH.float() - 1
    known_at_B = windows.t_B + (LONGEST + 1) * MINUTE_US
    return Answers(classes_BH, scores_BH, scores_BH, torch.ones(len(minutes_B)), known_at_B)


def filled(seed: int = 0) -> EpisodicMemoryNetwork:
    """A model that has taken in 40 of the first 200 minutes."""
    torch.manual_seed(seed)
    model = EpisodicMemoryNetwork(CONFIG, INPUTS).eval()
    windows = windows_at(torch.arange(0, 200, 5))
    model.remember(windows, Prediction(torch.zeros(40, 2, 3)), answers_of(windows))
    return model


def answer(model: EpisodicMemoryNetwork, windows: Windows) -> dict[str, Tensor]:
    """Everything that the model says, dropout drawn alike each time."""
    torch.manual_seed(5)
    said = model(windows)
    assert said.log_variance_BH is not None
    return {"logits": said.logits_BHC, "log_variance": said.log_variance_BH, **said.inspect}


def to_extremes(store: EpisodeStore, where: Tensor) -> None:
    store.sketch[where] = LARGEST
    store.scores[where] = -LARGEST
    store.classes[where] = MAX
    store.symbol[where] = MIN
    store.t[where] = MAX


def turn_outcomes(store: EpisodeStore, where: Tensor) -> None:
    store.classes[where] = 2 - store.classes[where]
    store.scores[where] *= -1


def shuffle(store: EpisodeStore, where: Tensor) -> None:
    for tensor in store.buffers():
        tensor[where] = tensor[where.flip(0)]


def empty(store: EpisodeStore, where: Tensor) -> None:
    fresh = EpisodeStore(INPUTS, CONFIG.episodes, CONFIG.segments)
    for tensor, blank in zip(store.buffers(), fresh.buffers()):
        tensor[where] = blank[where]


def put_off(store: EpisodeStore, where: Tensor) -> None:
    store.known_at[where] = MAX - 1


def to_no_numbers(store: EpisodeStore, where: Tensor) -> None:
    store.sketch[where] = torch.nan
    store.scores[where] = torch.nan


DISTURBANCES = (to_extremes, turn_outcomes, shuffle, empty, put_off, to_no_numbers)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda d: d.__name__)
def test_what_is_not_known_yet_changes_no_bit(
    disturb: Callable[[EpisodeStore, Tensor], None], training: bool
) -> None:
    """Of episodes not known when a window closes, nothing reaches any part of its answer."""
    for minute in (0, 61, 150, 230, 400):
        model, other = filled().train(training), filled().train(training)
        windows = windows_at(torch.full((3,), minute) - torch.arange(3))
        later = other.episodes.known_at > windows.t_B.max() + MINUTE_US
        disturb(other.episodes, later.nonzero().squeeze(1))
        said, other_said = answer(model, windows), answer(other, windows)
        for name, tensor in said.items():
            assert torch.equal(tensor, other_said[name]), (minute, name)


def test_what_is_known_counts() -> None:
    """The law above can fail: what was found is missed once it is gone, and so is its outcome."""
    windows = windows_at(torch.tensor([400]))
    said = answer(filled(), windows)
    for disturb in (turn_outcomes, empty, put_off):
        model = filled()
        disturb(model.episodes, said["episodes"][0])
        assert not torch.equal(answer(model, windows)["logits"], said["logits"])


def test_known_means_by_the_close_of_the_newest_bar() -> None:
    """A label that ends with the newest bar counts, one that ends a microsecond later does not."""
    model, windows = filled(), windows_at(torch.tensor([500]))
    for late, found in ((0, True), (1, False)):
        model.episodes.known_at[:] = windows.t_B + MINUTE_US + late
        said = answer(model, windows)
        assert (said["episodes"] >= 0).all().item() is found
        assert (said["episode_weights"].sum() > 0).item() is found


@pytest.mark.parametrize("t", [MIN, -1, MAX - MINUTE_US, MAX])
def test_empty_slots_are_never_found(t: int) -> None:
    """At the ends of time, too, what is found is an episode, and a fresh memory finds none."""
    model = EpisodicMemoryNetwork(CONFIG, INPUTS).eval()
    windows = replace(windows_at(torch.tensor([7])), t_B=torch.tensor([t]))
    said = answer(model, windows)
    assert (said["episodes"] == -1).all()
    assert not said["episode_weights"].any()
    assert (said["episode_outcomes"] == -1).all()
    assert (said["episode_symbol"] == -1).all()
    assert said["logits"].isfinite().all()


def test_training_never_sees_a_window_or_an_open_label_in_memory() -> None:
    """With every window in memory, none finds itself, nor one whose label is still to come."""
    torch.manual_seed(0)
    model = EpisodicMemoryNetwork(CONFIG.model_copy(update={"episodes": 300}), INPUTS).train()
    windows = windows_at(torch.arange(300))
    model.remember(windows, Prediction(torch.zeros(300, 2, 3)), answers_of(windows))
    assert model.episodes.filled_M.all()
    said = answer(model, windows)
    age_BK = windows.t_B[:, None] - said["episode_at"]
    found_BK = said["episodes"] >= 0
    assert found_BK.any(dim=1).tolist() == [minute >= LONGEST for minute in range(300)]
    assert (age_BK[found_BK] >= LONGEST * MINUTE_US).all()
    assert (said["episode_known_at"] <= windows.t_B[:, None] + MINUTE_US)[found_BK].all()


def test_retrieval_agrees_with_a_slow_search() -> None:
    """The episodes, their weights and outcomes are those of a search one by one in NumPy."""
    model, windows = filled(), windows_at(torch.arange(60, 260, 7))
    store, said = model.episodes, answer(model, windows)
    generator = torch.Generator().manual_seed(1)
    query_BD = torch.randn(len(windows.t_B), CONFIG.key, generator=generator)
    keys_MD = model.key(store.sketch).detach()
    nothing_D = model.nothing_D.detach()
    found = store.recall(query_BD, keys_MD, nothing_D, windows.t_B, CONFIG.neighbours)
    for b, t in enumerate(windows.t_B.tolist()):
        like = {
            m: float(query_BD[b] @ keys_MD[m]) / np.sqrt(CONFIG.key)
            for m in range(CONFIG.episodes)
            if int(store.known_at[m]) <= t + MINUTE_US
        }
        best = sorted(like, key=lambda m: -like[m])[: CONFIG.neighbours]
        assert found.episodes_BK[b].tolist() == best + [-1] * (CONFIG.neighbours - len(best))
        parts = np.exp(
            [float(query_BD[b] @ nothing_D) / np.sqrt(CONFIG.key)] + [like[m] for m in best]
        )
        weights = parts / parts.sum()
        np.testing.assert_allclose(found.weights_BK[b, : len(best)], weights[1:], rtol=1e-4)
        due = np.zeros((5, 2))
        due[0] = weights[0]
        for m, weight in zip(best, weights[1:]):
            for h in range(2):
                due[1 + int(store.classes[m, h]), h] += weight
                due[4, h] += weight * float(store.scores[m, h])
        np.testing.assert_allclose(found.outcome_BO[b], due.ravel(), atol=1e-5)
    classes_BK = said["episode_outcomes"][..., 0].where(said["episodes"] >= 0, 0)
    assert torch.equal(said["episode_at"] // MINUTE_US % 3, classes_BK)


def test_the_order_of_slots_does_not_matter() -> None:
    """Slots in another order hold the same memory: the same episodes are found, weighted alike."""
    windows = windows_at(torch.arange(100, 300, 9))
    model, other = filled(), filled()
    for tensor in other.episodes.buffers():
        tensor.copy_(tensor.flip(0))
    said, other_said = answer(model, windows), answer(other, windows)
    assert torch.equal(said["episode_at"], other_said["episode_at"])
    torch.testing.assert_close(said["logits"], other_said["logits"])


def test_retrieval_is_learned_through() -> None:
    """How much each episode counts depends on question and keys, and the gradient reaches both."""
    model = filled()
    weights_BK = model(windows_at(torch.arange(250, 260))).inspect["episode_weights"]
    torch.autograd.backward(weights_BK.square().sum())
    for name in ("ask.weight", "key.0.weight", "query_norm.weight", "nothing_D"):
        gradient = model.get_parameter(name).grad
        assert gradient is not None
        assert gradient.any(), name


def kept_after(
    weights: list[float], slots: int, runs: int, batch: int = 1000, shown: list[int] | None = None
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How often each window of a stream is in memory after it, over runs with their own seeds."""
    torch.manual_seed(0)
    inputs = Inputs(1, 1, 1, 2)
    order = torch.tensor(shown if shown is not None else range(len(weights)))
    weight_N = torch.tensor(weights)
    counts = np.zeros(len(weights), dtype=np.int64)
    for _ in range(runs):
        store = EpisodeStore(inputs, slots, 1)
        for part in torch.split(order, batch):
            zeros_B1 = torch.zeros(len(part), 1)
            windows = Windows(zeros_B1[..., None], part * MINUTE_US, torch.zeros_like(part))
            known = Answers(zeros_B1.long(), zeros_B1, zeros_B1, zeros_B1[:, 0], windows.t_B)
            store.remember(windows, known, weight_N[part])
        counts[(store.t[store.filled_M] // MINUTE_US).numpy()] += 1
    return counts


def test_without_importance_every_window_is_kept_as_often() -> None:
    """Power 0: over a stream, early and late windows have the same chance (chi-square)."""
    num, slots, runs = 60, 12, 150
    counts = kept_after([1.0] * num, slots, runs, batch=20)
    assert counts.sum() == slots * runs
    due = slots * runs / num
    # Draws without replacement vary less by (1 − M/N); 59 degrees of freedom, sd 10.9.
    chi2 = ((counts - due) ** 2 / due).sum() / (1 - slots / num) * (num - 1) / num
    assert 25 < chi2 < 103


@pytest.mark.parametrize("batch", [3, 7])
def test_one_slot_holds_each_window_by_its_weight(batch: int) -> None:
    """With one slot, the chance of each window is its share of all weight; shown twice, twice."""
    weights, shown = [1.0, 2.0, 3.0, 4.0, 0.0], [0, 1, 2, 3, 0, 4, 0]
    runs = 250
    counts = kept_after(weights, 1, runs, batch, shown)
    due = np.array([3, 2, 3, 4, 0]) / 12 * runs
    assert counts[4] == 0
    assert ((counts - due)[:4] ** 2 / due[:4]).sum() < 16.3  # 3 degrees of freedom, p = 0.001


def test_importance_changes_what_memory_keeps() -> None:
    """Memory by surprise holds windows that surprised more than those of memory by chance."""
    torch.manual_seed(0)
    surprises = {}
    for power in (0.0, 1.0, 4.0):
        settings = CONFIG.model_copy(update={"importance": power})
        model = EpisodicMemoryNetwork(settings, INPUTS)
        cost_N = torch.empty(400)
        for part in torch.split(torch.arange(400), 50):
            windows = windows_at(part)
            prediction = Prediction(3 * torch.randn(50, 2, 3))
            model.remember(windows, prediction, answers_of(windows))
            cost_N[part] = importance(prediction, answers_of(windows), 1.0)
        surprises[power] = cost_N[model.episodes.t // MINUTE_US].mean().item()
    assert surprises[0.0] + 0.3 < surprises[1.0]
    assert surprises[1.0] + 0.3 < surprises[4.0]


def test_surprise_is_the_log_loss_of_what_is_known() -> None:
    """Mean −log p over known horizons, to the power; none without a label or without a number."""
    logits_BHC = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))
    logits_BHC[3, 0, 0] = torch.nan
    classes_BH = torch.tensor([[0, 2], [1, -1], [-1, -1], [0, 0]])
    windows = windows_at(torch.arange(4))
    found = importance(Prediction(logits_BHC), answers_of(windows, classes_BH), 2.0)
    log_p = logits_BHC.double().log_softmax(dim=-1)
    first, second = -(log_p[0, 0, 0] + log_p[0, 1, 2]) / 2, -log_p[1, 0, 1]
    due = [float(first) ** 2, float(second) ** 2, 0.0, 0.0]
    np.testing.assert_allclose(found, due, rtol=1e-5)


def test_a_window_is_stored_once_and_only_with_a_label() -> None:
    """Shown again, alone or twice at once, a window stays one episode; unlabelled ones are left."""
    model = EpisodicMemoryNetwork(CONFIG, INPUTS)
    minutes = torch.tensor([3, 4, 3, 5, 6])
    classes_BH = torch.tensor([[1, 0], [2, -1], [1, 0], [-1, -1], [0, 0]])
    windows = replace(windows_at(minutes), symbol_B=torch.tensor([0, 0, 0, 0, 1]))
    for _ in range(3):
        said = Prediction(torch.zeros(5, 2, 3))
        model.remember(windows, said, answers_of(windows, classes_BH))
    store = model.episodes
    stored = zip(store.t[store.filled_M] // MINUTE_US, store.symbol[store.filled_M])
    assert sorted((int(t), int(s)) for t, s in stored) == [(3, 0), (4, 0), (6, 1)]
    slot = int((store.t == 4 * MINUTE_US).nonzero())
    torch.testing.assert_close(store.sketch[slot], store.sketch_of(windows)[1])
    assert store.classes[slot].tolist() == [2, -1]
    assert int(store.known_at[slot]) == (4 + LONGEST + 1) * MINUTE_US


def test_a_sketch_is_the_mean_of_each_part() -> None:
    """Even parts of the window, each feature's mean; whole where the window is shorter."""
    store = EpisodeStore(INPUTS, 2, 3)
    windows = windows_at(torch.arange(2))
    due = windows.x_BTF.view(2, 3, 3, -1).mean(dim=2).flatten(1)
    torch.testing.assert_close(store.sketch_of(windows), due)
    short = replace(windows, x_BTF=windows.x_BTF[:, :2])
    assert store.sketch_of(short).isfinite().all()


def test_memory_never_holds_what_is_no_number() -> None:
    """Missing or infinite scores, and logits that are no numbers, leave only finite numbers."""
    model = filled()
    windows = windows_at(torch.arange(300, 340))
    scores_BH = torch.full((40, 2), torch.nan)
    scores_BH[::2] = torch.inf
    logits_BHC = torch.zeros(40, 2, 3)
    logits_BHC[::3] = torch.nan
    logits_BHC[1::3, :, 0] = 1e30
    answers = replace(answers_of(windows), scores_BH=scores_BH)
    model.remember(windows, Prediction(logits_BHC), answers)
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    minutes = model.episodes.t // MINUTE_US
    assert not (minutes[minutes >= 300] % 3 == 0).any()
    assert (model.episodes.known_at < NEVER).all()


def test_more_neighbours_than_episodes_are_refused() -> None:
    """The error names both settings and their values."""
    settings = CONFIG.model_dump() | {"neighbours": 41}
    with pytest.raises(ConfigError, match="neighbours 41 must be at most episodes, 40"):
        MODELS["EpisodicMemoryNetwork"].configure(settings)


def test_what_only_memory_can_tell_is_learned_to_be_told() -> None:
    """Windows never learned from, whose class is pure chance, are told by an episode like them."""
    torch.manual_seed(0)
    settings = CONFIG.model_copy(update={"episodes": 32, "neighbours": 3, "dropout": 0.0})
    model = EpisodicMemoryNetwork(settings, INPUTS).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    right = []
    for step in range(120):
        first_B, symbol_B = step * 1000 + torch.arange(32), torch.zeros(32, dtype=torch.int64)
        windows = Windows(torch.randn(32, 9, 5), first_B * MINUTE_US, symbol_B)
        classes_BH = torch.randint(3, (32, 2))
        for tensor, blank in zip(model.episodes.buffers(), EpisodeStore(INPUTS, 32, 3).buffers()):
            tensor.copy_(blank)
        model.remember(windows, Prediction(torch.zeros(32, 2, 3)), answers_of(windows, classes_BH))
        alike_BTF = windows.x_BTF + 0.05 * torch.randn(32, 9, 5)
        logits_BHC = model(Windows(alike_BTF, windows.t_B + 500 * MINUTE_US, symbol_B)).logits_BHC
        right.append((logits_BHC.argmax(dim=-1) == classes_BH).float().mean().item())
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits_BHC.flatten(0, 1), classes_BH.flatten())
        torch.autograd.backward(loss)
        optimizer.step()
    assert np.mean(right[:5]) < 0.5
    assert np.mean(right[-5:]) > 0.8
