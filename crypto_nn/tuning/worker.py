"""One worker of a study: `python -m crypto_nn.tuning.worker JOB NAME`.

It writes to the study's storage and to its folder, nowhere else, and stops when its parent does.
"""

import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import Trial, TrialState

from crypto_nn.errors import CryptoNNError, TrainingError
from crypto_nn.training.stopping import TrainingInterrupted
from crypto_nn.tuning.job import Job, Objective, Values
from crypto_nn.tuning.life import Lives
from crypto_nn.tuning.study import OpenStudy, propose, sampler_of
from crypto_nn.tuning.trials import ERROR, WORKER, Trials

LIVES = "workers"
MEASURED = ("skill", "sharpe", "p99_ms")


@dataclass(frozen=True)
class TrialSitting:
    """A trial of optuna's, as an objective sees it."""

    trial: Trial
    params: Mapping[str, Any]
    is_multi: bool

    @property
    def number(self) -> int:
        return self.trial.number

    def report(self, step: int, value: float) -> None:
        """Tell how it stands; what a trial that runs again told before is not told twice."""
        if self.is_multi:
            return
        frozen = self.trial.study.get_trials(deepcopy=False)[self.number]
        if step in frozen.intermediate_values:
            return
        self.trial.report(value, step)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"at {value:.6g} after step {step}")

    def note(self, **facts: Any) -> None:
        for name, fact in facts.items():
            self.trial.set_user_attr(name, fact)

    def twin(self, version: str) -> Values | None:
        for other in self.trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if other.user_attrs.get("version") == version:
                self.note(**{name: other.user_attrs.get(name) for name in MEASURED})
                return tuple(other.values)
        return None


class Worker:
    """Takes trials of a study, one after another, until all that were asked for are promised."""

    def __init__(self, job: Job, name: str) -> None:
        self.job, self.name = job, name
        self.opened = OpenStudy.of(job)
        self.study = self.opened.study
        self.objective: Objective | None = None

    def run(self) -> None:
        while self.take():
            pass

    def take(self) -> bool:
        """Run one trial; False where there is none left to run."""
        if not self.is_due():
            return False
        if self.objective is None:  # before a trial is taken: where it cannot be made, none fails
            self.objective = self.job.make_objective()
        with ExitStack() as claim:
            claim.enter_context(self.job.place.claim(self.job.folder, self.job.study))
            if not self.is_due():
                return False
            fresh = Trials.of(self.study, self.job.max_retries).fresh
            self.study.sampler = sampler_of(self.job, fresh)
            self.study.optimize(
                lambda trial: self.attempt(trial, claim.close), n_trials=1, catch=(CryptoNNError,)
            )
        return True

    def is_due(self) -> bool:
        """Whether there is a trial to take."""
        trials = Trials.of(self.study, self.job.max_retries)
        return bool(trials.in_state(TrialState.WAITING)) or trials.promised < self.job.asked

    def attempt(self, trial: Trial, release: Callable[[], None]) -> Values:
        """Run a trial; the claim is let go as soon as all can see who has it and what it tries."""
        trial.set_user_attr(WORKER, self.name)
        params = propose(trial, self.job)
        self.opened.sign_of_life(trial)
        release()
        sitting = TrialSitting(trial, params, self.job.is_multi)
        try:
            return self.values(sitting)
        except (optuna.TrialPruned, OSError, StorageInternalError):
            raise  # a disk or database that fails is no fault of the settings: they run again
        except TrainingInterrupted:  # a checkpoint is written: it goes on from there
            raise SystemExit(0) from None
        except Exception as error:
            sitting.note(**{ERROR: f"{type(error).__name__}: {error}"})
            raise

    def values(self, sitting: TrialSitting) -> Values:
        """What the objective says, as long as these are numbers."""
        assert self.objective is not None
        values = self.objective(sitting)
        if not all(math.isfinite(value) for value in values):
            raise TrainingError(f"The trial's values are {values}, where finite ones are due.")
        return values


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)


def _stop_with_parent() -> None:
    """The parent holds the other end of our input: its end is the parent's."""
    while os.read(sys.stdin.fileno(), 1024):  # not sys.stdin's own read: its lock would be held
        pass  # at the end of the process, which aborts then
    os.kill(os.getpid(), signal.SIGTERM)


def main(path: str, name: str) -> None:
    """Work until nothing is left, SIGTERM comes, or the parent is gone."""
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    job = Job.read(Path(path))
    with Lives(job.folder / LIVES).lock(name):
        Worker(job, name).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
