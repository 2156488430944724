"""How the learning rate moves: a warm-up, then cosine, steps, a plateau rule, or nothing."""

import math
from collections.abc import Mapping
from typing import Any

from crypto_nn.training.config import TrainConfig


class Schedule:
    """The learning rate of each step.

    It rises linearly over the warm-up. After that: `cosine` falls along half a cosine to
    `final_share` of the highest rate (Loshchilov & Hutter 2017), `step` falls by `factor` every
    `step_epochs`, `plateau` falls by `factor` after `plateau_epochs` epochs in which the
    validation loss did not get better, `constant` stays.
    """

    def __init__(self, config: TrainConfig, steps_per_epoch: int) -> None:
        self.config = config
        self.steps_per_epoch = steps_per_epoch
        self.total_steps = steps_per_epoch * config.max_epochs
        self.warm_up_steps = round(config.warm_up * self.total_steps)
        self.plateau_share = 1.0
        self.best: float | None = None
        self.epochs_without_gain = 0

    def learning_rate(self, step: int) -> float:
        """The rate of the step with this number, counted from 0."""
        rising = min(1.0, (step + 1) / (self.warm_up_steps + 1))
        return self.config.learning_rate * rising * self._share(step)

    def _share(self, step: int) -> float:
        config = self.config
        if config.schedule == "cosine":
            span = max(1, self.total_steps - self.warm_up_steps)
            done = min(1.0, max(0, step - self.warm_up_steps) / span)
            return (
                config.final_share + (1 - config.final_share) * (1 + math.cos(math.pi * done)) / 2
            )
        if config.schedule == "step":
            return config.factor ** (step // self.steps_per_epoch // config.step_epochs)
        return self.plateau_share

    def epoch_ended(self, validation_loss: float) -> None:
        """Tell the plateau rule how the epoch went."""
        if self.config.schedule != "plateau":
            return
        if self.best is None or validation_loss < self.best:
            self.best, self.epochs_without_gain = validation_loss, 0
            return
        self.epochs_without_gain += 1
        if self.epochs_without_gain >= self.config.plateau_epochs:
            self.plateau_share *= self.config.factor
            self.epochs_without_gain = 0

    def state(self) -> dict[str, Any]:
        return {
            "plateau_share": self.plateau_share,
            "best": self.best,
            "epochs_without_gain": self.epochs_without_gain,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.plateau_share = state["plateau_share"]
        self.best = state["best"]
        self.epochs_without_gain = state["epochs_without_gain"]
