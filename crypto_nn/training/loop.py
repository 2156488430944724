"""The one loop in which every model learns."""

import math
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from crypto_nn.errors import TrainingError
from crypto_nn.training.checkpoints import (
    CheckpointFolder,
    TrainingState,
    pack_optimizer,
    unpack_optimizer,
)
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.environment import fingerprint, log_difference, reproducible
from crypto_nn.training.learner import Learner
from crypto_nn.training.optimizing import AveragedWeights
from crypto_nn.training.progress import Progress, ProgressListener, listener
from crypto_nn.training.ranks import ALONE, Ranks
from crypto_nn.training.record import EpochRecord
from crypto_nn.training.schedules import Schedule
from crypto_nn.training.stopping import EarlyStopping, StopRequest, TrainingInterrupted
from crypto_nn.training.validation import validate
from crypto_nn.training.windows import LearningTask, sampler_of


@dataclass(frozen=True)
class Fitted:
    """What training ends with: the best weights, how it went, and the state it stopped in."""

    weights: dict[str, Tensor]
    best_epoch: int
    validation_loss: float
    history: tuple[EpochRecord, ...]
    state: TrainingState

    @classmethod
    def from_state(cls, state: TrainingState) -> "Fitted":
        """What training ends with that ends in this state."""
        history = tuple(EpochRecord(**record) for record in state.facts["history"])
        best_epoch = state.facts["stopping"]["best_epoch"]
        weights = with_prefix(state.tensors, "best.")
        assert weights, "a finished training has at least one epoch, and its weights"
        return cls(weights, best_epoch, history[best_epoch - 1].validation_loss, history, state)


def fit(
    model: nn.Module,
    task: LearningTask,
    config: TrainConfig,
    checkpoints: CheckpointFolder | None = None,
    progress: bool | ProgressListener = False,
    ranks: Ranks = ALONE,
) -> Fitted:
    """Train a freshly initialised model until its validation loss no longer falls.

    With `checkpoints`, training goes on from the newest of them; on a CPU it ends with the very
    bits of a run that was never stopped. SIGTERM and SIGINT write a checkpoint, then stop. Where
    several processes train together, each calls this with its own `ranks`; the first one alone
    reads and writes checkpoints and tells of progress.

    Raises:
        TrainingError: too few windows, too many losses that are no number, damaged checkpoints, or
            another process trains the same version.
        TrainingInterrupted: a signal asked to stop, and nobody else listened to it.
    """
    if not ranks.leads:
        checkpoints, progress = None, False
    with (
        checkpoints.locked() if checkpoints else nullcontext(),
        reproducible(config),
        listener(progress) as tell,
        StopRequest().listening() as request,
    ):
        loop = TrainingLoop(model, task, config, checkpoints, ranks)
        loop.resume()
        while not loop.finished:
            loop.run_epoch(request, tell)
        return loop.result()


class TrainingLoop:
    """All that changes while a model learns, and can be written down and taken up again."""

    def __init__(
        self,
        model: nn.Module,
        task: LearningTask,
        config: TrainConfig,
        checkpoints: CheckpointFolder | None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.config = config
        self.checkpoints = checkpoints
        self.ranks = ranks
        self.task = task.to(config.device)
        self.model = model.to(config.device)
        self.sampler = sampler_of(task, config)
        self._check_enough()
        step_windows = config.batch_size * config.accumulate
        self.epoch_steps = max(1, self.sampler.num_windows // step_windows)
        self.schedule = Schedule(config, self.epoch_steps)
        self.stopping = EarlyStopping(config.patience, config.min_gain)
        self.request = StopRequest()
        self.learner = Learner(self.model, self.task, config, ranks)
        self.average = AveragedWeights(self.model, config.ema_decay)
        self.best: dict[str, Tensor] = {}
        self.history: list[EpochRecord] = []
        self.step = self.epoch = 0  # done so far
        self.in_epoch = False
        self.loss_sum, self.loss_count, self.skipped, self.seconds = 0.0, 0, 0, 0.0
        self.saved_step: int | None = None
        self.asked_to_stop = False

    def _check_enough(self) -> None:
        for part, count in (
            ("training", self.sampler.num_windows),
            ("validation", len(self.task.validation_ends)),
        ):
            if count < (self.ranks.size if part == "training" else 1):
                raise TrainingError(
                    f"There is no complete window of {self.task.inputs.reach} minutes for {part}. "
                    "Use a longer range of bars, a shorter window or a smaller stride."
                )

    @property
    def finished(self) -> bool:
        return not self.in_epoch and (self.epoch >= self.config.max_epochs or self.stopping.due)

    def run_epoch(self, request: StopRequest, tell: ProgressListener) -> None:
        """Train for what is left of this epoch, or for the next one, and validate."""
        if not self.in_epoch:
            self.sampler.begin_epoch()
            self.in_epoch = True
            self.loss_sum, self.loss_count, self.seconds = 0.0, 0, 0.0
        self.request = request
        self.model.train()
        last = (self.epoch + 1) * self.epoch_steps
        while self.step < last:
            self._stop_if_asked()
            started = time.perf_counter()
            self.train_step()
            self.seconds += time.perf_counter() - started
            tell(self._progress())
            if self.step % self.config.checkpoint_steps == 0 and self.step < last:
                self.save()
        self.end_epoch()
        tell(self._progress())
        self.save()
        self._stop_if_asked()

    def train_step(self) -> None:
        """One step of the optimizer, or none where the loss is no number."""
        rate = self.schedule.learning_rate(self.step)
        batches = [self.sampler.take(self.config.batch_size) for _ in range(self.config.accumulate)]
        asked = self.request.signal is not None
        value, self.asked_to_stop = self.learner.step(batches, self.step, rate, asked)
        self.step += 1
        if value is None:
            self._skip()
            return
        self.average.update()
        self.loss_sum += value
        self.loss_count += 1

    def _skip(self) -> None:
        self.skipped += 1
        if self.skipped > self.config.max_skipped:
            raise TrainingError(
                f"The loss or its gradient was no number in {self.skipped} steps, the last of them "
                f"step {self.step}; {self.config.max_skipped} are allowed. Nothing of this run was "
                "kept as a version. Look at the features for infinite or constant columns, or "
                "lower learning_rate."
            )

    def end_epoch(self) -> None:
        """Validate, keep the weights if they are the best, and write the epoch down."""
        started = time.perf_counter()
        with self.average.applied(self.model):
            found = validate(self.model, self.task, self.config, self.ranks)
            if not math.isfinite(found.loss):
                raise TrainingError(
                    f"The validation loss of epoch {self.epoch + 1} is {found.loss}. Nothing was "
                    "kept. Look at the features for infinite values, or lower learning_rate."
                )
            judged = found.loss if self.config.stop_on == "loss" else -found.accuracy
            if self.stopping.is_better(self.epoch + 1, judged):
                weights = self.model.state_dict().items()
                self.best = {name: tensor.detach().cpu().clone() for name, tensor in weights}
        rate = self.schedule.learning_rate(self.step - 1)
        self.schedule.epoch_ended(found.loss)
        self.epoch += 1
        self.in_epoch = False
        seconds = self.seconds + time.perf_counter() - started
        mean = self.loss_sum / max(1, self.loss_count)
        self.history.append(
            EpochRecord(self.epoch, mean, found.loss, rate, seconds, self.skipped, found.accuracy)
        )

    def _progress(self) -> Progress:
        validation = self.history[-1].validation_loss if self.history else math.nan
        mean = self.loss_sum / max(1, self.loss_count)
        epoch = self.epoch + self.in_epoch
        total = self.epoch_steps * self.config.max_epochs
        return Progress(epoch, self.config.max_epochs, self.step, total, mean, validation)

    def _stop_if_asked(self) -> None:
        # Of several processes all stop after the same step: the one in which one was asked.
        if not (self.asked_to_stop or (self.ranks.alone and self.request.signal is not None)):
            return
        self.save()
        self.request.pass_on()
        where = self.checkpoints.folder if self.checkpoints else None
        by = f"by signal {self.request.signal} " if self.request.signal else ""
        raise TrainingInterrupted(
            f"Training was asked to stop {by}and did so after step {self.step}. "
            + (
                f"Its checkpoint is in {where}; start it again to go on from there."
                if where
                else "It had no folder for checkpoints, so that it starts anew next time."
            )
        )

    def save(self) -> None:
        """Write a checkpoint of this moment, unless there is one already."""
        if self.checkpoints is None or self.saved_step == self.step:
            return
        self.checkpoints.save(self.step, self.state().to_files())
        self.saved_step = self.step

    def state(self) -> TrainingState:
        """Everything that is needed to go on from here.

        Raises:
            TrainingError: a weight is no number; such weights are never saved.
        """
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= self.average.tensors()
        bad = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
        if bad:
            raise TrainingError(
                f"Weights are no numbers after step {self.step}: {', '.join(bad)}. They were not "
                "saved. Lower learning_rate, or look at the features for infinite values."
            )
        tensors |= pack_optimizer(self.learner.stepper.optimizer)
        tensors |= self.sampler.tensors()
        tensors["rng.cpu"] = torch.get_rng_state()
        if self.config.device.startswith("cuda"):
            tensors["rng.cuda"] = torch.cuda.get_rng_state(self.config.device)
        return TrainingState(tensors, self._facts())

    def _facts(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "epoch": self.epoch,
            "in_epoch": self.in_epoch,
            "position": self.sampler.position,
            "loss_sum": self.loss_sum,
            "loss_count": self.loss_count,
            "seconds": self.seconds,
            "skipped": self.skipped,
            "schedule": self.schedule.state(),
            "stopping": self.stopping.state(),
            "scaler": self.learner.stepper.scaler.state_dict(),
            "history": [asdict(record) for record in self.history],
            "environment": fingerprint(),
        }

    def resume(self) -> None:
        """Take up the newest checkpoint, if there is one; all processes take up the first's."""
        state = self.checkpoints.load_newest() if self.checkpoints else None
        if state is not None:
            self.load(state)
        if not self.ranks.alone:
            files = self.ranks.of_leader(self.state().to_files())
            if not self.ranks.leads:
                self.load(TrainingState.from_files(files))

    def load(self, state: TrainingState) -> None:
        """Stand where this state was taken."""
        facts, tensors = state.facts, state.tensors
        log_difference(facts["environment"])
        self.model.load_state_dict(with_prefix(tensors, "model."))
        self.best = with_prefix(tensors, "best.")
        self.average.load(with_prefix(tensors, "average."))
        unpack_optimizer(self.learner.stepper.optimizer, tensors)
        self.sampler.load(dict(tensors), facts["position"])
        for name in ("step", "epoch", "in_epoch", "loss_sum", "loss_count", "seconds", "skipped"):
            setattr(self, name, facts[name])
        self.schedule.load_state(facts["schedule"])
        self.stopping.load_state(facts["stopping"])
        self.learner.stepper.scaler.load_state_dict(facts["scaler"])
        self.history = [EpochRecord(**record) for record in facts["history"]]
        self.saved_step = self.step
        torch.set_rng_state(tensors["rng.cpu"])
        if "rng.cuda" in tensors and self.config.device.startswith("cuda"):
            torch.cuda.set_rng_state(tensors["rng.cuda"], self.config.device)

    def result(self) -> Fitted:
        """What training ended with."""
        return Fitted.from_state(self.state())


def with_prefix(tensors: Any, prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
