"""A version as a bundle answers as its network does, and int8 only where it is as good."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from crypto_nn.cli.export import commands
from crypto_nn.errors import ModelError
from crypto_nn.features.panel import Panel
from crypto_nn.inference import export as module
from crypto_nn.inference.bundle import Bundle
from crypto_nn.inference.export import (
    ensure_exported,
    export_stored,
    export_version,
    graph_of,
    noise,
    rows_from,
)
from crypto_nn.inference.onnx_network import OnnxNetwork
from crypto_nn.inference.predictor import ModelInference
from crypto_nn.inference.quantizing import FEWEST_ROWS, judge
from crypto_nn.inference.torch_network import TorchNetwork
from crypto_nn.models import MODELS
from crypto_nn.models.specimen import Specimen
from crypto_nn.store.models import ModelStore
from crypto_nn.training import TrainedVersion
from crypto_nn.training.version import train_version
from crypto_nn_tests.inference.exported import graph
from crypto_nn_tests.training.market import fold, panel
from crypto_nn_tests.training.test_version import RECIPE

ALL = "CRYPTO_NN_EXPORT_ALL" in os.environ  # `make exports`: 10 s a model and more
SOME = ("DLinear", "CrossTimeframeTransformer")  # without and with windows of slower bars


@pytest.fixture(scope="module")
def market() -> Panel:
    return panel()


@pytest.fixture(scope="module")
def trained(market: Panel) -> TrainedVersion:
    settings = {"max_windows": 100, "max_epochs": 1}
    recipe = replace(RECIPE, train=RECIPE.train.model_copy(update=settings))
    return train_version(market, fold(), recipe, with_card=False)


@pytest.fixture(scope="module")
def inference(trained: TrainedVersion) -> ModelInference:
    return ModelInference(trained.files, threads=1)


@pytest.fixture(scope="module")
def folder(
    inference: ModelInference, market: Panel, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The version, exported behind its gate."""
    made = tmp_path_factory.mktemp("exported") / inference.version
    export_version(inference, made, rows_from(inference, market), "# Card\n")
    return made


def test_a_bundle_answers_as_its_version(
    folder: Path, inference: ModelInference, market: Panel
) -> None:
    """On the rows of validation, logits agree to 1e-5, and nothing is lost of what is known."""
    bundle, rows = Bundle.load(folder), rows_from(inference, market)
    assert rows is not None
    found = bundle.answering().network.logits(rows.asked)
    np.testing.assert_allclose(found, TorchNetwork(inference).logits(rows.asked), atol=1e-5)
    assert bundle.facts.version == inference.version
    assert bundle.card == "# Card\n"
    assert bundle.gate["fp32"]["of"] == "validation rows"
    assert bundle.gate["fp32"]["largest_difference"] <= 1e-5


def test_int8_is_there_exactly_where_it_passed(folder: Path) -> None:
    """The record says what it costs; the file is there where that is little."""
    bundle = Bundle.load(folder)
    gate = bundle.gate["int8"]
    assert gate["rows"] >= FEWEST_ROWS
    assert ("int8" in bundle.precisions) == gate["kept"] == (folder / "model.int8.onnx").exists()
    assert gate["largest_difference"] < 0.05


def test_a_bundle_tells_nothing_of_the_machine(folder: Path) -> None:
    """Neither folders nor source lines of where it was made are in it."""
    for path in folder.iterdir():
        content = path.read_bytes()
        assert b'.py"' not in content
        assert b".py:" not in content
        assert str(Path.home()).encode() not in content


def graph_that_lies(inference: ModelInference) -> bytes:
    """The graph of another network that is asked the same."""
    return graph(inference.inputs).SerializeToString()


def test_a_graph_that_answers_otherwise_is_not_written(
    inference: ModelInference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export that changes answers leaves nothing behind."""
    monkeypatch.setattr(module, "graph_of", lambda *_: graph_that_lies(inference))
    with pytest.raises(ModelError, match="away from its network"):
        export_version(inference, tmp_path / "made")
    assert not list(tmp_path.iterdir())


def test_without_rows_there_is_no_int8(
    inference: ModelInference, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be judged is left out, and the bundle says so."""
    content = (folder / "model.onnx").read_bytes()
    monkeypatch.setattr(module, "graph_of", lambda *_: content)
    bundle = export_version(inference, tmp_path / "made")
    assert bundle.precisions == ("fp32",)
    assert bundle.gate["fp32"]["of"] == "noise"
    assert "No rows" in bundle.why_not_int8()


def test_int8_that_is_worse_is_left_out() -> None:
    """Whatever rises the loss or lowers the accuracy beyond the gate is refused."""
    random = np.random.default_rng(0)
    p_RHC = random.dirichlet((2.0, 2.0, 2.0), (500, 2))
    classes_RH = p_RHC.argmax(axis=-1)
    assert judge(p_RHC, p_RHC, classes_RH).kept
    assert not judge(p_RHC, p_RHC[::-1], classes_RH).kept
    assert not judge(p_RHC, np.full_like(p_RHC, np.nan), classes_RH).kept
    few = judge(p_RHC, p_RHC, np.where(np.arange(500)[:, None] < 100, classes_RH, -1))
    assert not few.kept
    assert "100 validation rows" in few.reason


def test_a_version_is_exported_once(
    trained: TrainedVersion, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle that is whole is kept; one that is damaged is made anew."""
    content = (folder / "model.onnx").read_bytes()
    monkeypatch.setattr(module, "graph_of", lambda *_: content)
    store = ModelStore(tmp_path / "models")
    store.save(trained.model, trained.version, trained.files)
    root = tmp_path / "exports"
    made = ensure_exported(store, trained.version, root)
    before = (made / "manifest.json").stat().st_mtime_ns
    assert ensure_exported(store, trained.version, root) == made
    assert (made / "manifest.json").stat().st_mtime_ns == before
    (made / "model.onnx").write_bytes(b"damaged")
    assert Bundle.load(ensure_exported(store, trained.version, root)).facts.version
    with pytest.raises(ModelError, match="is there already"):
        export_stored(store, trained.version, made)


def test_the_command_exports_a_folder(
    trained: TrainedVersion, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`crypto-nn export` takes a version's folder, and makes the bundle that it is told to."""
    content = (folder / "model.onnx").read_bytes()
    monkeypatch.setattr(module, "graph_of", lambda *_: content)
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path))
    version = ModelStore(tmp_path / "models").save(trained.model, trained.version, trained.files)
    output = tmp_path / "made"
    options = ["--checkpoint", str(version), "--output", str(output), "--no-int8"]
    found = CliRunner().invoke(commands, options, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    assert json.loads((output / "config.json").read_bytes())["version"] == trained.version


@pytest.mark.parametrize("name", MODELS if ALL else SOME)
def test_every_model_can_be_exported(name: str) -> None:
    """Its graph gives the same logits to 1e-5, for one window and for several."""
    specimen = Specimen.of(MODELS[name])
    model = specimen.used()
    network = OnnxNetwork(graph_of(model, specimen.inputs), specimen.inputs)
    for batch in (1, 2, 7):
        asked = noise(specimen.inputs, batch)
        due = model(module._windows(asked)).logits_BHC.detach().numpy()
        np.testing.assert_allclose(network.logits(asked), due, atol=1e-5)
