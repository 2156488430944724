"""The monitor measures what the lake says, survives what is wrong with it, and tells of it once."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from crypto_nn.monitoring.alerts import Alert, AlertConfig, Alerts
from crypto_nn.monitoring.dead_man import (
    DAEMON,
    MONITOR,
    Heartbeat,
    Heartbeats,
    is_silent,
    watch_other,
)
from crypto_nn.monitoring.exporter import MEASURES, registry_of
from crypto_nn.monitoring.health import Snapshot, Watched, collect
from crypto_nn.monitoring.ledger import LakeLedger
from crypto_nn.monitoring.service import Monitor
from crypto_nn.monitoring.verdicts import Line, verdicts
from crypto_nn.store.lake import Lake
from crypto_nn.store.models import ModelStore
from crypto_nn.store.tables import TABLES
from crypto_nn_tests.monitoring.receivers import web_server
from crypto_nn_tests.monitoring.test_alerts import Remembered

SYMBOL = "BTC-USDT"
NOW = np.datetime64("2024-03-01T12:00", "us")
HOUR, MINUTE = np.timedelta64(1, "h"), np.timedelta64(1, "m")


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: np.datetime64 = NOW) -> None:
        self.now = now

    def __call__(self) -> np.datetime64:
        return self.now


def rows(lake: Lake, table: str, *rows: dict[str, object]) -> None:
    schema = pa.schema([(c.name, c.arrow) for c in TABLES[table].columns])
    lake.append(table, pa.Table.from_pylist(list(rows), schema=schema))


def write(lake: Lake) -> None:
    """A lake with one row or so in every table that is looked at."""
    at = NOW.item()
    day_ago = (NOW - 24 * HOUR).item()
    minute = {"symbol": SYMBOL, "month": "2024-03"}
    rows(lake, "bars", *({**minute, "ts": (NOW - n * HOUR).item()} for n in (1, 2)))
    rows(lake, "features", {**minute, "ts": (NOW - 2 * HOUR).item()})
    of = {"symbol": SYMBOL, "model_version": "v1", "threshold": 1.0, "p_value": 0.2, "made_at": at}
    rows(lake, "drift_decisions",
         {**of, "day": "2024-02-28", "drift_score": 1.5, "drifted": True},
         {**of, "day": "2024-02-29", "drift_score": 0.5, "drifted": False})  # fmt: skip
    rows(lake, "model_monitor", {"symbol": SYMBOL, "day": "2024-02-29", "model_version": "v1",
         "metric": "all", "e_value": 3.5, "alarm": False, "made_at": at})  # fmt: skip
    model = {"universe": SYMBOL, "model_version": "v1", "symbol": SYMBOL, "majority": 0.4}
    rows(lake, "model_metrics",
         *({**model, "horizon": h, "timestamp": day_ago, "accuracy": 0.5, "latency_ms": 2.0}
           for h in (5, 15)))  # fmt: skip
    shadow = {"universe": SYMBOL, "champion": "v1", "shadow": "v2", "role": "challenger"}
    scores = {"day": "2024-02-29", "e_better": 2.0, "e_worse": 0.5, "made_at": at}
    rows(lake, "shadow_scores", {**shadow, **scores})
    asked = {"universe": SYMBOL, "trigger": "drift", "reason": "calm", "made_at": at}
    rows(lake, "retraining_decisions",
         *({**asked, "decision": str(n), "retrain": n == 2} for n in range(3)))  # fmt: skip
    rows(lake, "checkpoints", {"universe": SYMBOL, "version": "v1", "trained_at": day_ago})
    rows(lake, "runs", *({"universe": SYMBOL, "run": str(n), "state": "complete",
         "started_at": (NOW - n * 20 * HOUR).item()} for n in range(3)))  # fmt: skip
    lake.append("alerts", Alert("drift", "drift:x", "Drift", "m", NOW - HOUR).to_arrow())


def write_champion(home: Path) -> None:
    event = {"version": "v1", "action": "promote", "reason": "first", "at": str(NOW - 48 * HOUR)}
    ModelStore(home / "models").set_pointer(f"champion-{SYMBOL}", {"events": [event]})


def make_home(tmp_path: Path) -> Path:
    """A home with a champion and one bar."""
    lake = Lake(tmp_path / "lake")
    bars = ({"symbol": SYMBOL, "month": "2024-03", "ts": (NOW - HOUR).item(), "close": 1.0},)
    rows(lake, "bars", *bars)
    calm = {"symbol": SYMBOL, "drifted": False, "drift_score": 0.5}
    rows(lake, "drift_decisions", *({**calm, "day": f"2024-02-{n:02}"} for n in range(1, 29)))
    lake.close()
    write_champion(tmp_path)
    return tmp_path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("full")
    lake = Lake(home / "lake")
    write(lake)
    lake.close()
    write_champion(home)
    Heartbeats(home).beat(DAEMON, NOW - MINUTE, HOUR)
    return home


def watched(home: Path) -> Watched:
    return Watched(home, None, {SYMBOL: True}, (SYMBOL,), 3 * 3600.0, "tonight")


def alerts_of(home: Path, clock: Clock, url: str = "") -> Alerts:
    config = AlertConfig.model_validate({"patience_s": 20, "webhook_url": url or None})
    return Alerts(config, home / "spool", LakeLedger(Lake(home / "lake")), now=clock)


def scraped(snapshot: Snapshot, now: np.datetime64 = NOW) -> dict[tuple[str, str], float]:
    """Every sample of the text that Prometheus reads, by name and labels."""
    text = generate_latest(registry_of(lambda: snapshot, lambda: now, 30, lambda: 4)).decode()
    return {
        (sample.name, ",".join(text for _, text in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def snapshot(full: Path) -> Snapshot:
    return collect(watched(full), alerts_of(full, Clock()), NOW)


def test_what_the_lake_says_is_what_prometheus_reads(snapshot: Snapshot) -> None:
    assert (snapshot.up, snapshot.errors) == (True, ())
    found = scraped(snapshot)
    due = {
        ("crypto_nn_up", ""): 1,
        ("crypto_nn_monitor_errors_total", ""): 4,
        ("crypto_nn_bars_age_seconds", SYMBOL): 3540,
        ("crypto_nn_features_age_seconds", SYMBOL): 7140,
        ("crypto_nn_drift_score", f"{SYMBOL},v1"): 0.5,
        ("crypto_nn_drift_threshold", f"{SYMBOL},v1"): 1,
        ("crypto_nn_drifted", f"{SYMBOL},v1"): 0,
        ("crypto_nn_model_evidence", f"{SYMBOL},v1"): 3.5,
        ("crypto_nn_accuracy_ratio", f"15,{SYMBOL},{SYMBOL},v1"): 0.5,
        ("crypto_nn_latency_seconds", f"5,{SYMBOL},{SYMBOL},v1"): 0.002,
        ("crypto_nn_champion_info", f"{SYMBOL},v1"): 1,
        ("crypto_nn_champion_age_seconds", f"{SYMBOL},v1"): 48 * 3600,
        ("crypto_nn_shadow_better_evidence", f"v1,challenger,v2,{SYMBOL}"): 2,
        ("crypto_nn_retraining_decisions_total", f"false,drift,{SYMBOL}"): 2,
        ("crypto_nn_retraining_decisions_total", f"true,drift,{SYMBOL}"): 1,
        ("crypto_nn_trainings_last_day", "complete"): 2,
        ("crypto_nn_alerts_open", "drift"): 1,
        ("crypto_nn_alerts_open", "service"): 0,
        ("crypto_nn_heartbeat_timestamp_seconds", DAEMON): 1709294340,
    }
    assert {key: found.get(key) for key in due} == due
    assert found["crypto_nn_disk_free_bytes", ""] > 0
    # a skill that is null is no sample
    assert not [name for name, _ in found if name == "crypto_nn_log_loss_skill_ratio"]


def test_names_follow_the_conventions_of_prometheus() -> None:
    for measure in MEASURES:
        assert measure.name.startswith("crypto_nn_")
        assert measure.name.endswith("_total") == measure.counts
        assert measure.help.endswith(".")
        assert not measure.name.endswith(("_ms", "_minutes", "_percent"))
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)


def test_a_monitor_that_hangs_is_not_up(snapshot: Snapshot) -> None:
    assert scraped(snapshot, NOW + 2 * MINUTE)["crypto_nn_up", ""] == 1
    assert scraped(snapshot, NOW + 3 * MINUTE)["crypto_nn_up", ""] == 0


def test_status_says_what_is_well_and_what_is_not(full: Path, snapshot: Snapshot) -> None:
    lines = verdicts(snapshot, watched(full), 10)
    wrong = [line.what for line in lines if line.ok is False]
    assert wrong == ["Alert (drift)"]
    late = replace(snapshot, at=NOW + 12 * HOUR, alerts=())
    wrong = [line.what for line in verdicts(late, watched(full), 10) if line.ok is False]
    assert wrong == [f"Bars of {SYMBOL}", "Daemon"]
    assert Line("x", None, "").mark == "–"


def test_a_table_of_an_older_release_is_read(tmp_path: Path) -> None:
    """Columns that came later are missing; the rest is there."""
    lake = Lake(tmp_path / "lake")
    lake.append("alerts", Alert("drift", "k", "t", "m", NOW).to_arrow().drop_columns(["title"]))
    lake.close()
    snapshot = collect(watched(tmp_path), alerts_of(tmp_path, Clock()), NOW)
    assert snapshot.errors == ()
    assert [alert.key for alert in snapshot.alerts] == ["k"]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for one harm after the other."""
    return make_home(tmp_path_factory.mktemp("broken"))


@pytest.mark.parametrize("harm", ["unreadable table", "garbage", "missing", "folder"])
def test_a_broken_lake_is_counted_and_does_not_end_the_monitor(broken: Path, harm: str) -> None:
    home, catalogue = broken, broken / "lake" / "catalog.sqlite"
    if harm == "unreadable table":
        for file in (home / "lake" / "data").rglob("*.parquet"):
            file.write_bytes(b"no Parquet")
    else:
        for file in (home / "lake").glob("catalog.sqlite*"):
            file.unlink()
        if harm == "garbage":
            catalogue.write_bytes(b"no SQLite" * 1000)
        if harm == "folder":
            catalogue.mkdir()
    clock = Clock()
    monitor = Monitor(watched(home), alerts_of(home, clock), clock)
    snapshot = monitor.look()
    assert snapshot.errors
    assert not [error for error in snapshot.errors if "DATA_PATH" in error]
    assert monitor.num_failures >= 1
    found = scraped(snapshot)
    assert found["crypto_nn_up", ""] == 0
    assert found["crypto_nn_champion_info", f"{SYMBOL},v1"] == 1  # what can be read is there


def test_troubles_are_told_once_and_resolved_once(home: Path) -> None:
    """Late bars, then a lake that is gone for an hour, then both well again."""
    clock = Clock()
    with web_server() as web:
        monitor = Monitor(watched(home), alerts_of(home, clock, f"{web.url}/"), clock)

        def looks(hours: float, number: int = 2) -> None:
            for _ in range(number):
                clock.now += np.timedelta64(round(3600e6 * hours / number), "us")
                monitor.look()

        looks(1)
        assert web.taken == []
        looks(4)
        assert [body["title"] for _, body in web.taken] == [f"Bars of {SYMBOL} are late"]
        (home / "lake" / "catalog.sqlite").rename(home / "away")
        looks(0.1, 1)
        assert len(web.taken) == 1  # one failure may fall on a moment
        looks(1)
        assert [body["title"] for _, body in web.taken][1:] == ["The lake cannot be read"]
        (home / "away").rename(home / "lake" / "catalog.sqlite")
        lake = Lake(home / "lake")
        rows(lake, "bars", {"symbol": SYMBOL, "month": "2024-03", "ts": clock.now.item()})
        lake.close()
        looks(1)
    titles = [body["title"] for _, body in web.taken][2:]
    assert sorted(titles) == [
        f"RESOLVED: Bars of {SYMBOL} are late",
        "RESOLVED: The lake cannot be read",
    ]
    kept = Lake(home / "lake").read("alerts").to_pylist()
    assert len(kept) == 2 + 2  # each is in the table, also those told while it was gone


def watchers(home: Path, clock: Clock, url: str) -> tuple[Heartbeats, Alerts]:
    config = AlertConfig.model_validate({"patience_s": 20, "webhook_url": url})
    return Heartbeats(home), Alerts(config, home / "spool", Remembered(), now=clock)


def test_a_silent_daemon_is_told_by_the_monitor_and_the_other_way_round(tmp_path: Path) -> None:
    clock = Clock()
    with web_server() as web:
        beats, alerts = watchers(tmp_path, clock, f"{web.url}/")

        def minutes(number: int, *who: str) -> list[str]:
            before = len(web.taken)
            for _ in range(number):
                clock.now += MINUTE
                for one in who:
                    watch_other(beats, one, alerts, clock.now)
            return [body["title"] for _, body in web.taken[before:]]

        assert minutes(15, DAEMON) == []  # a monitor that was never started is not missed
        assert minutes(15, DAEMON, MONITOR) == []
        assert minutes(9, MONITOR) == []
        assert minutes(15, MONITOR) == ["The daemon is silent"]
        assert minutes(5, MONITOR, DAEMON) == ["RESOLVED: The daemon is not silent any more"]
        assert minutes(15, DAEMON) == ["The monitor is silent"]
        assert minutes(5, MONITOR, DAEMON) == ["RESOLVED: The monitor is not silent any more"]
        beats.stop(MONITOR)
        assert minutes(15, DAEMON) == []  # stopped cleanly
        minutes(5, DAEMON, MONITOR)
        clock.now += 100 * HOUR  # the machine sleeps
        assert minutes(5, DAEMON) == []
        assert minutes(5, DAEMON, MONITOR) == []


def test_a_sign_of_life_by_a_clock_that_was_ahead_is_silence(tmp_path: Path) -> None:
    """Both signs are from 2030 when the clock comes back; only the monitor is still there."""
    clock, ahead = Clock(), np.datetime64("2030-01-01", "us")
    with web_server() as web:
        beats, alerts = watchers(tmp_path, clock, f"{web.url}/")
        for who in (DAEMON, MONITOR):
            beats.beat(who, ahead, HOUR)
        assert is_silent(beats.last(DAEMON), NOW, 10)
        assert not is_silent(beats.last(DAEMON), ahead - 10 * MINUTE, 10)
        told: list[int] = []
        for minute in range(30):
            clock.now += MINUTE
            watch_other(beats, MONITOR, alerts, clock.now)
            told += [minute] * (len(web.taken) - len(told))
        assert told == [11]  # minutes since it was looked for by a clock that is right
        assert web.taken[0][1]["title"] == "The daemon is silent"
        assert "by a clock that was" in web.taken[0][1]["message"]
        watch_other(beats, DAEMON, alerts, clock.now)
        assert [body["state"] for _, body in web.taken] == ["firing", "resolved"]
    (line,) = [one for one in verdicts(Snapshot(NOW, heartbeats={DAEMON: Heartbeat(
        ahead, ahead, ahead, 1)}), watched(tmp_path), 10) if one.what == "Daemon"]  # fmt: skip
    assert line.ok is False
    assert "ahead of the clock" in line.found


def test_what_cannot_be_read_in_the_spool_ends_neither_monitor_nor_status(full: Path) -> None:
    clock = Clock()
    alerts = alerts_of(full, clock)
    alerts.spool = full / "bad spool"
    (alerts.spool / "new" / "0001.json").mkdir(parents=True)
    (alerts.spool / "unnoted").mkdir()
    (alerts.spool / "unnoted" / "0002.json").symlink_to("0002.json")
    monitor = Monitor(watched(full), alerts, clock, once=True)
    snapshot = monitor.look()
    assert snapshot.up
    assert [alert.key for alert in snapshot.alerts] == ["drift:x"]
    assert [error.split(" (")[0] for error in snapshot.errors] == ["spools: 2 files cannot be read"]
    assert monitor.num_failures == 1
    assert verdicts(snapshot, watched(full), 10)[0].ok is False


def test_a_number_that_is_null_is_unknown() -> None:
    nothing = {"symbol": SYMBOL, "day": "2024-02-29"}
    row = {**nothing, "drifted": None, "drift_score": None, "alarm": False, "e_value": None}
    for each in (row, nothing):
        lines = verdicts(Snapshot(NOW, drift=(each,), evidence=(each,)), watched(Path("x")), 10)
        found = {line.what: line for line in lines}
        assert found[f"Drift of {SYMBOL}"].ok is None
        assert "score ?" in found[f"Drift of {SYMBOL}"].found
        assert found[f"Model of {SYMBOL}"].ok is (True if each is row else None)
        assert "evidence ?" in found[f"Model of {SYMBOL}"].found


def test_silence_is_told_by_a_look_of_a_cron_job_too(tmp_path: Path) -> None:
    clock = Clock()
    with web_server() as web:
        beats, alerts = watchers(tmp_path, clock, f"{web.url}/")
        beats.beat(DAEMON, NOW, HOUR)
        clock.now += HOUR
        for _ in range(2):
            watch_other(beats, MONITOR, alerts, clock.now, once=True)
        assert [body["title"] for _, body in web.taken] == ["The daemon is silent"]
    assert beats.last(MONITOR) is None


def test_a_damaged_heartbeat_is_none(tmp_path: Path) -> None:
    beats = Heartbeats(tmp_path)
    beats.beat(DAEMON, NOW, HOUR)
    for text in ("", "[]", "{}", json.dumps({"at": "x", "since": 1, "pinged": 2, "pid": 3}),
                 json.dumps({"at": None, "since": 1, "pinged": 2, "pid": 3})):  # fmt: skip
        (tmp_path / "heartbeats" / "daemon.json").write_text(text)
        assert beats.last(DAEMON) is None
    assert beats.beat(DAEMON, NOW, HOUR).since == NOW


def test_the_address_outside_is_asked_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def waited() -> None:
        for thread in threading.enumerate():
            if thread.name == "heartbeat":
                thread.join(10)

    clock = Clock()
    with web_server() as web:
        url = f"{web.url}/canary-beat"
        config = AlertConfig.model_validate({"heartbeat_url": url})
        alerts = Alerts(config, tmp_path / "s", Remembered(), now=clock)
        for _ in range(12):
            clock.now += np.timedelta64(15, "s")
            watch_other(Heartbeats(tmp_path), DAEMON, alerts, clock.now)
            waited()
        assert [path for path, _ in web.taken] == ["/canary-beat"] * 3
        web.status = 500
        clock.now += MINUTE
        watch_other(Heartbeats(tmp_path), DAEMON, alerts, clock.now)
        waited()
    clock.now += MINUTE
    watch_other(Heartbeats(tmp_path), DAEMON, alerts, clock.now)
    waited()
    assert "answers 500" in caplog.text
    assert "cannot be reached" in caplog.text
    assert "canary" not in caplog.text
