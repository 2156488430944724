"""Workers killed with SIGKILL anywhere: no trial is lost, none runs for ever, the best stays.

`CRYPTO_NN_TUNING_KILLS` asks for more kills than the quick run has (`make tuning-kills`).
"""

import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from optuna.trial import TrialState

from crypto_nn.tuning.job import Job
from crypto_nn.tuning.storage import Place
from crypto_nn.tuning.team import Member, Team
from crypto_nn.tuning.trials import WORKER, Trials
from crypto_nn_tests.store.database.servers import Cluster
from crypto_nn_tests.tuning.fakes import a_job, depth

pytestmark = pytest.mark.kill

KILLS = int(os.environ.get("CRYPTO_NN_TUNING_KILLS", "1"))
SEED = int(os.environ.get("CRYPTO_NN_KILL_SEED", "0"))
WORKERS = 3 if KILLS > 2 else 2
SECONDS = 1.0 if KILLS > 2 else 0.5


@dataclass
class HarriedTeam(Team):
    """A team whose workers are killed at random moments, most of them within a trial."""

    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    kills: int = KILLS
    bests: list[float] = field(default_factory=list)
    in_trial: int = 0

    def watch(self) -> None:
        super().watch()
        trials = self.trials
        if self.kills and trials.in_state(TrialState.RUNNING) and self.chance.random() < 0.5:
            time.sleep(self.chance.uniform(0, 0.3))
            self.kill(self.chance.choice(self.busy() or self.members))

    def busy(self) -> list[Member]:
        """Those who are in a trial now; at random moments also all others."""
        running = self.trials.in_state(TrialState.RUNNING)
        names = {trial.user_attrs.get(WORKER) for trial in running}
        return [member for member in self.members
                if member.name in names and self.chance.random() < 0.8]  # fmt: skip

    def kill(self, member: Member) -> None:
        if member.has_ended:
            return
        member.process.kill()
        member.process.wait()
        trials = self.trials
        running = trials.in_state(TrialState.RUNNING)
        self.in_trial += any(trial.user_attrs.get(WORKER) == member.name for trial in running)
        self.bests.append(best_of(trials))
        self.kills -= 1


def best_of(trials: Trials) -> float:
    return min((trial.value for trial in trials.complete if trial.value is not None), default=1e9)


def check_nothing_is_lost(job: Job, trials: Trials, bests: list[float]) -> None:
    """The law, whatever the storage."""
    states = Counter(trial.state for trial in trials.counted)
    assert states == {TrialState.COMPLETE: job.asked}
    assert not trials.in_state(TrialState.RUNNING)
    assert not trials.in_state(TrialState.WAITING)
    for trial in trials.every:  # each trial that died was run again with the settings it had
        if trial.state == TrialState.FAIL:
            (again,) = (t for t in trials.every if t.user_attrs.get("retry_of") == trial.number)
            assert trial.params.items() <= again.params.items()
    for trial in trials.complete:
        params = {name: trial.params[name] for name in job.ranges}
        assert trial.value == depth(params)
    assert all(best_of(trials) <= best for best in bests)


def harry(job: Job) -> HarriedTeam:
    team = HarriedTeam(job, WORKERS)
    trials = team.run()
    assert team.kills == 0, "the study ended before the last kill"
    check_nothing_is_lost(job, trials, team.bests)
    print(f"{job.place.kind}: {KILLS} kills, {team.in_trial} within a trial; "
          f"{len(trials.every)} rows for {job.asked} trials")  # fmt: skip
    return team


def test_killed_workers_lose_no_trial_of_a_journal(tmp_path: Path) -> None:
    """Every trial that was asked for is complete exactly once, and the best never got worse."""
    facts = {"seconds": SECONDS}
    harry(a_job(tmp_path, 2 + 2 * KILLS, facts=facts, max_retries=KILLS))


def test_killed_workers_lose_no_trial_in_postgres(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where the study is in Postgres."""
    monkeypatch.setenv("CRYPTO_NN_TUNING", cluster.dsn())
    place = Place("postgres", heartbeat_s=1, grace_s=4)
    facts = {"seconds": SECONDS}
    harry(a_job(tmp_path, 2 + 2 * KILLS, facts=facts, max_retries=KILLS, place=place))
