"""What a user sets about features."""

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from crypto_nn.bars.symbol import check_symbol
from crypto_nn.errors import SymbolError

Group = Literal[
    "returns", "momentum", "trend", "volatility", "volume", "regime", "candle", "clock", "slow",
    "cross",
]  # fmt: skip
GROUPS: tuple[Group, ...] = (
    "returns", "momentum", "trend", "volatility", "volume", "regime", "candle", "clock", "slow",
)  # fmt: skip
"""The groups that need the bars of one market alone: the default."""

_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


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
        description="Which groups of features to include; `slow` are those at 5m, 15m and 1h. "
        "`cross` (the market beside another) comes with `reference` and need not be listed.",
    )
    reference: str | None = Field(
        default=None,
        description="The symbol beside which every market is seen, such as BTC-USDT: adds the "
        "group `cross`. It may be the symbol itself.",
    )
    members: tuple[str, ...] = Field(
        default=(),
        description="Your own features, by import path such as `my_pkg.my_module:MY_FEATURES`: a "
        "Feature, a tuple of them, an Indicator, or a class of Indicator.",
    )

    @property
    def chosen(self) -> tuple[Group, ...]:
        """The groups in column order: those listed, and `cross` where there is a reference."""
        if self.reference is None or "cross" in self.groups:
            return self.groups
        return (*self.groups, "cross")

    @field_validator("reference")
    @classmethod
    def _symbol(cls, reference: str | None) -> str | None:
        try:
            return reference if reference is None else check_symbol(reference)
        except SymbolError as error:
            raise ValueError(f"reference: {error}") from None

    @field_validator("groups", "members")
    @classmethod
    def _once(cls, listed: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        twice = sorted({name for name in listed if listed.count(name) > 1})
        if twice:
            raise ValueError(f"{info.field_name} has {', '.join(twice)} twice; list each once")
        return listed

    @field_validator("members")
    @classmethod
    def _paths(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        for member in members:
            if not _IMPORT_PATH.fullmatch(member):
                raise ValueError(
                    f"members has {member!r}; an import path is due, module and name with a colon "
                    "between them, such as my_pkg.my_module:MY_FEATURES"
                )
        return members

    @model_validator(mode="after")
    def _cross_has_its_reference(self) -> Self:
        if "cross" in self.groups and self.reference is None:
            raise ValueError(
                "groups has `cross`, and no reference is set: set features.reference to the symbol "
                "beside which the others are seen, such as BTC-USDT, or take `cross` out"
            )
        return self
