"""What outlives a process of the machine under test: rows as they were received."""

from typing import Any, NamedTuple, Protocol

import numpy as np

from crypto_nn.bars import M1, Bar, Bars
from crypto_nn.bars.calendar import TS
from crypto_nn.sources.realtime.updates import Delivery

MINUTE = np.timedelta64(60_000_000, "us")
_FLUSH_EVERY = 4
_YOUNG = 5 * MINUTE
_FAR = np.datetime64("2100-01-01", "us")


class Row(NamedTuple):
    """One row that was received."""

    bar: Bar
    received_at: np.datetime64
    origin: str


class Records(Protocol):
    """Keeps deliveries; what is kept is there for the next process."""

    async def start(self) -> None:
        """A process begins."""

    async def take(self, delivery: Delivery, at: float) -> None:
        """Keep a delivery, which came at this elapsed second."""

    async def stop(self, crash: bool) -> None:
        """A process ends; in a crash, what was not kept yet is lost."""

    def table(self, symbol: str) -> Bars:
        """The newest word on every minute."""

    def due(self, symbol: str, first: np.datetime64) -> np.datetime64:
        """The minute at which the next process should begin."""

    async def refresh(self, symbol: str, fetched: Bars) -> Bars:
        """The table after all that the source has now was fetched once more."""

    def gaps(self, symbol: str) -> set[np.datetime64] | None:
        """Every minute that the table says to be missing; None where it does not say."""

    def close(self) -> None:
        """Let go of what is held."""

    @property
    def lost_since(self) -> list[tuple[float, float]]:
        """Stretches of elapsed seconds whose deliveries were lost in crashes."""


class MemoryRecords:
    """Keeps rows in memory, and commits every few deliveries, so that a crash loses some."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self._waiting: list[tuple[Delivery, float]] = []
        self.lost_since: list[tuple[float, float]] = []
        self.last_at = 0.0

    async def start(self) -> None:
        """Nothing to do."""

    async def take(self, delivery: Delivery, at: float) -> None:
        """Keep it with the next commit."""
        self._waiting.append((delivery, at))
        self.last_at = at
        if len(self._waiting) >= _FLUSH_EVERY:
            self._commit()

    def _commit(self) -> None:
        for delivery, _ in self._waiting:
            rows = self.rows.setdefault(delivery.bars.symbol, [])
            rows += [Row(bar, delivery.received_at, delivery.origin) for bar in delivery.bars]
        self._waiting.clear()

    async def stop(self, crash: bool) -> None:
        """Commit, or lose, what waits."""
        if crash and self._waiting:
            self.lost_since.append((self._waiting[0][1], self.last_at))
            self._waiting.clear()
        self._commit()

    def table(self, symbol: str) -> Bars:
        """The row of each minute that was received last; rows that cannot be bars are left out."""
        return newest(symbol, self.rows.get(symbol, []))

    def due(self, symbol: str, first: np.datetime64) -> np.datetime64:
        """A little before the first minute that is not there: what was young may have changed."""
        known, due = set(self.table(symbol).ts.tolist()), first
        while due.item() in known:
            due = due + MINUTE
        return max(first, due - _YOUNG)

    async def refresh(self, symbol: str, fetched: Bars) -> Bars:
        """What is fetched now was received last."""
        rows = [Row(bar, _FAR, "fetch") for bar in fetched]
        return newest(symbol, self.rows.get(symbol, []) + rows)

    def gaps(self, symbol: str) -> None:
        """It does not say."""

    def close(self) -> None:
        """Nothing is held."""


def newest(symbol: str, rows: list[Row]) -> Bars:
    """The independent fold: of each minute the row that was received last."""
    kept: dict[int, Row] = {}
    for row in rows:
        stamp = int(row.bar.ts.astype(TS).astype(np.int64))
        if np.isnat(row.bar.ts) or stamp % 60_000_000 or not _is_bar(row):
            continue
        old = kept.get(stamp)
        if old is None or row.received_at >= old.received_at:
            kept[stamp] = row
    return as_bars(symbol, [kept[stamp].bar for stamp in sorted(kept)])


def as_bars(symbol: str, bars: list[Bar]) -> Bars:
    """Single bars as arrays."""
    columns: list[Any] = list(zip(*bars)) if bars else [()] * 8
    numbers: list[Any] = [np.array(column, dtype=np.float64) for column in columns[1:]]
    return Bars(symbol, M1, np.array(columns[0], dtype=TS), *numbers)


def _is_bar(row: Row) -> bool:
    _, open_, high, low, close, volume, *_ = row.bar
    prices = low <= open_ <= high and low <= close <= high and low > 0 and high < np.inf
    return bool(prices and 0 <= volume < np.inf and row.received_at >= row.bar.ts + MINUTE)
