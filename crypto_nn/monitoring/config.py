"""When a day counts as drift: what a user sets."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DriftConfig(BaseModel):
    """When a day counts as drift."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="False alarms per report, all columns together.",
    )
    evidently: bool = Field(
        default=True,
        description="Evidently's page for people is made beside each report; it decides nothing, "
        "and takes some seconds.",
    )
    threshold: float = Field(
        default=1.0,
        gt=0,
        description="drift_score above which is drift; 1 is the level alpha.",
    )
    min_effect: float = Field(
        default=0.1, ge=0, description="Smallest move that matters, in standard deviations."
    )
    reference_days: int = Field(
        default=119, ge=1, description="The most recent days before the day to compare it with."
    )
    min_reference_days: int = Field(
        default=30, ge=1, description="With fewer reference days there is no decision."
    )
    season: Literal["weekend", "all"] = Field(
        default="weekend",
        description="Rank weekends among weekends and weekdays among weekdays, where there are "
        "min_reference_days of them; or rank each day among all days.",
    )
    max_rows_per_day: int = Field(
        default=1440, ge=1, description="Longer days are thinned to every k-th row."
    )
    min_rows: int = Field(
        default=30,
        ge=1,
        description="Fewest values with which a column's day is compared.",
    )
    min_day_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Days with a smaller share of the median day's rows are not compared.",
    )
    min_column_share: float = Field(
        default=0.8, ge=0, le=1, description="A column must have values on this share of the days."
    )
    max_categories: int = Field(
        default=12,
        ge=1,
        description="Most distinct values of a categorical column.",
    )
    power_days: int = Field(
        default=5,
        ge=0,
        description="Days on which power is measured; 0 for none.",
    )
