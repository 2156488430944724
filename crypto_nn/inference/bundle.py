"""An exported version as a folder: verified byte by byte before anything of it is read."""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crypto_nn.errors import CryptoNNError, ModelError
from crypto_nn.inference.answering import Answering, VersionFacts
from crypto_nn.store.atomic import make_folder, sync, temporary_beside

FORMAT = 1
MODEL, INT8, CONFIG, CARD, GATE = (
    "model.onnx",
    "model.int8.onnx",
    "config.json",
    "card.md",
    "gate.json",
)
MANIFEST = "manifest.json"
REQUIRED = (MODEL, CONFIG, CARD, GATE)
FILES = (*REQUIRED, INT8)
MOST_BYTES = 512 * 1024**2  # of one file
MOST_MANIFEST = 64 * 1024
_GRAPHS = {"fp32": MODEL, "int8": INT8}


@dataclass(frozen=True, eq=False)
class Bundle:
    """A version that can answer without torch.

    Attributes:
        facts: what is known of the version beside its weights.
        card: its model card, Markdown.
        labels: what its answers mean: kind, horizons and settings of the labels.
        precisions: "fp32", and "int8" where that passed its gate.
        gate: how the graphs were compared with the network, and what was found.
    """

    facts: VersionFacts
    card: str
    labels: Mapping[str, Any]
    precisions: tuple[str, ...]
    gate: Mapping[str, Any]
    _graphs: Mapping[str, bytes]

    @classmethod
    def load(cls, folder: Path) -> "Bundle":
        """The bundle in a folder, after every size and hash was checked.

        The bytes that were checked are those that answer: no file is opened twice. The hashes tell
        damage, not forgery: who can write the folder can write its manifest too. Whatever it holds
        is data: no code of it is run.

        Raises:
            ModelError: a file is missing, too many, a link, damaged or too large, or the
                description does not make sense. Nothing of it is used.
        """
        files = _verified(Path(folder))
        config, gate = _json(files[CONFIG], CONFIG), _json(files[GATE], GATE)
        facts = _facts(config)
        kept = _int8_kept(gate)
        if kept != (INT8 in files):
            raise _odd(f"{GATE} and the files disagree on whether there is {INT8}")
        precisions = ("fp32", "int8") if kept else ("fp32",)
        graphs = {each: files[_GRAPHS[each]] for each in precisions}
        try:
            card = files[CARD].decode()
        except UnicodeDecodeError:
            raise _odd(f"{CARD} is no text") from None
        return cls(facts, card, config.get("labels", {}), precisions, gate, graphs)

    def answering(self, precision: str = "fp32", threads: int = 1) -> Answering:
        """The version, ready to be asked.

        Args:
            precision: one of `precisions`.
            threads: CPU threads of one answer.

        Raises:
            ModelError: there is no graph of that precision, or it cannot answer.
        """
        from crypto_nn.inference.onnx_network import OnnxNetwork

        if precision not in self._graphs:
            raise ModelError(
                f"Version {self.facts.version} has no graph in {precision!r}; there is "
                f"{', '.join(self.precisions)}. {self.why_not_int8()}".rstrip()
            )
        network = OnnxNetwork(self._graphs[precision], self.facts.inputs, threads)
        return Answering(self.facts, network)

    def why_not_int8(self) -> str:
        """What the gate said against int8; empty where it is there."""
        return "" if "int8" in self.precisions else str(self.gate["int8"]["reason"])


def save(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write a bundle's folder, whole or not at all; a manifest is made for it.

    Raises:
        ModelError: the folder is there already.
    """
    folder = Path(folder)
    if folder.exists() or folder.is_symlink():
        raise ModelError(f"{folder} is there already. Remove it, or name another folder.")
    listed = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(files.items())
    }
    manifest = json.dumps({"format": FORMAT, "files": listed}, indent=2).encode() + b"\n"
    make_folder(folder.parent)
    temporary = temporary_beside(folder)
    try:
        temporary.mkdir()
        for name, content in (*sorted(files.items()), (MANIFEST, manifest)):
            (temporary / name).write_bytes(content)
            sync(temporary / name)
        sync(temporary)
        try:
            os.rename(temporary, folder)
        except OSError:
            if not folder.exists():
                raise
            raise ModelError(f"{folder} has just been made by somebody else.") from None
        sync(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _verified(folder: Path) -> dict[str, bytes]:
    if folder.is_symlink() or not folder.is_dir():
        raise _odd(f"{folder} is no folder", "Name the folder that `crypto-nn export` wrote.")
    there = sorted(os.listdir(folder))
    manifest = _json(_read(folder / MANIFEST, MOST_MANIFEST), MANIFEST)
    due = _due(manifest)
    if there != sorted((*due, MANIFEST)):
        odd = ", ".join(sorted(set(there) ^ {*due, MANIFEST}))
        raise _odd(f"it has not exactly the files of its manifest; the difference is {odd[:200]}")
    files = {}
    for name, (size, digest) in due.items():
        content = _read(folder / name, size)
        found = hashlib.sha256(content).hexdigest()
        if len(content) != size or found != digest:
            raise _odd(f"{name} is damaged: {len(content)} bytes of SHA-256 {found} are not those "
                       "of its manifest")  # fmt: skip
        files[name] = content
    return files


def _due(manifest: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    """By name of a file, its size and its hash."""
    if manifest.get("format") != FORMAT:
        raise _odd(f"it is of format {manifest.get('format')!r}, and this release reads {FORMAT}")
    listed = manifest.get("files")
    if not isinstance(listed, dict) or not set(REQUIRED) <= set(listed) <= set(FILES):
        raise _odd(f"its manifest must list {', '.join(REQUIRED)}, perhaps {INT8}, and no more")
    found = {}
    for name, facts in listed.items():
        facts = facts if isinstance(facts, dict) else {}
        size, digest = facts.get("bytes"), facts.get("sha256")
        if type(size) is not int or not 0 <= size <= MOST_BYTES or not isinstance(digest, str):
            raise _odd(f"{name} has no size up to {MOST_BYTES} bytes, or no hash, in its manifest")
        found[name] = (size, digest)
    return found


def _read(path: Path, most: int) -> bytes:
    """A plain file of at most so many bytes; a link is not followed, nor a pipe waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise _odd(f"{path.name} cannot be read ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > most:
            raise _odd(f"{path.name} is no plain file of at most {most} bytes")
        return file.read(most + 1)


def _json(content: bytes, name: str) -> dict[str, Any]:
    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        found = json.loads(content, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise _odd(f"{name} is no JSON") from None
    if not isinstance(found, dict):
        raise _odd(f"{name} is no JSON object")
    return found


def _facts(config: Mapping[str, Any]) -> VersionFacts:
    try:
        facts = VersionFacts.from_config(config)
        temperature_H, scaler = facts.temperature_H, facts.scaler
        numbers = (temperature_H, scaler.center_F, scaler.scale_F, np.array(scaler.clip))
        sound = (
            all(bool(np.isfinite(each).all()) for each in numbers)
            and bool((temperature_H > 0).all() and (scaler.scale_F > 0).all() and scaler.clip > 0)
            and temperature_H.shape == (len(facts.horizons),)
            and scaler.center_F.shape == scaler.scale_F.shape == (len(facts.feature_names),)
            and facts.inputs.window > 0
        )
    except (KeyError, TypeError, ValueError, AttributeError, CryptoNNError) as error:
        why = " ".join(str(error).split())[:200]
        raise _odd(f"{CONFIG} describes no version ({type(error).__name__}: {why})") from None
    if not sound:
        raise _odd(f"temperature, scaler or window in {CONFIG} is no number that can be right")
    return facts


def _int8_kept(gate: Mapping[str, Any]) -> bool:
    found = gate.get("int8")
    if not isinstance(found, dict) or type(found.get("kept")) is not bool or "reason" not in found:
        raise _odd(f"{GATE} does not say whether int8 was kept, and why")
    return bool(found["kept"])


def _odd(how: str, cure: str = "Export the version again with `crypto-nn export`.") -> ModelError:
    return ModelError(f"The bundle was not loaded: {how}. {cure}")
