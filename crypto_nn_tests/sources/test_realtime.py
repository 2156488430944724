"""Live streams lose nothing: drops, stalls, errors, slow listeners, wrong clocks."""

import asyncio
import logging
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.errors import SourceError, SourceRefused, SourceUnavailable
from crypto_nn.sources import FilesConfig
from crypto_nn.sources.realtime import (
    Closed,
    Delivery,
    Gap,
    RealtimeConfig,
    RealtimeDataStream,
    Revised,
    StateChange,
    Update,
)
from crypto_nn_tests.exchange.virtual import VirtualClock, VirtualLoop, virtual_world
from crypto_nn_tests.sources.scripted import START, ScriptedSource, at_minute, market

SINCE = {"BTC-USD": START}


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A world in which hours pass in moments."""
    with virtual_world() as world:
        yield world


def stream_of(source: ScriptedSource, loop: VirtualLoop, **options: Any) -> RealtimeDataStream:
    """A stream of all the source's symbols from the start on, with a right clock."""
    options.setdefault("since", dict.fromkeys(source.symbols(), START))
    options.setdefault("clock", VirtualClock(loop, START))
    return RealtimeDataStream(source, source.symbols(), **options)


def heard(stream: RealtimeDataStream) -> list[Update]:
    """What the stream tells from now on."""
    told: list[Update] = []
    for listen in (stream.on_bar, stream.on_revision, stream.on_gap, stream.on_state):
        listen(told.append)
    return told


def run_for(loop: VirtualLoop, stream: RealtimeDataStream, minutes: float) -> None:
    """Let so many minutes pass."""

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.run(), 60 * minutes)

    loop.run_until_complete(run())


def table(told: Sequence[Update], symbol: str = "BTC-USD") -> dict[int, float]:
    """The close of each minute, as a follower of the stream has it; checks the order."""
    closes: dict[int, float] = {}
    due = 0
    for update in told:
        if update.symbol != symbol:
            continue
        if isinstance(update, Closed):
            assert at_minute(update.bar.ts) == due
            closes[due] = update.bar.close
            due += 1
        elif isinstance(update, Gap):
            assert at_minute(update.start) == due
            due = at_minute(update.end)
        elif isinstance(update, Revised):
            assert at_minute(update.bar.ts) < due
            closes[at_minute(update.bar.ts)] = update.bar.close
    return closes


def truth(bars: Bars) -> dict[int, float]:
    """The close of each minute, as the source has it."""
    return {at_minute(ts): close for ts, close in zip(bars.ts, bars.close.tolist())}


def test_bars_are_told_as_they_close(loop: VirtualLoop) -> None:
    """With nothing wrong, nothing is fetched."""
    source = ScriptedSource(loop, market(30))
    stream = stream_of(source, loop)
    told = heard(stream)
    run_for(loop, stream, 30.1)
    assert table(told) == truth(market(30))
    assert source.fetched == []
    assert [one.state for one in told if isinstance(one, StateChange)] == ["LIVE"]


def test_a_silent_minute_is_fetched_and_in_its_place(loop: VirtualLoop) -> None:
    """The stream never sends it: just that stretch is asked for, after the grace."""
    source = ScriptedSource(loop, market(30))
    source.silent["BTC-USD"] = {7, 8, 20}
    stream = stream_of(source, loop)
    told = heard(stream)
    run_for(loop, stream, 30.1)
    assert table(told) == truth(market(30))
    asked = [(at, at_minute(start), at_minute(end)) for at, _, start, end in source.fetched]
    settled = 0.5 + RealtimeConfig().confirm_after_s
    assert asked == [
        (491.0, 7, 8),  # deliveries take a second, and so long lags the exchange's time
        (551.0, 8, 9),
        (491.0 + settled, 7, 8),  # a source that lags may have cut it short
        (551.0 + settled, 8, 9),
        (1271.0, 20, 21),
        (1271.0 + settled, 20, 21),
    ]


def test_a_stream_that_breaks_off_is_begun_anew_for_ever(
    loop: VirtualLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """Errors, clean ends and broken sockets; what was missed meanwhile is fetched."""
    source = ScriptedSource(loop, market(60))
    source.events = [(130.0, SourceError("torn")), (400.0, None), (1000.0, ConnectionResetError())]
    source.events += [(2000.0 + second, None) for second in range(300)]
    stream = stream_of(source, loop)
    told = heard(stream)
    with caplog.at_level(logging.WARNING):
        run_for(loop, stream, 61)
    assert table(told) == truth(market(60))
    assert stream.stats().restarts == source.opened - 1 > 8
    assert "broke off (torn)" in caplog.text


def test_a_stall_is_bridged_by_history(loop: VirtualLoop) -> None:
    """The socket is open and says nothing for half an hour, from the first minute on."""
    source = ScriptedSource(loop, market(60))
    source.silent["BTC-USD"] = set(range(35))
    stream = stream_of(source, loop)
    told = heard(stream)
    run_for(loop, stream, 30)
    assert table(told) == truth(market(60)[: len(table(told))])
    assert len(table(told)) >= 29
    assert stream.stats().symbols["BTC-USD"].fetches == len(source.fetched)


def test_a_restart_begins_where_the_last_run_ended(loop: VirtualLoop) -> None:
    """Days were missed: they are fetched first, in order, and the live bars follow."""
    source = ScriptedSource(loop, market(3 * 1440))
    loop.run_until_complete(asyncio.sleep(2 * 86_400 + 30.0))
    stream = stream_of(source, loop)
    told = heard(stream)
    run_for(loop, stream, 10)
    assert table(told) == truth(market(2 * 1440 + 10))
    assert len(source.fetched) <= 4


def test_a_gap_is_told_once_it_is_certain(loop: VirtualLoop) -> None:
    """Minutes that never were: the bars after them wait until the source has a later one."""
    bars = market(30, without=(3, 10, 11, 12))
    source = ScriptedSource(loop, bars)
    stream = stream_of(source, loop)
    told = heard(stream)
    run_for(loop, stream, 30.1)
    assert table(told) == truth(bars)
    gaps = [(at_minute(one.start), at_minute(one.end)) for one in told if isinstance(one, Gap)]
    assert gaps[0] == (3, 4)
    assert {minute for start, end in gaps for minute in range(start, end)} == {3, 10, 11, 12}
    assert [one.state for one in told if isinstance(one, StateChange)] == ["LIVE", "STALE"] * 2 + [
        "LIVE"
    ]


def test_changed_and_late_bars_come_as_revisions(loop: VirtualLoop) -> None:
    """One was told differently, one was told to be a gap; a repetition is no news."""
    early, late = market(30), market(30)
    source = ScriptedSource(loop, market(30, without=(5,)))
    changed = replace(early[2:3], close=np.array([102.5]), high=np.array([102.5]))
    source.events = [(700.0, early[1:2]), (701.0, changed), (900.0, late[5:6])]
    stream = stream_of(source, loop)
    told = heard(stream)

    async def correct() -> None:
        await asyncio.sleep(600)
        whole = market(30)
        whole.close[2] = whole.high[2] = 102.5
        source.history["BTC-USD"] = whole

    task = loop.create_task(correct())
    run_for(loop, stream, 30.1)
    assert task.done()
    revised = [(at_minute(one.bar.ts), one.kind) for one in told if isinstance(one, Revised)]
    assert revised == [(2, "changed"), (5, "late")]
    assert table(told) == truth(market(30)) | {2: 102.5}


def test_of_two_versions_the_sources_is_the_last_word(loop: VirtualLoop) -> None:
    """A stale version overtakes the newer one; history is asked and sets it right."""
    source = ScriptedSource(loop, market(30))
    stale = replace(market(30)[2:3], close=np.array([99.0]), low=np.array([99.0]))
    source.events = [(300.0, stale)]
    stream = stream_of(source, loop)
    told = heard(stream)
    run_for(loop, stream, 30.1)
    assert [one.bar.close for one in told if isinstance(one, Revised)] == [99.0, 102.0]
    assert table(told) == truth(market(30))


def test_unfit_rows_are_recorded_and_never_told(loop: VirtualLoop) -> None:
    """Their minute counts as missing, and is fetched."""
    source = ScriptedSource(loop, market(20))
    source.silent["BTC-USD"] = {4, 6}
    bad = replace(market(20)[4:5], low=np.array([np.nan]))
    timeless = replace(market(20)[6:7], ts=np.array([np.datetime64("NaT", "us")]))
    far = replace(market(20)[6:7], ts=np.array([np.datetime64("2057-01-01", "us")]))
    source.events = [(301.0, bad), (421.0, timeless), (422.0, far)]
    stream = stream_of(source, loop)
    told, recorded = heard(stream), list[Delivery]()
    stream.on_delivery(recorded.append)
    run_for(loop, stream, 20.1)
    assert table(told) == truth(market(20))
    assert sum(np.isnan(one.bars.low).any() for one in recorded) == 1
    assert sum(np.isnat(one.bars.ts).any() for one in recorded) == 1
    assert sum((one.bars.ts > np.datetime64("2050")).any() for one in recorded) == 1
    assert stream.stats().symbols["BTC-USD"].unfit == 3


def test_deliveries_come_at_once_and_are_never_before_their_close(loop: VirtualLoop) -> None:
    """In order of receipt, with their origin, though this machine's clock is an hour slow."""
    source = ScriptedSource(loop, market(30))
    source.silent["BTC-USD"] = {9}
    clock = VirtualClock(loop, START, lambda s: -3600.0 if s > 300 else 3600.0)
    stream = stream_of(source, loop, clock=clock)
    recorded: list[Delivery] = []
    stream.on_delivery(recorded.append)
    run_for(loop, stream, 30.1)
    stamps = np.array([one.received_at for one in recorded])
    assert (np.diff(stamps) > np.timedelta64(0)).all()
    live = [one for one in recorded if one.origin == "stream"]
    assert all((one.bars.ts + M1.step <= one.received_at).all() for one in recorded)
    waits = [one.received_at - one.bars.ts[-1] - M1.step for one in live]
    assert len(live) == 29
    assert max(waits[-5:]) < np.timedelta64(2, "s")
    assert [at_minute(one.bars.ts[0]) for one in recorded if one.origin == "fetch"] == [9, 9]


@pytest.mark.parametrize("slow_s", [90.0, 1200.0])
def test_a_slow_listener_gets_everything_in_the_end(loop: VirtualLoop, slow_s: float) -> None:
    """It stalls in each of its first calls; what did not fit is fetched when it goes on."""
    source = ScriptedSource(loop, market(400, "BTC-USD"), market(400, "ETH-USD"))
    config = RealtimeConfig(buffer=4, keep_minutes=10, fetch_minutes=20)
    stream = stream_of(source, loop, config=config)
    told: list[Update] = []

    async def listen(closed: Closed) -> None:
        told.append(closed)
        if len(told) < 8:
            await asyncio.sleep(slow_s)
            assert stream.stats().queued <= config.buffer

    stream.on_bar(listen)
    stream.on_gap(told.append)
    run_for(loop, stream, 399.5)
    for symbol in source.symbols():
        assert table(told, symbol) == truth(market(399))
    assert stream.stats().symbols["BTC-USD"].dropped > (100 if slow_s > 100 else -1)


def test_a_slow_recorder_gets_every_row_in_the_end(loop: VirtualLoop) -> None:
    """What was dropped before it is fetched again, the listener to bars not disturbed."""
    source = ScriptedSource(loop, market(200, "BTC-USD"), market(200, "ETH-USD"))
    stream = stream_of(source, loop, config=RealtimeConfig(buffer=8))
    told, rows = heard(stream), dict[tuple[str, int], float]()

    async def record(delivery: Delivery) -> None:
        if loop.time() < 3600:
            await asyncio.sleep(3600)
        bars = delivery.bars
        rows.update({(bars.symbol, at_minute(bar.ts)): bar.close for bar in bars})

    stream.on_delivery(record)
    run_for(loop, stream, 199.5)
    assert stream.stats().deliveries_dropped > 50
    for symbol in source.symbols():
        assert {at: close for (of, at), close in rows.items() if of == symbol} == truth(market(199))
        assert table(told, symbol) == truth(market(199))
    assert not any(isinstance(one, Revised) for one in told)


def test_a_listener_that_fails_harms_nobody(
    loop: VirtualLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """Its error is logged once with where it came from, and counted; others hear everything."""
    source = ScriptedSource(loop, market(20))
    stream = stream_of(source, loop)

    @stream.on_bar
    def broken(closed: Closed) -> None:
        raise ZeroDivisionError(f"at {closed.bar.ts}")

    told = heard(stream)
    run_for(loop, stream, 20.1)
    assert table(told) == truth(market(20))
    assert stream.stats().callback_errors == 20
    (record,) = [one for one in caplog.records if "broken" in one.getMessage()]
    assert record.exc_info is not None


def test_a_listener_can_be_interrupted(loop: VirtualLoop) -> None:
    """What is no error of its own goes through: the stream ends."""
    stream = stream_of(ScriptedSource(loop, market(20)), loop)

    @stream.on_bar
    def interrupted(_: Closed) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(stream.run())


def test_a_refusal_ends_the_stream_with_its_error(loop: VirtualLoop) -> None:
    """By the stream or by a fetch: the key is wrong, and trying again cannot help."""
    source = ScriptedSource(loop, market(20))
    source.events = [(100.0, SourceRefused("no such key"))]
    with pytest.raises(SourceRefused, match="no such key"):
        loop.run_until_complete(stream_of(source, loop).run())
    source = ScriptedSource(loop, market(20))
    source.silent["BTC-USD"] = {12}
    source.fails = lambda _: SourceRefused("not in this plan")
    with pytest.raises(SourceRefused, match="plan"):
        loop.run_until_complete(stream_of(source, loop).run())


def test_history_that_fails_is_asked_again(
    loop: VirtualLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """For an hour it answers nothing; the symbol is stale all that time, and whole afterwards."""
    source = ScriptedSource(loop, market(120))
    source.silent["BTC-USD"] = set(range(10, 40))
    source.refuses = lambda at: SourceUnavailable("down", "BTC-USD", []) if at < 3600 else None
    stream = stream_of(source, loop)
    told, states = heard(stream), list[str]()
    loop.call_at(3590, lambda: states.append(stream.stats().symbols["BTC-USD"].state))
    loop.call_at(3590, lambda: states.append(str(len(table(told)))))
    run_for(loop, stream, 70.1)
    assert states == ["STALE", "10"]
    assert table(told) == truth(market(70))
    assert "asked for again later: down" in caplog.text


def test_what_a_failing_fetch_gave_is_kept(loop: VirtualLoop) -> None:
    """The pieces before its error are whole."""
    source = ScriptedSource(loop, market(60))
    source.silent["BTC-USD"] = {10, 11}
    source.fails = lambda at: SourceUnavailable("tired", "BTC-USD", []) if at < 3000 else None
    stream = stream_of(source, loop)
    told = heard(stream)
    run_for(loop, stream, 40)
    assert table(told) == truth(market(39))


def test_a_wrong_clock_is_told_of_and_does_no_harm(
    loop: VirtualLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten minutes fast: no gap is invented, and the log says by how much it is off."""
    source = ScriptedSource(loop, market(60))
    source.silent["BTC-USD"] = set(range(20, 30))
    clock = VirtualClock(loop, START, lambda _: 600.0)
    stream = stream_of(source, loop, clock=clock)
    told = heard(stream)
    run_for(loop, stream, 60.1)
    assert table(told) == truth(market(60))
    assert not any(isinstance(one, Gap) for one in told)
    assert stream.stats().skew_s == pytest.approx(601.0)
    assert "clock is +601.0 s off" in caplog.text


@pytest.mark.parametrize("wrong_s", [-86_400.0, -600.0, 600.0, 86_400.0])
def test_a_wrong_clock_invents_no_gap_before_the_first_bar(
    loop: VirtualLoop, wrong_s: float
) -> None:
    """The stream is silent from the start: only what history holds later confirms a gap."""
    source = ScriptedSource(loop, market(120))
    source.silent["BTC-USD"] = set(range(60))
    loop.run_until_complete(asyncio.sleep(600))
    stream = stream_of(source, loop, clock=VirtualClock(loop, START, lambda _: wrong_s))
    told = heard(stream)
    run_for(loop, stream, 110)
    assert table(told) == truth(market(119))
    assert not any(isinstance(one, Gap) for one in told)


def test_without_a_start_a_symbol_begins_with_its_first_bar(loop: VirtualLoop) -> None:
    """Another one that is silent begins at the same time, and is fetched."""
    source = ScriptedSource(loop, market(60, "BTC-USD"), market(60, "ETH-USD"))
    source.silent["ETH-USD"] = set(range(60))
    loop.run_until_complete(asyncio.sleep(20 * 60))
    stream = stream_of(source, loop, since=None)
    told = heard(stream)
    run_for(loop, stream, 20)
    firsts = {one.symbol: one.bar for one in reversed(told) if isinstance(one, Closed)}
    assert at_minute(firsts["BTC-USD"].ts) == 19
    assert at_minute(firsts["ETH-USD"].ts) in (20, 21)
    lasts = {one.symbol: one.bar for one in told if isinstance(one, Closed)}
    assert at_minute(lasts["ETH-USD"].ts) >= 38


def test_a_run_is_the_same_twice(loop: VirtualLoop) -> None:
    """Same source, same seed, same order of everything."""

    def once() -> list[tuple[float, str]]:
        source = ScriptedSource(loop, market(80), market(80, "ETH-USD", without=(5, 6, 30)))
        source.silent["BTC-USD"] = {3, 17, 18, 40}
        base = loop.time()
        source.history = {
            symbol: replace(bars, ts=bars.ts + np.timedelta64(round(base * 1e6), "us"))
            for symbol, bars in source.history.items()
        }
        source.silent = {
            symbol: {minute + round(base / 60) for minute in minutes}
            for symbol, minutes in source.silent.items()
        }
        source.events = [(base + 1500.0, SourceError("torn"))]
        begun = START + np.timedelta64(round(base * 1e6), "us")
        stream = stream_of(source, loop, since=dict.fromkeys(source.symbols(), begun), seed=5)
        trace: list[tuple[float, str]] = []
        for listen in (stream.on_bar, stream.on_gap, stream.on_state, stream.on_delivery):
            listen(lambda one: trace.append((round(loop.time() - base, 6), type(one).__name__)))
        run_for(loop, stream, 80)
        return trace

    first = once()
    loop.run_until_complete(asyncio.sleep(60 - loop.time() % 60))
    assert once() == first
    assert len(first) > 300


def test_updates_can_be_iterated(loop: VirtualLoop) -> None:
    """`async for` gives what callbacks get, and ends the stream when it is left."""
    source = ScriptedSource(loop, market(30))
    source.silent["BTC-USD"] = {7}
    stream = stream_of(source, loop)

    async def follow() -> list[Update]:
        told: list[Update] = []
        async with aclosing(stream.__aiter__()) as updates:
            async for update in updates:
                told.append(update)
                if isinstance(update, Closed) and at_minute(update.bar.ts) == 20:
                    break
        return told

    assert table(loop.run_until_complete(follow())) == truth(market(21))
    assert not asyncio.all_tasks(loop)


def test_iteration_ends_with_the_streams_error(loop: VirtualLoop) -> None:
    """What was told before comes first."""
    source = ScriptedSource(loop, market(30))
    source.events = [(200.0, SourceRefused("no"))]
    told: list[Update] = []

    async def follow() -> None:
        async for update in stream_of(source, loop):
            told.append(update)

    with pytest.raises(SourceRefused):
        loop.run_until_complete(follow())
    assert len(table(told)) == 3


def test_what_cannot_be_streamed_is_refused(loop: VirtualLoop) -> None:
    """No symbols, one twice, a start for another, a source of history only, a second run."""
    source = ScriptedSource(loop, market(10))
    for symbols, since in (((), None), (("BTC-USD",) * 2, None), (("ETH-USD",), SINCE)):
        with pytest.raises(SourceError, match="cannot be"):
            RealtimeDataStream(source, symbols, since=since)
    files = FilesConfig(paths=("nothing.csv",)).open()
    with pytest.raises(SourceError, match="history only"):
        loop.run_until_complete(RealtimeDataStream(files, ["BTC-USD"]).run())
    stream = stream_of(source, loop)
    run_for(loop, stream, 1)
    with pytest.raises(SourceError, match="once"):
        loop.run_until_complete(stream.run())
    with pytest.raises(SourceError, match="register"):
        stream.on_bar(print)


def test_stop_ends_a_run(loop: VirtualLoop) -> None:
    """From a callback, too; before anything was begun it does nothing."""
    source = ScriptedSource(loop, market(30))
    stream = stream_of(source, loop)
    stream.stop()

    @stream.on_bar
    def stop(_: Closed) -> None:
        stream.stop()

    loop.run_until_complete(stream.run())
    assert 60 < loop.time() < 70
    assert not asyncio.all_tasks(loop)


class _Endless(ScriptedSource):
    """Far more bars than anyone takes, some of them changed, as fast as they are taken."""

    async def stream(self, symbols: Sequence[str]) -> AsyncIterator[Bars]:
        bars = self.history["BTC-USD"]
        for row in range(len(bars)):
            yield bars[row : row + 1]
            if row % 3 == 0:
                back = max(row - row % 200, 0)
                yield replace(bars[back : back + 1], volume=np.array([float(row)]))
            if row in (4000, 8000):
                self.held.append(tracemalloc.get_traced_memory()[0])
        self.over.set()
        await asyncio.sleep(1e9)

    held: list[int]
    over: asyncio.Event


def test_memory_does_not_grow_while_nobody_takes_anything(loop: VirtualLoop) -> None:
    """A listener and a recorder that never return; see benchmarks/live_memory.py."""
    source = _Endless(loop, market(8001))
    source.held, source.over = [], asyncio.Event()
    config = RealtimeConfig(buffer=100, keep_minutes=300, fetch_minutes=300)
    stream = stream_of(source, loop, config=config)

    async def stalls(_: object) -> None:
        await asyncio.sleep(1e9)

    stream.on_bar(stalls)
    stream.on_delivery(stalls)

    async def run() -> None:
        running = asyncio.ensure_future(stream.run())
        await source.over.wait()
        stream.stop()
        await running

    tracemalloc.start()
    try:
        loop.run_until_complete(run())
    finally:
        tracemalloc.stop()
    before, after = source.held
    assert after - before < 50_000
    assert stream.stats().symbols["BTC-USD"].dropped > 7000
    assert stream.stats().queued <= 100


class _Quick(ScriptedSource):
    """All bars at once, in real time; a fetch waits until the test lets it go."""

    def __init__(self, bars: Bars) -> None:
        self.bars, self.asked, self.let_go = bars, threading.Event(), threading.Event()
        self.refuse = False

    def symbols(self) -> tuple[str, ...]:
        return (self.bars.symbol,)

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        self.asked.set()
        self.let_go.wait()
        yield self.bars.between(start, end)

    async def stream(self, symbols: Sequence[str]) -> AsyncIterator[Bars]:
        if self.refuse:
            raise SourceRefused("the key is wrong")
        for row in range(len(self.bars)):
            if row != 50:
                yield self.bars[row : row + 1]
        await asyncio.sleep(3600)


def test_a_thread_of_its_own_serves_those_without_a_loop() -> None:
    """`with` begins and ends it; ending does not wait for a fetch that hangs."""
    source, told, arrived = _Quick(market(100)), list[Closed](), threading.Event()
    stream = RealtimeDataStream(source, ["BTC-USD"], since=SINCE)

    @stream.on_bar
    def take(closed: Closed) -> None:
        told.append(closed)
        if len(told) == 50:
            arrived.set()

    before = threading.active_count()
    with stream:
        assert arrived.wait(30)
        assert source.asked.wait(30)
    assert [at_minute(one.bar.ts) for one in told] == list(range(50))
    stream.stop()
    assert stream.stats().symbols["BTC-USD"].bars == 50
    source.let_go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("asyncio"):
            thread.join(30)
    assert threading.active_count() == before


def test_a_thread_that_ended_by_an_error_tells_when_it_is_stopped() -> None:
    """Nobody awaits it, but nothing is lost."""
    source = _Quick(market(10))
    source.refuse = True
    stream = RealtimeDataStream(source, ["BTC-USD"], since=SINCE)
    stream.start()
    with pytest.raises(SourceRefused, match="key is wrong"):
        stream.join(30)
    stream.stop()
