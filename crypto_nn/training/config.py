"""What a user sets about training. Free of torch, so that settings load fast."""

import re
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crypto_nn.errors import ConfigError

_DEVICE = re.compile(r"(cpu|cuda|mps)(:\d+)?")


class TrainConfig(BaseModel):
    """How a model learns: what it sees in an epoch, which loss, which steps, when it stops."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    window: int = Field(
        default=48, ge=2, le=1440, description="bars that a model looks back on, minutes"
    )
    stride: int = Field(
        default=1, ge=1, description="use every so-manieth window, from a random first one"
    )
    max_windows: int = Field(
        default=20_000, ge=1, description="windows drawn for one epoch, at most"
    )
    balance_symbols: bool = Field(
        default=False, description="draw each symbol of a universe equally often, however long"
    )
    max_validation_windows: int = Field(
        default=20_000, ge=1, description="windows of the validation loss, evenly spaced, at most"
    )
    max_epochs: int = Field(default=8, ge=1, description="epochs, at most")
    batch_size: int = Field(default=256, ge=1, description="windows in one forward pass")
    accumulate: int = Field(default=1, ge=1, description="batches that are summed up for one step")

    learning_rate: float = Field(default=5e-4, gt=0, description="highest learning rate of AdamW")
    weight_decay: float = Field(
        default=0.01, ge=0, description="pull of weight matrices towards zero"
    )
    clip_norm: float = Field(
        default=1.0, gt=0, description="longest gradient; longer ones are cut to it"
    )
    schedule: Literal["cosine", "plateau", "step", "constant"] = Field(
        default="cosine", description="how the learning rate falls after the warm-up"
    )
    warm_up: float = Field(
        default=0.05, ge=0, lt=1, description="share of all steps with a rising rate"
    )
    step_epochs: int = Field(default=5, ge=1, description="step: epochs until the rate falls")
    plateau_epochs: int = Field(
        default=2, ge=1, description="plateau: epochs without gain until it falls"
    )
    factor: float = Field(
        default=0.5, gt=0, lt=1, description="step, plateau: what the rate falls by"
    )
    final_share: float = Field(
        default=0.05, ge=0, le=1, description="cosine: last rate by the highest"
    )
    ema_decay: float = Field(
        default=0.99, ge=0, lt=1, description="memory of the averaged weights per step; 0 is off"
    )

    loss: Literal["cross_entropy", "focal"] = Field(
        default="cross_entropy", description="loss of a class"
    )
    focal_gamma: float = Field(
        default=2.0, ge=0, description="focal: how far easy windows are set back"
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of a label spread evenly"
    )
    class_weights: bool = Field(
        default=False, description="weigh classes by their rarity in training"
    )
    horizon_weights: dict[int, float] | None = Field(
        default=None,
        description="weight of the loss at a horizon, by its minutes; those not named weigh 1",
    )
    trading_weight: float = Field(
        default=0.0, ge=0, description="weight of the loss of trading on the answers; 0 is off"
    )
    trading_cost_bps: float = Field(
        default=2.0,
        ge=0,
        description="trading: fee and slippage of opening and closing a position, basis points",
    )
    directional_penalty: float = Field(
        default=0.5,
        ge=0,
        description="trading: fine for a position against a move larger than its cost",
    )
    uncertainty_weight: float = Field(
        default=0.1, ge=0, description="weight of the loss of the predicted variance"
    )

    stop_on: Literal["loss", "accuracy"] = Field(
        default="loss",
        description="what chooses the best epoch: validation loss, or balanced accuracy",
    )
    patience: int = Field(default=10, ge=1, description="epochs without a better one to wait")
    min_gain: float = Field(default=0.0, ge=0, description="smallest gain in it that counts as one")
    max_skipped: int = Field(
        default=10, ge=0, description="steps with a loss that is no number to skip before giving up"
    )

    pretrained: str | None = Field(
        default=None, description="version whose weights training begins from; none if null"
    )
    freeze: Literal["nothing", "backbone"] = Field(
        default="nothing",
        description="what of a pretrained version stays as it is; heads and symbols never do",
    )

    seed: int = Field(
        default=0, ge=0, description="seed of first weights, order of windows and dropout"
    )
    device: str = Field(default="cpu", description="torch device: cpu, cuda, cuda:1 or mps")
    threads: int | None = Field(
        default=1, ge=1, description="CPU threads; as many as torch likes if null"
    )
    processes: int = Field(
        default=1, ge=1, description="processes that share each batch; with cuda, one per GPU"
    )
    processes_timeout_s: int = Field(
        default=300, ge=1, description="processes: how long one waits for another, seconds"
    )
    amp: Literal["off", "bf16", "fp16"] = Field(
        default="off", description="reduced precision of forward"
    )
    checkpoint_steps: int = Field(
        default=200, ge=1, description="steps between checkpoints; one is made after each epoch too"
    )
    keep_checkpoints: int = Field(
        default=2, ge=2, description="newest checkpoints that stay on disk"
    )

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        if not _DEVICE.fullmatch(device):
            raise ValueError(
                f"{device!r} is no device of torch; cpu, cuda or mps is due, or cuda:1 for the "
                "second GPU. Use cuda where there is an NVIDIA GPU, mps on a Mac, else cpu"
            )
        return device

    @property
    def device_type(self) -> str:
        """What kind of device it is: cpu, cuda or mps."""
        return self.device.partition(":")[0]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.amp == "fp16" and self.device_type == "cpu":
            raise ValueError(f"amp fp16 needs a GPU; use bf16 or off where device is {self.device}")
        if self.freeze != "nothing" and self.pretrained is None:
            raise ValueError(
                f"freeze is {self.freeze!r} without pretrained, so that first weights would stay; "
                "name a version, or use nothing"
            )
        if self.batch_size < self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} gives {self.processes} processes nothing to share; "
                f"make it {self.processes} or more"
            )
        for minutes, weight in (self.horizon_weights or {}).items():
            if weight < 0:
                raise ValueError(f"horizon_weights.{minutes} is {weight}; a number from 0 is due")
        return self

    def weights_of(self, horizons: Sequence[int]) -> tuple[float, ...]:
        """The weight of each of these horizons, which are minutes.

        Raises:
            ConfigError: `horizon_weights` names another horizon, or leaves all of them without.
        """
        named = self.horizon_weights or {}
        there = ", ".join(map(str, horizons))
        unknown = [minutes for minutes in named if minutes not in horizons]
        if unknown:
            raise ConfigError(
                f"training.horizon_weights names {', '.join(map(str, unknown))} minutes; "
                f"labels.horizons are {there}. Name horizons of these, or add to them"
            )
        weights = tuple(named.get(minutes, 1.0) for minutes in horizons)
        if not sum(weights) > 0:
            raise ConfigError(
                f"training.horizon_weights gives 0 to each of the horizons {there}; nothing would "
                "be learned. Give one of them more"
            )
        return weights
