"""When the platform works by itself: what a user sets."""

from pydantic import BaseModel, ConfigDict, Field


class AutomationConfig(BaseModel):
    """When the platform works by itself. All times are UTC cron lines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="Schedules and sensors run from the start.")
    refresh_bars: str = Field(default="5 * * * *", description="When new bars are fetched.")
    refill_gaps: str = Field(
        default="35 * * * *", description="When gaps that are due are asked for again."
    )
    nightly_retraining: str = Field(default="30 2 * * *", description="When models retrain.")
    predict: str = Field(default="45 3 * * *", description="When champions predict.")
    watch: str = Field(default="30 1 * * *", description="When yesterday is tested for drift.")
    judge: str = Field(
        default="15 3 * * *", description="When a challenger is compared with its champion."
    )
    skew: str = Field(
        default="30 4 * * *", description="When what was predicted is computed again."
    )
    upkeep: str = Field(default="15 5 * * 0", description="When the lake is tidied up.")
    controls: str = Field(
        default="45 5 * * 0", description="When the benchmark judges what has a known answer."
    )
    keep_versions: int = Field(
        default=60,
        ge=1,
        description="Newest versions of a universe that upkeep leaves on disk; "
        "the best, and all that ever answered, stay too.",
    )
    drift_catch_up_days: int = Field(
        default=60,
        ge=1,
        le=400,
        description="How many missed days of drift reports are made up for.",
    )
