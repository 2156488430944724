"""Who a version is: a hash of everything that it is made from."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.training.preparation import Prepared
from crypto_nn.training.record import Recipe

ROOMS = ("features", "models", "training")
LENGTH = 16
# How long to wait, and how often to write down what is learned: neither changes it.
OF_THE_MACHINE = frozenset({"processes_timeout_s", "checkpoint_steps", "keep_checkpoints"})


def version_id(prepared: Prepared, recipe: Recipe) -> str:
    """The version that this recipe makes of these rows: the same inputs give the same one.

    Data, settings, seed and code decide it; neither the clock, nor the lake's snapshot number, nor
    rows that training does not look at, nor how often checkpoints are written. So a launch that
    happens twice makes one version.
    """
    return digest(
        {
            "data": data_hash(prepared),
            "settings": settings_hash(recipe),
            "code": code_hash(),
        }
    )[:LENGTH]


def data_hash(prepared: Prepared) -> str:
    """Hash of the rows that training, validation and calibration see, and of their answers."""
    panel = prepared.panel
    seen = hashlib.sha256()
    seen.update(digest([panel.symbols, panel.names, panel.horizons]).encode())
    for array in (panel.ts_N, panel.symbol_N, panel.x_NF):
        seen.update(to_bytes(array))
    for role, ends in prepared.ends.items():
        seen.update(role.encode())
        for of_role in (ends, panel.scores_NH[ends], prepared.classes_NH[ends]):
            seen.update(to_bytes(of_role))
    return seen.hexdigest()


def settings_hash(recipe: Recipe) -> str:
    """Hash of every setting of the recipe that may change what is learned.

    How long processes wait for each other and how often checkpoints are written is left out. How
    many processes there are is not: each draws its own dropout.
    """
    settings = recipe.to_dict()
    training = settings["training"].items()
    decides = {name: value for name, value in training if name not in OF_THE_MACHINE}
    return digest({**settings, "training": decides})


@cache
def code_hash() -> str:
    """Hash of the source of the rooms that decide what a model learns."""
    root = Path(__file__).parents[1]
    seen = hashlib.sha256()
    for path in sorted(p for room in ROOMS for p in (root / room).rglob("*.py")):
        seen.update(path.relative_to(root).as_posix().encode())
        seen.update(path.read_bytes())
    return seen.hexdigest()


def to_bytes(array: NDArray[Any]) -> memoryview:
    """What an array holds, to be hashed."""
    return np.ascontiguousarray(array).view(np.uint8).data


def digest(facts: Any) -> str:
    """SHA-256 of facts that JSON can hold, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
