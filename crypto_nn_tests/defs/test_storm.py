"""Drift for ever: retraining keeps to its pause and its budget, and every report has its answer.

Virtual time, the real sensor, Dagster's own record of runs. `CRYPTO_NN_STORM=1` has three symbols
for a thousand hours, with a report and a tick every hour; else there are two symbols for 16 days,
with one of each a day, and no storm under one champion: the ten ticks at the end have that.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
import time_machine

from crypto_nn.defs import drift_sensors, governor
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.experiments import Experiment
from crypto_nn.monitoring.retraining import DriftedDay
from crypto_nn.store.lake import Lake
from crypto_nn_tests.defs.drifting import decisions, launched, one_lake, row, tell, tick

LONG = bool(os.environ.get("CRYPTO_NN_STORM"))
START = datetime(2024, 3, 1, 1, 30, tzinfo=UTC)
HOURS, STEP = (1000, 1) if LONG else (16 * 24, 24)
SYMBOLS = ("A-USDT", "B-USDT", "C-USDT")[: 3 if LONG else 2]
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


@dataclass(frozen=True)
class Storm:
    """How retraining is limited, and what becomes of it.

    Attributes:
        pause: hours.
        promoted: whether each retraining makes another champion, so that a new episode begins.
        ends: how each run ends.
        together: whether all symbols are one universe.
        due: runs per universe.
    """

    pause: float
    budget: int
    promoted: bool
    ends: dg.DagsterRunStatus
    together: bool
    due: int

    @property
    def experiment(self) -> Experiment:
        told = {"source": "synthetic", "first_month": "2024-01"}
        changed = EXPERIMENT.changed({f"symbols.{name}": told for name in SYMBOLS})
        changed = changed.changed(
            {"retraining.cooldown_hours": self.pause, "retraining.max_per_year": self.budget}
        )
        return changed.changed({"universes": {"all": SYMBOLS}}) if self.together else changed


STORMS = {
    "one champion for ever": Storm(24, 52, False, SUCCESS, False, 1),
    "a new champion each time": Storm(48, 52, True, SUCCESS, True, 21 if LONG else 8),
    "the budget is spent": Storm(24, 5, True, SUCCESS, False, 5),
    "every training fails": Storm(36, 7, False, FAILURE, True, 7),
}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.mark.parametrize("name", list(STORMS)[0 if LONG else 1 :])
def test_drift_for_ever_does_not_storm(
    name: str, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No universe has more runs than its budget, or two within its pause; no report is lost."""
    storm, platform = STORMS[name], one_lake(tmp_path, monkeypatch)
    monkeypatch.setattr(governor, "EXPERIMENT", storm.experiment)
    monkeypatch.setattr(drift_sensors, "EXPERIMENT", storm.experiment)
    known: dict[str, list[DriftedDay]] = {symbol: [] for symbol in SYMBOLS}

    def history(_: Lake, symbol: str) -> list[DriftedDay]:
        return known[symbol]

    monkeypatch.setattr(drift_sensors, "decided_days", history)
    started: dict[str, list[datetime]] = {}
    asked, cursor = set(), None
    for hour in range(0, HOURS, STEP):
        now = START + timedelta(hours=hour)
        with time_machine.travel(now, tick=False):
            for symbol in SYMBOLS:
                universe = storm.experiment.universe_of(symbol)
                version = f"v{len(started.get(universe, ())) if storm.promoted else 0}"
                told = row(f"{now:%Y-%m-%d}", 2.0, version, symbol)
                known[symbol].append(DriftedDay(symbol, told["day"], version, True, 2.0))
                tell(instance, told)
                asked.add((symbol, told["day"], version))
            result = tick(drift_sensors.retrain_on_drift, instance, platform, cursor)
            cursor = result.cursor
            for request in result.run_requests or []:
                launched(instance, request, storm.ends)
                started.setdefault(str(request.partition_key), []).append(now)
    assert set(started) == {storm.experiment.universe_of(symbol) for symbol in SYMBOLS}
    for starts in started.values():
        assert len(starts) <= storm.budget
        assert len(starts) == storm.due
        gaps = [later - earlier for earlier, later in pairwise(starts)]
        assert all(gap >= timedelta(hours=storm.pause) for gap in gaps)
    table = decisions(platform).values()
    assert {(one["symbol"], one["day"], one["model_version"]) for one in table} == asked
    assert sum(one["retrain"] for one in table) == sum(map(len, started.values()))


def test_ten_ticks_are_one_run_and_the_next_episode_a_second(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten drifted days, a calm one, ten more; then another champion, which is a new watch."""
    platform = one_lake(tmp_path, monkeypatch)
    known: list[DriftedDay] = []
    monkeypatch.setattr(drift_sensors, "decided_days", lambda _lake, _symbol: known)
    cursor, keys = None, []
    for number, mark in enumerate("D" * 10 + "c" + "D" * 10 + "N" * 3):
        now, version = START + timedelta(days=number), "v2" if mark == "N" else "v1"
        with time_machine.travel(now, tick=False):
            told = row(f"{now:%Y-%m-%d}", 0.5 if mark == "c" else 1.5, version)
            known.append(DriftedDay("SYN-USDT", told["day"], version, mark != "c", 1.5))
            tell(instance, told)
            result = tick(drift_sensors.retrain_on_drift, instance, platform, cursor)
            cursor = result.cursor
            for request in result.run_requests or []:
                launched(instance, request)
                keys.append(request.tags["drift_episode"])
    assert keys == [
        "drift:SYN-USDT:v1:2024-03-01", "drift:SYN-USDT:v1:2024-03-12",
        "drift:SYN-USDT:v2:2024-03-22",
    ]  # fmt: skip
