"""How a model learns: losses, one loop, schedules, stopping, checkpoints, versions."""

from crypto_nn.training.config import TrainConfig
from crypto_nn.training.record import EpochRecord, Lineage, Recipe, TrainedVersion

__all__ = ["EpochRecord", "Lineage", "Recipe", "TrainConfig", "TrainedVersion"]
