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
    alarms_per_year: int = Field(
        default=24,
        ge=0,
        description="Episodes of drift of a symbol that are told one by one in any 365 days; "
        "further ones share one alert a month. A report says drifted in any case.",
    )
    evidently: bool = Field(
        default=True,
        description="Evidently's page and JSON for people are made beside each report; they "
        "decide nothing, and take some seconds.",
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
    ignore: tuple[str, ...] = Field(
        default=(),
        description="Columns that take no part in drift. Those of features that tell the time "
        "alone never do.",
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
        description="A day with a smaller share of the median reference day's rows is not "
        "compared; nor a reference day, once cut to the minutes that the day has.",
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
