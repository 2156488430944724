"""What a user sets about the benchmark."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Sizing = Literal["sign", "class", "confidence"]


class BenchmarkConfig(BaseModel):
    """Who competes, on which test rows, at which costs, and how sure one wants to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = Field(
        default=(),
        description="Further models beside the configured one, as NAME or NAME:PRESET.",
    )
    baselines: tuple[str, ...] = Field(
        default=(),
        description="Names of the baselines to run; empty means all of them.",
    )
    seeds: tuple[int, ...] = Field(
        default=(0,), min_length=1, description="Each neural model is trained once per seed."
    )
    test_stride: int = Field(
        default=5, ge=1, le=1440, description="Every how many minutes a test row is scored."
    )
    costs_bps: tuple[float, ...] = Field(
        default=(0.0, 2.0, 5.0, 10.0, 20.0),
        min_length=1,
        description="Round-trip costs (fees + slippage) to trade at, in basis points.",
    )
    headline_cost_bps: float = Field(
        default=10.0, ge=0, description="The cost of the leaderboard's Sharpe ratio."
    )
    sizing: Sizing = Field(
        default="sign",
        description=(
            "sign: one unit long or short by p(up) - p(down); class: flat where flat is predicted; "
            "confidence: p(up) - p(down) units."
        ),
    )
    resamples: int = Field(
        default=1000, ge=100, le=100_000, description="Bootstrap resamples of whole days."
    )
    level: float = Field(default=0.95, gt=0.5, lt=1, description="Confidence level of intervals.")
    min_days: int = Field(
        default=10, ge=2, description="With fewer test days no interval and no verdict is given."
    )
    bootstrap_seed: int = Field(default=0, ge=0, description="Seed of the resampling.")
    refit_k: bool = Field(
        default=True,
        description="Volatility labels: in each fold a third of its training rows is flat. "
        "Off, and for other kinds of labels: the classes of the table `labels`.",
    )
    permute_labels: bool = Field(
        default=False,
        description="Control run: whole days of labels are shuffled before training and scoring, "
        "so that nothing can be learned.",
    )

    @field_validator("costs_bps")
    @classmethod
    def _ascending(cls, costs: tuple[float, ...]) -> tuple[float, ...]:
        if any(cost < 0 for cost in costs) or list(costs) != sorted(set(costs)):
            raise ValueError(f"costs_bps is {costs}; ascending costs from 0 up are due")
        return costs

    @model_validator(mode="after")
    def _headline_is_traded(self) -> Self:
        if self.headline_cost_bps not in self.costs_bps:
            raise ValueError(
                f"headline_cost_bps is {self.headline_cost_bps:g}; one of costs_bps is due: "
                f"{', '.join(f'{cost:g}' for cost in self.costs_bps)}"
            )
        return self
