"""Where a model is found, without loading torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from crypto_nn.errors import ConfigError
from crypto_nn.mistakes import told
from crypto_nn.models.configs.base import ModelConfig

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelEntry:
    """Where a model is found: its settings at once, its torch module only when asked for.

    Attributes:
        name: its public name.
        path: its class, as `module:name`.
        family: lstm, transformer, hybrid, memory or modern.
        config: the class of its settings.
        presets: settings by name.
    """

    name: str
    path: str
    family: str
    config: type[ModelConfig]
    presets: Mapping[str, ModelConfig]

    def load(self) -> "type[nn.Module]":
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
            reasons = told(error, self.config, "model.settings.")
            raise ConfigError(f"Model {self.name!r}: {reasons}.") from None
