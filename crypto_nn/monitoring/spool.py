"""Alerts on their way to one channel, as files, so that a crash or a dead channel loses none."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from crypto_nn.monitoring.alert import Alert
from crypto_nn.store.atomic import write_bytes

log = logging.getLogger(__name__)

_WAITING = "[0-9]*.json"
_SUBSCRIBED = "subscribed"


@dataclass(frozen=True)
class Condition:
    """How a channel does.

    Attributes:
        failures: attempts in a row that it did not take an alert.
        until: microseconds since 1970 before which it is not tried unasked.
        dropped: alerts that its full spool has given up for newer ones.
    """

    failures: int = 0
    until: int = 0
    dropped: int = 0


class Spool:
    """The alerts that wait for one channel, in a folder of its name.

    Args:
        folder: a folder of this channel alone.
        limit: how many alerts may wait. One more removes the oldest that waits; that is logged and
            counted, and the table `alerts` still has it.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.folder.name

    def put(self, name: str, alert: Alert) -> None:
        """Let an alert wait under a name that sorts by time; once more changes nothing."""
        path = self.folder / name
        if path.exists():
            return
        for oldest in self.waiting()[: -self.limit + 1 or None] if self._is_full() else ():
            if not _removed(oldest):
                continue
            condition = self.condition()
            self.remember(Condition(condition.failures, condition.until, condition.dropped + 1))
            log.error("The spool of %s is full: its oldest alert %s is given up; the table alerts "
                      "has it. Mend the channel, or raise alerts.spool_limit.",
                      self.name, oldest.name)  # fmt: skip
        write_bytes(path, (json.dumps(alert.to_json()) + "\n").encode())

    def _is_full(self) -> bool:
        return len(self.waiting()) >= self.limit

    def waiting(self) -> list[Path]:
        """The files of the alerts that wait, oldest first."""
        return sorted(self.folder.glob(_WAITING))

    def condition(self) -> Condition:
        """How the channel did last; healthy where that is not known."""
        try:
            return Condition(**json.loads((self.folder / "condition.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return Condition()

    def remember(self, condition: Condition) -> None:
        """Write down how the channel does."""
        if condition != self.condition():
            content = json.dumps(asdict(condition)) + "\n"
            write_bytes(self.folder / "condition.json", content.encode())

    def failed(self, now: np.datetime64, first_s: float, most_s: float) -> None:
        """One more failure: from `now` a pause that doubles with each, up to `most_s` seconds."""
        before = self.condition()
        pause_s = min(first_s * 2 ** min(before.failures, 30), most_s)
        until = int(now.astype("datetime64[us]").astype(np.int64)) + round(pause_s * 1e6)
        self.remember(Condition(before.failures + 1, until, before.dropped))

    def worked(self) -> None:
        """The channel took an alert: no pause."""
        self.remember(Condition(dropped=self.condition().dropped))

    def is_paused(self, now: np.datetime64, most_s: float) -> bool:
        """Whether the channel failed and is left alone for now.

        An end further away than the longest pause was written by a clock that was ahead: none.
        """
        left = self.condition().until - int(now.astype("datetime64[us]").astype(np.int64))
        return 0 < left <= round(most_s * 1e6)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else, in no process, delivers from here; if so, hold others off."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock", timeout=0.1)
        try:
            lock.acquire(poll_interval=0.02)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def subscribe(self) -> None:
        """Let every process put its alerts here, also those that do not know the channel."""
        write_bytes(self.folder / _SUBSCRIBED, b"")

    def unsubscribe(self) -> None:
        """Take `subscribe` back; what waits stays."""
        (self.folder / _SUBSCRIBED).unlink(missing_ok=True)


def _removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # such as of a folder by that name
        log.error("%s cannot be removed (%s).", path, type(error).__name__)
        return False
    return True


def spools_in(root: Path, limit: int) -> dict[str, Spool]:
    """Every spool that there is, by the channel's name, also of channels nobody configures now."""
    folders = sorted(path for path in root.glob("[a-z0-9]*-*") if path.is_dir())
    return {folder.name: Spool(folder, limit) for folder in folders}


def subscribed(root: Path, limit: int) -> dict[str, Spool]:
    """The spools that take alerts although this process may not know their channel."""
    there = spools_in(root, limit)
    return {name: spool for name, spool in there.items() if (spool.folder / _SUBSCRIBED).exists()}
