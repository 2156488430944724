"""A bundle is loaded as it was written, or not at all: nothing of a damaged one is used."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crypto_nn.errors import ModelError
from crypto_nn.features.live_windows import Window
from crypto_nn.inference import bundle
from crypto_nn.inference.bundle import Bundle
from crypto_nn_tests.inference.exported import files, saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(tmp_path / "v1")


def listed(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return found


def relist(folder: Path, manifest: object) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest))


def put(folder: Path, name: str, content: bytes) -> None:
    """Write a file and its line of the manifest, as a forger would."""
    (folder / name).write_bytes(content)
    manifest = listed(folder)
    digest = hashlib.sha256(content).hexdigest()
    manifest["files"][name] = {"bytes": len(content), "sha256": digest}
    relist(folder, manifest)


def test_a_bundle_answers(folder: Path) -> None:
    """Loaded, it has its facts and card, and gives probabilities."""
    loaded = Bundle.load(folder)
    assert loaded.facts.version == "v1"
    assert loaded.card == "# v1\n"
    assert loaded.precisions == ("fp32",)
    window = Window(np.datetime64("2024-01-01", "us"), np.ones((4, 3), np.float32))
    p_BHC = loaded.answering().probabilities(["AAA-USDT"], [window])
    assert p_BHC.shape == (1, 2, 3)
    np.testing.assert_allclose(p_BHC.sum(axis=-1), 1.0)


def test_a_precision_that_is_not_there_is_refused(folder: Path) -> None:
    """The error says why int8 is not there."""
    with pytest.raises(ModelError, match=r"no graph in 'int8'.*not asked for"):
        Bundle.load(folder).answering("int8")


def test_the_bytes_that_were_checked_are_those_that_answer(folder: Path) -> None:
    """Files swapped after loading change nothing."""
    loaded = Bundle.load(folder)
    (folder / bundle.MODEL).write_bytes(b"swapped")
    assert loaded.answering().facts.version == "v1"


def test_a_folder_that_is_there_is_never_overwritten(folder: Path) -> None:
    """Neither file nor manifest changes."""
    with pytest.raises(ModelError, match="is there already"):
        bundle.save(folder, files())


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves no folder, whole or half."""

    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(bundle, "sync", full)
    with pytest.raises(OSError, match="no space"):
        saved(tmp_path / "v1")
    assert not list(tmp_path.iterdir())


def _flip(folder: Path) -> None:
    content = bytearray((folder / bundle.MODEL).read_bytes())
    content[-1] ^= 1
    (folder / bundle.MODEL).write_bytes(content)


def _cut(folder: Path) -> None:
    (folder / bundle.MODEL).write_bytes((folder / bundle.MODEL).read_bytes()[:-1])


def _grow(folder: Path) -> None:
    os.truncate(folder / bundle.MODEL, bundle.MOST_BYTES * 4)


def _link(folder: Path) -> None:
    target = folder.parent / "elsewhere"
    os.rename(folder / bundle.MODEL, target)
    (folder / bundle.MODEL).symlink_to(target)


def _pipe(folder: Path) -> None:
    (folder / bundle.MODEL).unlink()
    os.mkfifo(folder / bundle.MODEL)


def _pickled(folder: Path) -> None:
    put(folder, "model.pkl", pickle.dumps({}))


def _outside(folder: Path) -> None:
    manifest = listed(folder)
    manifest["files"]["../../secret"] = manifest["files"][bundle.CARD]
    relist(folder, manifest)


def _promise(size: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        manifest = listed(folder)
        manifest["files"][bundle.MODEL]["bytes"] = size
        relist(folder, manifest)

    return change


def _config(text: str) -> Callable[[Path], None]:
    return lambda folder: put(folder, bundle.CONFIG, text.encode())


def _write(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_text(text)

    return change


BROKEN: dict[str, Callable[[Path], None]] = {
    "one bit is wrong": _flip,
    "it is cut short": _cut,
    "a file is huge": _grow,
    "a file is a link": _link,
    "a file is a pipe": _pipe,
    "a pickle lies beside": _pickled,
    "a stranger lies beside": _write("extra.so", ""),
    "a file is missing": lambda f: (f / bundle.CARD).unlink(),
    "the manifest is missing": lambda f: (f / "manifest.json").unlink(),
    "the manifest is a list": lambda f: relist(f, []),
    "the manifest is empty": lambda f: relist(f, {}),
    "the manifest lists nothing": lambda f: relist(f, {"format": 1, "files": {}}),
    "the manifest lists words": lambda f: relist(
        f, {"format": 1, "files": dict.fromkeys(bundle.REQUIRED, "word")}
    ),
    "the manifest is of another format": lambda f: relist(f, listed(f) | {"format": 2}),
    "the manifest leaves the folder": _outside,
    "the manifest promises too much": _promise(2**62),
    "the manifest promises less than none": _promise(-1),
    "the manifest promises a word": _promise("many"),
    "the manifest is nested for ever": _write("manifest.json", "[" * 60_000),
    "the description is no JSON": _config("{"),
    "the description is empty": _config("{}"),
    "the description has no number": _config('{"temperature": [NaN, 1.0]}'),
    "the card is no text": lambda f: put(f, bundle.CARD, b"\xff\xfe"),
    "the gate says nothing": lambda f: put(f, bundle.GATE, b"{}"),
    "int8 was kept, and is not there": lambda f: put(
        f, bundle.GATE, b'{"int8": {"kept": true, "reason": ""}}'
    ),
    "int8 is there, and was not kept": lambda f: put(f, bundle.INT8, b""),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_bundle_is_not_loaded(folder: Path, how: str) -> None:
    """Whatever is wrong with it, there is one clear error, and nothing of it answers."""
    BROKEN[how](folder)
    with pytest.raises(ModelError, match="was not loaded"):
        Bundle.load(folder)


ODD: dict[str, Any] = {
    "temperature": [[1.0], [0.0, 1.0], [-1.0, 1.0], ["hot", 1.0], 1.0, None],
    "window": [0, -1, "four", None, 10**400],
    "feature_names": [[], ["a", "b"], None],
    "scaler": [
        {},
        {"center": [0.0] * 3, "scale": [0.0, 1.0, 1.0], "clip": 10.0},
        {"center": [0.0] * 3, "scale": [1.0] * 2, "clip": 10.0},
    ],
    "model": ["NoSuchModel", "os.system", None],
    "model_config": [{"width": "wide"}, None],
    "training": [{"unknown": 1}, None],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in ODD.items() for v in vs])
def test_a_description_that_cannot_be_right_is_refused(
    tmp_path: Path, name: str, value: object
) -> None:
    """Signed well or not, numbers that make no sense load nothing."""
    made = saved(tmp_path / "v1")
    config = json.loads((made / bundle.CONFIG).read_bytes()) | {name: value}
    text = json.dumps(config) if value != 10**400 else json.dumps(config | {name: 1e308})
    put(made, bundle.CONFIG, text.encode())
    with pytest.raises(ModelError):
        Bundle.load(made).answering()


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    """Nothing, a file, and a link to a folder."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(saved(tmp_path / "v1"))
    for name in ("nothing", "file", "link"):
        with pytest.raises(ModelError, match="is no folder"):
            Bundle.load(tmp_path / name)


def test_a_bundle_answers_without_torch(folder: Path) -> None:
    """A process that only answers never loads it."""
    code = (
        "import sys; from pathlib import Path; from crypto_nn.inference.bundle import Bundle; "
        "Bundle.load(Path(sys.argv[1])).answering(); "
        "sys.exit(any(n in sys.modules for n in ('torch', 'sklearn', 'evidently', 'dagster')))"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
