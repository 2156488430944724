"""A version: made from training rows alone, content-addressed, honest about what it reached."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crypto_nn.errors import TrainingError
from crypto_nn.features.labels import classify, fit_k
from crypto_nn.features.panel import Panel
from crypto_nn.features.scaling import RobustScaler
from crypto_nn.features.splits import Role, rows_of
from crypto_nn.training import Lineage, Recipe, TrainConfig, TrainedVersion
from crypto_nn.training.preparation import prepare
from crypto_nn.training.progress import Progress
from crypto_nn.training.scores import MODEL, Scores
from crypto_nn.training.version import train_version, version_id
from crypto_nn_tests.training.market import DAY, LABELS, MINUTE, START, fold, panel
from crypto_nn_tests.training.tasks import TINY

RECIPE = Recipe(
    "LSTMPricePredictor",
    TINY,
    TrainConfig(
        window=10, max_windows=600, max_epochs=2, batch_size=50, max_validation_windows=300
    ),
    LABELS,
    "features-1",
)


@pytest.fixture(scope="module")
def market() -> Panel:
    return panel()


@pytest.fixture(scope="module")
def trained(market: Panel) -> TrainedVersion:
    return train_version(market, fold(), RECIPE, lineage=Lineage(snapshot=7, parent="before"))


def changed(settings: dict[str, object]) -> Recipe:
    return replace(RECIPE, train=RECIPE.train.model_copy(update=settings))


def identity(market: Panel, recipe: Recipe = RECIPE) -> str:
    return version_id(prepare(market, fold(), recipe), recipe)


def test_the_same_inputs_make_the_same_version(market: Panel, trained: TrainedVersion) -> None:
    """Launched twice, training gives one version with one set of weights; lineage is no input."""
    again = train_version(market, fold(), RECIPE)
    assert again.version == trained.version
    assert again.files["model.safetensors"] == trained.files["model.safetensors"]
    assert again.metrics == trained.metrics


def test_other_inputs_make_another_version(market: Panel) -> None:
    """Data, settings, seed and feature set each change the identity."""
    x_NF = market.x_NF.copy()
    x_NF[2_000, 0] += 1e-3
    found = {
        identity(market),
        identity(replace(market, x_NF=x_NF)),
        identity(market, changed({"seed": 1})),
        identity(market, changed({"learning_rate": 0.5})),
        identity(market, replace(RECIPE, fingerprint="features-2")),
        identity(market, replace(RECIPE, config=TINY.model_copy(update={"hidden": 9}))),
    }
    assert len(found) == 6


def test_rows_after_the_last_role_are_no_input() -> None:
    """What comes after calibration, such as a test part, decides nothing."""
    market = panel(days=6)
    later = market.ts_N >= fold().end
    x_NF, scores_NH = market.x_NF.copy(), market.scores_NH.copy()
    x_NF[later] = 0.0
    scores_NH[later] = np.nan
    other = replace(market, x_NF=x_NF, scores_NH=scores_NH)
    assert identity(other) == identity(market) == identity(market.take(~later))


def test_how_much_history_was_loaded_is_no_input() -> None:
    """Beyond what the first window needs, rows before the fold decide nothing."""
    market, later = panel(days=6), fold()
    roles = tuple(Role(r.name, r.start + DAY, r.end + DAY) for r in later.roles)
    later = replace(later, roles=roles)
    loaded = [market.between(later.start - m * MINUTE, later.end) for m in (9, 16, 31, 421)]
    prepared = [prepare(some, later, RECIPE) for some in loaded]
    assert len({version_id(each, RECIPE) for each in prepared}) == 1
    first = prepared[0].panel.ts_N[prepared[0].ends["train"][0]]
    assert first == later.start


def test_how_often_checkpoints_are_written_is_no_input(market: Panel) -> None:
    """What it costs to be killed is not what is learned; the number of processes is."""
    waiting: dict[str, object] = {
        "processes_timeout_s": 7,
        "checkpoint_steps": 7,
        "keep_checkpoints": 7,
    }
    assert identity(market, changed(waiting)) == identity(market)
    assert identity(market, changed({"processes": 2})) != identity(market)


def test_all_is_fitted_on_training_rows(market: Panel) -> None:
    """k, scaler and class weights are those of the training rows, and of nothing later."""
    prepared = prepare(market, fold(), RECIPE)
    rows = slow_rows(market, "train")
    k = fit_k(market.scores_NH[rows])
    assert prepared.k == tuple(k)
    scaler = RobustScaler.fit(market.x_NF[rows])
    np.testing.assert_array_equal(prepared.scaler.center_F, scaler.center_F)
    np.testing.assert_array_equal(prepared.scaler.scale_F, scaler.scale_F)
    np.testing.assert_array_equal(prepared.classes_NH, classify(prepared.panel.scores_NH, k))


def slow_rows(market: Panel, role: str) -> NDArray[np.int64]:
    """Ends of whole windows with a known label in a role, one by one."""
    inside = rows_of(fold(), role, market.ts_N, market.t1_NH)
    window = RECIPE.train.window
    return np.array(
        [
            row
            for row in np.flatnonzero(inside)
            if row >= window - 1
            and np.isfinite(market.x_NF[row - window + 1 : row + 1]).all()
            and np.isfinite(market.scores_NH[row]).any()
        ]
    )


@pytest.mark.parametrize("role", ["train", "validation", "calibration"])
def test_each_role_gets_its_own_windows(market: Panel, role: str) -> None:
    """Windows of a role are those a slow look at every row finds."""
    prepared = prepare(market, fold(), RECIPE)
    np.testing.assert_array_equal(
        prepared.panel.ts_N[prepared.ends[role]], market.ts_N[slow_rows(market, role)]
    )


def test_files_are_all_that_a_version_needs(trained: TrainedVersion) -> None:
    """Weights, config, history, card, what it looks at, state of training; no more is needed."""
    assert sorted(trained.files) == [
        "card.md",
        "config.json",
        "history.json",
        "inspection.json",
        "model.safetensors",
        "training.json",
        "training.safetensors",
    ]
    config = json.loads(trained.files["config.json"])
    assert config == json.loads(json.dumps(trained.config))
    assert config["version"] == trained.version
    assert config["lineage"]["snapshot"] == 7
    assert len(config["temperature"]) == len(config["k"]) == 2
    assert Recipe.from_dict(config) == RECIPE
    assert [r["epoch"] for r in json.loads(trained.files["history.json"])] == [1, 2]


def test_config_holds_no_row_of_the_market(trained: TrainedVersion) -> None:
    """A version is small: settings, not data."""
    assert len(trained.files["config.json"]) < 20_000


def test_metrics_stand_beside_every_baseline(trained: TrainedVersion) -> None:
    """No number without the majority's share and the baselines on the same rows."""
    scores = Scores.from_dict(trained.config["scores"])
    forecasters = {score.forecaster for score in scores.rows}
    assert forecasters == {
        MODEL,
        "majority",
        "prior",
        "persistence",
        "volatility",
        "logistic",
        "lightgbm",
    }
    assert len({score.rows for score in scores.rows}) == 1
    assert {"skill_5m", "accuracy_15m", "majority_share_5m", "logistic_skill_5m"} <= set(
        trained.metrics
    )
    for score in scores.of("prior"):
        assert score.skill == pytest.approx(0.0, abs=1e-3)


def test_card_says_what_it_is_worth(trained: TrainedVersion) -> None:
    """Range, label, k, chance level, and a verdict beside each horizon."""
    card = trained.files["card.md"].decode()
    for said in ("2024-03-01", "k fitted on the training rows", "ln 3", "5 min: ", "majority",
                 "lake snapshot 7", "parent version: before"):  # fmt: skip
        assert said in card, said


def test_stopped_training_goes_on_from_its_folder(
    market: Panel, trained: TrainedVersion, tmp_path: Path
) -> None:
    """Crashed in its second epoch and launched again, it makes the version it would have made."""

    def crash(told: Progress) -> None:
        if told.step == 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_version(market, fold(), RECIPE, tmp_path, progress=crash)
    assert list((tmp_path / trained.version).iterdir())
    steps: list[Progress] = []
    again = train_version(market, fold(), RECIPE, tmp_path, progress=steps.append)
    assert steps[0].step == 13
    assert again.files["model.safetensors"] == trained.files["model.safetensors"]
    assert again.metrics == trained.metrics


def test_labels_of_a_fixed_band_keep_their_classes(market: Panel) -> None:
    """Where labels do not depend on k, none is fitted and the stored classes are learned."""
    labels = LABELS.model_copy(update={"kind": "fixed"})
    prepared = prepare(market, fold(), replace(RECIPE, labels=labels))
    assert prepared.k is None
    np.testing.assert_array_equal(prepared.classes_NH, prepared.panel.classes_NH)


def test_class_weights_reach_the_loss(market: Panel) -> None:
    """Asked for, they change what is learned."""
    skewed = replace(market, scores_NH=market.scores_NH + 0.5)
    losses = [
        train_version(skewed, fold(), changed({"class_weights": on})).history[0].train_loss
        for on in (False, True)
    ]
    assert losses[0] != losses[1]


def test_a_fold_without_rows_says_so(market: Panel) -> None:
    """A range without bars is named, with what to do."""
    with pytest.raises(TrainingError, match=r"no unbroken stretch.*calibration.*Materialise"):
        prepare(market.between(START, START + 4 * DAY), fold(), RECIPE)


def test_several_symbols_share_one_version() -> None:
    """A universe trains jointly; its windows never mix symbols."""
    market = panel(symbols=("AAA-USDT", "BBB-USDT"))
    prepared = prepare(market, fold(), RECIPE)
    starts = prepared.ends["train"] - RECIPE.train.window + 1
    symbols = prepared.panel.symbol_N
    assert (symbols[starts] == symbols[prepared.ends["train"]]).all()
    assert set(symbols[prepared.ends["train"]]) == {0, 1}
    assert train_version(market, fold(), RECIPE).config["symbols"] == ["AAA-USDT", "BBB-USDT"]
