"""What a user sets about features."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Group = Literal[
    "returns", "momentum", "trend", "volatility", "volume", "candle", "clock", "slow"
]  # fmt: skip
GROUPS: tuple[Group, ...] = (
    "returns", "momentum", "trend", "volatility", "volume", "candle", "clock", "slow"
)  # fmt: skip


class FeatureConfig(BaseModel):
    """Which features are computed, and what a hole in the bars does to them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_gap_minutes: int = Field(
        default=5,
        ge=0,
        le=1440,
        description="After more missing minutes than this, features start anew and are null for "
        "their warm-up; over fewer, the bars count as consecutive.",
    )
    slow_bar_min_share: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="A 5m, 15m or 1h bar counts where at least this share of its minutes is there.",
    )
    groups: tuple[Group, ...] = Field(
        default=GROUPS,
        min_length=1,
        description="Which groups of features to include; `slow` are those at 5m, 15m and 1h.",
    )
