"""Every channel gets every alert, whatever becomes of the others, and shows its address nowhere."""

import json
import logging
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apprise import Apprise
from filelock import FileLock
from pydantic import SecretStr, ValidationError

from crypto_nn.errors import ConfigError, LakeError
from crypto_nn.experiments import Experiment
from crypto_nn.monitoring.alerts import Alert, AlertConfig, Alerts, Told
from crypto_nn.monitoring.channels import AppriseChannel, check_mail_server, mail_to
from crypto_nn.monitoring.ledger import LakeLedger
from crypto_nn.monitoring.spool import Spool
from crypto_nn.store.lake import Lake
from crypto_nn_tests.monitoring.receivers import (
    PASSWORD,
    USER,
    Mailbox,
    Web,
    free_port,
    knows_postman,
    mail_server,
    web_server,
)
from crypto_nn_tests.monitoring.test_alerts import Remembered, files

AT = np.datetime64("2024-01-03T00:05", "us")
MINUTE = np.timedelta64(60, "s")


def alert(key: str = "drift:BTC-USDT:v1:2024-01-02") -> Alert:
    return Alert("drift", key, "BTC-USDT drifts", "Score 1.7, “vol_60” moved 0.4 sd.", AT)


def mailto(box: Mailbox, more: str = "", secret: bool = False, scheme: str = "mailto") -> str:
    who = f"{USER}:{PASSWORD}@" if secret else ""
    return f"{scheme}://{who}127.0.0.1:{box.port}?to=you@example.com&from=nn@example.com{more}"


class Desk(Alerts):
    """Alerts with a ledger in memory and a clock that stands."""

    def __init__(self, spool: Path, *urls: str, ledger: Remembered | None = None, **more: object):
        config = AlertConfig.model_validate({"urls": urls, "patience_s": 20, **more})
        super().__init__(config, spool, ledger or Remembered(), lambda _: None, lambda: AT)


@pytest.fixture
def box() -> Mailbox:
    return Mailbox(free_port())


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as made:
        yield made


def settled(desk: Alerts, seconds: float = 5) -> int:
    """Flush until nothing waits; how many alerts were taken by then, by other rounds too."""
    deadline = time.monotonic() + seconds
    while files(desk.spool) and time.monotonic() < deadline:
        desk.flush()
    return len(files(desk.spool))


def test_an_alert_arrives_as_mail_with_title_and_text(box: Mailbox, tmp_path: Path) -> None:
    with mail_server(box):
        desk = Desk(tmp_path, mailto(box))
        assert desk.tell(alert()) == Told(True, 1, 0)
        desk.resolve(alert().key, "BTC-USDT is calm", "Score 0.4.", AT + MINUTE)
    assert box.subjects == ["BTC-USDT drifts", "RESOLVED: BTC-USDT is calm"]
    assert (box.mails[0]["To"], box.mails[0]["From"]) == ("you@example.com", "nn@example.com")
    body = box.mails[0].as_string() + str(box.mails[0].get_payload(decode=True))
    assert "Score 1.7" in body


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_mail_goes_to_a_server_that_wants_a_password(box: Mailbox, tmp_path: Path) -> None:
    options = {"authenticator": knows_postman(box), "auth_require_tls": False,
               "auth_required": True}  # fmt: skip
    with mail_server(box, **options):
        assert Desk(tmp_path / "no", mailto(box)).tell(alert()) == Told(True, 0, 1)
        assert Desk(tmp_path / "yes", mailto(box, secret=True)).tell(alert()) == Told(True, 1, 0)
    assert box.users == [USER]
    assert len(box.mails) == 1


def test_mail_goes_to_a_server_that_wants_tls(box: Mailbox, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    options = {"tls_context": context, "require_starttls": True,
               "authenticator": knows_postman(box), "auth_required": True}  # fmt: skip
    with mail_server(box, **options):
        strict = Desk(tmp_path / "a", mailto(box, secret=True, scheme="mailtos"))
        assert strict.tell(alert()) == Told(True, 0, 1)  # nobody vouches for the certificate
        lenient = mailto(box, "&verify=no", secret=True, scheme="mailtos")
        assert Desk(tmp_path / "b", lenient).tell(alert()) == Told(True, 1, 0)
    assert box.users == [USER]


def test_a_dead_mail_server_keeps_nothing_up_and_loses_nothing(
    box: Mailbox, web: Web, tmp_path: Path
) -> None:
    """The other channel gets each alert once; the mail server gets both once it is back."""
    urls = (mailto(box), f"json://{web.address}/a")
    desk = Desk(tmp_path, *urls)
    assert desk.tell(alert("first")) == Told(True, 1, 1)
    assert desk.tell(alert("second")) == Told(True, 1, 2)
    assert len(web.taken) == 2
    with mail_server(box):
        again = Desk(tmp_path, *urls, ledger=desk.ledger)  # type: ignore[arg-type]
        assert again.tell(alert("second")) == Told(False, 0, 2)  # left alone for a while
        assert settled(again) == 0
    assert len(box.mails) == 2
    assert len(web.taken) == 2


def test_a_dead_channel_is_left_alone_for_growing_pauses(box: Mailbox, tmp_path: Path) -> None:
    desk = Desk(tmp_path, mailto(box), pause_s=10, max_pause_s=25)
    spool = Spool(tmp_path / desk.channels[0].name, 9)
    desk.tell(alert())
    pauses = []
    for _ in range(4):
        pauses.append((spool.condition().until - AT.astype(np.int64)) / 1e6)
        desk.tend()  # it is not asked
        assert spool.condition().failures == len(pauses)
        desk.flush()  # it is
    assert pauses == [10, 20, 25, 25]
    with mail_server(box):
        assert desk.flush() == 1
    assert spool.condition().failures == 0


def test_a_slow_mail_server_costs_the_patience_and_gets_the_alert_once(
    box: Mailbox, tmp_path: Path
) -> None:
    box.hold = threading.Event()
    with mail_server(box):
        desk = Desk(tmp_path, mailto(box), patience_s=0.2)
        began = time.monotonic()
        assert desk.tell(alert()) == Told(True, 0, 1)
        assert desk.tell(alert("second")) == Told(True, 0, 2)
        assert time.monotonic() - began < 2
        box.hold.set()
        deadline = time.monotonic() + 10
        while files(tmp_path) and time.monotonic() < deadline:
            desk.flush()
        assert not files(tmp_path)
    assert len(box.mails) == 2


def test_a_refusing_mail_server_is_asked_again_later(box: Mailbox, tmp_path: Path) -> None:
    box.refuse = True
    with mail_server(box):
        desk = Desk(tmp_path, mailto(box))
        assert desk.tell(alert()) == Told(True, 0, 1)
        box.refuse = False
        assert desk.flush() == 1
    assert len(box.mails) == 1


@pytest.mark.parametrize(
    ("service", "attribute", "url", "path"),
    [
        ("slack.NotifySlack", "webhook_url", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
         "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"),
        ("telegram.NotifyTelegram", "notify_url",
         "tgram://123456789:abcdefg_hijklmnop-qrstuvwxyz12345/12315544/",
         "/bot123456789:abcdefg_hijklmnop-qrstuvwxyz12345/sendMessage"),
    ],
)  # fmt: skip
def test_slack_and_telegram_get_their_own_forms(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    service: str, attribute: str, url: str, path: str,
) -> None:  # fmt: skip
    """Their hosts are put in place of the real ones; the requests are the real ones."""
    prefix = {"webhook_url": "/services", "notify_url": "/bot"}[attribute]
    monkeypatch.setattr(f"apprise.plugins.{service}.{attribute}", web.url + prefix)
    assert Desk(tmp_path, url).tell(alert()) == Told(True, 1, 0)
    ((asked, body),) = web.taken
    assert asked == path
    assert "BTC-USDT drifts" in str(body)
    assert "Score 1.7" in str(body)


def test_forms_and_json_arrive_and_a_failing_server_is_retried(web: Web, tmp_path: Path) -> None:
    desk = Desk(tmp_path, f"json://{web.address}/a", f"form://{web.address}/b")
    web.status = 500
    assert desk.tell(alert()) == Told(True, 0, 2)
    web.status = 200
    assert desk.flush() == 2
    assert sorted(path for path, _ in web.taken) == ["/a", "/b"]


def test_a_full_spool_gives_up_its_oldest_and_says_so(
    box: Mailbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(tmp_path, mailto(box), spool_limit=3)
    for number in range(5):
        desk.tell(alert(str(number)))
    assert "is full" in caplog.text
    spool = Spool(tmp_path / desk.channels[0].name, 3)
    assert (len(spool.waiting()), spool.condition().dropped) == (3, 2)
    assert len(desk.open()) == 5  # the ledger has them all
    with mail_server(box):
        assert desk.flush() == 3


def test_a_flapping_service_of_a_day_is_told_once_per_episode(web: Web, tmp_path: Path) -> None:
    """Looked at every five minutes of a day, wrong for half an hour in every two hours."""
    desk = Desk(tmp_path, f"json://{web.address}/a", webhook_url=f"{web.url}/b")
    for minute in range(0, 24 * 60, 5):
        episode, wrong = f"service:bars:{minute // 120}", minute % 120 < 30
        if wrong:
            desk.tell(alert(episode))
        elif minute % 120 < 40:
            desk.resolve(episode, "Bars are back", "", AT)
    for path, name in (("/a", "title"), ("/b", "title")):
        titles = [body[name] for asked, body in web.taken if asked == path]
        assert titles == ["BTC-USDT drifts", "RESOLVED: Bars are back"] * 12
    states = [body["state"] for asked, body in web.taken if asked == "/b"]
    assert states == ["firing", "resolved"] * 12
    assert desk.open() == ()


def test_what_a_release_before_left_in_the_spool_is_delivered_by_every_channel(
    web: Web, tmp_path: Path
) -> None:
    fields = alert().to_json()
    del fields["state"]
    (tmp_path / "0a1b2c3d4e5f60718293a4b5c6d7e8f9.json").write_text(json.dumps(fields))
    desk = Desk(tmp_path, f"json://{web.address}/a", webhook_url=f"{web.url}/b")
    assert desk.flush() == 2
    assert not files(tmp_path)
    assert dict(web.taken)["/b"] == alert().to_json()


def test_a_subscriber_that_others_do_not_know_gets_their_alerts(
    box: Mailbox, web: Web, tmp_path: Path
) -> None:
    """`monitor --alert-email` is such a one: the daemon spools for it, the monitor delivers."""
    mail = AppriseChannel(SecretStr(mailto(box)))
    Spool(tmp_path / mail.name, 9).subscribe()
    daemon = Desk(tmp_path, f"json://{web.address}/a")
    assert daemon.tell(alert()) == Told(True, 1, 1)
    assert daemon.waiting()[mail.name] == 1
    monitor = Alerts(daemon.config, tmp_path, daemon.ledger, channels=(mail,))
    with mail_server(box):
        assert monitor.tend() == 1
    Spool(tmp_path / mail.name, 9).unsubscribe()
    assert daemon.tell(alert("later")).waiting == 0


class Killed(BaseException):
    """What a SIGKILL leaves undone."""


STEPS = (
    "crypto_nn.monitoring.alerts.write_bytes",
    "crypto_nn.monitoring.spool.write_bytes",
    "crypto_nn.monitoring.alerts._move",
    "crypto_nn_tests.monitoring.test_alerts.Remembered.add",
    "crypto_nn.monitoring.alerts._Post.start",
)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("resolving", [False, True], ids=["tell", "resolve"])
def test_killed_at_any_step_nothing_is_lost(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    step: str, after: bool, resolving: bool,
) -> None:  # fmt: skip
    """The caller repeats, as a sensor whose cursor has not moved does."""
    from importlib import import_module

    module, _, name = step.rpartition(".")
    owner = module.rpartition(".") if module[module.rfind(".") + 1].isupper() else None
    holder = getattr(import_module(owner[0]), owner[2]) if owner else None
    if module.endswith("_Post"):
        holder = import_module("crypto_nn.monitoring.alerts")._Post
    real = getattr(holder or import_module(module), name)

    def dies(*args: object, **more: object) -> None:
        if after:
            real(*args, **more)
        raise Killed

    url, ledger = f"json://{web.address}/a", Remembered()
    desk = Desk(tmp_path, url, ledger=ledger)
    if resolving:
        desk.tell(alert())

    def act(by: Alerts) -> None:
        if resolving:
            by.resolve(alert().key, "BTC-USDT is calm", "", AT)
        else:
            by.tell(alert())

    with monkeypatch.context() as patch:
        patch.setattr(holder or import_module(module), name, dies)
        with pytest.raises(Killed):
            act(desk)
    again = Desk(tmp_path, url, ledger=ledger)
    act(again)
    assert settled(again) == 0
    told = [a for a in ledger.alerts if a.state == ("resolved" if resolving else "firing")]
    assert len(told) == 1
    titles = [body["title"] for _, body in web.taken]
    due = "RESOLVED: BTC-USDT is calm" if resolving else "BTC-USDT drifts"
    assert titles.count(due) == 1
    act(again)  # once more changes nothing
    assert len(web.taken) == len(titles)


def test_a_ledger_that_cannot_be_reached_delays_its_row_and_not_the_alert(
    web: Web, tmp_path: Path
) -> None:
    class Lost(Remembered):
        lost = True

        def seen(self, key: str, state: str = "firing") -> bool:
            if self.lost:
                raise LakeError("gone")
            return super().seen(key, state)

        def add(self, alert: Alert) -> None:
            if self.lost:
                raise LakeError("gone")
            super().add(alert)

        def open(self, kind: str | None = None) -> tuple[Alert, ...]:
            if self.lost:
                raise LakeError("gone")
            return super().open(kind)

    ledger = Lost()
    url = f"json://{web.address}/a"
    assert Desk(tmp_path, url, ledger=ledger).tell(alert()) == Told(True, 1, 0)
    other = Desk(tmp_path, url, ledger=ledger)
    assert other.tell(alert()) == Told(False, 0, 0)
    assert [each.key for each in other.open()] == [alert().key]
    ledger.lost = False
    other.tend()
    assert [each.key for each in ledger.alerts] == [alert().key]
    assert len(web.taken) == 1
    ledger.lost = True
    with pytest.raises(LakeError):
        other.resolve("drift:another", "", "", AT)


def test_a_long_writer_of_the_lake_delays_the_row_and_not_the_alert(
    web: Web, tmp_path: Path
) -> None:
    ledger = LakeLedger(Lake(tmp_path / "lake"), wait_s=0.1)
    config = AlertConfig(webhook_url=SecretStr(web.url), patience_s=20)
    alerts = Alerts(config, tmp_path / "spool", ledger)
    alerts.tell(alert("first"))
    with FileLock(tmp_path / "lake" / ".write.lock"):
        assert alerts.tell(alert("second")) == Told(True, 1, 0)
        assert [each.key for each in ledger.open()] == ["first"]
        assert [each.key for each in alerts.open()] == ["first", "second"]
        assert not alerts.tell(alert("second")).new
    alerts.flush()
    assert [each.key for each in ledger.open()] == ["first", "second"]
    assert alerts.resolve("second", "over", "", AT).new
    assert [each.key for each in alerts.open("drift")] == ["first"]
    assert len(web.taken) == 3


def test_two_processes_that_tell_at_once_are_heard_once(web: Web, tmp_path: Path) -> None:
    """In one lake, four episodes one after the other."""
    program = f"""
import sys
from pathlib import Path
import numpy as np
from crypto_nn.monitoring.alerts import Alert, AlertConfig, Alerts
from crypto_nn.monitoring.ledger import LakeLedger
from crypto_nn.store.lake import Lake
home = Path({str(tmp_path)!r})
alerts = Alerts(AlertConfig(webhook_url="{web.url}/a", patience_s=20), home / "spool",
                LakeLedger(Lake(home / "lake"), 20))
sys.stdin.readline()
for number in range(4):
    at = np.datetime64("2024-01-01", "us")
    print(alerts.tell(Alert("drift", f"key {{number}}", "t", "m", at)).new)
"""
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]  # fmt: skip
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0].split() for process in started]
    assert [len(lines) for lines in said] == [4, 4]
    assert sum(lines.count("True") for lines in said) == 4
    assert sorted(body["key"] for _, body in web.taken) == [f"key {n}" for n in range(4)]


BAD = (
    "slak://canary-9a1f/B/C", "canary-9a1f", "canary-9a1f://host", "tgram://canary-9a1f",
    "mailto://canary-9a1f", "mailto://host?to=a@b%23canary-9a1f", "https+canary-9a1f",
    "://canary-9a1f", "slack://canary-9a1f", "",
)  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_address_is_refused_at_load_and_not_repeated(bad: str) -> None:
    with pytest.raises(ConfigError, match=r"alerts\.urls: the entry 2") as refused:
        Experiment.parse({"alerts": {"urls": ["json://localhost/x", bad]}})
    assert "canary" not in str(refused.value)


def test_a_likely_slip_is_pointed_out() -> None:
    with pytest.raises(ConfigError, match="did you mean slack://"):
        Experiment.parse({"alerts": {"urls": ["slak://x"]}})


@pytest.mark.parametrize(
    "bad",
    [
        "smtp://canary-9a1f@host",
        "canary-9a1f",
        "mailtos://a:canary-9a1f@:x",
        "mailto://",
        "mailto://a:1/canary-9a1f@host",
        "mailto://a:1?canary-9a1f@host",
        "mailto://a:1#canary-9a1f@host",
    ],
)
def test_a_bad_mail_server_is_refused_and_not_repeated(bad: str) -> None:
    with pytest.raises(ConfigError, match=r"alerts\.smtp_url: ") as refused:
        Experiment.parse({"alerts": {"smtp_url": bad}})
    assert "canary" not in str(refused.value)


def test_mail_to_a_person_goes_through_the_named_server(box: Mailbox, tmp_path: Path) -> None:
    server = SecretStr(f"mailto://{USER}:{PASSWORD}@127.0.0.1:{box.port}")
    check_mail_server(server)
    channel = AppriseChannel(mail_to("me+nn@example.com", server))
    options = {"authenticator": knows_postman(box), "auth_require_tls": False}
    with mail_server(box, **options):
        channel.send(alert())
    assert box.users == [USER]
    assert (box.mails[0]["To"], box.mails[0]["From"]) == ("me+nn@example.com",) * 2
    assert mail_to("me@example.com", None).get_secret_value().startswith("mailto://localhost:25?")


UNDELIVERABLE = (
    "me", "@", "me@", "me@nowhere&to=x", "a@b#c", "a@b?c=d", "a'@b", "mé@exämple.org",
    "me@a.org%2Cyou@b.org",
)  # fmt: skip


@pytest.mark.parametrize("bad", UNDELIVERABLE)
def test_an_address_that_no_mail_would_reach_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="no address of mail"):
        mail_to(bad, None)


@pytest.mark.parametrize(
    ("server", "sender"),
    [
        ("mailto://bot:aGVsto=@mail.example.com:25", "me@example.org"),
        ("mailto://bot:xfrom=@mail.example.com:25", "me@example.org"),
        ("mailto://bot:pw@mail.example.com?to=ops@example.com", "me@example.org"),
        ("mailto://bot:pw@mail.example.com?from=nn@example.com&TO=ops@example.com",
         "nn@example.com"),
        ("mailtos://bot:pw@mail.example.com:587?mode=ssl", "me@example.org"),
    ],
)  # fmt: skip
def test_mail_goes_to_the_person_whom_the_command_names(server: str, sender: str) -> None:
    check_mail_server(SecretStr(server))
    url = mail_to("me@example.org", SecretStr(server)).get_secret_value()
    service: Any = Apprise.instantiate(url)
    assert [address for _, address in service.targets] == ["me@example.org"]
    assert sender in (service.from_addr[0], service.from_addr[1])
    assert service.host == "mail.example.com"


def test_addresses_are_shown_nowhere(
    box: Mailbox, web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Not by us, not by apprise, not by what it uses; delivered or not, at the loudest level."""
    caplog.set_level(1)
    for name in ("apprise", "urllib3", "requests", "httpx"):
        logging.getLogger(name).setLevel(1)
    hook = "canary-path-77aa"
    urls = (mailto(box, secret=True), f"json://{USER}:{PASSWORD}@{web.address}/{hook}",
            f"slack://T1JJ3T3L2/A1BRTD4JD/{hook}".ljust(60, "x"))  # fmt: skip
    assert AppriseChannel(SecretStr(urls[0])).name.startswith("mailto-")
    desk = Desk(tmp_path, *urls[:2], heartbeat_url=f"{web.url}/{hook}")
    desk.tell(alert())
    with mail_server(box, authenticator=knows_postman(box), auth_require_tls=False):
        web.status = 500
        desk.tell(alert("other"))
        web.status = 200
        assert settled(desk) == 0
    text = Experiment.parse({"alerts": desk.config.model_dump()}).to_yaml()
    out, err = capfd.readouterr()
    seen = [caplog.text, out, err, text, repr(desk.config), repr(desk.channels), str(vars(desk))]
    seen += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    for secret in (PASSWORD, hook):
        assert not [shown for shown in seen if secret in shown]
    assert len(re.findall(r"\*{10}", text)) == 3
    with pytest.raises(ValidationError) as refused:
        AlertConfig.model_validate({"urls": [f"slack://{hook}"]})
    assert hook not in str(refused.value)
