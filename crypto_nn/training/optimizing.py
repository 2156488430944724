"""One step of the optimizer, guarded against losses that are no numbers."""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from crypto_nn.errors import ConfigError
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.losses import (
    FocalLoss,
    LabelSmoothingCrossEntropy,
    MultiHorizonLoss,
    Objective,
)
from crypto_nn.training.windows import LearningTask

_DTYPES = {"off": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def make_objective(task: LearningTask, config: TrainConfig) -> Objective:
    """The loss that the settings ask for.

    Raises:
        ConfigError: there is not one weight for each horizon.
    """
    cost: nn.Module = LabelSmoothingCrossEntropy(config.label_smoothing)
    if config.loss == "focal":
        cost = FocalLoss(config.focal_gamma, config.label_smoothing)
    num_horizons = task.classes_NH.shape[1]
    weights = config.horizon_weights or (1.0,) * num_horizons
    if len(weights) != num_horizons:
        raise ConfigError(
            f"training.horizon_weights has {len(weights)} weights for {num_horizons} horizons. "
            "Give one for each of labels.horizons, or none."
        )
    classes = MultiHorizonLoss(cost, torch.tensor(weights), task.class_weights_HC)
    return Objective(classes, config.uncertainty_weight)


class Stepper:
    """AdamW (Loshchilov & Hutter 2019) with mixed precision, clipping, and a guard against NaN."""

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        self.config = config
        self.parameters = list(model.parameters())
        self.device_type = torch.device(config.device).type
        # Only matrices are pulled towards zero; biases and norms have no excess to lose.
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.parameters if p.ndim > 1]},
            {"params": [p for p in self.parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.scaler = torch.amp.GradScaler(self.device_type, enabled=config.amp == "fp16")

    def autocast(self) -> AbstractContextManager[None]:
        """Reduced precision where the settings ask for it."""
        dtype = _DTYPES[self.config.amp]
        return torch.autocast(self.device_type, dtype, enabled=self.config.amp != "off")

    def step(self, losses: Sequence[Tensor], learning_rate: float) -> float | None:
        """Descend along the mean of the losses; return it, or None where nothing was done.

        Nothing is done where a loss or the gradient is no number.
        """
        loss = torch.stack(list(losses)).mean()
        value = loss.item()
        self.optimizer.zero_grad(set_to_none=True)
        if not math.isfinite(value):
            return None
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        if not self.scaler.is_enabled() and not norm.isfinite():
            return None
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.scaler.step(self.optimizer)  # with fp16, leaves out steps that overflowed by itself
        self.scaler.update()
        return value


class AveragedWeights:
    """An exponential average of the weights over steps (Polyak & Juditsky 1992); may be off."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {}
        if decay:
            self.weights = {n: p.detach().clone() for n, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        for name, weight in model.named_parameters():
            if name in self.weights:
                self.weights[name].lerp_(weight, 1 - self.decay)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The model with averaged weights, for the time of the block."""
        own = {name: p.detach().clone() for name, p in model.named_parameters()}
        self._put(model, self.weights)
        try:
            yield
        finally:
            if self.weights:
                self._put(model, own)

    @torch.no_grad()
    def _put(self, model: nn.Module, weights: dict[str, Tensor]) -> None:
        for name, parameter in model.named_parameters():
            if name in weights:
                parameter.copy_(weights[name])

    def tensors(self) -> dict[str, Tensor]:
        return {f"average.{name}": tensor for name, tensor in self.weights.items()}

    def load(self, weights: dict[str, Tensor]) -> None:
        for name, tensor in weights.items():
            self.weights[name].copy_(tensor)
