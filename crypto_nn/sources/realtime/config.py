"""What a user sets of a live stream."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from crypto_nn.bars.quality import QualityConfig


class RealtimeConfig(BaseModel):
    """How long a live stream waits, how much it remembers, how often it asks again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grace_s: float = Field(
        default=10, ge=0, le=60, description="A bar is missed this long after its minute's end (s)."
    )
    confirm_after_s: float = Field(
        default=120,
        ge=0,
        description="So long after a minute's end the source's word that it has no bar is final; "
        "so long after a bar changed, it is asked which version holds (s).",
    )
    retry_first_s: float = Field(
        default=15, gt=0, description="First wait before the same hole is asked for again (s)."
    )
    retry_max_s: float = Field(default=300, gt=0, description="Longest such wait (s).")
    restart_first_s: float = Field(
        default=1, gt=0, description="First wait before a broken stream is begun anew (s)."
    )
    restart_max_s: float = Field(default=60, gt=0, description="Longest such wait (s).")
    keep_minutes: int = Field(
        default=1440, ge=10, description="Bars kept of each symbol, told and not yet told."
    )
    fetch_minutes: int = Field(
        default=7 * 1440, ge=10, description="The longest stretch asked for at once (minutes)."
    )
    buffer: int = Field(
        default=10_000,
        ge=4,
        description="Updates, and rows to be recorded, that may wait; what does not fit is "
        "forgotten, and fetched again later.",
    )
    max_skew_s: float = Field(
        default=2, gt=0, description="A clock further off than this is warned of (s)."
    )
    quality: QualityConfig = Field(
        default=QualityConfig(), description="Limits of what a bar can be."
    )

    @model_validator(mode="after")
    def _check_waits(self) -> "RealtimeConfig":
        for first, longest in (
            ("retry_first_s", "retry_max_s"),
            ("restart_first_s", "restart_max_s"),
        ):
            if getattr(self, first) > getattr(self, longest):
                raise ValueError(f"{first} is longer than {longest}; swap or raise the latter")
        return self
