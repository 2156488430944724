"""`crypto-nn monitor` as a process, and `crypto-nn status`."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from crypto_nn.cli import app
from crypto_nn.monitoring.alerts import Alert, AlertConfig, Alerts
from crypto_nn.monitoring.dead_man import DAEMON, MONITOR, Heartbeats, watch_other
from crypto_nn.monitoring.ledger import LakeLedger
from crypto_nn.store.lake import Lake
from crypto_nn.store.tables import TABLES
from crypto_nn_tests.monitoring.receivers import Mailbox, free_port, mail_server

MINUTE = np.timedelta64(60, "s")


def now() -> np.datetime64:
    return np.datetime64("now", "us")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one bar and a monitor's environment."""
    lake = Lake(tmp_path / "lake")
    schema = pa.schema([(c.name, c.arrow) for c in TABLES["bars"].columns])
    bar = {"symbol": "SYN-USDT", "month": "2024-02", "ts": np.datetime64("2024-02-01", "us").item()}
    lake.append("bars", pa.Table.from_pylist([bar], schema=schema))
    lake.close()
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path))
    return tmp_path


@contextmanager
def monitor(*options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, once it answers, and where."""
    process = subprocess.Popen(
        [sys.executable, "-m", "crypto_nn", "monitor", "--metrics-port", "0", *options],
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout
        said = process.stdout.readline()
        assert "Metrics on http" in said, said + process.stdout.read()
        yield process, said.split()[2].rstrip(";")
    finally:
        process.kill()
        process.communicate()


def scrape(url: str, until: str) -> dict[str, float]:
    """The metrics, once one of them is there."""
    deadline = time.monotonic() + 60
    while True:
        text = httpx.get(url, timeout=10).text
        found = {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        if until in found:
            return found
        assert time.monotonic() < deadline, text
        time.sleep(0.05)


def told(home: Path) -> list[str]:
    lake = Lake(home / "lake")
    rows = lake.read("alerts").to_pylist()
    lake.close()
    return [row["title"] for row in rows]


def alerts_of(home: Path) -> Alerts:
    """Those of a sensor that knows no channel."""
    return Alerts(AlertConfig(), home / "alerts_spool", LakeLedger(Lake(home / "lake")))


def tell(alerts: Alerts, key: str) -> None:
    alerts.tell(Alert("drift", key, f"title {key}", "m", now()))


def test_a_monitor_serves_mails_and_is_missed_when_it_is_killed(home: Path) -> None:
    """The mail server is down at first, and its address and password come by the environment.

    A second monitor tells that it is back, and stops at once.
    """
    box = Mailbox(free_port())
    options = ("--interval", "2", "--alert-email", "you@example.com")
    smtp = f"mailto://127.0.0.1:{box.port}?from=nn@example.com"
    Heartbeats(home).beat(DAEMON, now(), MINUTE)
    with monitor(*options, CRYPTO_NN_SMTP=smtp) as (process, url):
        found = scrape(url, "crypto_nn_bars_age_seconds")
        assert found["crypto_nn_up"] == 1
        assert found["crypto_nn_bars_age_seconds"] > 86400
        alerts = alerts_of(home)
        tell(alerts, "early")
        with mail_server(box):
            tell(alerts, "late")
            deadline = time.monotonic() + 60
            while len(box.mails) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
        assert box.subjects == ["title early", "title late"]
        process.send_signal(signal.SIGKILL)
        process.wait()
    beats = Heartbeats(home)
    assert beats.last(MONITOR) is not None
    for minute in range(0, 15, 3):  # the daemon's sensor, of which nobody sees that time is made up
        watch_other(beats, DAEMON, alerts, now() + minute * MINUTE)
    assert [each.title for each in alerts.open("service")] == ["The monitor is silent"]
    beats.stop(DAEMON)
    with monitor("--interval", "60") as (process, _):
        deadline = time.monotonic() + 60
        while alerts.open("service") and time.monotonic() < deadline:
            time.sleep(0.1)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert time.monotonic() - began < 5  # a second on a machine that is not busy
    assert beats.last(MONITOR) is None
    over = "RESOLVED: The monitor is not silent any more"
    titles = told(home)
    assert over in titles
    assert len(titles) == 4


def test_a_monitor_that_is_interrupted_stops_cleanly_too(empty: Path) -> None:
    def ends() -> None:
        deadline = time.monotonic() + 60
        while Heartbeats(empty).last(MONITOR) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)  # goes to the main thread

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    ending = threading.Thread(target=ends)
    ending.start()
    try:
        result = CliRunner().invoke(app, ["monitor", "--metrics-port", "0", "--interval", "60"])
    finally:
        ending.join()
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)
    assert result.exit_code == 0, result.output
    assert Heartbeats(empty).last(MONITOR) is None


def test_a_look_prints_metrics_and_leaves_no_heartbeat(home: Path) -> None:
    result = CliRunner().invoke(app, ["monitor", "--once"])
    assert result.exit_code == 0, result.output
    names = {family.name for family in text_string_to_metric_families(result.stdout)}
    assert {"crypto_nn_up", "crypto_nn_bars_age_seconds", "crypto_nn_disk_free_bytes"} <= names
    assert Heartbeats(home).last(MONITOR) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--alert-email", "nobody"], "no address of mail"),
        (["--metrics-port", "70000"], "--metrics-port"),
        (["--alert-email", "a@b#c"], "no address of mail"),
        (["--interval", "0"], "--interval"),
        (["--interval", "inf"], "--interval"),
        (["--interval", "nan"], "--interval"),
        (["--host", "256.1.1.1"], "cannot be listened on"),
    ],
)
def test_a_mistake_is_told(empty: Path, options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["monitor", *options])
    assert result.exit_code != 0
    assert said in result.output + str(result.exception)


def test_a_mail_server_that_is_none_is_not_repeated(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTO_NN_SMTP", "smtp://canary-5d5d@host")
    result = CliRunner().invoke(app, ["monitor", "--alert-email", "you@example.com"])
    assert "CRYPTO_NN_SMTP" in str(result.exception)
    assert "canary" not in result.output + str(result.exception)


def test_status_is_one_screen_and_its_exit_code_says_whether_all_is_well(home: Path) -> None:
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 0, result.output
    assert "All is well." in result.output
    assert "its data are historical" in result.output
    tell(alerts_of(home), "one")
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 1
    assert "1 of " in result.output
    said = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
    assert said["ok"] is False
    wrong = [line for line in said["lines"] if line["ok"] is False]
    assert [line["what"] for line in wrong] == ["Alert (drift)"]
    assert len(result.output.splitlines()) < 50


def test_status_without_a_lake_says_so(empty: Path) -> None:
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 1
    assert "There is no lake" in result.output
    assert not list(empty.iterdir())  # to look makes nothing
