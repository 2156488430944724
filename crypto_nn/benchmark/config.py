"""What a user sets about the benchmark."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crypto_nn.bars.calendar import check_month

Sizing = Literal["sign", "class", "confidence"]
Refit = Literal["splits", "monthly", "quarterly"]


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
    baseline_epochs: int | None = Field(
        default=None,
        ge=1,
        description="Epochs, at most, of baselines that are networks; those of training if null.",
    )
    seeds: tuple[int, ...] = Field(
        default=(0,), min_length=1, description="Each neural model is trained once per seed."
    )
    finalists: int = Field(
        default=0,
        ge=0,
        description="So many models, the best on validation rows, are trained with "
        "`finalist_seeds` too.",
    )
    finalist_seeds: tuple[int, ...] = Field(
        default=(1, 2), description="Further seeds of the finalists."
    )
    ensemble: bool = Field(
        default=True,
        description="Where several networks compete, the mean of all their answers does too.",
    )
    refit: Refit = Field(
        default="splits",
        description="splits: the folds of the asset `splits`; monthly, quarterly: a fold for each "
        "month or three months from `first_test` to `last_test`.",
    )
    first_test: str | None = Field(
        default=None,
        description="monthly, quarterly: first month of the test; the first with enough history.",
    )
    last_test: str | None = Field(
        default=None, description="monthly, quarterly: last month of the test; the last whole one."
    )
    history_days: int = Field(
        default=180,
        ge=3,
        description="monthly, quarterly: days before each test to learn, stop and calibrate on; "
        "the least where splits.layout is expanding.",
    )
    workers: int = Field(
        default=1, ge=1, description="Processes that train and answer side by side."
    )
    speed: Literal["none", "networks", "all"] = Field(
        default="networks",
        description="Whose latency and memory are measured: nobody's, that of networks, or that of "
        "baselines too. Once for each code, settings and machine.",
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

    @field_validator("seeds", "finalist_seeds")
    @classmethod
    def _each_seed_once(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds) or min(seeds, default=0) < 0:
            raise ValueError(f"seeds are {list(seeds)}; different ones from 0 up are due")
        return seeds

    @field_validator("baselines", "models")
    @classmethod
    def _each_name_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"{', '.join(names)}: a name is there twice; name each once")
        return names

    @field_validator("first_test", "last_test")
    @classmethod
    def _months(cls, month: str | None) -> str | None:
        return month if month is None else check_month(month)

    @field_validator("costs_bps")
    @classmethod
    def _ascending(cls, costs: tuple[float, ...]) -> tuple[float, ...]:
        if any(cost < 0 for cost in costs) or list(costs) != sorted(set(costs)):
            raise ValueError(f"costs_bps is {costs}; ascending costs from 0 up are due")
        return costs

    @model_validator(mode="after")
    def _test_is_in_order(self) -> Self:
        if self.first_test and self.last_test and self.last_test < self.first_test:
            raise ValueError(
                f"last_test {self.last_test} is before first_test {self.first_test}; swap them"
            )
        if self.refit == "splits" and (self.first_test or self.last_test):
            raise ValueError(
                "first_test and last_test are for refit monthly or quarterly, and refit is splits; "
                "set one of those, or leave the months out"
            )
        return self

    @model_validator(mode="after")
    def _headline_is_traded(self) -> Self:
        if self.headline_cost_bps not in self.costs_bps:
            raise ValueError(
                f"headline_cost_bps is {self.headline_cost_bps:g}; one of costs_bps is due: "
                f"{', '.join(f'{cost:g}' for cost in self.costs_bps)}"
            )
        return self
