"""Trained versions as immutable folders of bytes, verified before anything is returned."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crypto_nn.errors import ModelError
from crypto_nn.store.atomic import make_folder, sweep, sync, temporary_beside, write_bytes

MANIFEST = "manifest.json"
POINTERS = "pointers"
POINTER_CURE = (
    "Restore it from a backup, or remove it and say again which version answers, with "
    "`crypto-nn models promote`."
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class ModelStore:
    """Files of trained versions at `<root>/<name>/<version>/`, and pointers to versions.

    A version appears whole or not at all and is never changed. Its manifest holds the SHA-256 of
    each file. The store knows bytes only: what they mean is up to who saved them.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).expanduser().resolve()

    def path(self, name: str, version: str) -> Path:
        """The folder of a version; both names are checked, so it lies below `root`."""
        if name == POINTERS:
            raise ModelError(f"A model cannot be called {POINTERS!r}. Give it another name.")
        return self.root / _check(name, "a model's name") / _check(version, "a version")

    def save(self, name: str, version: str, files: Mapping[str, bytes]) -> Path:
        """Store a version; returns its folder.

        Saving the same bytes again changes nothing.

        Raises:
            ModelError: the version is there with other bytes, or a name is not allowed.
            OSError: the disk is full or refuses; nothing is left behind.
        """
        path = self.path(name, version)
        manifest = _manifest(name, version, files)
        if path.exists():
            return _check_same(path, manifest)
        make_folder(path.parent)
        temporary = temporary_beside(path)
        try:
            temporary.mkdir()
            for file in sorted(files):
                _write_durably(temporary / file, files[file])
            _write_durably(temporary / MANIFEST, manifest)
            sync(temporary)
            try:
                os.rename(temporary, path)
            except OSError:
                if not path.exists():
                    raise
                return _check_same(path, manifest)  # another process was faster
            sync(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return path

    def load(self, name: str, version: str) -> dict[str, bytes]:
        """The files of a version, by name, after every hash has been checked.

        Raises:
            ModelError: the version is not there, or a file is missing or damaged.
        """
        path = self.path(name, version)
        written = _read_manifest(path)
        files = {}
        for file, due in written["files"].items():
            content = _read(path / _check(file, "a file's name"))
            found = hashlib.sha256(content).hexdigest()
            if found != due["sha256"]:
                raise _damaged(path / file, f"its SHA-256 is {found}, not {due['sha256']}")
            files[file] = content
        if _read(path / MANIFEST) != _manifest(name, version, files):
            raise _damaged(path / MANIFEST, "it is not the manifest of these files")
        return files

    def has(self, name: str, version: str) -> bool:
        """Whether a version is there."""
        return (self.path(name, version) / MANIFEST).is_file()

    def remove(self, name: str, version: str) -> None:
        """Remove a version: it goes at once, or, where the process dies, not at all.

        Raises:
            ModelError: there is no such version.
        """
        path = self.path(name, version)
        _read_manifest(path)
        gone = temporary_beside(path)
        os.rename(path, gone)
        sync(path.parent)
        shutil.rmtree(gone)

    def names(self) -> tuple[str, ...]:
        """The models of which there are versions, in order."""
        found = (path.parent.parent.name for path in self.root.glob(f"*/*/{MANIFEST}"))
        return tuple(sorted({name for name in found if _NAME.fullmatch(name)} - {POINTERS}))

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of a model, in order of their names."""
        folder = self.root / _check(name, "a model's name")
        found = (path.parent.name for path in folder.glob(f"*/{MANIFEST}"))
        return tuple(sorted(version for version in found if _NAME.fullmatch(version)))

    def find(self, version: str) -> str:
        """The name of the model that has this version.

        Raises:
            ModelError: none has, or several have.
        """
        _check(version, "a version")
        found = [name for name in self.names() if self.has(name, version)]
        if len(found) == 1:
            return found[0]
        several = f"; {', '.join(found)} have one of that name" if found else ""
        raise ModelError(
            f"There is no single version {version} in {self.root}{several}. "
            "List them with `crypto-nn models list`."
        )

    def set_pointer(self, pointer: str, value: Mapping[str, Any]) -> None:
        """Make a pointer, such as the champion of a universe, hold a JSON value, atomically."""
        content = json.dumps(value, sort_keys=True, allow_nan=False)
        digest = hashlib.sha256(content.encode()).hexdigest()
        write_bytes(self._pointer(pointer), f"{digest}\n{content}\n".encode())

    def pointer(self, pointer: str) -> dict[str, Any] | None:
        """What a pointer holds, None where it was never set.

        Raises:
            ModelError: its file is damaged.
        """
        path = self._pointer(pointer)
        if not path.exists():
            return None
        digest, _, rest = _read(path).partition(b"\n")
        content = rest.removesuffix(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest or rest == content:
            raise _damaged(path, "its first line is not the SHA-256 of the second", POINTER_CURE)
        value: dict[str, Any] = json.loads(content)
        return value

    def pointers(self) -> tuple[str, ...]:
        """The pointers that were set, in order."""
        return tuple(sorted(path.stem for path in (self.root / POINTERS).glob("*.json")))

    def restore(self, name: str, version: str, files: Mapping[str, bytes]) -> Path:
        """Store a version anew whose folder is damaged or lost; returns its folder.

        What is damaged stays where it is until the new folder is whole.

        Raises:
            ModelError: the version is there and whole: versions never change.
            OSError: the disk is full or refuses; all is as it was.
        """
        path = self.path(name, version)
        if not path.exists():
            return self.save(name, version, files)
        if self._is_whole(name, version):
            raise ModelError(f"Nothing of {path} is damaged, and versions never change.")
        damaged = temporary_beside(path)
        os.rename(path, damaged)
        try:
            self.save(name, version, files)
        except BaseException:
            os.rename(damaged, path)
            raise
        shutil.rmtree(damaged)
        return path

    def _is_whole(self, name: str, version: str) -> bool:
        try:
            self.load(name, version)
        except ModelError:
            return False
        return True

    def sweep(self, older_than: float = 3600.0, now: float | None = None) -> tuple[Path, ...]:
        """Remove what killed writers left; see `crypto_nn.store.atomic.sweep`."""
        return sweep(self.root, older_than, now)

    def _pointer(self, pointer: str) -> Path:
        return self.root / POINTERS / f"{_check(pointer, 'a pointer')}.json"


def _check(name: str, what: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ModelError(
            f"{name!r} cannot be {what}. Use letters, digits, dots, _ and -, beginning with a "
            "letter or digit, at most 100."
        )
    return name


def _manifest(name: str, version: str, files: Mapping[str, bytes]) -> bytes:
    listed = {}
    for file in sorted(files):
        if _check(file, "a file's name") == MANIFEST:
            raise ModelError(f"{MANIFEST} is written by the store. Give the file another name.")
        content = files[file]
        listed[file] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest = {"name": name, "version": version, "files": listed}
    return (json.dumps(manifest, indent=2) + "\n").encode()


def _check_same(path: Path, manifest: bytes) -> Path:
    if _read(path / MANIFEST) != manifest:
        raise ModelError(
            f"Version {path.name} of {path.parent.name} is there already with other contents, and "
            "versions never change. Save these under another version."
        )
    return path


def _read_manifest(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        there = ", ".join(sorted(p.name for p in path.parent.glob("[!.]*"))) or "none"
        raise ModelError(
            f"There is no version {path.name} of {path.parent.name}; there are: {there}. "
            "List them with `crypto-nn models list`."
        )
    try:
        manifest: dict[str, Any] = json.loads(_read(path / MANIFEST))
        for due in manifest["files"].values():
            str(due["sha256"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path / MANIFEST, f"it cannot be read ({error!r})") from None
    return manifest


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _damaged(path, "it is missing") from None


def _damaged(path: Path, how: str, cure: str | None = None) -> ModelError:
    again = f"crypto-nn reproduce {path.parent.name} --repair"
    cure = cure or f"Restore the folder from a backup, or train the version again with `{again}`."
    return ModelError(f"{path} is damaged: {how}. Nothing of it was loaded. {cure}")


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
