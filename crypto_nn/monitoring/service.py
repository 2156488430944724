"""The monitor: looks at the platform again and again, and tells a person what is wrong with it."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from crypto_nn.errors import CryptoNNError
from crypto_nn.monitoring.alerts import Alert, Alerts
from crypto_nn.monitoring.dead_man import MONITOR, Heartbeats, watch_other
from crypto_nn.monitoring.health import Snapshot, Watched, age_s, collect
from crypto_nn.monitoring.lake_reader import LakeReader
from crypto_nn.monitoring.verdicts import LEAST_FREE, in_words

log = logging.getLogger(__name__)

_UNREADABLE_LOOKS = 2  # in a row; one may fall on a moment


@dataclass(frozen=True)
class Service:
    """A thing that may be in trouble.

    Attributes:
        prefix: how the keys of its episodes begin.
        wrong: the alert where it is in trouble; None where not.
        well: whether it is surely out of trouble.
        over: what is told then.
    """

    prefix: str
    wrong: Alert | None
    well: bool
    over: str


class Monitor:
    """Looks at the platform, keeps the last snapshot, and tends to alerts.

    Nothing that is wrong with the platform ends it: what cannot be read is counted.

    Args:
        watched: what is looked at.
        alerts: who tells.
        now: naive UTC.
        once: it looks only once, as a cron job does.
    """

    def __init__(
        self,
        watched: Watched,
        alerts: Alerts,
        now: Callable[[], np.datetime64],
        once: bool = False,
    ) -> None:
        self.watched, self.alerts, self.now, self.once = watched, alerts, now, once
        self.heartbeats = Heartbeats(watched.home)
        self._reader = LakeReader(watched.home / "lake", watched.catalogue)
        self.latest = Snapshot(now())
        self.num_failures = 0
        self._unreadable = _UNREADABLE_LOOKS - 1 if once else 0

    def look(self) -> Snapshot:
        """Look once, tell what is wrong or over, and try again what waits."""
        now = self.now()
        snapshot = collect(self.watched, self.alerts, now, self._reader)
        self.latest = snapshot
        self.num_failures += len(snapshot.errors)
        self._unreadable = 0 if snapshot.up else self._unreadable + 1
        for task in (self._watch_daemon, self._tell_services, self._tend):
            try:
                task(snapshot)
            except (CryptoNNError, OSError) as error:
                self.num_failures += 1
                log.error("The monitor goes on without one of its tasks: %s", error)
        return snapshot

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Look every `interval_s` seconds until told to stop."""
        while not stop.is_set():
            self.look()
            stop.wait(interval_s)

    def _watch_daemon(self, snapshot: Snapshot) -> None:
        watch_other(self.heartbeats, MONITOR, self.alerts, snapshot.at, self.once)

    def _tell_services(self, snapshot: Snapshot) -> None:
        opened = self.alerts.open("service")
        for service in self._services(snapshot):
            mine = [alert for alert in opened if alert.key.startswith(service.prefix)]
            if service.wrong and not mine:
                self.alerts.tell(service.wrong)
            for alert in mine if service.well else ():
                self.alerts.resolve(alert.key, alert.title, service.over, snapshot.at)

    def _tend(self, snapshot: Snapshot) -> None:
        self.alerts.tend()

    def _services(self, snapshot: Snapshot) -> Iterator[Service]:
        if snapshot.up:
            yield from self._bars(snapshot)
        wrong = self._unreadable >= _UNREADABLE_LOOKS
        message = (
            f"{'; '.join(snapshot.errors)}. Nothing can be written or predicted meanwhile. Look "
            "with `crypto-nn status`; is the disk there, and the database of the catalogue up?"
        )
        yield self._service("lake", "The lake cannot be read", message, wrong, snapshot.up,
                            "It can be read again.")  # fmt: skip
        free = snapshot.disk_free
        yield self._service(
            "disk",
            "The disk is nearly full",
            f"{free / 2**20:.0f} MiB are free, {LEAST_FREE / 2**20:.0f} are due. Make room, or "
            "let `crypto-nn models prune` do it.",
            0 < free < LEAST_FREE,
            free >= 2 * LEAST_FREE,
            f"{free / 2**30:.1f} GiB are free.",
        )

    def _bars(self, snapshot: Snapshot) -> Iterator[Service]:
        newest = {one.symbol: one.until for one in snapshot.newest if one.table == "bars"}
        for symbol, live in self.watched.symbols.items():
            if live and symbol in newest:
                age, limit = age_s(newest[symbol], snapshot.at), self.watched.late_s
                found = self._service(
                    f"bars:{symbol}",
                    f"Bars of {symbol} are late",
                    f"The newest closed {in_words(age)} ago; {in_words(limit)} are allowed. Look "
                    "at the runs of refresh_bars, and at the source.",
                    age > limit,
                    age <= limit,
                    f"The newest closed {in_words(age)} ago.",
                )
                if found.wrong:  # the episode is named after the bar at which it began
                    key = f"{found.prefix}{newest[symbol]}"
                    found = replace(found, wrong=replace(found.wrong, key=key))
                yield found

    def _service(
        self, name: str, title: str, message: str, wrong: bool, well: bool, over: str
    ) -> Service:
        at, prefix = self.latest.at, f"service:{name}:"
        alert = Alert("service", f"{prefix}{at}", title, message, at) if wrong else None
        return Service(prefix, alert, well, over)
