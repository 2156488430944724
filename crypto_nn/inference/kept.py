"""What is left of a version that may be damaged: enough to train it again and to compare."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto_nn.errors import ModelError
from crypto_nn.inference.registry import SHORTEST_BEGINNING, resolve
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import MANIFEST, ModelStore
from crypto_nn.training.version import CONFIG

NOT_IN_TABLE = "scaler"  # of `config.json`; the table `checkpoints` has all else


@dataclass(frozen=True, eq=False)
class KeptVersion:
    """A version as the store has it.

    Attributes:
        config: its `config.json`; from the table `checkpoints`, without the scaler, where the file
            is damaged or lost.
        files: those that fit their hashes; all that lie there where the manifest is damaged.
        damaged: the others, the manifest among them, and how.
        sha256: what the manifest says of each file; empty where it is damaged.
    """

    model: str
    version: str
    config: Mapping[str, Any]
    files: Mapping[str, bytes]
    damaged: Mapping[str, str]
    sha256: Mapping[str, str]

    def has(self, name: str) -> bool:
        """Whether the version has or had such a file."""
        return name in self.files or name in self.sha256


def read_kept(models: ModelStore, lake: Lake, name: str) -> KeptVersion:
    """The version that `name` means (see `registry.resolve`), damaged or lost files among it.

    Raises:
        ModelError: there is no such version, or nothing tells how it was trained.
    """
    model, version = _find(models, lake, name)
    path = models.path(model, version)
    sha256, damaged = _manifest(path)
    files: dict[str, bytes] = {}
    for file in sorted(sha256 or _listed(path)):
        try:
            content = (path / file).read_bytes()
        except FileNotFoundError:
            damaged[file] = "lost"
            continue
        found = hashlib.sha256(content).hexdigest()
        if found == sha256.get(file, found):
            files[file] = content
        else:
            damaged[file] = f"its SHA-256 is {found[:12]}…, not {sha256[file][:12]}…"
    config = _config(files.get(CONFIG)) or _in_table(lake, version)
    if not config:
        raise ModelError(
            f"Nothing tells how {version} was trained: {path / CONFIG} is damaged or lost, and the "
            "table checkpoints does not have it. Restore the folder from a backup."
        )
    return KeptVersion(model, version, config, files, damaged, sha256)


def _find(models: ModelStore, lake: Lake, name: str) -> tuple[str, str]:
    """Model and version; where its folder is lost, as the table `checkpoints` has them."""
    try:
        version = resolve(models, name)
        return models.find(version), version
    except ModelError:
        rows = lake.read("checkpoints", ("model", "version")) if lake.has("checkpoints") else None
        named = {
            (row["model"], row["version"])
            for row in (rows.to_pylist() if rows is not None else [])
            if len(name) >= SHORTEST_BEGINNING and row["version"].startswith(name)
        }
        if len(named) != 1:
            raise
        return named.pop()


def _manifest(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The hash of each file, and what is wrong with the manifest."""
    try:
        written = json.loads((path / MANIFEST).read_bytes())
        if (written["name"], written["version"]) != (path.parent.name, path.name):
            return {}, {MANIFEST: f"it is of {written['name']} {written['version']}"}
        if odd := [name for name in written["files"] if Path(name).name != name]:
            return {}, {MANIFEST: f"it names no plain file: {odd[0]!r}"}
        return {name: str(due["sha256"]) for name, due in written["files"].items()}, {}
    except FileNotFoundError:
        return {}, {MANIFEST: "lost"}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return {}, {MANIFEST: f"it cannot be read ({type(error).__name__})"}


def _listed(path: Path) -> list[str]:
    found = path.iterdir() if path.is_dir() else ()
    return [each.name for each in found if each.is_file() and each.name != MANIFEST]


def _config(content: bytes | None) -> dict[str, Any]:
    """What `config.json` holds; nothing where it is not there, or no JSON."""
    try:
        config: dict[str, Any] = json.loads(content or b"{}")
    except ValueError:
        return {}
    return config


def _in_table(lake: Lake, version: str) -> dict[str, Any]:
    if not lake.has("checkpoints"):
        return {}
    rows = lake.read("checkpoints", ("config",), {"version": version})
    config: dict[str, Any] = json.loads(rows["config"][0].as_py()) if rows.num_rows else {}
    return config
