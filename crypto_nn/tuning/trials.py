"""The trials of a study: which are settled, which died and must run again."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

WORKER, ERROR, RETRY_OF, FIRST, RETRIES = "worker", "error", "retry_of", "first", "retries"
OPEN = (TrialState.RUNNING, TrialState.WAITING)


@dataclass(frozen=True)
class Trials:
    """All trials of a study at one moment.

    A trial whose worker died is FAIL without an error, and the trial that runs its settings again
    says so (`retry_of`). Together they are one trial: the last of them counts, the others are
    superseded. What is known of a death is in the trials themselves, so that whoever looks, and
    however often, comes to the same result.

    Attributes:
        every: as the study has them, by number.
        max_retries: a trial that was run again so often is given up.
    """

    every: Sequence[FrozenTrial]
    max_retries: int

    @classmethod
    def of(cls, study: optuna.Study, max_retries: int) -> "Trials":
        return cls(study.get_trials(deepcopy=False), max_retries)

    @property
    def counted(self) -> tuple[FrozenTrial, ...]:
        """Each trial once, in order: those that were run again are left out."""
        superseded = {trial.user_attrs.get(RETRY_OF) for trial in self.every}
        return tuple(trial for trial in self.every if trial.number not in superseded)

    @property
    def settled(self) -> tuple[FrozenTrial, ...]:
        """Those that ended for good: complete, pruned, or failed by their own fault."""
        lost = {trial.number for trial in self.lost}
        return tuple(
            trial
            for trial in self.counted
            if trial.state.is_finished() and trial.number not in lost
        )

    @property
    def lost(self) -> tuple[FrozenTrial, ...]:
        """Those whose worker died and that nobody runs again yet."""
        return tuple(
            trial
            for trial in self.counted
            if trial.state == TrialState.FAIL
            and ERROR not in trial.user_attrs
            and trial.user_attrs.get(RETRIES, 0) < self.max_retries
        )

    @property
    def complete(self) -> tuple[FrozenTrial, ...]:
        return tuple(trial for trial in self.every if trial.state == TrialState.COMPLETE)

    def in_state(self, state: TrialState) -> tuple[FrozenTrial, ...]:
        return tuple(trial for trial in self.every if trial.state == state)

    @property
    def fresh(self) -> int:
        """How many settings were ever proposed: a trial that runs again is not a new one."""
        return sum(RETRY_OF not in trial.user_attrs for trial in self.every)

    @property
    def promised(self) -> int:
        """Trials that ended for good, run, or wait."""
        open_ = sum(trial.state in OPEN for trial in self.every)
        return len(self.settled) + open_ + len(self.lost)


def requeue(
    study: optuna.Study, max_retries: int, is_dead: Callable[[str | None], bool], died: bool = True
) -> int:
    """Give up the trials of dead workers and queue their settings again; how many were queued.

    To be called by whoever holds the study's claim: then a running trial without a worker's name
    is one whose worker died before it could write it.

    Args:
        is_dead: whether the worker of this name is known to be dead.
        died: whether this counts as a death; a trial that was asked to stop did not die.
    """
    _fail_silent(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        worker = trial.user_attrs.get(WORKER)
        if worker is None or is_dead(worker):
            _fail(study, trial)
    lost = Trials.of(study, max_retries).lost
    for trial in lost:
        study.add_trial(_again(trial, died))
    return len(lost)


def _again(trial: FrozenTrial, died: bool) -> FrozenTrial:
    """The same settings, with what was told of them so far, to be run by whoever is free."""
    first = trial.user_attrs.get(FIRST, trial.number)
    kept = {name: value for name, value in trial.user_attrs.items() if name != WORKER}
    deaths = trial.user_attrs.get(RETRIES, 0) + died
    return optuna.trial.create_trial(
        state=TrialState.WAITING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={**kept, RETRY_OF: trial.number, FIRST: first, RETRIES: deaths},
        system_attrs=dict(trial.system_attrs),
        intermediate_values=trial.intermediate_values,
    )


def _fail(study: optuna.Study, trial: FrozenTrial) -> None:
    try:
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    except optuna.exceptions.UpdateFinishedTrialError:
        return  # it ended after all


def _fail_silent(study: optuna.Study) -> None:
    """Give up trials that show no sign of life, on whichever machine (Postgres alone knows)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
