"""The ledger of missing minutes: when they were first seen, and each time they were asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import pyarrow as pa

from crypto_nn.bars.calendar import TS
from crypto_nn.store.lake import Lake

TABLE = "gap_repairs"
MINUTE = np.timedelta64(60_000_000, "us")
Outcome = Literal["seen", "nothing", "part", "whole", "failed"]
ANSWERED = ("nothing", "part", "whole")


@dataclass(frozen=True, order=True)
class Gap:
    """Minutes [start, end) of a symbol for which there is no bar (µs, UTC), within one month."""

    symbol: str
    start: np.datetime64
    end: np.datetime64

    @property
    def month(self) -> str:
        """The month in which it lies."""
        return str(self.start.astype("datetime64[M]"))

    @property
    def minutes(self) -> int:
        """How many minutes are missing."""
        return int((self.end - self.start) // MINUTE)


@dataclass(frozen=True)
class Ask:
    """One line of the ledger.

    Attributes:
        gap: what was missing.
        asked_at: when its source was asked, or when it was first seen (µs, UTC).
        source: who was asked.
        outcome: seen (not asked yet), nothing, part, whole, or failed (no answer).
        found_minutes: how many of its minutes came.
        state: what the source held then, where it can tell.
        detail: why there was no answer.
    """

    gap: Gap
    asked_at: np.datetime64
    source: str
    outcome: Outcome
    found_minutes: int = 0
    state: str | None = None
    detail: str | None = None


def open_gaps(lake: Lake, symbols: Sequence[str] | None = None) -> list[Gap]:
    """Every run of minutes for which there is no bar now, in order."""
    if not lake.has("bar_gaps"):
        return []
    where = {} if symbols is None else {"symbol": symbols}
    rows = lake.read("bar_gaps", ("symbol", "gap_start", "gap_end"), where)
    columns = rows["symbol"].to_pylist(), _times(rows["gap_start"]), _times(rows["gap_end"])
    return [Gap(symbol, start, end) for symbol, start, end in zip(*columns)]


def read_asks(lake: Lake, symbols: Sequence[str] | None = None) -> list[Ask]:
    """The ledger, by symbol and gap, each gap's lines in the order of time."""
    if not lake.has(TABLE):
        return []
    rows = lake.read(TABLE, where={} if symbols is None else {"symbol": symbols})
    rest = [field.name for field in fields(Ask) if field.name != "gap"]
    times = zip(_times(rows["gap_start"]), _times(rows["gap_end"]), _times(rows["asked_at"]))
    return [
        Ask(Gap(row["symbol"], start, end), **{n: row[n] for n in rest} | {"asked_at": asked_at})
        for row, (start, end, asked_at) in zip(rows.to_pylist(), times)
    ]


def write_asks(lake: Lake, asks: Iterable[Ask]) -> None:
    """Add lines to the ledger, in one transaction."""
    lines = [
        {
            "symbol": ask.gap.symbol,
            "gap_start": ask.gap.start.item(),
            "gap_end": ask.gap.end.item(),
            "asked_at": ask.asked_at.astype(TS).item(),
            "source": ask.source,
            "state": ask.state,
            "found_minutes": ask.found_minutes,
            "outcome": ask.outcome,
            "detail": ask.detail,
        }
        for ask in asks
    ]
    if lines:
        lake.append(TABLE, pa.Table.from_pylist(lines))


@dataclass(frozen=True)
class History:
    """What the ledger says of the minutes of one gap.

    A gap that grew, or was filled in part, keeps the lines of what it was.
    """

    gap: Gap
    asks: tuple[Ask, ...]

    @property
    def seen_at(self) -> np.datetime64 | None:
        """When it was first seen, None where it is new."""
        return self.asks[0].asked_at if self.asks else None

    @property
    def answered(self) -> tuple[Ask, ...]:
        """The times that the source was asked and answered."""
        return tuple(ask for ask in self.asks if ask.outcome in ANSWERED)

    @property
    def times_asked(self) -> int:
        """How often the source was asked, with or without an answer."""
        return sum(ask.outcome != "seen" for ask in self.asks)

    @property
    def last_asked(self) -> np.datetime64 | None:
        """When the source was last asked."""
        asked = [ask.asked_at for ask in self.asks if ask.outcome != "seen"]
        return max(asked) if asked else None

    def is_due(
        self, now: np.datetime64, after: Sequence[np.timedelta64], state: str | None
    ) -> bool:
        """Whether the source is to be asked (again).

        A source that can tell what it holds is asked once for each state of it. Others are asked
        `after` these times since the gap was first seen.
        """
        if self.seen_at is None:
            return False
        if state is not None:
            return all(ask.state != state for ask in self.answered)
        passed = [self.seen_at + wait for wait in after if self.seen_at + wait <= now]
        last = self.answered[-1].asked_at if self.answered else self.seen_at
        return bool(passed and last < max(passed))

    def is_confirmed(self, after: Sequence[np.timedelta64]) -> bool:
        """Whether the source has said as often as it is asked that it has no more."""
        if self.seen_at is None or not self.answered:
            return False
        last = self.answered[-1]
        return bool(last.state is not None or last.asked_at >= self.seen_at + max(after))


def histories(gaps: Iterable[Gap], asks: Iterable[Ask]) -> list[History]:
    """For each gap the lines whose minutes overlap with its own, in the order of time."""
    lines: dict[tuple[str, str], list[Ask]] = {}
    for ask in sorted(asks, key=lambda ask: ask.asked_at):
        lines.setdefault((ask.gap.symbol, ask.gap.month), []).append(ask)
    found = []
    for gap in gaps:
        near = lines.get((gap.symbol, gap.month), ())
        over = (ask for ask in near if ask.gap.start < gap.end and gap.start < ask.gap.end)
        found.append(History(gap, tuple(over)))
    return found


def _times(column: pa.ChunkedArray) -> list[np.datetime64]:
    return list(column.to_numpy().astype(TS))
