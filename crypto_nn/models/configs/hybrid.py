"""Settings of the hybrid family: an LSTM and attention in one model."""

from pydantic import Field

from crypto_nn.models.configs.bars import DEFAULT_BARS, SlowerBars
from crypto_nn.models.configs.transformer import EncoderConfig
from crypto_nn.models.entry import ModelEntry


class HybridConfig(EncoderConfig):
    """The architecture of `HybridLSTMTransformer`; `width` is that of both branches."""

    lstm_layers: int = Field(ge=1, le=8, description="LSTMs on top of each other")


class AdaptiveHybridConfig(HybridConfig):
    """The architecture of `AdaptiveHybridModel`."""

    attention: int = Field(ge=1, description="size of the layer that scores moments of the window")


class MultiScaleConfig(AdaptiveHybridConfig):
    """The architecture of `MultiScaleHybrid`; `layers` are those of each slower timeframe."""

    bars: SlowerBars = Field(
        default_factory=lambda: dict(DEFAULT_BARS),
        min_length=1,
        description="closed bars of each slower timeframe that the model looks at",
    )

    @property
    def slower(self) -> dict[str, int]:
        return self.bars


_SMALL = HybridConfig(
    width=32, lstm_layers=1, layers=1, heads=2, feed_forward=64, head=24, dropout=0.2
)
_FULL = HybridConfig(
    width=384, lstm_layers=2, layers=3, heads=6, feed_forward=1216, head=128, dropout=0.2
)
_ADAPTIVE_SMALL = AdaptiveHybridConfig(**_SMALL.model_dump(), attention=24)
_ADAPTIVE_FULL = AdaptiveHybridConfig(
    **_FULL.model_dump() | {"layers": 4, "feed_forward": 1408}, attention=128
)
_SCALES_SMALL = MultiScaleConfig(**_SMALL.model_dump(), attention=24)
_SCALES_FULL = MultiScaleConfig(
    **_FULL.model_dump() | {"layers": 1, "feed_forward": 1664}, attention=128
)

ENTRIES = (
    ModelEntry(
        "HybridLSTMTransformer",
        "crypto_nn.models.hybrid:HybridLSTMTransformer",
        "hybrid",
        HybridConfig,
        {"small": _SMALL, "full": _FULL},
    ),
    ModelEntry(
        "AdaptiveHybridModel",
        "crypto_nn.models.adaptive_hybrid:AdaptiveHybridModel",
        "hybrid",
        AdaptiveHybridConfig,
        {"small": _ADAPTIVE_SMALL, "full": _ADAPTIVE_FULL},
    ),
    ModelEntry(
        "MultiScaleHybrid",
        "crypto_nn.models.multi_scale:MultiScaleHybrid",
        "hybrid",
        MultiScaleConfig,
        {"small": _SCALES_SMALL, "full": _SCALES_FULL},
    ),
)
