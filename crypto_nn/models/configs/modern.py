"""Settings of the modern baselines: networks that newer work measures others against."""

from typing import Literal

from pydantic import Field

from crypto_nn.models.configs.base import ModelConfig
from crypto_nn.models.configs.transformer import EncoderConfig
from crypto_nn.models.entry import ModelEntry


class DLinearConfig(ModelConfig):
    """The architecture of `DLinear`."""

    kernel: int = Field(default=25, ge=2, description="moments of the moving average: the trend")
    steps: int = Field(ge=1, description="numbers that each feature's window is mapped to")
    individual: bool = Field(
        default=False, description="every feature has its own map over time; else one for all"
    )
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="share of activations dropped")


class TCNConfig(ModelConfig):
    """The architecture of `TCN`."""

    width: int = Field(ge=1, description="channels of every convolution")
    kernel: int = Field(default=3, ge=2, description="moments that one convolution looks at")
    levels: int = Field(
        ge=1, le=12, description="residual blocks; each looks twice as far apart as the last"
    )
    head: int = Field(ge=1, description="size of the hidden layer of each horizon's head")
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="share of activations dropped")

    @property
    def sees(self) -> int:
        """Moments that the newest state depends on."""
        return 1 + 2 * (self.kernel - 1) * (2**self.levels - 1)


class PatchTSTConfig(EncoderConfig):
    """The architecture of `PatchTST`."""

    positions: Literal["sinusoidal", "learned"] = Field(
        default="learned", description="how a patch's age is told: by formula, or learned"
    )
    patch: int = Field(default=16, ge=1, description="moments that are read as one")
    stride: int = Field(default=8, ge=1, description="moments from one patch to the next")
    channels: int | None = Field(
        default=None,
        ge=1,
        description="learned mixtures of the features that are read instead of them; "
        "null: every feature on its own, as in the paper, for much more time",
    )
    summary: int = Field(ge=1, description="numbers that each channel's patches are mapped to")


D_LINEAR_SMALL = DLinearConfig(steps=32, dropout=0.2)
D_LINEAR_FULL = DLinearConfig(steps=32, individual=True, dropout=0.2)
TCN_SMALL = TCNConfig(width=32, levels=5, head=24, dropout=0.2)
TCN_FULL = TCNConfig(width=256, levels=6, head=128, dropout=0.2)
PATCH_TST_SMALL = PatchTSTConfig(
    width=32,
    heads=2,
    layers=2,
    feed_forward=64,
    channels=6,
    summary=16,
    head=24,
    dropout=0.2,
)
PATCH_TST_FULL = PatchTSTConfig(
    width=128, heads=8, layers=3, feed_forward=256, summary=16, head=128, dropout=0.2
)

ENTRIES: tuple[ModelEntry, ...] = (
    ModelEntry(
        "DLinear",
        "crypto_nn.models.d_linear:DLinear",
        "modern",
        DLinearConfig,
        {"small": D_LINEAR_SMALL, "full": D_LINEAR_FULL},
    ),
    ModelEntry(
        "TCN",
        "crypto_nn.models.tcn:TCN",
        "modern",
        TCNConfig,
        {"small": TCN_SMALL, "full": TCN_FULL},
    ),
    ModelEntry(
        "PatchTST",
        "crypto_nn.models.patch_tst:PatchTST",
        "modern",
        PatchTSTConfig,
        {"small": PATCH_TST_SMALL, "full": PATCH_TST_FULL},
    ),
)
