"""Settings of the memory family."""

from typing import Self

from pydantic import Field, model_validator

from crypto_nn.models.configs.base import ModelConfig
from crypto_nn.models.entry import ModelEntry


class WindowEncoderConfig(ModelConfig):
    """How a model with a memory reads the window, and what both of them share."""

    width: int = Field(ge=1, description="size of the projected features that enter the LSTM")
    hidden: int = Field(ge=1, description="size of the LSTM's state")
    layers: int = Field(ge=1, le=8, description="LSTMs on top of each other")
    attention: int = Field(ge=1, description="size of the layer that scores moments of the window")
    head: int = Field(ge=1, description="size of the hidden layer of each horizon's head")
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="share of activations dropped")
    importance: float = Field(
        default=1.0,
        ge=0.0,
        description="power of a window's surprise by which memory prefers it; 0: all alike",
    )


class EpisodicConfig(WindowEncoderConfig):
    """The architecture of `EpisodicMemoryNetwork`."""

    episodes: int = Field(ge=1, description="past windows that memory holds")
    neighbours: int = Field(ge=1, description="most similar episodes that an answer looks at")
    segments: int = Field(ge=1, description="parts whose mean features are a window's sketch")
    key: int = Field(ge=1, description="size of the space in which windows are compared")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.neighbours > self.episodes:
            raise ValueError(
                f"neighbours {self.neighbours} must be at most episodes, {self.episodes}"
            )
        return self


class MemoryAugmentedConfig(WindowEncoderConfig):
    """The architecture of `MemoryAugmentedNetwork`."""

    heads: int = Field(ge=1, description="heads of the attention that reads memory; divide hidden")
    short_slots: int = Field(ge=1, description="slots written from parts of the window itself")
    long_slots: int = Field(ge=1, description="slots that stay from window to window")
    pull: float = Field(
        default=0.01, gt=0.0, lt=1.0, description="share of a slot that one window replaces"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} must be a multiple of heads, {self.heads}")
        return self


EPISODIC_SMALL = EpisodicConfig(
    width=32,
    hidden=48,
    layers=1,
    attention=24,
    head=24,
    dropout=0.2,
    episodes=1024,
    neighbours=16,
    segments=6,
    key=32,
)
EPISODIC_FULL = EpisodicConfig(
    width=192,
    hidden=920,
    layers=2,
    attention=256,
    head=256,
    dropout=0.2,
    episodes=2048,
    neighbours=32,
    segments=6,
    key=256,
)
AUGMENTED_SMALL = MemoryAugmentedConfig(
    width=32,
    hidden=48,
    layers=1,
    attention=24,
    head=24,
    dropout=0.2,
    heads=4,
    short_slots=6,
    long_slots=32,
)
AUGMENTED_FULL = MemoryAugmentedConfig(
    width=192,
    hidden=760,
    layers=2,
    attention=192,
    head=160,
    dropout=0.2,
    heads=8,
    short_slots=8,
    long_slots=256,
)

ENTRIES = (
    ModelEntry(
        "MemoryAugmentedNetwork",
        "crypto_nn.models.memory_augmented:MemoryAugmentedNetwork",
        "memory",
        MemoryAugmentedConfig,
        {"small": AUGMENTED_SMALL, "full": AUGMENTED_FULL},
    ),
    ModelEntry(
        "EpisodicMemoryNetwork",
        "crypto_nn.models.episodic:EpisodicMemoryNetwork",
        "memory",
        EpisodicConfig,
        {"small": EPISODIC_SMALL, "full": EPISODIC_FULL},
    ),
)
