"""Telling a person, once for each episode, also when a channel is down."""

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from crypto_nn.errors import LakeError
from crypto_nn.monitoring.alert import FIRING, RESOLVED, Alert, Ledger, Told
from crypto_nn.monitoring.alert_config import AlertConfig
from crypto_nn.monitoring.channels import Channel, channels_of
from crypto_nn.monitoring.spool import Spool, spools_in, subscribed
from crypto_nn.monitoring.webhook import Undelivered
from crypto_nn.store.atomic import make_folder, sync, write_bytes

__all__ = ["Alert", "AlertConfig", "Alerts", "Ledger", "Told"]
log = logging.getLogger(__name__)

_LOST_LEDGER = (LakeError, OSError)
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)
_LEAST_S = 0.05  # that a channel is waited for, whatever else took time


def _now() -> np.datetime64:
    return np.datetime64("now", "us")


class Alerts:
    """Alerts to the log and to channels: one per episode, and one when it is over.

    An alert goes from a folder to the next: `new` (decided: it is the first of its key), the spool
    of each channel together with `unnoted`, the ledger, delivery. Each step is one rename or one
    whole file and is done again after a crash; so a kill or a dead channel delays an alert, and may
    repeat it (the receiver has its `key`), but does not lose it. A ledger that cannot be reached
    delays its row, not the alert. Channels deliver side by side in threads of their own; nothing
    here raises because of a channel, and no call waits for one longer than `patience_s`.

    Args:
        config: channels and patience.
        spool: folder of the spools.
        ledger: what was told before.
        sleep: how the webhook pauses between attempts.
        now: naive UTC; by it a dead channel is left alone.
        channels: the ways to a person; those of `config` by default.
    """

    def __init__(
        self,
        config: AlertConfig,
        spool: Path,
        ledger: Ledger,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], np.datetime64] = _now,
        channels: tuple[Channel, ...] | None = None,
    ) -> None:
        self.config, self.spool, self.ledger, self.now = config, spool, ledger, now
        self.channels = channels_of(config, sleep) if channels is None else channels
        self._known: set[tuple[str, str]] = set()

    def tell(self, alert: Alert) -> Told:
        """Tell a person, unless an alert with this key was told before."""
        deadline = time.monotonic() + self.config.patience_s
        new = (alert.key, alert.state) not in self._known and self._take(alert)
        delivered = self._deliver(eager=False, deadline=deadline)
        return Told(new, delivered, self._num_waiting())

    def resolve(self, key: str, title: str, message: str, at: np.datetime64) -> Told:
        """Say, once, that the episode of `key` is over; nothing where it was never told.

        The same key does not fire again: a new episode has a new key.

        Raises:
            LakeError: whether it was told cannot be read now; ask again later.
        """
        pending = self.pending()
        fired = pending.get((key, FIRING)) or next(
            (each for each in self.ledger.open() if each.key == key), None
        )
        if fired is None or (key, RESOLVED) in pending:
            return Told(False, 0, self._num_waiting())
        return self.tell(fired.over(title, message, at))

    def open(self, kind: str | None = None) -> tuple[Alert, ...]:
        """Episodes told and not resolved, oldest first; also those that no ledger has yet.

        While the ledger cannot be read these are the latter alone.
        """
        try:
            found = {alert.key: alert for alert in self.ledger.open(kind)}
        except _LOST_LEDGER as error:
            log.error("Which alerts are open cannot be read: %s", error)
            found = {}
        pending = self.pending()
        found |= {
            key: alert
            for (key, state), alert in pending.items()
            if state == FIRING and kind in (None, alert.kind)
        }
        return tuple(alert for key, alert in found.items() if (key, RESOLVED) not in pending)

    def flush(self) -> int:
        """Deliver what waits, also by channels that are left alone; returns how many were taken."""
        return self._go_on(eager=True)

    def tend(self) -> int:
        """`flush`, but without channels that are left alone: for what happens every minute."""
        return self._go_on(eager=False)

    def _go_on(self, eager: bool) -> int:
        deadline = time.monotonic() + self.config.patience_s
        with self._alone() as alone:
            if alone:
                self._settle()
        return self._deliver(eager, deadline)

    def waiting(self) -> dict[str, int]:
        """How many alerts wait, by channel: those in use, and others that still have some."""
        counts = {channel.name: 0 for channel in self.channels}
        counts |= {name: len(s.waiting()) for name, s in spools_in(self.spool, 1).items()}
        used = {channel.name for channel in self.channels}
        return {name: count for name, count in counts.items() if count or name in used}

    def num_unreadable(self) -> int:
        """How many files on the way cannot be read, each of which is logged."""
        paths = [*self.spool.glob("[0-9a-f]*.json")]
        for folder in (self.spool / "new", self.spool / "unnoted"):
            paths += folder.glob("[0-9]*.json")
        for spool in spools_in(self.spool, 1).values():
            paths += spool.waiting()
        return sum(_read(path) is None and os.path.lexists(path) for path in paths)

    def _num_waiting(self) -> int:
        return sum(self.waiting().values())

    def _take(self, alert: Alert) -> bool:
        """Whether an alert is the first of its key and state; if so, it is on its way.

        Where another process keeps us waiting, the alert is left for whoever is next to decide.
        """
        content = (json.dumps(alert.to_json()) + "\n").encode()
        path = self.spool / "new" / _file_name(alert)
        with self._alone() as alone:
            if alone:
                self._settle()
                if self._was_told(alert.key, alert.state):
                    return False
            write_bytes(path, content)
            if alone:
                self._settle()
        return True

    def _was_told(self, key: str, state: str) -> bool:
        """Whether the ledger, this process, or a file on its way to the ledger has it."""
        if (key, state) in self._known:
            return True
        if any((alert.key, alert.state) == (key, state) for _, alert in self._files("unnoted")):
            return True
        try:
            told = self.ledger.seen(key, state)
        except _LOST_LEDGER as error:
            log.error("Whether %s was told cannot be read; it is told: %s", key, error)
            return False
        if told:
            self._known.add((key, state))
        return told

    def _files(self, *folders: str) -> list[tuple[Path, Alert]]:
        """Alerts that the ledger does not have yet, oldest first, with their files."""
        found = []
        for folder in folders or ("new", "unnoted"):
            for path in sorted((self.spool / folder).glob("[0-9]*.json")):
                alert = _read(path)
                if alert is not None:
                    found.append((path, alert))
        return found

    def pending(self) -> dict[tuple[str, str], Alert]:
        """Alerts that the ledger does not have yet, by key and state."""
        return {(alert.key, alert.state): alert for _, alert in self._files()}

    def _settle(self) -> None:
        """Bring every alert from `new` to the spools and the ledger, under the lock."""
        self._adopt()
        for path, alert in self._files("new"):
            if self._was_told(alert.key, alert.state):
                path.unlink(missing_ok=True)
                continue
            for spool in self._spools().values():
                spool.put(path.name, alert)
            _move(path, self.spool / "unnoted" / path.name)
            log.warning("%s alert %s: %s. %s", alert.kind, alert.key, alert.title, alert.message)
        self._note()

    def _note(self) -> None:
        """Add to the ledger what it does not have."""
        for path, alert in self._files("unnoted"):
            try:
                if not self.ledger.seen(alert.key, alert.state):
                    self.ledger.add(alert)
            except _LOST_LEDGER as error:
                log.error("The alert %s waits for the ledger: %s", alert.key, error)
                return
            self._known.add((alert.key, alert.state))
            path.unlink(missing_ok=True)

    def _spools(self) -> dict[str, Spool]:
        """The spools that every new alert goes to."""
        limit = self.config.spool_limit
        used = {each.name: Spool(self.spool / each.name, limit) for each in self.channels}
        return used | subscribed(self.spool, limit)

    def _adopt(self) -> None:
        """Bring alerts that an older release left in the folder itself to every channel."""
        for path in self.spool.glob("[0-9a-f]*.json") if self.channels else ():
            alert = _read(path)
            if alert is not None:
                name = f"{path.stat().st_mtime_ns:020d}-{path.stem[:12]}-{alert.state}.json"
                for channel in self.channels:
                    Spool(self.spool / channel.name, self.config.spool_limit).put(name, alert)
                path.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether no other process decides about alerts; if so, hold others off."""
        make_folder(self.spool)
        lock = FileLock(self.spool / ".lock", timeout=self.config.patience_s / 3)
        try:
            lock.acquire(poll_interval=0.02)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _deliver(self, eager: bool, deadline: float) -> int:
        """Let every channel deliver in a thread of its own; wait for them until the deadline."""
        posts, most_s = [], self.config.max_pause_s
        for channel in self.channels:
            spool = Spool(self.spool / channel.name, self.config.spool_limit)
            if spool.waiting() and (eager or not spool.is_paused(self.now(), most_s)):
                posts.append(_Post(channel, spool, self.config, self.now()))
        for post in posts:
            post.start()
        for post in posts:
            post.join(max(deadline - time.monotonic(), _LEAST_S))
        return sum(post.delivered for post in posts)


class _Post(threading.Thread):
    """One round of deliveries by one channel; who started it need not wait for its end."""

    def __init__(
        self, channel: Channel, spool: Spool, config: AlertConfig, now: np.datetime64
    ) -> None:
        super().__init__(name=f"alerts to {channel.name}", daemon=True)
        self.channel, self.spool, self.config, self.at = channel, spool, config, now
        self.delivered = 0

    def run(self) -> None:
        """Deliver what waits, oldest first, until the channel fails."""
        with self.spool.alone() as alone:
            done: set[Path] = set()
            while alone and (left := [p for p in self.spool.waiting() if p not in done]):
                path = left[0]
                done.add(path)
                alert = _read(path)
                if alert is None:
                    continue
                try:
                    _hand_over(self.channel, alert)
                except Undelivered as problem:
                    config = self.config
                    self.spool.failed(self.at, config.pause_s, config.max_pause_s)
                    log.error("%d alerts wait for %s: %s", len(left), self.spool.name, problem)
                    return
                path.unlink(missing_ok=True)
                self.delivered += 1
                self.spool.worked()


def _hand_over(channel: Channel, alert: Alert) -> None:
    """Send, and of an error that no channel is known to raise tell the kind alone.

    Its words, and a traceback, may hold the channel's address.
    """
    try:
        channel.send(alert)
    except Undelivered:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a service raises
        raise Undelivered(
            f"{channel.name} did not take the alert ({type(error).__name__}). Check its address "
            "and the network; the alert will be tried again.",
            passing=True,
        ) from None


def _file_name(alert: Alert) -> str:
    """A name by which alerts sort in the order they were told, and an end after its beginning."""
    key = hashlib.sha256(alert.key.encode()).hexdigest()[:12]
    return f"{time.time_ns():020d}-{key}-{alert.state}.json"


def _read(path: Path) -> Alert | None:
    """The alert in a file; None where it is gone, or cannot be read, which is told."""
    try:
        return Alert.from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None  # another process has it
    except _UNREADABLE as error:
        log.error("The spooled alert %s is damaged (%s); remove it.", path, type(error).__name__)
        return None


def _move(path: Path, there: Path) -> None:
    make_folder(there.parent)
    path.rename(there)
    sync(there.parent)
