"""What a version is seen to look at is what its network says, in windows that were there."""

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from crypto_nn.features.panel import Panel
from crypto_nn.models import MODELS, build
from crypto_nn.pictures.document import Drawing
from crypto_nn.pictures.gates import gate_shares
from crypto_nn.training import Recipe, TrainConfig
from crypto_nn.training.card import _looks, _what
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


def test_patches_are_told_and_drawn_as_patches() -> None:
    """Moments that are no bars have their own name and distance."""
    recipe = Recipe("PatchTST", MODELS["PatchTST"].presets["small"], TrainConfig(window=20), LABELS)
    prepared = prepare(panel(days=5), fold(), recipe)
    task = learning_task(prepared, recipe)
    model = build(recipe.model, recipe.config, task.inputs)
    inspection = inspect_model(model, task, prepared.panel, [1.0, 1.0])
    profile = inspection.attention["attention patches"]
    stride = recipe.config.model_dump()["stride"]
    assert (profile.moments, profile.minutes) == ("patches", stride)
    (line,) = (line for line in _looks(inspection) if "half of the weight" in line)
    count = profile.half_life() // stride
    assert f"{count} of {len(profile.mean)} patches, {stride} minutes apart, carry half" in line
    (drawing,) = (block for block in pictures_of(inspection) if isinstance(block, Drawing))
    assert "minutes before the newest of the patches" in drawing.picture.svg()


def test_the_card_tells_of_slower_bars() -> None:
    """A model that looks at slower windows says so; others are as they were."""
    config = {"horizons": [5], "window": 16, "symbols": ["AAA"], "feature_names": ["f"],
              "parameters": 9, "model_config": {"bars": {"5m": 12, "1h": 8}}}  # fmt: skip
    assert "16 one-minute bars, and the last 12 bars of 5m, 8 bars of 1h, of AAA" in _what(config)
    assert "16 one-minute bars of AAA" in _what({**config, "model_config": {}})


@pytest.mark.parametrize(("share", "highest"), [(0.5, 0.75), (0.9, 0.45)])
def test_gates_that_do_not_share_one_stand_side_by_side(share: float, highest: float) -> None:
    """Shares of one are stacked; two open gates are two bars from 0, not one up to 2."""
    sheet = gate_shares(("a", "b"), np.full((5, 2), share)).figure
    bars = [patch for patch in sheet.axes[0].patches if isinstance(patch, Rectangle)]
    assert len(bars) == 10
    assert max(bar.get_y() + bar.get_height() / 2 for bar in bars) == pytest.approx(highest)
    assert len({round(bar.get_x(), 6) for bar in bars}) == (5 if share == 0.5 else 10)


def test_half_of_the_weight_is_counted_from_now() -> None:
    """Equal weights lie half in the newer half; all weight on the newest moment, in one step."""
    none, all_ = (0.0,) * 4, (1.0,) * 4
    even = AttentionProfile(minutes=5, mean=(0.25,) * 4, low=none, high=all_)
    newest = AttentionProfile(minutes=5, mean=(0.0, 0.0, 0.0, 1.0), low=none, high=all_)
    assert (even.half_life(), newest.half_life()) == (10, 5)
