"""Settings of the transformer family."""

from typing import Literal, Self

from pydantic import Field, model_validator

from crypto_nn.models.configs.bars import DEFAULT_BARS, SlowerBars
from crypto_nn.models.configs.base import ModelConfig
from crypto_nn.models.entry import ModelEntry


class EncoderConfig(ModelConfig):
    """What every stack of self-attention is set by, and the heads of horizons after it."""

    width: int = Field(ge=1, description="size of the vector that stands for a moment")
    heads: int = Field(ge=1, description="heads of attention; the width is a multiple of them")
    layers: int = Field(ge=1, le=32, description="layers of self-attention on top of each other")
    feed_forward: int = Field(ge=1, description="size of the hidden layer between attentions")
    head: int = Field(ge=1, description="size of the hidden layer of each horizon's head")
    positions: Literal["sinusoidal", "learned"] = Field(
        default="sinusoidal", description="how a moment's age is told: by formula, or learned"
    )
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="share of activations dropped")

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.width % self.heads:
            allowed = ", ".join(str(n) for n in range(1, self.width + 1) if self.width % n == 0)
            raise ValueError(
                f"heads is {self.heads}, and width {self.width} is not a multiple of it; "
                f"use {allowed}"
            )
        return self


class TransformerConfig(EncoderConfig):
    """The architecture of `TransformerPredictor`."""

    pooling: Literal["last", "mean", "attention", "learned"] = Field(
        default="last",
        description="what stands for the window: its newest moment, the mean of all, "
        "an attention-weighted mean, or the three by weights that are learned",
    )


class MultiHeadConfig(EncoderConfig):
    """The architecture of `MultiHeadPredictor`; `heads` also counts those of each horizon."""


class CrossTimeframeConfig(EncoderConfig):
    """The architecture of `CrossTimeframeTransformer`; `layers` are those of the base window."""

    bars: SlowerBars = Field(
        default_factory=lambda: dict(DEFAULT_BARS),
        min_length=1,
        description="closed bars of each slower timeframe that the model looks at",
    )
    slower_layers: int = Field(
        default=1, ge=1, le=32, description="layers of self-attention of each slower timeframe"
    )
    fusions: int = Field(
        default=1, ge=1, le=8, description="how often the newest moment asks all timeframes"
    )

    @property
    def slower(self) -> dict[str, int]:
        return self.bars


TRANSFORMER_SMALL = TransformerConfig(
    width=48, heads=2, layers=2, feed_forward=96, head=24, dropout=0.2
)
TRANSFORMER_FULL = TransformerConfig(
    width=384, heads=6, layers=4, feed_forward=1808, head=128, dropout=0.2
)
MULTI_HEAD_SMALL = MultiHeadConfig(
    width=32, heads=2, layers=1, feed_forward=64, head=24, dropout=0.2
)
MULTI_HEAD_FULL = MultiHeadConfig(
    width=384, heads=6, layers=3, feed_forward=1888, head=128, dropout=0.2
)
CROSS_TIMEFRAME_SMALL = CrossTimeframeConfig(
    width=32, heads=2, layers=1, feed_forward=64, head=24, dropout=0.2
)
CROSS_TIMEFRAME_FULL = CrossTimeframeConfig(
    width=256, heads=4, layers=3, feed_forward=1040, head=128, fusions=2, dropout=0.2
)


def _entry(
    name: str,
    module: str,
    config: type[ModelConfig],
    presets: tuple[ModelConfig, ModelConfig],
) -> ModelEntry:
    small, full = presets
    path = f"crypto_nn.models.{module}:{name}"
    return ModelEntry(name, path, "transformer", config, {"small": small, "full": full})


ENTRIES = (
    _entry(
        "TransformerPredictor",
        "transformer",
        TransformerConfig,
        (TRANSFORMER_SMALL, TRANSFORMER_FULL),
    ),
    _entry(
        "MultiHeadPredictor", "multi_head", MultiHeadConfig, (MULTI_HEAD_SMALL, MULTI_HEAD_FULL)
    ),
    _entry(
        "CrossTimeframeTransformer",
        "cross_timeframe",
        CrossTimeframeConfig,
        (CROSS_TIMEFRAME_SMALL, CROSS_TIMEFRAME_FULL),
    ),
)
