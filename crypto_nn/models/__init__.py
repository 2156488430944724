"""Windows in, logits out: every model by name, without loading torch.

A new model is one file with its `nn.Module`, and one config class and one entry in its family's
file in `configs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from crypto_nn.errors import ModelError
from crypto_nn.models.configs import (
    LSTMConfig,
    ModelConfig,
    hybrid,
    lstm,
    memory,
    modern,
    transformer,
)
from crypto_nn.models.entry import ModelEntry
from crypto_nn.models.inputs import Inputs, Slower, find_slower

if TYPE_CHECKING:
    from torch import nn

_FAMILIES = (lstm, transformer, hybrid, memory, modern)

MODELS: Mapping[str, ModelEntry] = MappingProxyType(
    {entry.name: entry for family in _FAMILIES for entry in family.ENTRIES}
)


def find(name: str) -> ModelEntry:
    """The entry of a model, or `ModelError` where none has that name."""
    if name not in MODELS:
        raise ModelError(f"There is no model {name!r}. Known: {', '.join(MODELS)}.")
    return MODELS[name]


def build(name: str, config: ModelConfig, inputs: Inputs) -> nn.Module:
    """A freshly initialised model; seed torch first to get the same weights again.

    Raises:
        ModelError: no model has that name, or the config is another model's.
    """
    entry = find(name)
    if type(config) is not entry.config:
        raise ModelError(
            f"Model {name!r} is set up by {entry.config.__name__}, "
            f"but a {type(config).__name__} was given. Use one of its presets or write it out."
        )
    model: Any = entry.load()
    return model(config, inputs)


def __getattr__(name: str) -> Any:
    """The class of a model, such as `TransformerPredictor`; torch loads when it is asked for."""
    if name not in MODELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return MODELS[name].load()


def __dir__() -> list[str]:
    return [*__all__, *MODELS]


__all__ = [
    "MODELS",
    "Inputs",
    "LSTMConfig",
    "ModelConfig",
    "ModelEntry",
    "Slower",
    "build",
    "find",
    "find_slower",
]
