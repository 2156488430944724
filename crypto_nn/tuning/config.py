"""What a user sets about tuning. Free of torch and optuna, so that settings load fast."""

import math
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crypto_nn.models import MODELS
from crypto_nn.store.database.config import Variable

Number = int | float


class Range(BaseModel):
    """What one setting may be: any number from `low` to `high`, or one of `choices`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: Number | None = Field(default=None, description="Lowest value.")
    high: Number | None = Field(default=None, description="Highest value.")
    step: Number | None = Field(default=None, gt=0, description="Distance of values; any if null.")
    log: bool = Field(default=False, description="Draw evenly by the logarithm.")
    choices: tuple[Any, ...] | None = Field(default=None, description="The values themselves.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        bounds = (self.low, self.high)
        if self.choices is not None:
            if bounds != (None, None) or self.step is not None or self.log or not self.choices:
                raise ValueError("either choices (one at least) or low, high, step and log are due")
            endless = [x for x in self.choices if isinstance(x, float) and not math.isfinite(x)]
            if endless:
                raise ValueError(f"choices has {endless[0]}; finite numbers are due")
            return self
        if self.low is None or self.high is None:
            raise ValueError(f"low is {self.low} and high is {self.high}; both or choices are due")
        if not self.low < self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError(f"log needs low above 0 and no step; low is {self.low}")
        return self

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values by which the whole range is judged: both ends, or every choice."""
        return self.choices if self.choices is not None else (self.low, self.high)

    def holds(self, value: Any) -> bool:
        """Whether a value lies in the range, as the first trial must (on a step, where one is)."""
        if self.choices is not None:
            return value in self.choices
        assert self.low is not None
        assert self.high is not None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return self.low <= value <= self.high and abs(steps - round(steps)) < 1e-9


class TuningConfig(BaseModel):
    """Which settings are searched, by how many trials, and what counts as better."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    space: dict[str, Range] = Field(
        default_factory=dict,
        description="What may vary, by dotted path: training.… and model.settings.…; where none "
        "is given, learning rate, weight decay, dropout and sizes of the model.",
    )
    spaces: dict[str, dict[str, Range]] = Field(
        default_factory=dict,
        description="The space of single models, by their name; it replaces `space` there.",
    )
    training: dict[str, Any] = Field(
        default_factory=dict,
        description="Settings of `training` that are different while searching, such as fewer "
        "windows; best.yaml has those of `training`.",
    )
    trials: int = Field(default=20, ge=1, description="Trials of a study, all calls together.")
    timeout_minutes: float | None = Field(
        default=None, gt=0, description="When a call ends though trials are left; never if null."
    )
    workers: int = Field(
        default=2, ge=1, le=64, description="Processes that train, each with one thread."
    )
    sampler: Literal["tpe", "nsga2", "random"] = Field(
        default="tpe", description="What proposes settings."
    )
    pruner: Literal["median", "hyperband", "none"] = Field(
        default="median", description="What ends trials early; nothing does with objective multi."
    )
    objective: Literal["single", "multi"] = Field(
        default="single",
        description="single: validation log-loss; multi: log-loss skill against p99 latency.",
    )
    rows: Literal["nightly", "walk_forward", "before_tests"] = Field(
        default="nightly",
        description="Whose validation rows judge: those of the newest layout before the lock box, "
        "the mean over all walk-forward folds, or those of the oldest fold, which lie before every "
        "test row of the benchmark.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of what is proposed.")
    max_retries: int = Field(
        default=5,
        ge=0,
        description="How often a trial whose worker died is run again before it counts as failed.",
    )
    models: tuple[str, ...] = Field(
        default=(),
        description="Further models that are tuned, as NAME or NAME:PRESET: splits leave room for "
        "how far they look back.",
    )
    storage: Literal["journal", "postgres"] = Field(
        default="journal",
        description="Where a study is kept: a file under the home, or Postgres, which workers on "
        "several machines can share.",
    )
    storage_variable: Variable = Field(
        default="CRYPTO_NN_TUNING",
        description="Environment variable with the postgresql:// address of the studies.",
    )
    heartbeat_s: int = Field(
        default=10, ge=1, description="postgres: seconds between signs of life of a trial."
    )
    grace_s: int = Field(
        default=60, ge=2, description="postgres: seconds of silence after which it counts as dead."
    )

    def space_of(self, model: str) -> dict[str, Range]:
        """What is written out for a model; empty where its default space is meant."""
        return self.spaces.get(model, self.space)

    @field_validator("spaces")
    @classmethod
    def _of_models(cls, spaces: dict[str, dict[str, Range]]) -> dict[str, dict[str, Range]]:
        unknown = [name for name in spaces if name not in MODELS]
        if unknown:
            raise ValueError(f"model {unknown[0]!r} is not known; there are {', '.join(MODELS)}")
        return spaces

    @field_validator("models")
    @classmethod
    def _known(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        for text in models:
            name, _, preset = text.partition(":")
            if name not in MODELS:
                raise ValueError(f"model {name!r} is not known; there are {', '.join(MODELS)}")
            presets = MODELS[name].presets
            if preset and preset not in presets:
                raise ValueError(f"{name} has no preset {preset!r}; there are {', '.join(presets)}")
        return models

    @model_validator(mode="after")
    def _grace_outlasts_a_heartbeat(self) -> Self:
        if self.grace_s <= self.heartbeat_s:
            raise ValueError(f"grace_s {self.grace_s} is not above heartbeat_s {self.heartbeat_s}")
        return self
