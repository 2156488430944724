"""A learning task as files, one for each tensor, which several processes map into memory once."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from crypto_nn.training.windows import LearningTask

_NAME = "rows"


def save_task(task: LearningTask, folder: Path) -> LearningTask:
    """Write the tensors of a task to a folder; returns the task without them."""
    return _saved(task, folder, "task")


def load_task(outline: LearningTask, folder: Path) -> LearningTask:
    """The task that `save_task` wrote, from what it returned."""
    return _loaded(outline, folder, "task")


def _saved(value: Any, folder: Path, path: str) -> Any:
    if isinstance(value, Tensor):
        save_file({_NAME: value.cpu().contiguous()}, folder / f"{path}.safetensors")
        return None
    if not is_dataclass(value) or isinstance(value, type):
        return value
    parts = {
        field.name: _saved(getattr(value, field.name), folder, f"{path}.{field.name}")
        for field in fields(value)
    }
    return replace(value, **parts)


def _loaded(value: Any, folder: Path, path: str) -> Any:
    file = folder / f"{path}.safetensors"
    if value is None and file.exists():
        return load_file(file)[_NAME]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    parts = {
        field.name: _loaded(getattr(value, field.name), folder, f"{path}.{field.name}")
        for field in fields(value)
    }
    return replace(value, **parts)
