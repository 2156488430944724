"""A dead man's switch: the daemon and the monitor each notice when the other falls silent.

Each writes a heartbeat, a small file, at every tick. Neither alerts about time in which it did not
look itself: after a machine slept, both are given as long again.
"""

import json
import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from crypto_nn.monitoring.alerts import Alert, Alerts
from crypto_nn.monitoring.unheard import unheard
from crypto_nn.store.atomic import write_bytes

log = logging.getLogger(__name__)

DAEMON, MONITOR = "daemon", "monitor"
_PING_EVERY = np.timedelta64(60, "s")
_OTHER = {DAEMON: MONITOR, MONITOR: DAEMON}
_CURE = {
    DAEMON: "No schedule and no sensor works meanwhile. Look at its log, and start "
    "`dagster-daemon run` (or `dagster dev`) again.",
    MONITOR: "Nobody watches the daemon meanwhile, and Prometheus gets no metrics. Start "
    "`crypto-nn monitor` again; a stop by SIGTERM or ^C takes it off this watch.",
}


@dataclass(frozen=True)
class Heartbeat:
    """One sign of life.

    Attributes:
        at: when, naive UTC.
        since: since when there has been no long break between signs, naive UTC.
        pinged: when the address outside was asked last, naive UTC; 1970 where never.
        pid: of the process.
    """

    at: np.datetime64
    since: np.datetime64
    pinged: np.datetime64
    pid: int


class Heartbeats:
    """The signs of life under one home, in `heartbeats/`."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "heartbeats"

    def last(self, name: str) -> Heartbeat | None:
        """The last sign of `daemon` or `monitor`; None where there is none, or after a clean stop.

        A damaged file counts as none.
        """
        try:
            told = json.loads(self._path(name).read_bytes())
            at, since, pinged = (np.datetime64(told[k], "us") for k in ("at", "since", "pinged"))
            if np.isnat([at, since, pinged]).any():
                raise ValueError
            return Heartbeat(at, since, pinged, int(told["pid"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            log.error("%s is damaged: %s", self._path(name), type(error).__name__)
            return None

    def beat(self, name: str, now: np.datetime64, patience: np.timedelta64) -> Heartbeat:
        """Write a sign of life; returns it. A break longer than `patience` starts `since` anew."""
        before = self.last(name)
        unbroken = before is not None and np.timedelta64(0) <= now - before.at <= patience
        since = before.since if before and unbroken else now
        pinged = before.pinged if before else np.datetime64(0, "us")
        return self._write(name, Heartbeat(now, since, pinged, os.getpid()))

    def ping_is_due(self, name: str, beat: Heartbeat) -> bool:
        """Whether the address outside may be asked again; if so, remember that it was."""
        if np.timedelta64(0) <= beat.at - beat.pinged < _PING_EVERY:
            return False
        self._write(name, Heartbeat(beat.at, beat.since, beat.at, beat.pid))
        return True

    def stop(self, name: str) -> None:
        """A clean stop: from now on silence means nothing."""
        self._path(name).unlink(missing_ok=True)

    def _write(self, name: str, beat: Heartbeat) -> Heartbeat:
        told = {"at": str(beat.at), "since": str(beat.since), "pinged": str(beat.pinged),
                "pid": beat.pid}  # fmt: skip
        write_bytes(self._path(name), (json.dumps(told) + "\n").encode())
        return beat

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def watch_other(
    heartbeats: Heartbeats, me: str, alerts: Alerts, now: np.datetime64, once: bool = False
) -> str:
    """Give a sign of life, and alert where the other one of daemon and monitor gives none.

    An episode of silence is told once, and once more when the other one is back, or was stopped
    cleanly.

    Args:
        heartbeats: of one home.
        me: "daemon" or "monitor".
        alerts: who tells.
        now: naive UTC.
        once: look once, as a cron job does: no sign of life of its own, and all silence counts.

    Returns:
        What was found, in one sentence.
    """
    limit = np.timedelta64(round(alerts.config.dead_man_minutes * 60e6), "us")
    watched_since: np.datetime64 = np.datetime64(0, "us")
    if not once:
        beat = heartbeats.beat(me, now, limit)
        watched_since = beat.since
        if alerts.config.heartbeat_url and heartbeats.ping_is_due(me, beat):
            _ask(alerts.config.heartbeat_url)
    other = _OTHER[me]
    last = heartbeats.last(other)
    alive = not is_silent(last, now, alerts.config.dead_man_minutes)
    _set_over(alerts, [*([] if once else [me]), *([other] if alive else [])], now)
    if last is None:
        return f"The {other} has given no sign of life, or was stopped."
    age = (now - last.at) / np.timedelta64(60, "s")
    seen = last.at if last.at <= now else watched_since  # by a clock that was ahead
    if not alive and now - max(seen, watched_since) > limit:
        alerts.tell(_silent(other, last, age, alerts.config.dead_man_minutes, now))
    return f"The last sign of life of the {other} is {_in_minutes(age)}."


def _in_minutes(age: float) -> str:
    """An age in words; a little below zero is a clock that was set."""
    return (
        f"{-age:.1f} minutes ahead of the clock" if age < -1 else f"{max(age, 0):.1f} minutes old"
    )


def is_silent(last: Heartbeat | None, now: np.datetime64, minutes: float) -> bool:
    """Whether one who gave signs of life gives none for longer than this.

    So is a sign that is further ahead than this, of a clock that was ahead and was set back.
    """
    limit = np.timedelta64(round(minutes * 60e6), "us")
    return last is not None and not -limit <= now - last.at <= limit


def _silent(who: str, last: Heartbeat, minutes: float, limit: float, now: np.datetime64) -> Alert:
    at = str(last.at.astype("datetime64[s]")).replace("T", " ")
    ago = f"{minutes:.0f} minutes ago"
    if minutes < 0:
        ago = f"by a clock that was {-minutes:.0f} minutes ahead"
    return Alert(
        kind="service",
        key=f"{_prefix(who)}{last.at}",
        title=f"The {who} is silent",
        message=f"Its last sign of life came at {at} UTC, {ago}; one is due "
        f"every minute, and {limit:g} minutes are allowed (alerts.dead_man_minutes). {_CURE[who]}",
        at=now,
    )


def _set_over(alerts: Alerts, alive: list[str], now: np.datetime64) -> None:
    for alert in alerts.open("service"):
        for who in alive:
            if alert.key.startswith(_prefix(who)):
                message = "It gives signs of life again, or was stopped cleanly."
                alerts.resolve(alert.key, f"The {who} is not silent any more", message, now)


def _prefix(who: str) -> str:
    return f"service:silent:{who}:"


def _ask(url: SecretStr) -> None:
    """GET an address in a thread of its own: nobody waits, and nothing names it."""
    threading.Thread(target=_get, args=(url,), name="heartbeat", daemon=True).start()


def _get(url: SecretStr) -> None:
    import httpx

    with unheard():
        try:
            status = httpx.get(url.get_secret_value(), timeout=5.0).status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            log.warning("alerts.heartbeat_url cannot be reached (%s).", type(error).__name__)
            return
    if not 200 <= status < 300:
        log.warning("alerts.heartbeat_url answers %d; 2xx is due.", status)
