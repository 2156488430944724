"""The rows that a study learns from and is judged on, in files that all its workers read."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TEST, Fold, Role
from crypto_nn.store.atomic import write_atomic, write_bytes

FACTS = "panel.json"
WORDS = ("symbols", "names", "horizons")


def save_panel(panel: Panel, folder: Path) -> None:
    """Write a panel down: one .npy per array, which workers map instead of holding it each.

    One that is there stays: a file that shrinks under a worker's map ends the worker. Its facts are
    written last, so that where they are, all is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        if (folder / FACTS).exists():
            return
        for each in fields(panel):
            if each.name not in WORDS:
                _save_array(folder / f"{each.name}.npy", getattr(panel, each.name))
        words = {name: getattr(panel, name) for name in WORDS}
        write_bytes(folder / FACTS, json.dumps(words).encode())


def remove_panel(folder: Path) -> None:
    """Remove a panel, its facts first: what is left of a removal that died is no panel."""
    if not folder.exists():
        return
    with _lock(folder):
        (folder / FACTS).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_name(f"{folder.name}.lock"))


def _save_array(path: Path, array: Any) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)

    write_atomic(path, write)


def load_panel(folder: Path) -> Panel:
    """The panel that `save_panel` wrote; its arrays stay on disk until they are looked at."""
    words = json.loads((folder / FACTS).read_bytes())
    whole: dict[str, Any] = {name: tuple(words[name]) for name in WORDS}
    whole |= {
        each.name: np.load(folder / f"{each.name}.npy", mmap_mode="r", allow_pickle=False)
        for each in fields(Panel)
        if each.name not in WORDS
    }
    return Panel(**whole)


def fold_to_dict(fold: Fold) -> dict[str, Any]:
    """A fold as JSON can hold it."""
    roles = [[role.name, str(role.start), str(role.end)] for role in fold.roles]
    return {
        "number": fold.number,
        "layout": fold.layout,
        "roles": roles,
        "purge": fold.purge,
        "embargo": fold.embargo,
    }


def fold_from_dict(facts: Mapping[str, Any]) -> Fold:
    """The fold that `fold_to_dict` wrote."""
    roles = tuple(
        Role(name, np.datetime64(start, "us"), np.datetime64(end, "us"))
        for name, start, end in facts["roles"]
    )
    return Fold(facts["number"], facts["layout"], roles, facts["purge"], facts["embargo"])


def without_test(folds: Sequence[Fold]) -> tuple[Fold, ...]:
    """The folds without the part that judges versions: what is not there cannot be looked at."""
    return tuple(
        Fold(
            fold.number,
            fold.layout,
            tuple(role for role in fold.roles if role.name != TEST),
            fold.purge,
            fold.embargo,
        )
        for fold in folds
    )
