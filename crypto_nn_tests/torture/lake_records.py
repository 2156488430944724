"""The real records: recorder, `live_bars`, raw store, inspection, and the fold into `bars`."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import TS, month_bounds, month_slices
from crypto_nn.bars.quality import QualityConfig, inspect
from crypto_nn.sources.realtime.updates import Delivery
from crypto_nn.sources.recorder import Recorder, RecorderConfig
from crypto_nn.sources.recording import starts
from crypto_nn.store import Lake
from crypto_nn.store.live import LiveBars, Received, asked_at, folded, received
from crypto_nn.store.raw import RawStore
from crypto_nn_tests.exchange.virtual import VirtualClock

SOURCE = "polygon"
_COMMIT_S = 20.0
_LONG_AGO, _FAR = np.datetime64("2020-01-01", "us"), np.datetime64("2100-01-01", "us")


class _SlowDisk(LiveBars):
    """Each commit takes its time, so that deliveries gather, and a crash finds some uncommitted."""

    def __init__(self, lake: Lake, clock: VirtualClock) -> None:
        super().__init__(lake)
        self._clock = clock
        self.is_dead = False

    def append(self, source: str, deliveries: Sequence[Received]) -> int:
        self._clock.sleep(_COMMIT_S)
        return 0 if self.is_dead else super().append(source, deliveries)


class LakeRecords:
    """Keeps deliveries as the platform does.

    Attributes:
        lost_since: stretches of elapsed seconds whose deliveries were lost in crashes.
    """

    def __init__(self, home: Path, clock: VirtualClock) -> None:
        self._lake, self._raw = Lake(home / "lake"), RawStore(home / "raw_bars")
        self._clock = clock
        self._live = LiveBars(self._lake)
        self.lost_since: list[tuple[float, float]] = []
        self._taken: list[tuple[int, float]] = []

    async def start(self) -> None:
        """A process begins."""
        self._disk = _SlowDisk(self._lake, self._clock)
        config = RecorderConfig(stop_after_s=10 * _COMMIT_S)
        self._recorder = Recorder(self._disk, SOURCE, config)
        self._taken = []

    async def take(self, delivery: Delivery, at: float) -> None:
        """Hand it to the recorder."""
        await self._recorder.take(delivery)
        self._taken.append((len(delivery.bars), at))

    async def stop(self, crash: bool) -> None:
        """A process ends; in a crash, what the recorder had not committed is lost."""
        if not crash:
            await self._recorder.stop()
            return
        self._disk.is_dead = True
        committed = self._recorder.stats().rows
        lost = [at for rows, at in self._taken if (committed := committed - rows) < 0]
        if lost:
            self.lost_since.append((lost[0], lost[-1]))
        if self._recorder._writer is not None:
            self._recorder._writer.cancel()

    def table(self, symbol: str) -> Bars:
        """What `bars_now` shows."""
        return self._live.now(symbol, _LONG_AGO, _FAR)

    def due(self, symbol: str, first: np.datetime64) -> np.datetime64:
        """Where `crypto-nn ingest --live` begins."""
        return starts(self._live, (symbol,), self._clock.now())[symbol]

    async def refresh(self, symbol: str, fetched: Bars) -> Bars:
        """Fold what came live and what the source has now into `bars`, as `refresh_bars` does."""
        return await asyncio.to_thread(self._fold, symbol, fetched)

    def _fold(self, symbol: str, fetched: Bars) -> Bars:
        now = self._clock.now()
        for month, rows in month_slices(fetched.ts):
            live = self._live.read(symbol, month, SOURCE)
            if live.num_rows:
                self._raw.append(SOURCE, symbol, month, *received(live, symbol))
            stored = [self._raw.read(symbol, month)] if self._raw.has(symbol, month) else []
            self._raw.append(SOURCE, symbol, month, fetched[rows], asked_at(now, live, *stored))
            raw = self._raw.read(symbol, month, SOURCE)
            start, end = month_bounds(month)
            due = (max(start, fetched.ts[0]), min(end, fetched.ts[-1] + np.timedelta64(1, "m")))
            found = inspect(raw, QualityConfig(), *due)
            tables = {
                "bars": _as_table(found.accepted, month),
                "quarantined_bars": found.quarantined,
                "bar_gaps": found.gaps,
            }
            where = {"symbol": symbol, "month": month}
            self._lake.replace(tables, where, remove={"live_bars": folded(live, raw)})
        return self._live.now(symbol, _LONG_AGO, _FAR)

    def gaps(self, symbol: str) -> set[np.datetime64]:
        """Every minute in `bar_gaps`."""
        table = self._lake.read("bar_gaps", where={"symbol": symbol})
        starts_, ends = (table[name].to_numpy().astype(TS) for name in ("gap_start", "gap_end"))
        step = np.timedelta64(1, "m")
        return {m for a, b in zip(starts_, ends) for m in np.arange(a, b, step).astype(TS)}

    def close(self) -> None:
        """Let go of the lake."""
        self._lake.close()


def _as_table(bars: Bars, month: str) -> pa.Table:
    table = bars.to_arrow()
    for name, value in (("symbol", bars.symbol), ("month", month), ("source", SOURCE)):
        table = table.append_column(name, pa.array([value] * len(table), pa.string()))
    return table
