"""What Polygon's socket says, read: minute bars as they come, or minutes made of its seconds."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS
from crypto_nn.sources.polygon.translate import MINUTE_MS, is_number, is_stamp

KEPT_MINUTES = 3
"""XAS: for so many minutes the seconds are kept after the minute was given out, for late ones."""
_NEVER = float("inf")

Aggregate = tuple[int, float, float, float, float, float, float]
"""start (unix ms), open, high, low, close, volume, vwap (NaN where there is none)"""


def read_frame(frame: str | bytes) -> list[Any] | None:
    """The events of a frame, or None where it is not one of Polygon's: a JSON array."""
    try:
        events = json.loads(frame, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return events if isinstance(events, list) else None


def read_aggregate(event: dict[str, Any]) -> Aggregate | None:
    """The numbers of an event, or None where one that is due is missing or is none."""
    start = event.get("s")
    try:
        due = (event["o"], event["h"], event["l"], event["c"], event["v"])
    except KeyError:
        return None
    if not is_stamp(start) or not all(map(is_number, due)):
        return None
    opening, high, low, close, volume = map(float, due)
    vwap = float(event["vw"]) if is_number(event.get("vw")) else float("nan")
    return int(start), opening, high, low, close, volume, vwap  # type: ignore[arg-type]


def to_bars(symbol: str, rows: Sequence[Aggregate]) -> Bars:
    """Aggregates of whole minutes as bars, in the order given."""
    start, opening, high, low, close, volume, vwap = np.array(rows, dtype=np.float64).T.copy()
    ts = (start.astype(np.int64) * 1000).view(TS)
    return Bars(symbol, M1, ts, opening, high, low, close, volume, vwap=vwap)


class Reader(Protocol):
    """Makes bars of one connection's aggregates."""

    def take(self, symbol: str, rows: list[Aggregate], now: float) -> Bars | None:
        """The bars that these aggregates, received at `now` (loop seconds), give or complete."""

    def due(self) -> float:
        """The loop time at which `overdue` will have something; infinite where never."""

    def overdue(self, now: float) -> list[Bars]:
        """The bars that nothing more has to be waited for."""


class Minutes:
    """Channel XA: every aggregate is a bar."""

    def take(self, symbol: str, rows: list[Aggregate], now: float) -> Bars | None:
        """All of them."""
        return to_bars(symbol, rows)

    def due(self) -> float:
        """Never."""
        return _NEVER

    def overdue(self, now: float) -> list[Bars]:
        """None."""
        return []


@dataclass
class _Minute:
    """The seconds of one minute by their start, and the earliest sign of how late it is.

    `lag_s` is loop time minus exchange time, as small as any second of the minute has shown it.
    """

    seconds: dict[int, Aggregate] = field(default_factory=dict)
    lag_s: float = _NEVER
    given: bool = False


class Seconds:
    """Channel XAS: minutes of the seconds in which there were trades.

    Open of the first, highest high, lowest low, close of the last, volumes summed, vwap weighted
    by volume. A minute is given out once a second of a later minute of its symbol is there, or
    `grace_s` after its end if a second of any symbol has shown that the connection was alive then:
    one that has died within the minute looks the same as a quiet market. Should another of its
    seconds come later, or one come again, it is given out anew. The minute in which a connection
    begins is never given out: its first seconds may be missing.

    Args:
        grace_s: see there.
        counts: told of `late_seconds`, which come after their minute is forgotten.
    """

    def __init__(self, grace_s: float, counts: Counter[str]) -> None:
        self._grace_s, self._counts = grace_s, counts
        self._from = 0
        self._began_at, self._lag_s = 0.0, _NEVER
        self._alive_at = 0
        self._minutes: dict[str, dict[int, _Minute]] = {}
        self._forgotten: dict[str, int] = {}

    def take(self, symbol: str, rows: list[Aggregate], now: float) -> Bars | None:
        """The minutes that are over by now, and those given out before that are changed."""
        self._learn(rows, now)
        self._alive_at = max(self._alive_at, *(second[0] for second in rows))
        minutes = self._minutes.setdefault(symbol, {})
        changed = set()
        for second in rows:
            start = second[0] // MINUTE_MS * MINUTE_MS
            if start < self._from:
                continue
            if start <= self._forgotten.get(symbol, 0):
                self._counts["late_seconds"] += 1
                continue
            minute = minutes.setdefault(start, _Minute())
            minute.seconds[second[0]] = second
            minute.lag_s = min(minute.lag_s, now - (second[0] + 1000) / 1000)
            changed.add(start)
        if not changed:
            return None
        last = max(minutes)
        over = [start for start, one in minutes.items() if start < last and not one.given]
        again = [start for start in changed if minutes[start].given]
        return self._give(symbol, [*over, *again])

    def _learn(self, rows: list[Aggregate], now: float) -> None:
        """Which minute the connection began in, as the quickest second so far tells.

        The first to arrive may be a late one of a minute before.
        """
        if self._lag_s == _NEVER:
            self._began_at = now
        self._lag_s = min(self._lag_s, *(now - (second[0] + 1000) / 1000 for second in rows))
        began_ms = round((self._began_at - self._lag_s) * 1000) - 1000
        self._from = max(self._from, began_ms // MINUTE_MS * MINUTE_MS + MINUTE_MS)
        for minutes in self._minutes.values():
            for start in [start for start in minutes if start < self._from]:
                del minutes[start]

    def due(self) -> float:
        """When the earliest minute has waited long enough for more seconds."""
        return min((at for _, _, at in self._waiting()), default=_NEVER)

    def overdue(self, now: float) -> list[Bars]:
        """The minutes that have waited long enough for more seconds."""
        waiting: dict[str, list[int]] = {}
        for symbol, start, at in self._waiting():
            if at <= now:
                waiting.setdefault(symbol, []).append(start)
        given = (self._give(symbol, starts) for symbol, starts in waiting.items())
        return [bars for bars in given if bars is not None]

    def _waiting(self) -> list[tuple[str, int, float]]:
        return [
            (symbol, start, minute.lag_s + (start + MINUTE_MS) / 1000 + self._grace_s)
            for symbol, minutes in self._minutes.items()
            for start, minute in minutes.items()
            if not minute.given and start + MINUTE_MS <= self._alive_at
        ]

    def _give(self, symbol: str, starts: list[int]) -> Bars | None:
        if not starts:
            return None
        minutes = self._minutes[symbol]
        rows = []
        for start in sorted(starts):
            minutes[start].given = True
            rows.append(_compose(start, list(minutes[start].seconds.values())))
        for start in sorted(start for start, one in minutes.items() if one.given)[:-KEPT_MINUTES]:
            del minutes[start]
            self._forgotten[symbol] = max(start, self._forgotten.get(symbol, 0))
        return to_bars(symbol, rows)


def _compose(start: int, seconds: list[Aggregate]) -> Aggregate:
    seconds.sort()
    volume = sum(second[5] for second in seconds)
    traded = [second[5] * second[6] for second in seconds if second[5]]
    vwap = sum(traded) / volume if volume > 0 else float("nan")
    high, low = max(second[2] for second in seconds), min(second[3] for second in seconds)
    return start, seconds[0][1], high, low, seconds[-1][4], volume, vwap


READERS: dict[str, Callable[[float, Counter[str]], Reader]] = {
    "XA": lambda grace_s, counts: Minutes(),
    "XAS": Seconds,
}
