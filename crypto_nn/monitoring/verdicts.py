"""Whether everything is fresh and healthy: one line for each thing that can go wrong."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crypto_nn.monitoring.dead_man import DAEMON, MONITOR, is_silent
from crypto_nn.monitoring.health import Snapshot, Watched, age_s

LEAST_FREE = 2**30  # bytes
_LABEL = {DAEMON: "Daemon", MONITOR: "Monitor"}


@dataclass(frozen=True)
class Line:
    """One thing that was looked at.

    Attributes:
        what: its name.
        ok: whether it is as it should be; None where nothing can be said, such as before the first
            of its kind.
        found: what was found, in words.
    """

    what: str
    ok: bool | None
    found: str

    @property
    def mark(self) -> str:
        """✓, ✗, or – where nothing can be said."""
        return "–" if self.ok is None else "✓" if self.ok else "✗"


def verdicts(snapshot: Snapshot, watched: Watched, dead_man_minutes: float) -> tuple[Line, ...]:
    """What `crypto-nn status` prints, from the data to the disk."""
    return tuple(
        line
        for part in (
            _lake(snapshot),
            _bars(snapshot, watched),
            _drift(snapshot),
            _model(snapshot, watched),
            _retraining(snapshot, watched),
            _alerts(snapshot),
            _beats(snapshot, dead_man_minutes),
            _disk(snapshot),
        )
        for line in part
    )


def in_words(seconds: float) -> str:
    """A length of time in the largest unit that fits."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _lake(snapshot: Snapshot) -> Iterator[Line]:
    found = "; ".join(snapshot.errors) or "it can be read"
    yield Line("Lake", snapshot.up and not snapshot.errors, found)


def _bars(snapshot: Snapshot, watched: Watched) -> Iterator[Line]:
    newest = {one.symbol: one.until for one in snapshot.newest if one.table == "bars"}
    for symbol, live in watched.symbols.items():
        if symbol not in newest:
            yield Line(f"Bars of {symbol}", None, "none yet")
            continue
        age = age_s(newest[symbol], snapshot.at)
        told = f"the newest closed {in_words(age)} ago"
        if not live:
            yield Line(f"Bars of {symbol}", None, f"{told}; its data are historical")
        else:
            due = f"; {in_words(watched.late_s)} are allowed"
            yield Line(f"Bars of {symbol}", age <= watched.late_s, told + due)


def _drift(snapshot: Snapshot) -> Iterator[Line]:
    if not snapshot.drift:
        yield Line("Drift", None, "no report yet")
    for row in snapshot.drift:
        drifted = row.get("drifted")
        yield Line(
            f"Drift of {row['symbol']}",
            _not(drifted),
            f"{_said(drifted, 'drifted', 'calm')} on {row['day']}: score "
            f"{_number(row.get('drift_score'))}, {row.get('threshold') or 1:g} is allowed",
        )
    for row in snapshot.evidence:
        alarm = row.get("alarm")
        yield Line(
            f"Model of {row['symbol']}",
            _not(alarm),
            f"{_said(alarm, 'worse', 'no worse')} than it was, on {row['day']}: evidence "
            f"{_number(row.get('e_value'))} (1 is none)",
        )


def _model(snapshot: Snapshot, watched: Watched) -> Iterator[Line]:
    champions = {one.universe: one for one in snapshot.champions}
    for universe in watched.universes:
        one = champions.get(universe)
        if one is None:
            yield Line(f"Champion of {universe}", None, "none yet")
            continue
        age = in_words(age_s(one.since, snapshot.at))
        yield Line(f"Champion of {universe}", True, f"{one.version} since {age}")
    for row in snapshot.shadows:
        yield Line(
            f"Shadow of {row['universe']}",
            None,
            f"{row['shadow']} ({row['role']}) until {row['day']}: evidence that it is better "
            f"{_number(row.get('e_better'))}, worse {_number(row.get('e_worse'))}",
        )


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _said(value: bool | None, yes: str, no: str) -> str:
    return "unknown" if value is None else yes if value else no


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}"


def _retraining(snapshot: Snapshot, watched: Watched) -> Iterator[Line]:
    failed = sum(row["rows"] for row in snapshot.runs if row["state"] in ("failed", "killed"))
    started = sum(row["rows"] for row in snapshot.runs)
    trained = {row["universe"]: row for row in snapshot.trained}
    decided = {row["universe"]: row for row in snapshot.last_decisions}
    for universe in watched.universes:
        row, last = trained.get(universe), decided.get(universe)
        told = [
            f"the last ended {_ago(row['trained_at'], snapshot)} ago" if row else "none yet",
            *([f"last decision: {last['reason']}"] if last else []),
            watched.next_retraining,
        ]
        yield Line(f"Training of {universe}", True if row else None, "; ".join(told))
    yield Line("Trainings of the last day", failed == 0 if started else None,
               f"{started} started, {failed} failed")  # fmt: skip


def _ago(then: object, snapshot: Snapshot) -> str:
    return in_words(age_s(np.datetime64(then, "us"), snapshot.at))  # type: ignore[call-overload]


def _alerts(snapshot: Snapshot) -> Iterator[Line]:
    if not snapshot.alerts:
        yield Line("Alerts", True, "none is open")
    for alert in snapshot.alerts:
        age = in_words(age_s(alert.at, snapshot.at))
        yield Line(f"Alert ({alert.kind})", False, f"{alert.title}, since {age}: {alert.key}")
    for way in snapshot.channels:
        found = f"{way.waiting} wait, {way.failures} failures in a row"
        if way.dropped:
            found += f", {way.dropped} given up"
        if not way.used:
            found += "; the settings do not name this channel any more"
        yield Line(f"Channel {way.name}", not way.waiting and not way.failures, found)


def _beats(snapshot: Snapshot, minutes: float) -> Iterator[Line]:
    for name, label in _LABEL.items():
        beat = snapshot.heartbeats.get(name)
        if beat is None:
            yield Line(label, None, "no sign of life: not started, or stopped")
        else:
            age = age_s(beat.at, snapshot.at)
            ahead = f"{in_words(-age)} ahead of the clock"
            found = ahead if age < -60 else f"{in_words(age)} old"
            alive = not is_silent(beat, snapshot.at, minutes)
            yield Line(label, alive, f"the last sign of life is {found}")


def _disk(snapshot: Snapshot) -> Iterator[Line]:
    free, size = snapshot.disk_free, snapshot.disk_size
    share = f" of {size / 2**30:.0f}" if size else ""
    yield Line("Disk", free >= LEAST_FREE, f"{free / 2**30:.1f}{share} GiB are free")
