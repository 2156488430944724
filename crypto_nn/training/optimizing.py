"""One step of the optimizer, guarded against losses that are no numbers."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from crypto_nn.training.config import TrainConfig

_DTYPES = {"off": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this part of the loss to that of the parts before."""
        torch.autograd.backward(self.scaler.scale(loss))

    def step(self, loss: Tensor, learning_rate: float) -> float | None:
        """Descend along the gradient of the loss; return it, or None where nothing was done.

        Nothing is done where the loss or the gradient is no number.
        """
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm, foreach=True)
        # One look at both: on a GPU each look waits for all that was asked of it before.
        value, length = torch.stack((loss.float(), norm.float())).tolist()
        if not math.isfinite(value):
            self.scaler.update(self.scaler.get_scale())
        elif self.scaler.is_enabled() or math.isfinite(length):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate
            self.scaler.step(self.optimizer)  # with fp16, leaves out overflowed steps by itself
            self.scaler.update()
        else:
            value = math.nan
        self.optimizer.zero_grad(set_to_none=True)
        return value if math.isfinite(value) else None


class AveragedWeights:
    """An exponential average of the weights over steps (Polyak & Juditsky 1992); may be off."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {}
        self.own: list[Tensor] = list(model.parameters())
        if decay:
            self.weights = {n: p.detach().clone() for n, p in model.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights of the model after a step."""
        if self.weights:
            torch._foreach_lerp_(list(self.weights.values()), self.own, 1 - self.decay)

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
