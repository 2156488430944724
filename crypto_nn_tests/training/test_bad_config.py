"""Each mistake in the settings ends in one message: the key, its value, and what is allowed."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from crypto_nn.cli import main
from crypto_nn.errors import ConfigError, TrainingError
from crypto_nn.experiments import Experiment
from crypto_nn.features.labels import LabelConfig
from crypto_nn.features.panel import Panel
from crypto_nn.models import MODELS
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.preparation import prepare
from crypto_nn.training.record import Recipe
from crypto_nn_tests.training.market import LABELS, fold, panel

LSTM = MODELS["LSTMPricePredictor"].presets["small"]
RECIPE = Recipe("LSTMPricePredictor", LSTM, TrainConfig(window=16), LABELS)

MISTAKES = [
    ("training: {windw: 48}", ("training.windw is not a setting", "did you mean window?")),
    ("trainin: {}", ("trainin is not a setting", "did you mean training?")),
    ("gate: {zzz: 1}", ("gate.zzz is not a setting", "there are", "level")),
    ("training: {window: 1}", ("training.window is 1", "greater than or equal to 2")),
    ("training: {window: 5000}", ("training.window is 5000", "less than or equal to 1440")),
    ("training: {window: wide}", ("training.window is 'wide'", "a valid integer")),
    ("training: {learning_rate: .nan}", ("training.learning_rate is nan", "a finite number")),
    ("training: {loss: focl}", ("training.loss is 'focl'", "'cross_entropy' or 'focal'")),
    ("training: {device: gpu}", ("training.device: 'gpu' is no device", "cpu, cuda or mps")),
    ("training: {device: 'cpu:0', amp: fp16}", ("amp fp16 needs a GPU", "device is cpu:0")),
    ("training: {trading_weight: -1}", ("training.trading_weight is -1", "equal to 0")),
    ("training: [1, 2]", ("training is [1, 2]", "settings are due there")),
    ("training: {horizon_weights: {7: 1}}", ("training.horizon_weights names 7", "5, 15, 60")),
    ("training: {horizon_weights: {5: -1}}", ("horizon_weights.5 is -1", "from 0")),
    ("training: {horizon_weights: {5: 0, 15: 0, 60: 0}}", ("gives 0 to each", "5, 15, 60")),
    ("training: {horizon_weights: [1, 2, 3]}", ("training.horizon_weights is [1, 2, 3]",)),
    ("labels: {horizons: [60, 5]}", ("labels.horizons", "(60, 5)", "ascending order")),
    ("model: {name: LSTN}", ("model 'LSTN' is not known", "LSTMPricePredictor", "PatchTST")),
    ("model: {preset: huge}", ("preset 'huge' is not known", "small, full")),
    ("model: {settings: {hiden: 3}}", ("model.settings.hiden is not a", "did you mean hidden?")),
    ("model: {settings: {layers: 0}}", ("model.settings.layers is 0", "equal to 1")),
    (
        "model: {name: TransformerPredictor, settings: {heads: 0}}",
        ("model.settings.heads is 0", "greater than or equal to 1"),
    ),
    (
        "model: {name: TransformerPredictor, settings: {heads: 5}}",
        ("model.settings: heads is 5", "width 48", "use 1, 2, 3, 4, 6"),
    ),
    (
        "model: {name: AttentiveLSTM, settings: {bars: {7m: 3}}}",
        ("model.settings.bars", "7 minutes", "15m"),
    ),
    (
        "model: {name: AttentiveLSTM, settings: {bars: {15m: 0}}}",
        ("model.settings.bars.15m is 0", "greater than 0"),
    ),
    ("benchmark: {models: [LSTN]}", ("benchmark.models names 'LSTN'", "LSTMPricePredictor")),
    ("benchmark: {models: ['TCN:huge']}", ("names 'TCN:huge'", "small, full")),
    ("benchmark: {baselines: [best]}", ("benchmark.baselines names best", "majority")),
    ("symbols: {SYN-USDT: {source: synthetic}}", ("symbols.SYN-USDT.first_month is missing",)),
]


@pytest.mark.parametrize(("text", "parts"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_mistake_is_told(text: str, parts: tuple[str, ...]) -> None:
    """The message names the key as it stands in the YAML, what was found and what is due."""
    with pytest.raises(ConfigError) as error:
        Experiment.parse(yaml.safe_load(text), "my.yaml")
    message = str(error.value)
    assert message.startswith("my.yaml: ")
    assert "\n" not in message
    assert ".." not in message
    for part in parts:
        assert part in message


def test_every_mistake_is_told_at_once() -> None:
    """Two mistakes need one attempt to be known, not two."""
    with pytest.raises(ConfigError, match=r"training\.window is 1;.*; training\.windw is not"):
        Experiment.parse({"training": {"windw": 1, "window": 1}})


def test_a_misplaced_secret_is_not_repeated() -> None:
    """What may hold a key by mistake is named by its place alone."""
    for settings in ({"alerts": {"email": "s3cret"}}, {"database": "s3cret"}):
        with pytest.raises(ConfigError) as error:
            Experiment.parse(settings)
        assert "s3cret" not in str(error.value)


def test_horizon_weights_survive_the_yaml() -> None:
    """Weights by minutes, written as YAML and read again, are the same weights."""
    experiment = Experiment.parse({"training": {"horizon_weights": {5: 1, 60: 2.5}}})
    again = Experiment.parse(yaml.safe_load(experiment.to_yaml()))
    assert again.training.horizon_weights == {5: 1.0, 60: 2.5}
    assert again.training.weights_of((5, 15, 60)) == (1.0, 1.0, 2.5)


@pytest.mark.parametrize("text", ["training: {windw: 48}", "model: {settings: {layers: 0}}"])
def test_train_says_one_thing_and_fails(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`crypto-nn train` with a bad YAML prints the mistake, no traceback, and ends with code 1."""
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("CRYPTO_NN_CONFIG", str(path))
    monkeypatch.setattr(sys, "argv", ["crypto-nn", "train", "--config", str(path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("ConfigError: ")
    assert "Traceback" not in told
    assert text.split("{")[-1].split(":")[0] in told


def test_a_window_longer_than_the_data_is_refused() -> None:
    """The window, the fold and the part that it does not fit in are named, and what to do."""
    recipe = replace(RECIPE, train=TrainConfig(window=1440))
    with pytest.raises(TrainingError, match=r"no unbroken stretch of 1440 minutes.*shorten trai"):
        prepare(panel(days=1.5), fold((0.5, 0.5, 0.5)), recipe)


def test_bars_that_features_lack_are_refused() -> None:
    """A timeframe that no feature is of is named beside those that there are."""
    config = MODELS["AttentiveLSTM"].configure("small")
    with pytest.raises(ConfigError, match=r"model\.settings\.bars asks for bars of .*5m.*one mi"):
        Recipe("AttentiveLSTM", config).inputs(panel(days=0.1))


def without(market: Panel, label: int) -> Panel:
    """The market in which that class never came at the second horizon."""
    classes_NH = market.classes_NH.copy()
    classes_NH[classes_NH[:, 1] == label, 1] = 1
    return replace(market, classes_NH=classes_NH)


@pytest.mark.parametrize(("label", "name"), [(0, "down"), (2, "up")])
def test_a_class_missing_in_training_is_refused(label: int, name: str) -> None:
    """Fold, horizon, class and counts are named, and which settings would help."""
    labels = LabelConfig(kind="fixed", horizons=(5, 15), bps=5.0)
    recipe = replace(RECIPE, labels=labels)
    market = panel(days=3)
    part = fold((1, 1, 1))
    assert (np.bincount(prepare(market, part, recipe).classes_NH[:, 1] + 1)[1:] > 0).all()
    told = rf"Fold 0 \(nightly\) has no {name} at the horizon of 15 minutes.* 0 {name}.*labels\.bps"
    with pytest.raises(TrainingError, match=told):
        prepare(without(market, label), part, recipe)


def test_a_market_that_stands_still_cannot_be_learned() -> None:
    """Where every move is flat, both other classes are named as missing."""
    market = panel(days=3)
    still = replace(market, scores_NH=np.where(np.isfinite(market.scores_NH), 0.0, np.nan))
    with pytest.raises(TrainingError, match="no down and no up at the horizon of 5 minutes"):
        prepare(still, fold((1, 1, 1)), RECIPE)
