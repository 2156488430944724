"""A study and its workers, in this process: exact counts, the same proposals, nothing forgotten."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from crypto_nn.errors import ConfigError, TrainingError
from crypto_nn.tuning.job import Job
from crypto_nn.tuning.journal import LockedJournal
from crypto_nn.tuning.life import Lives
from crypto_nn.tuning.result import TuningResult
from crypto_nn.tuning.storage import Place
from crypto_nn.tuning.study import OpenStudy, propose, sampler_of
from crypto_nn.tuning.team import Member, Team
from crypto_nn.tuning.trials import RETRY_OF, WORKER, Trials, requeue
from crypto_nn.tuning.worker import LIVES, Worker
from crypto_nn_tests.tuning.fakes import a_job

Trail = list[tuple[dict[str, Any], list[float]]]


def run(job: Job) -> Trials:
    """All trials of a job, by one worker in this process."""
    worker = Worker(job, "here")
    worker.run()
    return Trials.of(worker.study, job.max_retries)


def trail(trials: Trials) -> Trail:
    return [(trial.params, trial.values) for trial in trials.counted]


def die_within_a_trial(job: Job) -> FrozenTrial:
    """A trial that was proposed, whose worker is gone."""
    study = OpenStudy.of(job).study
    study.sampler = sampler_of(job, Trials.of(study, job.max_retries).fresh)
    trial = study.ask()
    trial.set_user_attr(WORKER, "gone")
    propose(trial, job)
    trial.report(3.0, 1)
    Lives(job.folder / LIVES).lock("gone").acquire().lock.release()
    return study.get_trials()[-1]


def queue_again(job: Job, **how: Any) -> int:
    lives = Lives(job.folder / LIVES)
    return requeue(OpenStudy.of(job).study, job.max_retries, lives.is_dead, **how)


def test_the_same_seed_proposes_the_same_trials(tmp_path: Path) -> None:
    """One worker, one seed, one sequence; another seed, another one."""
    first, again, other = (
        trail(run(a_job(tmp_path / name, 14, seed=seed)))
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    assert first == again
    assert first[0] != other[0]


def test_a_study_that_was_stopped_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    """Stopped after a few trials, killed within one, taken up: the same proposals and values."""
    whole = trail(run(a_job(tmp_path / "whole", 14)))
    job = a_job(tmp_path / "cut", 14)
    run(a_job(tmp_path / "cut", 6))
    die_within_a_trial(job)
    assert queue_again(job) == 1
    trials = run(job)
    assert trail(trials) == whole
    assert len(trials.every) == 15


def test_a_dead_workers_trial_is_queued_again_once(tmp_path: Path) -> None:
    """With its settings and what it had reported; looking twice changes nothing."""
    job = a_job(tmp_path, 3)
    dead = die_within_a_trial(job)
    assert [queue_again(job), queue_again(job)] == [1, 0]
    failed, waiting = OpenStudy.of(job).study.get_trials()
    assert (failed.state, waiting.state) == (TrialState.FAIL, TrialState.WAITING)
    assert waiting.params == dead.params
    assert waiting.intermediate_values == {1: 3.0}
    assert waiting.user_attrs[RETRY_OF] == dead.number


def test_the_trial_of_a_living_worker_is_left_alone(tmp_path: Path) -> None:
    """As long as it holds its lock, and where it is another machine's."""
    job = a_job(tmp_path, 3)
    lives = Lives(job.folder / LIVES)
    assert not lives.is_dead("elsewhere")
    with lives.lock("busy"):
        assert not lives.is_dead("busy")
    assert lives.is_dead("busy")


def test_a_trial_without_a_worker_was_abandoned(tmp_path: Path) -> None:
    """Whoever has the claim knows: a living worker would have written its name by now."""
    job = a_job(tmp_path, 3)
    OpenStudy.of(job).study.ask()
    assert queue_again(job) == 1
    assert len(trail(run(job))) == 3


def test_a_trial_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    """After so many deaths it counts as failed, so that the study ends."""
    job = a_job(tmp_path, 1, max_retries=2)
    die_within_a_trial(job)
    assert queue_again(job) == 1
    for _ in range(2):
        study = OpenStudy.of(job).study
        study.ask().set_user_attr(WORKER, "gone")
        last = queue_again(job)
    assert last == 0
    (trial,) = TuningResult.of(job, Trials.of(study, 2)).trials
    assert (trial.state, trial.error) == ("failed", "its worker died again and again")
    assert not Worker(job, "here").take()


def test_as_many_trials_as_asked_and_more_when_more_are_asked(tmp_path: Path) -> None:
    """Asking again for as many runs none; asking for more runs the rest."""
    assert [len(run(a_job(tmp_path, asked)).every) for asked in (4, 4, 6)] == [4, 4, 6]


def test_a_trial_that_fails_says_why_and_is_not_repeated(tmp_path: Path) -> None:
    """Its own fault is no death: it counts, with its error."""
    job = a_job(tmp_path, 12, "thorns")
    result = TuningResult.of(job, run(job))
    failed = result.in_state("failed")
    assert len(result.trials) == 12
    assert 0 < len(failed) < 12
    assert {trial.error for trial in failed} == {"TrainingError: 32 units hurt"}
    assert {trial.params["model.settings.hidden"] for trial in failed} == {32}
    assert queue_again(job) == 0


def test_a_value_that_is_no_number_is_the_trials_own_fault(tmp_path: Path) -> None:
    """The study goes on, and says what it was."""
    job = a_job(tmp_path, 2, "nowhere")
    errors = [trial.error or "" for trial in TuningResult.of(job, run(job)).in_state("failed")]
    assert len(errors) == 2
    assert all("finite" in error for error in errors)


def test_a_disk_that_refuses_is_no_fault_of_the_settings(tmp_path: Path) -> None:
    """The same settings run again."""
    job = a_job(tmp_path, 2, "flaky")
    with pytest.raises(OSError, match="no space left"):
        run(job)
    assert queue_again(job) == 1
    result = TuningResult.of(job, run(job))
    assert (len(result.complete), len(result.trials)) == (2, 2)


def test_no_trial_is_taken_where_the_objective_cannot_be_made(tmp_path: Path) -> None:
    """What is wrong for all trials fails none of them."""
    job = a_job(tmp_path, 2, "unborn")
    with pytest.raises(ValueError, match="cannot be made"):
        run(job)
    assert not OpenStudy.of(job).study.get_trials()


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_hopeless_trials_are_ended_early(tmp_path: Path, pruner: str) -> None:
    """And never the best one, whose value is that of no pruned trial."""
    job = a_job(tmp_path, 20, "stairs", pruner=pruner, sampler="random")
    result = TuningResult.of(job, run(job))
    pruned = result.in_state("pruned")
    assert len(pruned) + len(result.complete) == 20
    assert pruned
    assert result.best is not None
    assert all(trial.stood is not None and not trial.values for trial in pruned)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_the_front_is_what_nobody_beats(tmp_path: Path, sampler: str) -> None:
    """Checked pair by pair; it holds the best of each objective."""
    ways = ("maximize", "minimize")
    job = a_job(tmp_path, 15, "two_sided", directions=ways, sampler=sampler)
    result = TuningResult.of(job, run(job))
    front = {trial.number for trial in result.front}
    for one in result.complete:
        beaten = any(
            two.values[0] >= one.values[0] and two.values[1] <= one.values[1]
            and two.values != one.values
            for two in result.complete
        )  # fmt: skip
        assert (one.number in front) == (not beaten)
    assert result.best is not None
    assert result.best.values[0] == max(trial.values[0] for trial in result.complete)


def test_importance_finds_what_matters(tmp_path: Path) -> None:
    """Shares of one, largest first; too few trials tell nothing."""
    few = a_job(tmp_path / "few", 3)
    assert TuningResult.of(few, run(few)).importance == {}
    job = a_job(tmp_path / "many", 25, sampler="random")
    shares = TuningResult.of(job, run(job)).importance
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_a_torn_journal_is_mended_by_the_next_writer(tmp_path: Path) -> None:
    """Whatever piece of a last line is there: it is cut off, and all lines before it stay."""
    path = tmp_path / "study.journal"
    journal = LockedJournal(path)
    journal.append_logs([{"a": 1}, {"b": "x" * 9_000}])
    whole = path.read_bytes()
    for piece in (b"{", b'{"c": ' + b"y" * 5_000):
        path.write_bytes(whole + piece)
        LockedJournal(path).append_logs([{"d": 3}])
        found = list(LockedJournal(path).read_logs(0))
        assert found == [{"a": 1}, {"b": "x" * 9_000}, {"d": 3}]
        path.write_bytes(whole)


def test_optunas_own_journal_would_be_spoilt(tmp_path: Path) -> None:
    """Why it has a writer of our own: the torn line joins the next one."""
    from optuna.storages.journal import JournalFileBackend

    path = tmp_path / "study.journal"
    JournalFileBackend(str(path)).append_logs([{"a": 1}])
    path.write_bytes(path.read_bytes() + b'{"b": ')
    JournalFileBackend(str(path)).append_logs([{"c": 2}])
    JournalFileBackend(str(path)).append_logs([{"d": 3}])
    with pytest.raises(ValueError, match=r"."):
        list(JournalFileBackend(str(path)).read_logs(0))


@pytest.mark.parametrize("address", [None, "mysql://root:hidden@host/db"])
def test_an_address_that_is_none_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    """The error names the variable alone."""
    monkeypatch.delenv("CRYPTO_NN_TUNING", raising=False)
    if address is not None:
        monkeypatch.setenv("CRYPTO_NN_TUNING", address)
    with pytest.raises(ConfigError, match="CRYPTO_NN_TUNING") as refused:
        Place("postgres").open(tmp_path)
    assert "hidden" not in str(refused.value)


class Stillborn(Team):
    """A team whose workers end before they begin."""

    def start(self) -> None:
        log = self.job.folder / "worker.log"
        log.with_suffix(".json").touch()
        with log.open("wb") as out:
            command = [sys.executable, "-c", "raise SystemExit('no address')"]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=out)
        self.members.append(Member("stillborn", process, log))


def test_workers_that_cannot_begin_end_the_search(tmp_path: Path) -> None:
    """Three in a row, and the last one's words are shown; nobody starts workers for ever."""
    with pytest.raises(TrainingError, match=r"3 workers .* no address"):
        Stillborn(a_job(tmp_path, 2), 1).run()


class Bereft(Team):
    """A team whose study cannot be reached any more."""

    def start(self) -> None:
        log = self.job.folder / "worker.log"
        log.with_suffix(".json").touch()
        log.touch()
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
        self.members.append(Member("bereft", process, log))

    def reconcile(self, died: bool = True) -> int:
        raise ConnectionError("gone")


def test_workers_end_though_their_study_is_gone(tmp_path: Path) -> None:
    """They are stopped before the study is asked for anything."""
    team = Bereft(a_job(tmp_path, 2), 1)
    team.start()
    (member,) = team.members
    with pytest.raises(ConnectionError):
        team.stop()
    assert member.has_ended


def test_a_postgres_that_has_gone_is_told_of_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the variable that names it; the address is not shown."""
    pytest.importorskip("psycopg")
    monkeypatch.setenv("CRYPTO_NN_TUNING", "postgresql://u:hidden@127.0.0.1:9/db")
    place = Place("postgres")
    words = r"CRYPTO_NN_TUNING, then call again"
    with (
        pytest.raises(TrainingError, match=words) as told,
        place.reached(),
        place.claim(tmp_path, "study"),
    ):
        raise AssertionError("there is no such Postgres")
    assert "hidden" not in str(told.value)


def test_journals_and_samplers_are_quiet() -> None:
    """What happened is in the study, not on the terminal."""
    from crypto_nn.tuning.storage import quiet

    quiet()
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING
