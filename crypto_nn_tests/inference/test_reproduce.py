"""A kept version, trained again from its record: the same bytes, or the reason why not."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from typer.testing import CliRunner

from crypto_nn.bars import Bars
from crypto_nn.cli import app
from crypto_nn.errors import ModelError
from crypto_nn.features.labels import compute_labels
from crypto_nn.inference import reproduce as module
from crypto_nn.inference.likeness import without_clock
from crypto_nn.inference.registry import promote
from crypto_nn.inference.reproduce import Reproduction, reproduce
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.training import Lineage, Recipe, TrainConfig, TrainedVersion
from crypto_nn.training.dataset import load_panel
from crypto_nn.training.environment import fingerprint
from crypto_nn.training.version import train_version
from crypto_nn_tests.training.market import DAY, LABELS, START, features, fold, random_bars
from crypto_nn_tests.training.tasks import TINY

SYMBOL = "SYN-USDT"
NAMES = ("return_1", "return_10", "noise_a", "noise_b")
RECIPE = Recipe(
    "LSTMPricePredictor",
    TINY,
    TrainConfig(window=8, max_windows=300, max_epochs=2, batch_size=50, max_validation_windows=200),
    LABELS,
    "features-1",
)
TESTED = "model.safetensors"
DAYS, MINUTES = (1.5, 0.5, 0.5), 3600


@dataclass(frozen=True)
class Home:
    """A lake, a model store, and the version that was trained from the one into the other."""

    root: Path
    lake: Lake
    models: ModelStore
    trained: TrainedVersion

    @property
    def folder(self) -> Path:
        return self.models.path(self.trained.model, self.trained.version)

    def again(self, anyway: bool = False) -> Reproduction:
        return reproduce(self.models, self.lake, self.trained.version[:8], anyway)


def fill(lake: Lake, bars: Bars) -> None:
    """Bars with their features and labels, as the assets store them."""
    x_NF, names = features(bars)
    columns = {name: pa.array(x_NF[:, i], from_pandas=True) for i, name in enumerate(names)}
    tables = {
        "bars": bars.to_arrow(),
        "labels": compute_labels(bars, LABELS, True).to_arrow(),
        "features": pa.table({"ts": bars.ts, **columns}),
    }
    lake.replace(tables, {"symbol": SYMBOL, "month": "2024-03"})


def note(lake: Lake, trained: TrainedVersion) -> None:
    """The row of a version in the table `checkpoints`, as far as it counts here."""
    config = {k: v for k, v in trained.config.items() if k != "scaler"}
    keys = {"universe": SYMBOL, "version": trained.version}
    row = {**keys, "model": trained.model, "config": json.dumps(config)}
    lake.replace({"checkpoints": pa.Table.from_pylist([row])}, keys)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Trained once for all tests; since then all bars have been replaced by others."""
    root = tmp_path_factory.mktemp("reproduce")
    lake, models = Lake(root / "lake"), ModelStore(root / "models")
    fill(lake, random_bars(MINUTES))
    lineage = Lineage(lake.snapshot(), "before", SYMBOL, "yaml-1")
    panel = load_panel(lake, [SYMBOL], NAMES, START, START + 3 * DAY, lineage.snapshot)
    trained = train_version(panel, fold(DAYS), RECIPE, lineage=lineage)
    models.save(trained.model, trained.version, trained.files)
    note(lake, trained)
    fill(lake, random_bars(MINUTES, seed=7))
    return Home(root, lake, models, trained)


@pytest.fixture
def home(made: Home, tmp_path: Path) -> Home:
    """The same with a copy of the models, for one test to spoil."""
    shutil.copytree(made.models.root, tmp_path / "models")
    return replace(made, root=tmp_path, models=ModelStore(tmp_path / "models"))


def likeness(found: Reproduction) -> dict[str, str]:
    return {each.name: each.likeness for each in found.files}


def test_the_same_bytes_at_the_recorded_snapshot(home: Home) -> None:
    """Every file is the same but for its seconds, though all bars have been replaced since.

    Threads are as many as then: how many this process has makes no difference, and stays.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        found = home.again()
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert f"torch has {threads + 1} threads here, and used {threads} as then" in found.notes
    assert found.verdict == "same", found
    assert set(likeness(found)) == set(home.trained.files)
    assert set(likeness(found).values()) == {"same"}
    assert found.version == home.trained.version
    assert f"rows of lake snapshot {home.trained.lineage.snapshot}" in found.notes
    assert found.made is not None
    for name in ("model.safetensors", "training.safetensors", "config.json", "inspection.json"):
        assert found.made[name] == home.trained.files[name], name


def test_an_expired_snapshot_is_said_and_the_rows_of_now_are_tried(home: Home) -> None:
    """The hash of the rows tells that they are the same, or that a bar was changed since."""
    lake, snapshot = Lake(home.root / "another"), home.trained.lineage.snapshot
    home = replace(home, lake=lake)
    for _ in range(2):
        fill(lake, random_bars(MINUTES))
    lake.maintain(keep=1)
    found = home.again()
    assert found.verdict == "same", found
    assert found.notes == (f"lake snapshot {snapshot} has expired",
                           "rows of the lake as it is now")  # fmt: skip
    bars = random_bars(MINUTES)
    close = bars.close.copy()
    close[1500] *= 1.00001
    fill(lake, replace(bars, close=close, high=np.maximum(bars.high, close)))
    lake.maintain(keep=1)
    found = home.again()
    lake.close()
    assert found.verdict == "not comparable"
    assert found.files == ()
    (reason,) = found.unlike
    assert reason.startswith("the data: rows of the lake as it is now have the hash ")


def test_other_code_is_not_trained_unless_asked(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named by its hash; asked for, files are compared but the verdict stays."""
    monkeypatch.setattr(module, "code_hash", lambda: "0" * 64)
    found = home.again()
    assert found.verdict == "not comparable"
    assert found.files == ()
    assert found.unlike[0].startswith(f"the code: {home.trained.code_hash[:12]}… trained it")
    found = home.again(anyway=True)
    assert found.verdict == "not comparable"
    assert likeness(found)[TESTED] == "same"


@pytest.mark.parametrize("name", ["cpu", "torch", "numpy", "python", "machine"])
def test_another_machine_is_told_apart(
    home: Home, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What bits depend on is compared before any training."""
    here = fingerprint()
    monkeypatch.setattr(module, "fingerprint", lambda: here | {name: "another"})
    found = home.again()
    assert found.verdict == "not comparable"
    assert found.unlike == (f"{name}: {here[name]} then, another here",)


def test_bytes_that_differ_are_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training that is not reproducible is found out: with every input the same, other weights."""

    def unsteady(panel, fold, recipe, **rest):  # type: ignore[no-untyped-def]
        train = recipe.train.model_copy(update={"learning_rate": 1e-3})
        return train_version(panel, fold, replace(recipe, train=train), **rest)

    monkeypatch.setattr(module, "train_version", unsteady)
    found = home.again()
    assert found.verdict == "different"
    assert likeness(found)[TESTED] == "differs"
    (weights,) = (each for each in found.files if each.name == TESTED)
    assert "tensors, by " in weights.detail
    (config,) = (each for each in found.files if each.name == "config.json")
    assert "training.learning_rate 0.0005 → 0.001" in config.detail


def spoil_weights(folder: Path) -> None:
    content = bytearray((folder / TESTED).read_bytes())
    content[-1] ^= 1
    (folder / TESTED).write_bytes(content)


def lose_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def spoil_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"name": ')


def lose_the_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "history.json").unlink()


@pytest.mark.parametrize("damage", [spoil_the_manifest, lose_the_config, shutil.rmtree])
def test_what_is_damaged_is_made_again(home: Home, damage: Callable[[Path], None]) -> None:
    """From the manifest's hashes, or from the lake's table; what was whole stays as it was."""
    damage(home.folder)
    found = reproduce(home.models, home.lake, home.trained.version)
    assert found.verdict == "same", found
    assert any(" is damaged: " in note for note in found.notes)
    with pytest.raises(ModelError):
        home.models.load(home.trained.model, home.trained.version)
    home.models.restore(found.kept.model, found.kept.version, found.repaired())
    mended = home.models.load(home.trained.model, home.trained.version)
    assert set(mended) == set(home.trained.files)
    for name, content in home.trained.files.items():
        assert without_clock(name, mended[name]) == without_clock(name, content), name
    assert mended["card.md"] == home.trained.files["card.md"] or damage is shutil.rmtree


def test_a_record_that_was_tampered_with_is_found_out(home: Home) -> None:
    """Without the manifest nothing vouches for config.json but the version's own name."""
    lose_the_manifest(home.folder)
    config = json.loads((home.folder / "config.json").read_bytes())
    config["training"]["seed"] = 5
    (home.folder / "config.json").write_text(json.dumps(config))
    found = reproduce(home.models, home.lake, home.trained.version)
    assert found.verdict == "not comparable"
    assert found.unlike[0].startswith("the settings: ")
    with pytest.raises(ModelError, match="left as it is"):
        found.repaired()


def test_whole_versions_are_never_replaced(home: Home) -> None:
    """Neither by the store nor by a reproduction."""
    with pytest.raises(ModelError, match="versions never change"):
        home.models.restore(home.trained.model, home.trained.version, {"a": b"b"})
    with pytest.raises(ModelError, match="nothing to mend"):
        home.again().repaired()


def test_a_version_that_began_from_another_needs_its_files(home: Home) -> None:
    """The weights that it began from are taken from the store; without them it says so."""
    parent = home.trained
    train_config = RECIPE.train.model_copy(update={"pretrained": parent.version})
    later = replace(RECIPE, train=train_config)
    files = home.models.load(parent.model, parent.version)
    lineage = Lineage(parent.lineage.snapshot)
    panel = load_panel(home.lake, [SYMBOL], NAMES, START, START + 3 * DAY, lineage.snapshot)
    child = train_version(panel, fold(DAYS), later, lineage=lineage, start=files, with_card=False)
    home.models.save(child.model, child.version, child.files)
    assert reproduce(home.models, home.lake, child.version).verdict == "same"
    shutil.rmtree(home.folder)
    with pytest.raises(ModelError, match=f"began from the weights of {parent.version}"):
        reproduce(home.models, home.lake, child.version)


def test_the_command_says_so_by_its_exit_code(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """0: same, also mended; 2: not comparable, or in the way; champions can be named."""
    (home.root / "lake").symlink_to(home.lake.root)
    monkeypatch.setenv("CRYPTO_NN_HOME", str(home.root))
    now = np.datetime64("2024-04-01", "us")
    promote(home.lake, home.models, SYMBOL, home.trained.version, "test", now)
    spoil_weights(home.folder)
    ran = CliRunner().invoke(app, ["reproduce", f"champion:{SYMBOL}", "--repair"])
    assert ran.exit_code == 0, ran.output
    assert "is the same in every byte" in ran.output
    assert home.models.load(home.trained.model, home.trained.version)
    monkeypatch.setattr(module, "code_hash", lambda: "0" * 64)
    ran = CliRunner().invoke(app, ["reproduce", home.trained.version])
    assert ran.exit_code == 2, ran.output
    assert "the code: " in ran.output
    ran = CliRunner().invoke(app, ["reproduce", "nobody"])
    assert ran.exit_code == 2
