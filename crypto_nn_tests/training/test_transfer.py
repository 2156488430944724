"""Transfer: a version begins where another one stopped, on other symbols, and says so."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load
from torch import Tensor

from crypto_nn.errors import FeatureError, ModelError
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold, Role
from crypto_nn.models.configs.modern import PatchTSTConfig
from crypto_nn.training import Recipe, TrainConfig, TrainedVersion
from crypto_nn.training.preparation import prepare
from crypto_nn.training.transfer import Start, symbol_weights
from crypto_nn.training.validation import validate
from crypto_nn.training.version import first_model, learning_task, train_version, version_id
from crypto_nn_tests.training.market import LABELS, MINUTE, fold, panel
from crypto_nn_tests.training.tasks import TINY

TRAIN = TrainConfig(window=10, max_windows=400, max_epochs=1, batch_size=50, ema_decay=0.0)
PARENT = Recipe("LSTMPricePredictor", TINY, TRAIN, LABELS, "features-1")


@pytest.fixture(scope="module")
def market() -> Panel:
    return panel(symbols=("AAA-USDT", "BBB-USDT"))


@pytest.fixture(scope="module")
def parent(market: Panel) -> TrainedVersion:
    return train_version(market, fold(), PARENT)


def child_of(parent: TrainedVersion, **settings: object) -> Recipe:
    train = TRAIN.model_copy(update={"pretrained": parent.version, **settings})
    return replace(PARENT, train=train)


def weights_of(version: TrainedVersion) -> dict[str, Tensor]:
    return load(version.files["model.safetensors"])


def test_the_first_step_finds_the_very_weights(market: Panel, parent: TrainedVersion) -> None:
    """Before its first step, what begins from a version has that version's loss."""
    recipe = child_of(parent)
    prepared = prepare(market, fold(), recipe)
    model, _ = first_model(prepared, recipe, Start.from_files(parent.files))
    for name, tensor in weights_of(parent).items():
        assert torch.equal(model.state_dict()[name], tensor), name
    task = learning_task(prepared, recipe)
    assert validate(model, task, TRAIN).loss == pytest.approx(parent.validation_loss, abs=1e-9)


def test_symbols_keep_their_vectors_by_name(parent: TrainedVersion) -> None:
    """A known symbol keeps its vector wherever it stands; a new one has the mean of the known."""
    other = panel(symbols=("NEW-USDT", "BBB-USDT", "AAA-USDT"))
    recipe = child_of(parent)
    begun, told = first_model(
        prepare(other, fold(), recipe), recipe, Start.from_files(parent.files)
    )
    assert told == {
        "version": parent.version,
        "symbols_known": ["BBB-USDT", "AAA-USDT"],
        "begun_anew": [],
    }
    (name,) = symbol_weights(begun)
    before_SD, after_SD = weights_of(parent)[name], begun.state_dict()[name]
    assert torch.equal(after_SD[1:], before_SD.flip(0))
    assert torch.equal(after_SD[0], before_SD.mean(dim=0))


PATCHES = Recipe(
    "PatchTST",
    PatchTSTConfig(
        width=4, heads=1, layers=1, feed_forward=4, head=4, summary=2, patch=4, stride=2
    ),
    TRAIN,
    LABELS,
    "features-1",
)


def patches_begun(market: Panel, freeze: str) -> dict[str, Any] | None:
    """What a PatchTST of 12 minutes takes from one of 10."""
    prepared = prepare(market, fold(), PATCHES)
    model, _ = first_model(prepared, PATCHES)
    panel = prepared.panel
    told = {"version": "v1", "symbols": panel.symbols, "horizons": panel.horizons}
    train = TRAIN.model_copy(update={"window": 12, "pretrained": "v1", "freeze": freeze})
    longer = replace(PATCHES, train=train)
    start = Start(told, model.state_dict())
    return first_model(prepare(market, fold(), longer), longer, start)[1]


def test_what_has_another_shape_begins_anew(market: Panel) -> None:
    """A longer window has more patches: what adds them up is new, all else is taken over."""
    told = patches_begun(market, "nothing")
    assert told is not None
    assert "flatten.weight" in told["begun_anew"]
    assert not any(name.startswith(("encode", "head", "symbol")) for name in told["begun_anew"])


def test_random_weights_are_never_frozen(market: Panel) -> None:
    """Weights that begin anew outside the heads would never learn; they are named."""
    with pytest.raises(ModelError, match=r"freeze is backbone.*flatten\.weight.*training\.window"):
        patches_begun(market, "backbone")


def test_other_horizons_are_refused(parent: TrainedVersion) -> None:
    """A head knows its horizon: that of 5 minutes never becomes that of 15."""
    recipe = child_of(parent)
    other = replace(panel(symbols=("AAA-USDT",)), horizons=(15, 60))
    prepared = prepare(other, fold(), recipe)
    with pytest.raises(ModelError, match=r"answers for 5, 15 minutes.*are 15, 60.*set labels"):
        first_model(prepared, recipe, Start.from_files(parent.files))


def test_a_frozen_backbone_does_not_move(market: Panel, parent: TrainedVersion) -> None:
    """Frozen, all but heads and symbols keep every bit, weight decay and averaging included."""
    recipe = child_of(parent, freeze="backbone", ema_decay=0.9, learning_rate=0.01)
    child = train_version(market, fold(), recipe, start=parent.files)
    before, after = weights_of(parent), weights_of(child)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    symbols = {name for name in before if name.endswith("symbol.weight")}
    assert symbols
    assert symbols <= moved
    assert {name.partition(".")[0] for name in moved - symbols} == {"head"}
    assert child.lineage.pretrained == child.config["transfer"]["version"] == parent.version


def test_refining_is_another_version_with_its_own_scaling(
    market: Panel, parent: TrainedVersion
) -> None:
    """What a version begins from is part of its identity; k and scaler follow its own rows."""
    other = panel(seed=7, symbols=("NEW-USDT",))
    child = train_version(other, fold(), child_of(parent), start=parent.files)
    alone = version_id(prepare(other, fold(), PARENT), PARENT)
    assert len({child.version, alone, parent.version}) == 3
    assert child.config["scaler"] != parent.config["scaler"]
    assert child.config["symbols"] == ["NEW-USDT"]
    assert Recipe.from_dict(child.config).from_nothing() == PARENT
    again = train_version(other, fold(), child_of(parent), start=parent.files)
    assert again.files["model.safetensors"] == child.files["model.safetensors"]


def earlier(by: int) -> Fold:
    """The same fold, cut so many minutes sooner."""
    roles = (Role(r.name, r.start - by * MINUTE, r.end - by * MINUTE) for r in fold().roles)
    return replace(fold(), roles=tuple(roles))


def test_a_version_that_knows_too_much_is_refused(market: Panel, parent: TrainedVersion) -> None:
    """What was learned from rows that are to validate, or come after the fold, may not begin it."""
    with pytest.raises(ModelError, match=r"would know what it is judged by.*ended earlier"):
        train_version(market, earlier(600), child_of(parent), start=parent.files)


def test_what_does_not_fit_is_refused(market: Panel, parent: TrainedVersion) -> None:
    """Another model, config, feature set or version is named, and what to do."""

    def start(recipe: Recipe, files: object = parent.files, of: Panel = market) -> None:
        train_version(of, fold(), recipe, start=files)  # type: ignore[arg-type]

    recipe = child_of(parent)
    wider = replace(recipe, config=TINY.model_copy(update={"hidden": 9}))
    with pytest.raises(ModelError, match="hidden 8 there, 9 here"):
        start(wider)
    with pytest.raises(FeatureError, match=r"'features-1'.*'features-2'.*order or formulas"):
        start(replace(recipe, fingerprint="features-2"))
    renamed = replace(market, names=("return_1", "return_10", "noise_a", "noise_c"))
    with pytest.raises(FeatureError, match="noise_b, noise_c"):
        start(recipe, of=renamed)
    with pytest.raises(ModelError, match=f"those of {parent.version} were given"):
        start(replace(recipe, train=TRAIN.model_copy(update={"pretrained": "other"})))
    with pytest.raises(ModelError, match="of a version none were given"):
        start(recipe, None)
    with pytest.raises(ModelError, match=r"no version \(KeyError"):
        start(recipe, {"card.md": b""})
    config = json.loads(parent.files["config.json"]) | {"model": "DLinear"}
    with pytest.raises(ModelError, match=r"is a DLinear, and model\.name is LSTMPricePredictor"):
        start(recipe, {**parent.files, "config.json": json.dumps(config).encode()})


def test_freezing_nothing_in_particular_is_refused() -> None:
    """First weights that never learn are no model."""
    with pytest.raises(ValidationError, match="freeze is 'backbone' without pretrained"):
        TrainConfig(freeze="backbone")
