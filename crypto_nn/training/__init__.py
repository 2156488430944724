"""How a model learns: losses, one loop, schedules, stopping, checkpoints, versions."""

from importlib import import_module
from typing import Any

from crypto_nn.training.config import TrainConfig
from crypto_nn.training.record import EpochRecord, Lineage, Recipe, TrainedVersion

_ROOMS = {
    "CryptoDataset": "datasets",
    "DistributedTrainer": "trainer",
    "FocalLoss": "losses",
    "LabelSmoothingCrossEntropy": "losses",
    "MultiHorizonDataset": "datasets",
    "MultiHorizonLoss": "losses",
    "Objective": "objective",
    "TimeSeriesDataModule": "data_module",
    "Trainer": "trainer",
    "TradingLoss": "losses",
    "UncertaintyLoss": "losses",
    "collate": "datasets",
    "create_trainer": "trainer",
    "train_version": "version",
}
__all__ = ["EpochRecord", "Lineage", "Recipe", "TrainConfig", "TrainedVersion", *_ROOMS]


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is asked for, so that settings load fast."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"crypto_nn.training.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return __all__
