"""Who trains: one process, or several that share each batch."""

import hashlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor, nn

from crypto_nn import environment
from crypto_nn.errors import ConfigError
from crypto_nn.training.checkpoints import CheckpointFolder
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.distributed import Place, joined
from crypto_nn.training.identity import LENGTH, OF_THE_MACHINE, digest, to_bytes
from crypto_nn.training.launching import Job, train_in_processes
from crypto_nn.training.loop import Fitted, fit
from crypto_nn.training.progress import ProgressListener
from crypto_nn.training.windows import LearningTask, WindowTensors

# Settings with which a training may go on elsewhere: what it learns is the same, its bits may not
# be.
_ELSEWHERE = OF_THE_MACHINE | {"device", "threads", "processes"}


class Trainer:
    """Trains a model in this process.

    Example:
        >>> fitted = Trainer(TrainConfig(max_epochs=3)).fit(model, task)
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def fit(
        self,
        model: nn.Module,
        task: LearningTask,
        folder: Path | CheckpointFolder | None = None,
        progress: bool | ProgressListener = False,
    ) -> Fitted:
        """Train a freshly initialised model; afterwards it has its last weights.

        Args:
            model: learns in place. The best weights are in what is returned.
            task: what it learns from.
            folder: where checkpoints are kept. Training that was stopped there goes on, on
                another device or with another number of processes, too.
            progress: True for a bar on the terminal, or a function that is told of each step.

        Raises:
            ConfigError: this machine does not have the device of the settings.
            TrainingError: there is nothing to learn from, `folder` has checkpoints of another
                model, task or settings, or training failed; see `fit`.
            TrainingInterrupted: a signal asked to stop; a checkpoint was written.
        """
        check_device(self.config)
        checkpoints = self._checkpoints(folder, model, task)
        return fit(model, task, self.config, checkpoints, progress)

    def _checkpoints(
        self, folder: Path | CheckpointFolder | None, model: nn.Module, task: LearningTask
    ) -> CheckpointFolder | None:
        if not isinstance(folder, Path):
            return folder
        identity = training_identity(model, task, self.config)
        return CheckpointFolder(folder, identity, self.config.keep_checkpoints)


class DistributedTrainer(Trainer):
    """Trains a model in several processes, each of which answers its share of every batch.

    It starts `processes` processes on this machine, or, in a program that torchrun started,
    joins the others that torchrun started, on any number of machines. With the same batches,
    they learn what one process would, up to rounding. Processes on CPUs talk through gloo; with
    device "cuda" each has a GPU of its own and they talk through NCCL.

    A program that starts processes must be importable without starting any: put what it does
    under `if __name__ == "__main__":`.
    """

    def __init__(self, config: TrainConfig, start: str = "spawn") -> None:
        super().__init__(config)
        self.start = start

    def fit(
        self,
        model: nn.Module,
        task: LearningTask,
        folder: Path | CheckpointFolder | None = None,
        progress: bool | ProgressListener = False,
    ) -> Fitted:
        """Train as `Trainer.fit` does.

        Raises:
            TrainingError: also where a process died or no longer answered. The others are then
                stopped, and the newest checkpoint is whole.
        """
        check_device(self.config)
        job = Job(model, task, self.config, self._checkpoints(folder, model, task))
        place = environment.torchrun()
        if place is None:
            return train_in_processes(job, progress, self.start)
        with joined(Place(*place), self.config) as ranks:
            config = self.config.model_copy(update={"device": ranks.device})
            return fit(model, task, config, job.checkpoints, progress, ranks)


def create_trainer(config: TrainConfig) -> Trainer:
    """The trainer that the settings, or torchrun, ask for."""
    if config.processes > 1 or environment.torchrun():
        return DistributedTrainer(config)
    return Trainer(config)


def training_identity(model: nn.Module, task: LearningTask, config: TrainConfig) -> str:
    """Whose checkpoints may be gone on from: a hash of model, task and settings.

    Of the model count its class, the names and shapes of what it holds and which weights learn;
    of the task every row and answer; of the settings those that decide what is learned.
    """
    facts = {
        "settings": config.model_dump(mode="json", exclude=set(_ELSEWHERE)),
        "model": type(model).__qualname__,
        "weights": {name: list(tensor.shape) for name, tensor in model.state_dict().items()},
        "learn": sorted(name for name, w in model.named_parameters() if w.requires_grad),
        "inputs": repr(task.inputs),
        "horizons": list(task.horizons),
        "task": _task_hash(task),
    }
    return digest(facts)[:LENGTH]


def _task_hash(task: LearningTask) -> str:
    seen = hashlib.sha256()
    for owner in (task.windows, task):
        for name, tensor in _tensors(owner):
            seen.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            seen.update(to_bytes(tensor.detach().cpu().numpy()))
    return seen.hexdigest()


def _tensors(owner: LearningTask | WindowTensors) -> Iterator[tuple[str, Tensor]]:
    for field in fields(owner):
        value = getattr(owner, field.name)
        if isinstance(value, Tensor):
            yield field.name, value


def check_device(config: TrainConfig) -> None:
    """Stop before anything is done where this machine does not have the device.

    Raises:
        ConfigError: there is no such device.
    """
    kind, _, number = config.device.partition(":")
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": torch.backends.mps.is_available()}
    if int(number or 0) < there.get(kind, 0) or kind == "cpu":
        return
    found = [name for name, count in there.items() if count]
    gpus = f" (cuda:0 to cuda:{there['cuda'] - 1})" if there["cuda"] else ""
    raise ConfigError(
        f"training.device is {config.device}, and torch {torch.__version__} finds here "
        f"{', '.join(found)}{gpus}. Choose one of these, or install a torch for that device and "
        "its driver."
    )
