"""Everything that a stream hands over is committed, whatever the lake does meanwhile."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.errors import LakeError, SourceError, SourceRefused, SymbolError
from crypto_nn.sources import Availability, BarSource
from crypto_nn.sources.realtime import Delivery
from crypto_nn.sources.recorder import Recorder, RecorderConfig
from crypto_nn.sources.recording import CATCH_UP, FIRST, YOUNG, record, starts
from crypto_nn.store import Lake
from crypto_nn.store.live import LiveBars, Received
from crypto_nn_tests.exchange.virtual import virtual_world
from crypto_nn_tests.store.workers import JANUARY, some_bars

MINUTE = M1.step
SYMBOL = "BTC-USDT"
NOON = JANUARY + 12 * 60 * MINUTE


def said(minute: int, rows: int = 1) -> Delivery:
    bars = some_bars(rows, float(minute), JANUARY + minute * MINUTE)
    return Delivery(bars, JANUARY + (minute + rows) * MINUTE, "stream")


class Kept(LiveBars):
    """What was committed, without a lake; `refuse` so many commits first."""

    def __init__(self, refuse: int = 0) -> None:
        self.commits: list[list[float]] = []
        self.refuse = refuse

    def append(self, source: str, deliveries: Sequence[Received]) -> int:
        if self.refuse:
            self.refuse -= 1
            raise LakeError("the lake is locked")
        self.commits.append([float(each.bars.close[0]) for each in deliveries])
        return len(deliveries)


def test_deliveries_are_committed_in_order_and_what_waits_goes_together() -> None:
    with virtual_world() as loop:
        kept = Kept()

        async def run() -> None:
            async with Recorder(kept, "venue") as recorder:
                for minute in range(3):
                    await recorder.take(said(minute))
                await recorder.drain()
                await recorder.take(said(3))
            assert recorder.stats().rows == 4
            assert recorder.stats().waiting == 0

        loop.run_until_complete(run())
    assert kept.commits == [[0.0, 1.0, 2.0], [3.0]]


def test_a_lake_that_refuses_for_a_while_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Waits grow, each refusal is logged with its reason, and the order is kept."""
    with virtual_world() as loop:
        kept = Kept(refuse=5)

        async def run() -> float:
            async with Recorder(kept, "venue") as recorder:
                for minute in range(5):
                    await recorder.take(said(minute))
                await recorder.drain()
                assert recorder.stats().failures == 5
            return loop.time()

        waited = loop.run_until_complete(run())
    assert [value for commit in kept.commits for value in commit] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert 0.2 + 0.4 + 0.8 + 1.6 + 3.2 <= waited < 7
    assert [r.levelno for r in caplog.records] == [logging.WARNING] * 5
    assert "the lake is locked" in caplog.text


def test_a_lake_that_refuses_for_good_ends_recording_with_its_error() -> None:
    with virtual_world() as loop:
        kept = Kept(refuse=10_000)

        async def run() -> None:
            async with Recorder(kept, "venue", RecorderConfig(give_up_after_s=60)) as recorder:
                await recorder.take(said(0))
                with pytest.raises(LakeError, match="the lake is locked"):
                    await recorder.until_broken()
                for refused in (recorder.take(said(1)), recorder.drain()):
                    with pytest.raises(LakeError, match="the lake is locked"):
                        await refused

        loop.run_until_complete(run())
        assert 50 < loop.time() <= 60


def test_no_more_waits_than_fits_and_the_stream_waits_with_it() -> None:
    """`take` comes back when there is room; a delivery larger than all room goes alone."""
    with virtual_world() as loop:
        kept, most = Kept(refuse=3), 0

        async def run() -> None:
            nonlocal most
            async with Recorder(kept, "venue", RecorderConfig(max_waiting=10)) as recorder:
                for minute, rows in enumerate([4, 4, 4, 25, 1, 4]):
                    await recorder.take(said(minute, rows))
                    most = max(most, recorder.stats().waiting)
                    if minute == 1:
                        assert loop.time() == 0
                    if minute == 2:
                        assert loop.time() > 1

        loop.run_until_complete(run())
    assert most == 25
    assert [value for commit in kept.commits for value in commit] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_stopping_commits_what_waits_but_does_not_wait_for_ever() -> None:
    with virtual_world() as loop:

        async def stopped_after(refuse: int) -> tuple[bool, int, float]:
            recorder, began = Recorder(Kept(refuse), "venue"), loop.time()
            await recorder.take(said(0))
            done = await recorder.stop()
            with pytest.raises(LakeError, match="fetched at the next start"):
                await recorder.take(said(1))
            return done, recorder.stats().waiting, loop.time() - began

        assert loop.run_until_complete(stopped_after(2))[:2] == (True, 0)
        done, waiting, seconds = loop.run_until_complete(stopped_after(10_000))
    assert (done, waiting) == (False, 1)
    assert seconds == 30


def test_a_long_writer_makes_the_recorder_wait_and_nothing_more(tmp_path: Path) -> None:
    """The write lock of the lake is held by another while bars come in."""
    lake = Lake(tmp_path / "lake", wait_seconds=0.01)
    live = LiveBars(lake)
    live.append("venue", [said(0)])

    async def run() -> None:
        config = RecorderConfig(first_wait_s=0.01, max_wait_s=0.01)
        async with Recorder(live, "venue", config) as recorder:
            with lake.catalogue.lock():
                for minute in range(1, 5):
                    await recorder.take(said(minute))
                while not recorder.stats().failures:
                    await asyncio.sleep(0.001)
            await recorder.drain()

    asyncio.run(run())
    assert live.read()["close"].to_pylist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    lake.close()


class Venue(BarSource):
    """Streams some minutes, then does what it is told to; has the same as history."""

    name = "venue"

    def __init__(self, minutes: range, then: Any) -> None:
        self.minutes, self.then = minutes, then
        self.asked: list[tuple[int, int]] = []

    def symbols(self) -> tuple[str, ...]:
        return (SYMBOL,)

    def available(self, symbol: str) -> Availability:
        return Availability(JANUARY, NOON, live=True)

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        first, last = (int((time - JANUARY) // MINUTE) for time in (start, end))
        self.asked.append((first, last))
        have = [m for m in range(first, last) if m < self.minutes.stop]
        yield Bars.concat([said(m).bars for m in have]) if have else Bars.empty(symbol)

    async def stream(self, symbols: Sequence[str]) -> AsyncIterator[Bars]:
        for minute in self.minutes:
            yield said(minute).bars
        await self.then()


class NoonClock:
    """It is the first minute after the venue's last."""

    def now(self) -> np.datetime64:
        return NOON

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None: ...


class Old(Venue):
    """History only."""

    name = "old"
    stream = BarSource.stream


async def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()


async def _refuse() -> None:
    raise SourceRefused("the key is wrong")


def test_recording_fills_from_the_last_known_minute_and_ends_cleanly_by_a_signal(
    tmp_path: Path,
) -> None:
    """What came before the signal is committed; the hole since the last run is fetched."""
    lake = Lake(tmp_path / "lake")
    live = LiveBars(lake)
    live.append("venue", [said(700)])
    venue = Venue(range(717, 720), _terminate)
    told: list[str] = []
    handlers = signal.getsignal(signal.SIGTERM)
    done = record(
        lake, {"venue": venue}, {SYMBOL: "venue"}, clock=NoonClock(),
        tell=lambda recording: told.append(str(recording)),
    )  # fmt: skip
    assert signal.getsignal(signal.SIGTERM) is handlers
    found = set(live.read()["close"].to_pylist())
    assert {700.0, 717.0, 718.0, 719.0} <= found
    assert {first for first, _ in venue.asked} <= {696}  # a little before it
    assert done.recorders["venue"].waiting == 0
    assert told[-1].startswith("venue: ")
    assert f"{done.recorders['venue'].rows} rows in " in told[-1]
    lake.close()


def test_a_source_that_refuses_ends_recording_and_what_came_is_kept(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    sources = {"venue": Venue(range(718, 720), _refuse)}
    with pytest.raises(SourceRefused, match="the key is wrong"):
        record(lake, sources, {SYMBOL: "venue"}, clock=NoonClock())
    assert {718.0, 719.0} <= set(LiveBars(lake).read()["close"].to_pylist())
    lake.close()


def test_symbols_without_live_bars_are_refused_with_the_sources_that_have_them(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path / "lake")
    sources = {"venue": Venue(range(0), _refuse), "files": Old(range(0), _refuse)}
    with pytest.raises(SourceError, match=r"no live bars of ETH-USD \(files\): of .* here venue"):
        record(lake, sources, {SYMBOL: "venue", "ETH-USD": "files"})
    with pytest.raises(SourceError, match="There is no symbol"):
        record(lake, sources, {})
    assert not (tmp_path / "lake").exists()


def test_a_symbol_is_recorded_from_one_venue_only(tmp_path: Path) -> None:
    """Prices of two venues side by side would look like moves of the market."""
    lake = Lake(tmp_path / "lake")
    LiveBars(lake).append("other", [said(0)])
    with pytest.raises(SymbolError, match=f"{SYMBOL} is kept from other.* now come from 'venue'"):
        record(lake, {"venue": Venue(range(1), _refuse)}, {SYMBOL: "venue"})
    lake.close()


def test_a_symbol_starts_after_its_last_bar_but_never_far_back_or_ahead(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    live = LiveBars(lake)
    assert starts(live, (SYMBOL,), NOON) == {SYMBOL: NOON - FIRST}
    live.append("venue", [said(100)])
    last = JANUARY + 100 * MINUTE
    assert starts(live, (SYMBOL,), NOON) == {SYMBOL: last + MINUTE - YOUNG}
    assert starts(live, (SYMBOL,), last - YOUNG) == {SYMBOL: last - YOUNG}
    assert starts(live, (SYMBOL,), NOON + 3 * CATCH_UP) == {SYMBOL: NOON + 2 * CATCH_UP}
    lake.close()


def test_a_symbol_starts_at_the_first_hole_of_the_last_hour(tmp_path: Path) -> None:
    """What was being fetched when the process before ended would never be fetched else."""
    lake = Lake(tmp_path / "lake")
    live = LiveBars(lake)
    live.append("venue", [said(100), said(101), said(130), said(150)])
    assert starts(live, (SYMBOL,), NOON) == {SYMBOL: JANUARY + 102 * MINUTE}
    live.append("venue", [said(220)])
    assert starts(live, (SYMBOL,), NOON) == {SYMBOL: JANUARY + 221 * MINUTE - YOUNG}
    lake.close()
