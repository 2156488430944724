"""Checkpoints from which training goes on to the very same bits, wherever it was killed.

Each is a folder `<step>` with `training.safetensors`, `training.json` and, written last,
`manifest.json` with the SHA-256 of both. A folder without a manifest was never finished and is
passed over; one whose hashes do not fit is damaged, and the one before it is used.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from crypto_nn.errors import TrainingError
from crypto_nn.store.atomic import make_folder, sync, write_bytes

TENSORS = "training.safetensors"
FACTS = "training.json"
MANIFEST = "manifest.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingState:
    """Everything that training goes on from: tensors by name, and facts that JSON can hold."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    def to_files(self) -> dict[str, bytes]:
        """The state as safetensors and JSON; the same state gives the same bytes."""
        tensors = {
            name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()
        }
        facts = json.dumps(self.facts, sort_keys=True, allow_nan=False, indent=1)
        return {TENSORS: save_tensors(tensors), FACTS: facts.encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "TrainingState":
        return cls(load_tensors(files[TENSORS]), json.loads(files[FACTS]))


class CheckpointFolder:
    """The newest checkpoints of one training, in one folder.

    Args:
        folder: where they lie; made when the first one is saved.
        identity: the version that is trained; checkpoints of another one are refused.
        keep: how many of the newest stay.
    """

    def __init__(self, folder: Path, identity: str, keep: int = 2) -> None:
        self.folder = folder
        self.identity = identity
        self.keep = keep

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from training the same version here; a killed process lets go by itself.

        Raises:
            TrainingError: another process is at it.
        """
        make_folder(self.folder)
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                yield
        except Timeout:
            raise TrainingError(
                f"Version {self.identity} is being trained by another process in {self.folder}. "
                "Wait for it, or stop it; then start again to go on from its last checkpoint."
            ) from None

    def save(self, step: int, files: Mapping[str, bytes]) -> None:
        """Write a checkpoint, then drop those that are no longer needed.

        Killed anywhere, the checkpoints that were complete before stay as they are.
        """
        target = self.folder / f"{step:010d}"
        if target.exists():  # left unfinished or damaged: training stands before this step again
            _remove(target)
        make_folder(target)
        for name, content in files.items():
            (target / name).write_bytes(content)
            sync(target / name)
        manifest = {
            "identity": self.identity,
            "files": {name: _sha256(content) for name, content in files.items()},
        }
        write_bytes(target / MANIFEST, json.dumps(manifest, sort_keys=True, indent=1).encode())
        self._drop_old(target)

    def load_newest(self) -> TrainingState | None:
        """The newest checkpoint whose hashes fit; None where none was ever completed.

        Raises:
            TrainingError: all checkpoints are damaged, or they are another version's.
        """
        damaged = []
        for path in sorted(self._finished(), reverse=True):
            problem, state = self._read(path)
            if state is not None:
                return state
            damaged.append(f"{path}: {problem}")
            log.warning("Checkpoint %s is damaged (%s); trying the one before it.", path, problem)
        if damaged:
            raise TrainingError(
                f"No checkpoint of version {self.identity} can be trusted: {'; '.join(damaged)}. "
                f"Restore {self.folder} from a backup, or delete it to train from the start."
            )
        return None

    def _read(self, path: Path) -> tuple[str, TrainingState | None]:
        try:
            manifest = json.loads((path / MANIFEST).read_bytes())
            identity, hashes = manifest["identity"], dict(manifest["files"])
            files = {name: (path / name).read_bytes() for name in (TENSORS, FACTS)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"{type(error).__name__}: {error}", None
        for name, content in files.items():
            if hashes.get(name) != _sha256(content):
                return f"{name} does not have the SHA-256 of the manifest", None
        if identity != self.identity:
            raise TrainingError(
                f"{path} holds a checkpoint of version {identity}, but {self.identity} is to be "
                "trained. Give each version a folder of its own."
            )
        try:
            return "", TrainingState.from_files(files)
        except (SafetensorError, ValueError) as error:
            return f"{type(error).__name__}: {error}", None

    def _finished(self) -> list[Path]:
        return [path.parent for path in self.folder.glob(f"*/{MANIFEST}")]

    def _drop_old(self, newest: Path) -> None:
        finished = sorted(self._finished())
        stay = {*finished[-self.keep :], newest}
        for path in self.folder.iterdir():
            if path.is_dir() and path not in stay:
                _remove(path)


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's memory of each parameter as named tensors; rates come from the schedule."""
    return {
        f"optimizer.{index}.{key}": value
        for index, memory in optimizer.state_dict()["state"].items()
        for key, value in memory.items()
    }


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer the memory that `pack_optimizer` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _remove(path: Path) -> None:
    (path / MANIFEST).unlink(missing_ok=True)  # first, so that what is left counts as unfinished
    shutil.rmtree(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
