"""What a user sets about training. Free of torch, so that settings load fast."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainConfig(BaseModel):
    """How a model learns: what it sees in an epoch, which loss, which steps, when it stops."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int = Field(
        default=48, ge=2, le=1440, description="bars that a model looks back on, minutes"
    )
    stride: int = Field(
        default=1, ge=1, description="use every so-manieth window, from a random first one"
    )
    max_windows: int = Field(
        default=20_000, ge=1, description="windows drawn for one epoch, at most"
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
    horizon_weights: tuple[float, ...] | None = Field(
        default=None, description="weight of each horizon's loss; equal where not given"
    )
    uncertainty_weight: float = Field(
        default=0.1, ge=0, description="weight of the loss of the predicted variance"
    )

    patience: int = Field(
        default=10, ge=1, description="epochs without a better validation loss to wait"
    )
    min_gain: float = Field(
        default=0.0, ge=0, description="smallest fall of the loss that counts as one"
    )
    max_skipped: int = Field(
        default=10, ge=0, description="steps with a loss that is no number to skip before giving up"
    )

    seed: int = Field(
        default=0, ge=0, description="seed of first weights, order of windows and dropout"
    )
    device: str = Field(default="cpu", description="torch device, such as cpu or cuda:0")
    threads: int | None = Field(
        default=1, ge=1, description="CPU threads; as many as torch likes if null"
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

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.amp == "fp16" and self.device == "cpu":
            raise ValueError("amp fp16 needs a GPU; use bf16 or off where device is cpu")
        if self.horizon_weights is not None and not sum(self.horizon_weights) > 0:
            raise ValueError(f"horizon_weights {self.horizon_weights} do not sum to more than 0")
        return self
