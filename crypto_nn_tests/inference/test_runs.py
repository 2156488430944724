"""Every training that is started is written down, and two can be compared."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.errors import ModelError
from crypto_nn.inference.runs import compare_runs, find_run, list_runs
from crypto_nn.store.lake import Lake
from crypto_nn.store.runs import KNOWN, recorded
from crypto_nn.training.stopping import TrainingInterrupted

BTC = "BTC-USDT"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def clock() -> Callable[[], np.datetime64]:
    """One minute later at each look."""
    minutes = iter(range(10_000))
    start = np.datetime64("2025-01-01", "us")
    return lambda: start + next(minutes) * np.timedelta64(60_000_000, "us")


def train(lake: Lake, run: str, version: str, seed: int = 0, skill: float = 0.001) -> None:
    """A training that goes well, of two epochs."""
    settings = json.dumps({"training": {"seed": seed, "window": 48}})
    with recorded(lake, BTC, run, {"model": "LSTM", "settings": settings}, clock()) as facts:
        facts |= {"version": version, "epochs": 2, "metrics": json.dumps({"skill_5m": skill})}
    history = [
        {"universe": BTC, "version": version, "epoch": n, "train_loss": 1.1, "validation_loss": 1.0}
        for n in (2, 1)
    ]
    where = {"universe": BTC, "version": version}
    lake.replace({"training_history": pa.Table.from_pylist(history)}, where)


def states(lake: Lake) -> dict[str, str]:
    rows = lake.read("runs", ("run", "state")).to_pylist()
    return {row["run"]: row["state"] for row in rows}


def test_a_training_is_there_while_it_runs_and_when_it_has_ended(lake: Lake) -> None:
    """First as running, then, in the same row, as complete with what came of it."""
    with recorded(lake, BTC, "r1", {"model": "LSTM"}, clock()) as facts:
        assert states(lake) == {"r1": "running"}
        facts["version"] = "v1"
    (row,) = lake.read("runs").to_pylist()
    assert (row["state"], row["version"], row["model"]) == ("complete", "v1", "LSTM")
    assert row["ended_at"] > row["started_at"]


def test_a_training_that_fails_is_written_down_with_its_error(lake: Lake) -> None:
    """The error goes on to who started it, and stands in the row."""
    with pytest.raises(ValueError, match="no rows"), recorded(lake, BTC, "r1", {}, clock()):
        raise ValueError("no rows")
    (row,) = lake.read("runs").to_pylist()
    assert (row["state"], row["error"]) == ("failed", "ValueError: no rows")


@pytest.mark.parametrize("asked", [KeyboardInterrupt, TrainingInterrupted])
def test_a_training_that_was_asked_to_stop_did_not_fail(
    lake: Lake, asked: type[BaseException]
) -> None:
    """Stopped and failed are told apart."""
    with pytest.raises(asked), recorded(lake, BTC, "r1", {}, clock()):
        raise asked
    assert states(lake) == {"r1": "stopped"}


def test_a_version_that_was_there_already_is_said_to_be_known(lake: Lake) -> None:
    """A double launch is a row of its own, and says that it trained nothing."""
    train(lake, "r1", "v1")
    with recorded(lake, BTC, "r2", {}, clock()) as facts:
        facts |= {"version": "v1", "state": KNOWN}
    assert states(lake) == {"r1": "complete", "r2": "known"}
    assert find_run(lake, "v1")["run"] == "r1"


def test_a_row_that_was_left_running_was_killed(lake: Lake) -> None:
    """The next training of the version finds the row that nobody ended, and says so."""
    now = clock()
    killed = recorded(lake, BTC, "r1", {"version": "v1"}, now)
    killed.__enter__()  # and the process is gone
    with recorded(lake, BTC, "r2", {"version": "v1"}, now):
        assert states(lake) == {"r1": "killed", "r2": "running"}


def test_two_are_compared_by_what_differs(lake: Lake) -> None:
    """Settings that are equal are left out; results and courses of both are beside each other."""
    train(lake, "aaaa1111", "v1", seed=0, skill=0.001)
    train(lake, "bbbb2222", "v2", seed=7, skill=0.002)
    found = compare_runs(lake, "aaaa", "v2")
    assert found.settings == [{"setting": "training.seed", "v1": "0", "v2": "7"}]
    assert {"result": "skill_5m", "v1": 0.001, "v2": 0.002} in found.results
    assert [course.skills for course in found.courses] == [{5: 0.001}, {5: 0.002}]
    assert "LSTM v1" in found.picture().svg()


def test_two_trainings_of_one_version_are_told_apart_by_their_runs(lake: Lake) -> None:
    """The same version twice is compared run by run."""
    train(lake, "aaaa1111", "v1")
    train(lake, "bbbb2222", "v1")
    courses = compare_runs(lake, "aaaa", "bbbb").courses
    assert [course.name for course in courses] == ["LSTM aaaa1111", "LSTM bbbb2222"]


@pytest.mark.parametrize(("name", "why"), [("zzz", "none begins so"), ("", "2 begin so")])
def test_a_name_that_is_not_one_training_is_refused(lake: Lake, name: str, why: str) -> None:
    """The error says how many there are and where to look."""
    train(lake, "aaaa1111", "v1")
    train(lake, "bbbb2222", "v2")
    with pytest.raises(ModelError, match=rf"{why}.*crypto-nn runs list"):
        find_run(lake, name)


def test_an_empty_lake_has_no_trainings(lake: Lake) -> None:
    """Nothing to list is an empty list, and nothing can be found."""
    assert list_runs(lake) == []
    with pytest.raises(ModelError, match="none begins so"):
        find_run(lake, "a")


def test_the_list_is_newest_first_and_of_one_universe_where_asked(lake: Lake) -> None:
    """With skill by horizon, seconds and the first line of an error."""
    now = clock()
    for run, universe in (("r1", BTC), ("r2", "ETH-USDT"), ("r3", BTC)):
        with recorded(lake, universe, run, {"metrics": '{"skill_5m": 0.0012}'}, now):
            pass
    assert [row["run"] for row in list_runs(lake)] == ["r3", "r2", "r1"]
    (row,) = list_runs(lake, "ETH-USDT")
    assert (row["skill %"], row["seconds"], row["started"]) == ("+0.12", 60, "01-01 00:02")


def test_losses_of_other_rows_are_not_passed_off_as_comparable(lake: Lake) -> None:
    """Two versions judged on other validation rows are compared with a warning that says so."""
    for version, rows in (("v1", 100), ("v2", 100), ("v3", 90)):
        train(lake, f"run-{version}", version)
        roles = {"validation": ["2024-05-01T00:00", "2024-05-08T00:00"]}
        fold = {"embargo": 108, "roles": roles}
        config = {"rows": {"validation": rows}, "fold": fold, "k": [0.37]}
        row = {"universe": BTC, "version": version, "config": json.dumps(config)}
        where = {"universe": BTC, "version": version}
        lake.replace({"checkpoints": pa.Table.from_pylist([row])}, where)
    assert compare_runs(lake, "v1", "v2").warning == ""
    told = compare_runs(lake, "v1", "v3").warning
    assert told == "Losses are not comparable: validation rows 100 and 90."
