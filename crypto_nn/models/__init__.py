"""Windows in, logits out: every model by name, without loading torch.

A new model is one file with its `nn.Module`, one config class in `configs`, and one entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from crypto_nn.errors import ConfigError, ModelError
from crypto_nn.models.configs import LSTM_FULL, LSTM_SMALL, LSTMConfig, ModelConfig

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelEntry:
    """Where a model is found: its settings at once, its torch module only when asked for."""

    name: str
    path: str
    config: type[ModelConfig]
    presets: Mapping[str, ModelConfig]

    def load(self) -> type[nn.Module]:
        """The model's class; imports torch."""
        module, _, attribute = self.path.partition(":")
        return getattr(import_module(module), attribute)

    def configure(self, settings: str | Mapping[str, Any]) -> ModelConfig:
        """The config of a preset's name, or of settings written out.

        Raises:
            ConfigError: the preset is not known, or a setting is not what is allowed.
        """
        if isinstance(settings, str):
            if settings not in self.presets:
                raise ConfigError(
                    f"Model {self.name!r} has no preset {settings!r}. "
                    f"Use one of {', '.join(self.presets)}, or write the settings out."
                )
            return self.presets[settings]
        try:
            return self.config.model_validate(dict(settings))
        except ValidationError as error:
            raise ConfigError(f"Settings of model {self.name!r}: {error}") from None


_ENTRIES = (
    ModelEntry(
        "LSTMPricePredictor",
        "crypto_nn.models.lstm:LSTMPricePredictor",
        LSTMConfig,
        {"small": LSTM_SMALL, "full": LSTM_FULL},
    ),
)

MODELS: Mapping[str, ModelEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def find(name: str) -> ModelEntry:
    """The entry of a model, or `ModelError` where none has that name."""
    if name not in MODELS:
        raise ModelError(f"There is no model {name!r}. Known: {', '.join(MODELS)}.")
    return MODELS[name]


def build(
    name: str, config: ModelConfig, num_features: int, num_horizons: int, num_symbols: int
) -> nn.Module:
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
    return model(config, num_features, num_horizons, num_symbols)


__all__ = ["MODELS", "LSTMConfig", "ModelConfig", "ModelEntry", "build", "find"]
