"""What is told of drift follows from the decisions, whatever the order of their reports."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from crypto_nn.defs.drift_alerts import DriftAlerts
from crypto_nn.monitoring.alert import FIRING, RESOLVED
from crypto_nn.monitoring.alerts import Alert, AlertConfig, Alerts
from crypto_nn.monitoring.config import DriftConfig
from crypto_nn.monitoring.retraining import DriftedDay

AT = np.datetime64("2024-03-01", "us")


@dataclass
class Book:
    """A ledger in memory."""

    rows: list[Alert] = field(default_factory=list)

    def seen(self, key: str, state: str = FIRING) -> bool:
        return key in self.keys(state)

    def add(self, alert: Alert) -> None:
        self.rows.append(alert)

    def open(self, kind: str | None = None) -> tuple[Alert, ...]:
        over = self.keys(RESOLVED)
        return tuple(a for a in self.rows if a.state == FIRING and a.key not in over)

    def keys(self, state: str) -> list[str]:
        return [alert.key for alert in self.rows if alert.state == state]


def day(each: str) -> DriftedDay:
    """D drifted, c calm, ? without a score: of v1; B is a drifted day of v2."""
    score = {"c": 0.4, "?": float("nan")}.get(each[2], 1.7)
    version = "v2" if each[2] == "B" else "v1"
    return DriftedDay("S", f"2024-02-{each[:2]}", version, each[2] in "DB", score)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("order", "resolved", "left"),
    [
        ("21D 23D 22c", "v1:21", "v1:23"),
        ("21D 23D 22c 24D", "v1:21", "v1:23"),
        ("21D 23D 22c 24c", "v1:21 v1:23", ""),
        ("21D 24D 25c 22c", "v1:21 v1:24", ""),  # 24 only once all is read again
        ("24c 23D 22D 21c", "v1:23", ""),
        ("22D 23c 21D", "v1:22", ""),
        ("21D 23B 24D 25D", "v1:21 v2:23", "v1:24"),
        ("21D 22? 23D", "", "v1:21 v1:23"),
    ],
)
def test_each_episode_is_told_once_and_its_end_once(
    tmp_path: Path, order: str, resolved: str, left: str, at_once: bool
) -> None:
    """In a tick each, or all in one; and again, as after a lost cursor. (All in one tick, an
    episode has its first day as its key, whichever report came first.)"""
    book, days = Book(), [day(each) for each in order.split()]
    alerts = Alerts(AlertConfig(), tmp_path, book, channels=())
    ticks = [days] if at_once else [[each] for each in days]
    short = {f"drift:S:{v}:2024-02-{n}": f"{v}:{n}" for v in ("v1", "v2") for n in range(20, 30)}
    for number, new in enumerate([*ticks, days], start=1):
        history = days if at_once else days[:number]
        open_ = {alert.key: alert for alert in alerts.open("drift")}
        told = set(book.keys(FIRING))
        DriftAlerts(alerts, DriftConfig(), AT, told, open_).take(new, history)
        if number >= len(ticks):  # before the cursor is lost, and after
            assert [short[alert.key] for alert in book.open()] == left.split()
    if not at_once:
        assert [short[key] for key in book.keys(RESOLVED)] == resolved.split()
    assert len(set(book.keys(FIRING))) == len(book.keys(FIRING))
