"""Who trains: one process, or several that share each batch."""

import hashlib
from pathlib import Path

from torch import nn

from crypto_nn import environment
from crypto_nn.training.checkpoints import CheckpointFolder
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.distributed import Place, joined
from crypto_nn.training.launching import Job, train_in_processes
from crypto_nn.training.loop import Fitted, fit
from crypto_nn.training.progress import ProgressListener
from crypto_nn.training.windows import LearningTask

# Settings that change where and how fast a training runs, but not what it learns.
_OF_THE_MACHINE = frozenset(
    {"device", "threads", "processes", "processes_timeout_s", "checkpoint_steps",
     "keep_checkpoints"}
)  # fmt: skip


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
            folder: where checkpoints are kept. Training that was stopped there goes on.
            progress: True for a bar on the terminal, or a function that is told of each step.

        Raises:
            TrainingError: there is nothing to learn from, or training failed; see `fit`.
            TrainingInterrupted: a signal asked to stop; a checkpoint was written.
        """
        return fit(model, task, self.config, self._checkpoints(folder), progress)

    def _checkpoints(self, folder: Path | CheckpointFolder | None) -> CheckpointFolder | None:
        if not isinstance(folder, Path):
            return folder
        settings = self.config.model_dump_json(exclude=set(_OF_THE_MACHINE))
        identity = hashlib.sha256(settings.encode()).hexdigest()[:16]
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
        job = Job(model, task, self.config, self._checkpoints(folder))
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
