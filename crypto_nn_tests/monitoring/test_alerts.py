"""Alerts reach a real server once per episode, and a dead one harms nothing."""

import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr, ValidationError

from crypto_nn.monitoring.alerts import Alert, AlertConfig, Alerts, Told
from crypto_nn.monitoring.spool import Spool
from crypto_nn.monitoring.webhook import Undelivered, Webhook

HIDDEN = "T0KEN-in-the-path"


@dataclass
class Receiver:
    """A webhook on loopback that answers as it is told and keeps what it took."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    taken: list[dict[str, str]] = field(default_factory=list)
    asked: int = 0
    silent: threading.Event | None = None


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.asked += 1
            if state.silent:
                state.silent.wait(30)
                return
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = state.answers.pop(0) if state.answers else 200
            if status == 200:
                state.taken.append(json.loads(body))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{state.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/{HIDDEN}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield state
    if state.silent:
        state.silent.set()
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Remembered:
    """A ledger in memory."""

    alerts: list[Alert] = field(default_factory=list)

    def seen(self, key: str, state: str = "firing") -> bool:
        return any((alert.key, alert.state) == (key, state) for alert in self.alerts)

    def add(self, alert: Alert) -> None:
        self.alerts.append(alert)

    def open(self, kind: str | None = None) -> tuple[Alert, ...]:
        over = {alert.key for alert in self.alerts if alert.state == "resolved"}
        found = [a for a in self.alerts if a.key not in over and kind in (None, a.kind)]
        return tuple(found)


def files(spool: Path) -> list[Path]:
    """Every alert that is anywhere on its way."""
    return [path for path in spool.rglob("*.json") if path.name != "condition.json"]


def alert(key: str = "drift:BTC-USDT:v1:2024-01-02") -> Alert:
    at = np.datetime64("2024-01-03T00:05", "us")
    return Alert("drift", key, "BTC-USDT drifts", "Score 1.7, “vol_60” moved 0.4 sd.", at)


@dataclass
class Desk:
    """Alerts to a receiver, with what they slept."""

    alerts: Alerts
    slept: list[float]
    ledger: Remembered


def desk(url: str | None, spool: Path, ledger: Remembered | None = None) -> Desk:
    ledger = ledger or Remembered()
    slept: list[float] = []
    config = AlertConfig(
        webhook_url=SecretStr(url) if url else None,
        timeout_s=0.3,
        attempts=3,
        backoff_s=0.5,
        patience_s=20,
    )
    return Desk(Alerts(config, spool, ledger, slept.append), slept, ledger)


def test_an_alert_arrives_as_json(receiver: Receiver, tmp_path: Path) -> None:
    assert desk(receiver.url, tmp_path).alerts.tell(alert()) == Told(True, 1, 0)
    assert receiver.taken == [alert().to_json()]
    assert Alert.from_json(receiver.taken[0]) == alert()
    assert receiver.taken[0]["at"] == "2024-01-03T00:05:00.000000Z"


def test_an_episode_is_told_once_however_often_it_is_reported(
    receiver: Receiver, tmp_path: Path
) -> None:
    told = desk(receiver.url, tmp_path)
    news = [told.alerts.tell(alert()).new for _ in range(10)]
    told.alerts.tell(alert("another"))
    assert news == [True] + [False] * 9
    assert [each["key"] for each in receiver.taken] == [alert().key, "another"]


def test_a_passing_failure_is_tried_again_after_growing_pauses(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = [500, 503]
    told = desk(receiver.url, tmp_path)
    assert told.alerts.tell(alert()) == Told(True, 1, 0)
    assert told.slept == [0.5, 1.0]
    assert len(receiver.taken) == 1


def test_what_a_failing_server_did_not_take_waits_and_is_delivered_later(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = [500] * 3
    told = desk(receiver.url, tmp_path)
    assert told.alerts.tell(alert("first")) == Told(True, 0, 1)
    assert told.alerts.tell(alert("second")) == Told(True, 0, 2)
    restarted = desk(receiver.url, tmp_path, told.ledger)
    assert restarted.alerts.tell(alert("second")) == Told(False, 0, 2)  # it is left alone
    assert restarted.alerts.flush() == 2
    assert [each["key"] for each in receiver.taken] == ["first", "second"]
    assert not files(tmp_path)


@pytest.mark.parametrize("status", [302, 404])
def test_a_redirect_or_a_refusal_is_not_followed_nor_tried_again_at_once(
    receiver: Receiver, tmp_path: Path, status: int
) -> None:
    receiver.answers = [status]
    told = desk(receiver.url, tmp_path)
    assert told.alerts.tell(alert()) == Told(True, 0, 1)
    assert (receiver.asked, told.slept) == (1, [])


def test_a_server_that_does_not_answer_costs_the_timeout_and_not_the_alert(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.silent = threading.Event()
    assert desk(receiver.url, tmp_path).alerts.tell(alert()) == Told(True, 0, 1)
    assert receiver.asked == 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[", "http://nowhere.invalid:x/"])
def test_a_server_that_is_not_there_harms_nothing(tmp_path: Path, url: str) -> None:
    assert desk(url + HIDDEN, tmp_path).alerts.tell(alert()) == Told(True, 0, 1)


def test_without_a_webhook_alerts_go_to_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert desk(None, tmp_path).alerts.tell(alert()) == Told(True, 0, 0)
    assert "BTC-USDT drifts" in caplog.text
    assert not files(tmp_path)


def test_an_alert_is_spooled_before_it_is_noted_so_that_a_crash_between_repeats_it(
    receiver: Receiver, tmp_path: Path
) -> None:
    class Killed(Remembered):
        def add(self, alert: Alert) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk(receiver.url, tmp_path, Killed()).alerts.tell(alert())
    restarted = desk(receiver.url, tmp_path)
    assert restarted.alerts.tell(alert()) == Told(False, 1, 0)
    assert [each.key for each in restarted.ledger.alerts] == [alert().key]


def test_a_damaged_spool_file_does_not_hold_up_the_others(
    receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "0.json").write_text("{")
    (tmp_path / "1.json").write_text("{}")
    assert desk(receiver.url, tmp_path).alerts.tell(alert()).delivered == 1


def test_the_address_is_never_shown(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answers = [500, 404]
    told = desk(receiver.url, tmp_path)
    told.alerts.tell(alert())
    told.alerts.tell(alert("delivered"))
    told.alerts.flush()
    assert len(receiver.taken) == 2
    seen = [
        caplog.text,
        repr(told.alerts.config),
        repr(told.alerts.channels),
        str(vars(told.alerts)),
    ]
    assert not [text for text in seen if HIDDEN in text]
    with pytest.raises(ValidationError, match="must begin with") as refused:
        AlertConfig.model_validate({"webhook_url": f"ftp://{HIDDEN}"})
    assert HIDDEN not in str(refused.value)


@pytest.mark.parametrize(
    "form",
    ["http://LOCALHOST:{port}/{token}", "HTTP://127.0.0.1:{port}/{token}",
     "http://127.0.0.1:{port}/a/../{token}", "http://127.0.0.1:{port}/{token} é",
     "http://bob:{token}@LOCALHOST:{port}/x"],
)  # fmt: skip
def test_an_address_that_the_client_writes_otherwise_is_not_shown_either(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    caplog.set_level(1)
    logging.getLogger("httpx").info("others are heard")
    port = receiver.url.split(":")[2].partition("/")[0]
    webhook = Webhook(SecretStr(form.format(port=port, token=HIDDEN)), 5)
    for receiver.answers in ([200], [302]):
        with contextlib.suppress(Undelivered):
            webhook.send(alert().to_json())
    assert receiver.asked == 2
    assert HIDDEN not in caplog.text
    assert "others are heard" in caplog.text


def test_a_channel_with_a_strange_error_is_masked_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Strange:
        name = "strange-000000"
        asked = 0

        def send(self, alert: Alert) -> None:
            self.asked += 1
            raise SyntaxError(f"https://{HIDDEN}/")

    channel = Strange()
    alerts = Alerts(AlertConfig(patience_s=20), tmp_path, Remembered(), channels=(channel,))
    assert alerts.tell(alert()) == Told(True, 0, 1)
    assert alerts.tell(alert("second")) == Told(True, 0, 2)
    assert channel.asked == 1
    assert HIDDEN not in caplog.text
    assert "SyntaxError" in caplog.text


def test_what_cannot_be_read_in_the_spool_is_counted_and_holds_up_nothing(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = desk(receiver.url, tmp_path)
    folders = ("new", "unnoted", told.alerts.channels[0].name)
    for name in folders:
        (tmp_path / name / "0001.json").mkdir(parents=True)
        (tmp_path / name / "0002.json").symlink_to("0002.json")
    assert told.alerts.num_unreadable() == 6
    assert told.alerts.tell(alert()) == Told(True, 1, 2)
    assert [each["key"] for each in receiver.taken] == [alert().key]
    assert told.alerts.tend() == 0
    assert told.alerts.open() == (alert(),)
    assert "IsADirectoryError" in caplog.text
    full = Spool(tmp_path / folders[2], 2)
    full.put("0003-x-firing.json", alert("later"))  # what cannot be removed is no reason to fail
    assert "0003-x-firing.json" in [path.name for path in full.waiting()]


def test_a_pause_by_a_clock_that_was_ahead_is_none(receiver: Receiver, tmp_path: Path) -> None:
    told = desk(receiver.url, tmp_path)
    spool, now = Spool(tmp_path / told.alerts.channels[0].name, 9), np.datetime64("now", "us")
    spool.failed(np.datetime64("2130-01-01", "us"), 15, 900)
    assert told.alerts.tell(alert()) == Told(True, 1, 0)
    spool.failed(now, 900, 900)
    assert [spool.is_paused(now + np.timedelta64(s, "s"), 900) for s in (-1, 0, 899, 900)] == [
        False, True, True, False
    ]  # fmt: skip
    assert told.alerts.tell(alert("second")).delivered == 0


def test_a_channel_whose_name_begins_with_a_digit_is_counted(tmp_path: Path) -> None:
    Spool(tmp_path / "46elks-0a1b2c", 9).put("0001-x-firing.json", alert())
    alerts = Alerts(AlertConfig(), tmp_path, Remembered())
    assert alerts.waiting() == {"46elks-0a1b2c": 1}


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300"])
@pytest.mark.parametrize(
    "name",
    ["timeout_s", "backoff_s", "patience_s", "pause_s", "max_pause_s", "dead_man_minutes"],
)
def test_a_time_that_never_ends_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        AlertConfig.model_validate({name: float(value)})


def test_an_alert_is_a_row_of_the_table() -> None:
    row = alert().to_arrow().to_pylist()[0]
    assert (row["kind"], row["key"]) == ("drift", alert().key)
    assert row["message"].startswith("BTC-USDT drifts. Score 1.7")
