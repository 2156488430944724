"""The same training in Lightning; apart, so that it loads only where it is asked for."""

import logging
import warnings
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from crypto_nn.training.config import TrainConfig
from crypto_nn.training.objective import make_objective
from peers.loops import Setting, unpacked


class Module(pl.LightningModule):
    """What a Lightning user writes of our model and loss."""

    def __init__(self, setting: Setting, model: nn.Module) -> None:
        super().__init__()
        self.setting, self.model = setting, model
        self.objective = make_objective(setting.task, setting.config)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        windows, answers = unpacked(self.setting.task, batch)
        return self.objective(self.model(windows), answers)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        config = self.setting.config
        return torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=0.01
        )


class Stopwatch(pl.Callback):
    """Times all batches but the first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.started, self.seconds = clock, 0.0, 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, out: Any, batch: Any, index: int
    ) -> None:
        if index == 0:
            self.started = self.clock()
        self.seconds = self.clock() - self.started


def trainer(watch: Stopwatch, batches: int, precision: Any, config: TrainConfig) -> pl.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    return pl.Trainer(
        accelerator="cpu" if config.device == "cpu" else "gpu",
        devices=1,
        precision=precision,
        max_epochs=1,
        limit_train_batches=batches,
        gradient_clip_val=config.clip_norm,
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
