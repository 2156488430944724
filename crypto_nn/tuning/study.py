"""A study as optuna keeps it: opened, proposed from, pruned."""

from dataclasses import dataclass

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study
from optuna.trial import Trial

from crypto_nn.tuning.job import Job
from crypto_nn.tuning.space import from_choice, to_choice

STARTUP = 5
"""No trial is pruned before so many have ended."""


@dataclass(frozen=True)
class OpenStudy:
    """A study and the storage that it is in, which keeps connections open."""

    study: Study
    storage: BaseStorage

    @classmethod
    def of(cls, job: Job) -> "OpenStudy":
        """The study of this job; made where it is missing."""
        storage = job.place.open(job.folder)
        study = optuna.create_study(
            study_name=job.study,
            storage=storage,
            directions=list(job.directions),
            sampler=sampler_of(job, 0),
            pruner=pruner_of(job),
            load_if_exists=True,
        )
        return cls(study, storage)

    def sign_of_life(self, trial: Trial) -> None:
        """Tell Postgres that a trial runs, so that there is no moment in which it is not known."""
        if isinstance(self.storage, RDBStorage):
            self.storage.record_heartbeat(trial._trial_id)

    def close(self) -> None:
        """Let all connections go."""
        if isinstance(self.storage, RDBStorage):
            self.storage.remove_session()
            self.storage.engine.dispose()


def sampler_of(job: Job, ordinal: int) -> BaseSampler:
    """What proposes the settings of the trial of this ordinal.

    Made anew for each trial, with a seed of its own: so a study that was stopped and taken up
    again proposes what it would have proposed without the stop.
    """
    seed = int(np.random.SeedSequence([job.seed, ordinal]).generate_state(1)[0])
    if job.sampler == "nsga2":
        return NSGAIISampler(seed=seed)
    if job.sampler == "random":
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed)


def pruner_of(job: Job) -> BasePruner:
    """What ends trials early."""
    if job.pruner == "none" or job.is_multi:
        return NopPruner()
    if job.pruner == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=max(2, job.num_steps))
    return MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=1)


def propose(trial: Trial, job: Job) -> dict[str, object]:
    """The settings of a trial, by dotted path."""
    found: dict[str, object] = {}
    for path in sorted(job.ranges):
        range_ = job.ranges[path]
        if range_.choices is not None:
            choices = [to_choice(choice) for choice in range_.choices]
            found[path] = from_choice(trial.suggest_categorical(path, choices))
            continue
        assert range_.low is not None
        assert range_.high is not None
        if job.kinds[path] == "int":
            step = int(range_.step or 1)
            low, high = int(range_.low), int(range_.high)
            found[path] = trial.suggest_int(path, low, high, step=step, log=range_.log)
        else:
            found[path] = trial.suggest_float(
                path, float(range_.low), float(range_.high), step=range_.step, log=range_.log
            )
    return found
