"""Every question has one answer in the table, whatever goes wrong around it."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine
from filelock import FileLock

from crypto_nn.defs import automation, drift_reports, drift_sensors, sensors
from crypto_nn.defs.governor import LAKE_SECONDS, note_decision
from crypto_nn.defs.partitions import EXPERIMENT, universes
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import LakeError
from crypto_nn.store.lake import Lake
from crypto_nn_tests.defs.drifting import (
    decisions,
    empty,
    launched,
    one_lake,
    report,
    row,
    store,
    tell,
    tick,
)

NOW = datetime(2024, 3, 1, 2, 0, tzinfo=UTC)
SYN = "SYN-USDT"


@pytest.fixture(scope="module")
def one_instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def instance(one_instance: dg.DagsterInstance) -> Iterator[dg.DagsterInstance]:
    """The same one, empty: to make one takes longer than to use it."""
    yield one_instance
    one_instance.wipe()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return Lake(tmp_path_factory.mktemp("lake"), wait_seconds=LAKE_SECONDS)


@pytest.fixture
def platform(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """With the same lake for all tests, empty: to make one takes longer than to use it."""
    yield one_lake(tmp_path, monkeypatch, lake)
    empty(lake)


def key(day: str, version: str = "v1") -> str:
    return f"drift:{SYN}:{SYN}:{day}:{version}"


def test_refusals_are_rows_too_and_never_take_the_place_of_a_launch(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """Calm, drifted, drifted again; then all of them are asked again, as after a lost cursor."""
    for day, score in (("2024-02-26", 0.4), ("2024-02-27", 1.7)):
        report(instance, platform, day, score)
    (request,) = tick(sensors.retrain_on_drift, instance, platform).run_requests or []
    launched(instance, request)
    report(instance, platform, "2024-02-28", 1.9)
    before = None
    for _ in range(2):
        again = tick(sensors.retrain_on_drift, instance, platform)
        assert not again.run_requests
        table = decisions(platform)
        assert before in (None, table)
        before = table
    assert {name: one["retrain"] for name, one in table.items()} == {
        key("2024-02-26"): False, key("2024-02-27"): True, key("2024-02-28"): False,
    }  # fmt: skip
    assert "has had its retraining" in table[key("2024-02-28")]["reason"]
    launch = table[key("2024-02-27")]
    assert request.tags["decision"] == launch["decision"]
    assert request.tags["decision_reason"] == launch["reason"]
    assert (launch["run_key"], launch["trigger"], launch["universe"]) == (
        request.run_key, "drift", SYN,
    )  # fmt: skip


def test_a_row_whose_run_never_came_to_be_is_answered_anew(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """Killed between the row and the run, and another retraining is on its way by then."""
    report(instance, platform, "2024-02-27", 1.7)
    (lost,) = tick(sensors.retrain_on_drift, instance, platform).run_requests or []
    nightly = dg.RunRequest(partition_key=SYN, tags={"reason": "nightly"})
    launched(instance, nightly, dg.DagsterRunStatus.STARTED)
    assert not tick(sensors.retrain_on_drift, instance, platform).run_requests
    told = decisions(platform)[lost.tags["decision"]]
    assert (told["retrain"], told["run_key"]) == (False, None)
    assert "queued or running" in told["reason"]


def test_evidence_of_a_report_lowers_the_bar(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """Not drifted, but near it, and the champion does worse: retrained; without evidence not."""
    report(instance, platform, "2024-02-26", 0.8, evidence=19.9)
    report(instance, platform, "2024-02-27", 0.8, evidence=20.0)
    (request,) = tick(sensors.retrain_on_drift, instance, platform).run_requests or []
    assert request.tags["drift_day"] == "2024-02-27"
    launched(instance, request)
    report(instance, platform, "2024-02-28", 0.9, evidence=31.0)
    assert not tick(sensors.retrain_on_drift, instance, platform).run_requests
    table = decisions(platform)
    told = [(t["threshold"], t["evidence"], t["retrain"]) for _, t in sorted(table.items())]
    assert told == [(1.0, 19.9, False), (0.75, 20.0, True), (0.75, 31.0, False)]
    assert "has had its retraining" in table[key("2024-02-28")]["reason"]


BAD: Sequence[dict[str, Any]] = (
    {"drift_score": 2.0},
    {"symbol": SYN, "day": "yesterday", "model_version": "v1", "drift_score": 2.0, "drifted": True},
    {"symbol": SYN, "day": "2024-02-20", "model_version": "v1", "drift_score": "high",
     "drifted": True},
    {"symbol": SYN, "day": "2024-02-20", "model_version": "v1", "drift_score": 2.0,
     "drifted": "False"},
    {},
)  # fmt: skip


def test_bad_reports_keep_none_back(instance: dg.DagsterInstance, platform: Platform) -> None:
    """Metadata that are missing or wrong, a symbol that is gone, a score that is no number: each
    is told, and the good ones before and behind them are answered."""
    report(instance, platform, "2024-02-24", 0.5)
    for metadata in BAD:
        instance.report_runless_asset_event(
            dg.AssetMaterialization("drift_report", metadata=metadata)
        )
    tell(instance, row("2024-02-25", 3.0, symbol="GONE-USDT"))
    tell(instance, row("2024-02-25", float("nan")))
    report(instance, platform, "2024-02-26", 1.7)
    for sensor in (sensors.retrain_on_drift, sensors.alert_on_drift):
        first = tick(sensor, instance, platform)
        after = tick(sensor, instance, platform, first.cursor)
        assert not after.run_requests
        assert len(first.run_requests or []) == (sensor is sensors.retrain_on_drift)
        if sensor is sensors.alert_on_drift:
            assert str(first.skip_reason).count("cannot be used") == len(BAD)
    table = decisions(platform)
    assert table[key("2024-02-26")]["retrain"]
    assert not table[key("2024-02-24")]["retrain"]
    assert "no drift score" in table[key("2024-02-25")]["reason"]
    assert table[key("2024-02-25")]["drift_score"] is None
    gone = table["drift:GONE-USDT:GONE-USDT:2024-02-25:v1"]
    assert "no symbol GONE-USDT" in gone["reason"]


@pytest.mark.parametrize("cursor", ['{"before": 3}', '{"after": 1e400}'])
def test_a_cursor_that_cannot_be_read_starts_from_the_beginning(
    instance: dg.DagsterInstance, platform: Platform, cursor: str
) -> None:
    """Nothing is lost by that, and nothing is doubled."""
    report(instance, platform, "2024-02-27", 1.7)
    (request,) = tick(sensors.retrain_on_drift, instance, platform).run_requests or []
    launched(instance, request)
    again = tick(sensors.retrain_on_drift, instance, platform, cursor)
    assert not again.run_requests
    assert json.loads(again.cursor or "")["after"] > 0
    assert decisions(platform)[key("2024-02-27")]["retrain"]


def test_more_reports_than_a_tick_takes_are_all_answered(
    instance: dg.DagsterInstance, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """45 reports wait, and a tick takes 20 (else 200): three ticks answer each once, and only the
    newest day starts a run."""
    monkeypatch.setattr(drift_reports, "EVENTS_PER_TICK", 20)
    first = datetime(2024, 1, 1, tzinfo=UTC)
    days = [row(f"{first + timedelta(days=n):%Y-%m-%d}", 1.5) for n in range(45)]
    store(platform, days)
    for each in days:
        tell(instance, each)
    asked: list[dg.RunRequest] = []
    cursor, ticks = None, 0
    while cursor is None or len(decisions(platform)) < 45:
        result = tick(sensors.retrain_on_drift, instance, platform, cursor)
        cursor, ticks = result.cursor, ticks + 1
        asked += result.run_requests or []
    assert ticks == 3
    assert [request.tags["drift_day"] for request in asked] == [days[-1]["day"]]
    assert sum(told["retrain"] for told in decisions(platform).values()) == 1


def test_of_two_reports_on_one_day_the_later_counts(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    report(instance, platform, "2024-02-27", 1.7)
    report(instance, platform, "2024-02-27", 0.3)
    assert not tick(sensors.retrain_on_drift, instance, platform).run_requests
    assert "is calm" in decisions(platform)[key("2024-02-27")]["reason"]


def test_reports_that_come_in_out_of_order_are_one_episode(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """The second day is reported before the first: the episode has one run and one alert."""
    asked: list[dg.RunRequest] = []
    cursors: dict[str, str | None] = {}
    with time_machine.travel(NOW, tick=False) as clock:
        for day in ("2024-02-21", "2024-02-20", "2024-02-22", "2024-02-23"):
            report(instance, platform, day, 1.6)
            for sensor in (sensors.retrain_on_drift, sensors.alert_on_drift):
                result = tick(sensor, instance, platform, cursors.get(sensor.name))
                cursors[sensor.name] = result.cursor
                for request in result.run_requests or []:
                    launched(instance, request)
                    asked.append(request)
            clock.shift(timedelta(days=2))
    assert [request.tags["drift_day"] for request in asked] == ["2024-02-21"]
    assert len(platform.alerts.open("drift")) == 1


def test_a_locked_lake_raises_and_the_reports_come_again(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """No run without its row; when the lock is gone the same reports have one run and one row."""
    report(instance, platform, "2024-02-27", 1.7)
    platform.lake.catalogue.wait_seconds = 0.05
    with FileLock(platform.lake.root / ".write.lock"):
        for _ in range(2):
            with pytest.raises(LakeError, match="Another process has been writing"):
                tick(sensors.retrain_on_drift, instance, platform)
    (request,) = tick(sensors.retrain_on_drift, instance, platform).run_requests or []
    launched(instance, request)
    assert list(decisions(platform)) == [request.tags["decision"]]


def ask_for_the_night(instance: dg.DagsterInstance, platform: Platform) -> list[dg.RunRequest]:
    at = datetime(2024, 3, 5, 2, 30, tzinfo=UTC)
    with dg.build_schedule_context(
        instance, scheduled_execution_time=at, resources={"platform": platform}
    ) as context:
        found: Any = automation.nightly_retraining(context)
    return list(found)


def test_a_night_has_a_row_for_each_universe(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """Asked twice, as after a kill, it is the same row and the same run key."""
    (request,) = ask_for_the_night(instance, platform)
    first = decisions(platform)
    assert ask_for_the_night(instance, platform)[0].run_key == request.run_key
    assert decisions(platform) == first
    told = first[f"nightly:{SYN}:2024-03-05"]
    assert told["run_key"] == request.run_key == f"nightly-2024-03-05-{SYN}"
    assert request.tags == {
        "reason": "nightly", "universe": SYN, "decision": told["decision"],
        "decision_reason": told["reason"],
    }  # fmt: skip


def noting(platform: Platform) -> dg.AssetsDefinition:
    """An asset that begins as `checkpoint` does."""

    @dg.asset(partitions_def=universes)
    def checkpoint(context: dg.AssetExecutionContext) -> None:
        note_decision(context, platform)

    return checkpoint


def run(instance: dg.DagsterInstance, platform: Platform, tags: dict[str, str]) -> dict[str, str]:
    """Tags of a run at its end."""
    result = dg.materialize([noting(platform)], instance=instance, partition_key=SYN, tags=tags)
    made = instance.get_run_by_id(result.run_id)
    assert made is not None
    return dict(made.tags)


def test_a_night_whose_row_could_not_be_written_is_not_lost(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """The schedule asks for its runs in any case, and the run writes the row."""
    platform.lake.catalogue.wait_seconds = 0.05
    platform.lake.snapshot()
    with FileLock(platform.lake.root / ".write.lock"):
        (request,) = ask_for_the_night(instance, platform)
    run(instance, platform, dict(request.tags))
    assert list(decisions(platform)) == [f"nightly:{SYN}:2024-03-05"]
    ask_for_the_night(instance, platform)
    assert len(decisions(platform)) == 1


@pytest.mark.parametrize("tags", [{}, {"reason": "manual", "universe": SYN}])
def test_a_run_that_a_person_starts_says_so_itself(
    instance: dg.DagsterInstance, platform: Platform, tags: dict[str, str]
) -> None:
    """From the UI without tags, or by `crypto-nn train`: a row and the tags of a decision."""
    told = run(instance, platform, tags)
    table = decisions(platform)
    assert table[told["decision"]]["trigger"] == told["reason"] == "manual"
    assert table[told["decision"]]["retrain"]
    assert told["universe"] == SYN
    again = run(instance, platform, {name: told[name] for name in ("decision", "reason")})
    assert again["decision"] == told["decision"]  # as Dagster's retry of a killed run has it
    assert decisions(platform) == table


def test_a_run_that_was_created_and_never_launched_does_not_block_for_ever(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """A day later the same run key is asked for, so that Dagster launches that very run."""
    with time_machine.travel(NOW, tick=False) as clock:
        report(instance, platform, "2024-02-27", 1.7)
        first = tick(sensors.retrain_on_drift, instance, platform)
        (request,) = first.run_requests or []
        launched(instance, request, dg.DagsterRunStatus.NOT_STARTED)
        for hours, due in ((23, 0), (2, 1)):
            clock.shift(timedelta(hours=hours))
            asked = tick(sensors.retrain_on_drift, instance, platform).run_requests or []
            assert [each.run_key for each in asked] == [request.run_key] * due
    assert list(decisions(platform)) == [request.tags["decision"]]


def test_an_episode_is_told_once_and_its_end_once(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """Ends are a calm day, and another champion; a calm day without an episode tells nothing."""
    cursor = None
    heard = []
    for day, score, version in (
        ("2024-02-20", 0.5, "v1"), ("2024-02-21", 1.5, "v1"), ("2024-02-22", 1.6, "v1"),
        ("2024-02-23", 0.5, "v1"), ("2024-02-24", 0.4, "v1"), ("2024-02-25", 1.5, "v1"),
        ("2024-02-26", 1.5, "v2"), ("2024-02-27", 0.2, "v2"),
    ):  # fmt: skip
        report(instance, platform, day, score, version)
        again = day in ("2024-02-21", "2024-02-23")  # as after a kill: the cursor was not written
        for _ in range(1 + again):
            result = tick(sensors.alert_on_drift, instance, platform, cursor)
        cursor = result.cursor
        heard.append([alert.key for alert in platform.alerts.open("drift")])
    one, two, three = (
        [f"drift:{SYN}:v1:2024-02-21"], [f"drift:{SYN}:v1:2024-02-25"],
        [f"drift:{SYN}:v2:2024-02-26"],
    )  # fmt: skip
    assert heard == [[], one, one, [], [], two, three, []]


def test_alarms_beyond_the_budget_are_told_together(
    instance: dg.DagsterInstance, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six episodes in a month and a budget of two: two are told one by one, four in one."""
    changed = EXPERIMENT.changed({"drift.alarms_per_year": 2})
    monkeypatch.setattr(drift_sensors, "EXPERIMENT", changed)
    days = [row(f"2024-01-{n:02d}", 0.5 if n % 2 else 1.5) for n in range(1, 14)]
    store(platform, days)
    for each in days:
        tell(instance, each)
    tick(sensors.alert_on_drift, instance, platform)
    keys = {row["key"] for row in platform.lake.read("alerts").to_pylist()}
    assert keys == {
        f"drift:{SYN}:v1:2024-01-02", f"drift:{SYN}:v1:2024-01-04",
        f"drift:{SYN}:beyond-budget:2024-01",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("order", "resolved", "left"),
    [
        (("21D", "23D", "22c", "24c"), ["v1:2024-02-21", "v1:2024-02-23"], []),
        (("21D", "23B", "24B", "25D"), ["v1:2024-02-21", "v2:2024-02-23"], ["v1:2024-02-25"]),
    ],
)
def test_whatever_the_order_of_reports_what_lasts_is_told_and_what_is_over_is_resolved(
    instance: dg.DagsterInstance,
    platform: Platform,
    order: tuple[str, ...],
    resolved: list[str],
    left: list[str],
) -> None:
    """D and c are days of v1, B is a drifted day of v2, after which v1 is the champion again.

    Each episode is told once, also where the cursor is lost and all reports come once more."""
    cursor = None
    for each in order:
        day, mark = each[:2], each[2]
        version = "v2" if mark == "B" else "v1"
        report(instance, platform, f"2024-02-{day}", 0.4 if mark == "c" else 1.7, version)
        cursor = tick(sensors.alert_on_drift, instance, platform, cursor).cursor
    tick(sensors.alert_on_drift, instance, platform)
    rows = platform.lake.read("alerts").to_pylist()
    assert [one["key"] for one in rows if one["state"] == "resolved"] == [
        f"drift:{SYN}:{name}" for name in resolved
    ]
    fired = sorted(one["key"] for one in rows if one["state"] == "firing")
    assert fired == sorted(f"drift:{SYN}:{name}" for name in (*resolved, *left))
    assert [alert.key for alert in platform.alerts.open("drift")] == [
        f"drift:{SYN}:{name}" for name in left
    ]


def test_after_a_rollback_the_old_champion_is_retrained_again(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """v1 drifts and is retrained, v2 answers, v1 comes back and drifts: that is a new episode."""
    cursor, episodes = None, []
    with time_machine.travel(NOW, tick=False) as clock:
        for day, version, score in (
            ("2024-02-20", "v1", 1.7), ("2024-02-22", "v2", 0.4), ("2024-02-24", "v1", 1.7),
        ):  # fmt: skip
            report(instance, platform, day, score, version)
            result = tick(sensors.retrain_on_drift, instance, platform, cursor)
            cursor = result.cursor
            for request in result.run_requests or []:
                launched(instance, request)
                episodes.append(request.tags["drift_episode"])
            clock.shift(timedelta(days=2))
    assert episodes == [f"drift:{SYN}:v1:2024-02-20", f"drift:{SYN}:v1:2024-02-24"]


def test_a_stored_decision_without_a_score_is_calm_and_ends_no_alert(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    """A score that is no number may be NULL in the lake."""
    report(instance, platform, "2024-02-21", 1.7)
    first = tick(sensors.alert_on_drift, instance, platform)
    store(platform, [row("2024-02-22", 0.0) | {"drift_score": None}])
    tell(instance, row("2024-02-22", float("nan")))
    tick(sensors.alert_on_drift, instance, platform, first.cursor)
    tick(sensors.retrain_on_drift, instance, platform)
    assert len(platform.alerts.open("drift")) == 1
    assert "no drift score" in decisions(platform)[key("2024-02-22")]["reason"]
