"""What a version is seen to look at is what its network says, in windows that were there."""

import numpy as np
import pytest
import torch

from crypto_nn.features.panel import Panel
from crypto_nn.models import MODELS, build
from crypto_nn.training import Recipe, TrainConfig
from crypto_nn.training.card_page import pictures_of
from crypto_nn.training.evaluation import evenly
from crypto_nn.training.inspected import AttentionProfile, Inspection
from crypto_nn.training.inspection import WINDOWS, inspect_model
from crypto_nn.training.preparation import prepare
from crypto_nn.training.version import learning_task
from crypto_nn.training.windows import LearningTask
from crypto_nn_tests.training.market import LABELS, fold, panel

RECIPE = Recipe(
    "LSTMPricePredictor",
    MODELS["LSTMPricePredictor"].presets["small"],
    TrainConfig(window=20),
    LABELS,
)


@pytest.fixture(scope="module")
def looked() -> tuple[Inspection, LearningTask, Panel, torch.nn.Module]:
    prepared = prepare(panel(days=5), fold(), RECIPE)
    task = learning_task(prepared, RECIPE)
    torch.manual_seed(0)
    model = build(RECIPE.model, RECIPE.config, task.inputs)
    return inspect_model(model, task, prepared.panel, [1.0, 2.0]), task, prepared.panel, model


def test_examples_are_windows_of_the_panel(
    looked: tuple[Inspection, LearningTask, Panel, torch.nn.Module],
) -> None:
    """Closes, times and outcomes of each example are those of the validation rows."""
    inspection, task, market, _ = looked
    for example in inspection.examples:
        (row,) = np.flatnonzero(market.ts_N == np.datetime64(example.at))
        assert row in task.validation_ends.tolist()
        assert list(example.closes) == market.close_N[row - 19 : row + 1].tolist()
        assert list(example.came) == task.classes_NH[row].tolist()


def test_weights_and_probabilities_are_those_of_the_network(
    looked: tuple[Inspection, LearningTask, Panel, torch.nn.Module],
) -> None:
    """Attention and softened probabilities equal a forward pass over the window alone."""
    inspection, task, market, model = looked
    example = inspection.examples[1]
    (row,) = np.flatnonzero(market.ts_N == np.datetime64(example.at))
    with torch.no_grad():
        answer = model.eval()(task.windows.gather(torch.tensor([row])))
    np.testing.assert_allclose(example.attention, answer.inspect["attention"][0], atol=1e-6)
    p_HC = (answer.logits_BHC[0] / torch.tensor([[1.0], [2.0]])).softmax(dim=-1)
    np.testing.assert_allclose(example.probabilities, p_HC, atol=1e-6)


def test_the_profile_is_the_mean_over_evenly_spaced_windows(
    looked: tuple[Inspection, LearningTask, Panel, torch.nn.Module],
) -> None:
    """Its mean weights sum to one and equal those of the same windows, asked again."""
    inspection, task, _, model = looked
    ends = evenly(task.validation_ends, WINDOWS)
    with torch.no_grad():
        weights_BT = model.eval()(task.windows.gather(ends)).inspect["attention"]
    assert inspection.windows == len(ends)
    np.testing.assert_allclose(
        inspection.attention["attention 1m"].mean, weights_BT.mean(dim=0), atol=1e-6
    )


def test_what_was_seen_is_kept_as_text_and_drawn(
    looked: tuple[Inspection, LearningTask, Panel, torch.nn.Module],
) -> None:
    """JSON gives it back as it was, and there are pictures of it."""
    inspection = looked[0]
    assert Inspection.model_validate_json(inspection.model_dump_json()) == inspection
    assert len(pictures_of(inspection)) == 4  # a heading, words, over time, single windows


def test_half_of_the_weight_is_counted_from_now() -> None:
    """Equal weights lie half in the newer half; all weight on the newest moment, in one step."""
    none, all_ = (0.0,) * 4, (1.0,) * 4
    even = AttentionProfile(minutes=5, mean=(0.25,) * 4, low=none, high=all_)
    newest = AttentionProfile(minutes=5, mean=(0.0, 0.0, 0.0, 1.0), low=none, high=all_)
    assert (even.half_life(), newest.half_life()) == (10, 5)
