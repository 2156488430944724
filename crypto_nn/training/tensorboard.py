"""Histories as TensorBoard shows them: one run for each version."""

from collections.abc import Sequence
from pathlib import Path

from crypto_nn.errors import ConfigError
from crypto_nn.training.record import EpochRecord


def export_tensorboard(history: Sequence[EpochRecord], folder: Path) -> None:
    """Write a history as a TensorBoard run: `tensorboard --logdir` shows the folders above it.

    Curves are by epoch, and by the seconds since training began where TensorBoard shows time.

    Args:
        history: one record per epoch.
        folder: of this run alone; made where it is missing.

    Raises:
        ConfigError: TensorBoard is not installed, or the folder holds a run already.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            f"TensorBoard is not installed ({error}). Get it by "
            "`pip install 'crypto-nn[tensorboard]'`."
        ) from None
    if any(folder.glob("events.out.tfevents.*")):
        raise ConfigError(
            f"{folder} holds a TensorBoard run already, and a second one would be drawn into the "
            "same curves. Name another folder, or delete this one."
        )
    seconds = 0.0
    with SummaryWriter(str(folder)) as writer:
        for record in history:
            seconds += record.seconds
            for name, value in _curves(record).items():
                writer.add_scalar(name, value, record.epoch, walltime=seconds)


def _curves(record: EpochRecord) -> dict[str, float]:
    found = {
        "loss/train": record.train_loss,
        "loss/validation": record.validation_loss,
        "accuracy/validation": record.validation_accuracy,
        "learning_rate": record.learning_rate,
        "skipped_steps": record.skipped,
    }
    return {name: value for name, value in found.items() if value is not None}
