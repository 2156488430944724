"""Whatever the socket does, the stream goes on, and gives each bar as the exchange sent it.

All of it happens on virtual time, with the real client talking to the exchange on loopback.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from crypto_nn.bars import M1, Bars
from crypto_nn.errors import SourceError, SourceRefused
from crypto_nn.sources import PolygonConfig
from crypto_nn.sources.patience import Patience
from crypto_nn.sources.polygon import socket as polygon_socket
from crypto_nn.sources.polygon.client import load_client
from crypto_nn.sources.polygon.source import PolygonSource
from crypto_nn_tests.contracts import source as law
from crypto_nn_tests.exchange import CALM, GARBAGE, KEY, Aggregate, FakePolygon, Market
from crypto_nn_tests.exchange.feed import message
from crypto_nn_tests.exchange.market import to_bars
from crypto_nn_tests.exchange.virtual import VirtualClock, virtual_world

BTC, ETH = "BTC-USD", "ETH-USD"
START = np.datetime64("2024-05-01", "us")
MARKET = Market.random(3, (BTC, ETH), minutes=30, character=CALM)
TOLD = {s: [MARKET.prints_of(s, t)[0].bar for t in MARKET.minutes(s)] for s in (BTC, ETH)}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path))


class Stage:
    """One exchange, one source, and all that the source's stream gave, and when."""

    def __init__(self, exchange: FakePolygon, source: PolygonSource, at: Callable[[], float]):
        self.exchange, self.source, self.at = exchange, source, at
        self.socket = exchange.socket
        self.given: list[tuple[float, Bars]] = []
        self.events: list[tuple[float, str]] = []
        self.stalled = asyncio.Event()
        self.stalled.set()

    async def listen(self, *symbols: str) -> None:
        """Take what the stream gives, unless stalled."""
        async with aclosing(self.source.stream(symbols)) as stream:  # type: ignore[type-var]
            async for bars in stream:
                self.given.append((self.at(), bars))
                await self.stalled.wait()

    @property
    def bars(self) -> Bars:
        """All of them in one."""
        return Bars.concat([Bars.empty(BTC), *[bars for _, bars in self.given]])

    def count(self, event: str) -> int:
        """How often the exchange saw this."""
        return sum(name == event for _, name in self.events)


Story = Callable[[Stage], Awaitable[None]]


def play(story: Story, symbols: tuple[str, ...] = (BTC,), **settings: Any) -> Stage:
    """Let a story happen to a stream that has just been subscribed to."""
    with virtual_world() as loop:
        clock = VirtualClock(loop, START)

        async def main() -> Stage:
            exchange = FakePolygon(MARKET, now=clock.true_s)
            stage: Stage
            exchange._on_event = lambda *event: stage.events.append((loop.time(), str(event[0])))
            await exchange.start()
            config = PolygonConfig.model_validate(
                {"base_url": exchange.base_url, "websocket_feed": exchange.feed, "secure": False,
                 "symbols": (BTC, ETH)} | settings
            )  # fmt: skip
            stage = Stage(exchange, PolygonSource(config, clock, seed=1), loop.time)
            listening = asyncio.create_task(stage.listen(*symbols))
            await asyncio.sleep(1.0)
            try:
                await story(stage)
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening
                await asyncio.sleep(5.0)
                left = list(exchange.socket.listeners)
                await exchange.stop()
            assert left == []  # whoever stops listening leaves no connection behind
            return stage

        return loop.run_until_complete(main())


def test_bars_are_given_as_they_are_sent() -> None:
    """In the exchange's order: twice, late, out of order and revised ones too, of both symbols."""
    btc, eth = TOLD[BTC], TOLD[ETH]
    revised = btc[2]._replace(c=btc[2].o, v=btc[2].v * 2)
    sent = [btc[0], btc[2], btc[2], btc[1], revised, btc[3]]

    async def story(stage: Stage) -> None:
        for one in sent:
            stage.socket.tell(BTC, one)
            await asyncio.sleep(0.1)
        stage.socket.tell(BTC, *btc[4:9])
        both = [message(BTC, btc[9]), message(ETH, eth[9]), message(BTC, btc[10])]
        stage.socket.tell_text(json.dumps(both))
        await asyncio.sleep(1.0)

    stage = play(story, (BTC, ETH))
    given = {s: [bars for _, bars in stage.given if bars.symbol == s] for s in (BTC, ETH)}
    expected = to_bars(BTC, [*sent, *btc[4:9], btc[9], btc[10]])
    for name in ("ts", "open", "high", "low", "close", "volume", "vwap"):
        column = getattr(Bars.concat(given[BTC]), name)
        np.testing.assert_array_equal(column, getattr(expected, name))
    assert [bars.ts[0] for bars in given[ETH]] == [to_bars(ETH, [eth[9]]).ts[0]]
    assert stage.source.counts["connections"] == 1


async def _clean_close(stage: Stage) -> None:
    await stage.socket.drop(1000)


async def _going_away(stage: Stage) -> None:
    await stage.socket.drop(1001)


async def _policy(stage: Stage) -> None:
    await stage.socket.drop(1008)


async def _error(stage: Stage) -> None:
    await stage.socket.drop(1011)


async def _reset(stage: Stage) -> None:
    await stage.socket.drop(1006)


async def _half_open(stage: Stage) -> None:
    stage.socket.half_open()


async def _broken_frame(stage: Stage) -> None:
    stage.socket.break_frame()


async def _endless_frame(stage: Stage) -> None:
    stage.socket.tell_text("[" + " " * (2 << 20) + "]")


async def _down(stage: Stage) -> None:
    await stage.exchange.refuse()
    await asyncio.sleep(3_600.0)
    await stage.exchange.accept()


async def _no_greeting(stage: Stage) -> None:
    stage.socket.greeting_hangs = True
    await stage.socket.drop(1006)
    await asyncio.sleep(600.0)
    stage.socket.greeting_hangs = False


async def _too_many(stage: Stage) -> None:
    stage.socket.too_many = True
    await stage.socket.drop(1006)
    await asyncio.sleep(600.0)
    stage.socket.too_many = False


async def _status_only(stage: Stage) -> None:
    for _ in range(20):
        stage.socket.tell_text('[{"ev":"status","status":"success","message":"still here"}]')
        await asyncio.sleep(10.0)


BREAKS = [_clean_close, _going_away, _policy, _error, _reset, _half_open, _broken_frame,
          _endless_frame, _down, _no_greeting, _too_many, _status_only]  # fmt: skip


@pytest.mark.parametrize("happens", BREAKS, ids=lambda happens: happens.__name__[1:])
def test_the_stream_outlives_it(happens: Story) -> None:
    """What is told afterwards is given, by a new connection, and all without the caller's help."""

    async def story(stage: Stage) -> None:
        stage.socket.tell(BTC, TOLD[BTC][0])
        await asyncio.sleep(1.0)
        await happens(stage)
        for _ in range(300):
            await asyncio.sleep(1.0)
            if stage.source.counts["connections"] > 1 and stage.socket.heard(BTC, "XA"):
                break
        stage.socket.tell(BTC, TOLD[BTC][1])
        await asyncio.sleep(1.0)

    stage = play(story)
    np.testing.assert_array_equal(stage.bars.ts, to_bars(BTC, TOLD[BTC][:2]).ts)
    assert stage.source.counts["connections"] >= 2


def test_silence_is_noticed_in_time() -> None:
    """A socket that answers pings but tells of no bar is dropped `stall_s` after the last bar."""

    async def story(stage: Stage) -> None:
        await asyncio.sleep(99.0)
        stage.socket.tell(BTC, TOLD[BTC][0])
        stage.socket.stalled = True
        await asyncio.sleep(400.0)

    stage = play(story, stall_s=120.0)
    gone = [at for at, event in stage.events if event == "gone"]
    assert 220.0 <= gone[0] <= 222.0
    assert 340.0 <= gone[1] <= 345.0


def waits_of(caplog: pytest.LogCaptureFixture) -> list[float]:
    """The waits that were told of."""
    told = [record for record in caplog.records if "the next in" in record.msg]
    return [record.args[2] for record in told]  # type: ignore[index, misc]


def test_waits_grow_to_the_cap_and_begin_anew_after_a_bar(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each wait is within the upper half of its bound, and the client adds none of its own."""
    patience = Patience(first_wait_s=2.0, max_wait_s=30.0)

    async def story(stage: Stage) -> None:
        await _down(stage)
        await asyncio.sleep(40.0)
        stage.socket.tell(BTC, TOLD[BTC][0])
        await asyncio.sleep(1.0)
        await stage.socket.drop(1000)
        await asyncio.sleep(3.0)

    stage = play(story, reconnect=patience)
    *waits, last = waits_of(caplog)
    bounds = [patience.bound(n + 1) for n in range(len(waits))]
    assert bounds[-1] == 30.0
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds))
    assert sum(waits) == pytest.approx(3_600.0, abs=31.0)
    assert 1.0 <= last <= 2.0
    assert stage.source.counts["connections"] == len(waits) + 2


@pytest.mark.parametrize("frame", [g for g in GARBAGE if g] + ["[" * 50_000, b"[7]", "[1e999]"])
def test_a_frame_that_tells_of_no_bar_is_left_out(frame: str | bytes) -> None:
    """It is counted, the connection stays, and the bars before and after it are given."""

    async def story(stage: Stage) -> None:
        stage.socket.tell(BTC, TOLD[BTC][0])
        stage.socket.tell_text(frame)
        stage.socket.tell(BTC, TOLD[BTC][1])
        await asyncio.sleep(1.0)

    stage = play(story)
    assert len(stage.bars) == 2
    assert stage.source.counts["connections"] == 1
    assert stage.source.counts["odd_frames"] + stage.source.counts["odd_events"] >= 1


def test_a_bad_event_costs_its_bar_only() -> None:
    """The others of its frame are given."""
    events = [message(BTC, one) for one in TOLD[BTC][:4]]
    events[1]["o"] = "many"
    events[2] = message("XRP-USD", TOLD[BTC][2])

    async def story(stage: Stage) -> None:
        stage.socket.tell_text(json.dumps(events))
        await asyncio.sleep(1.0)

    stage = play(story)
    assert stage.bars.ts.tolist() == to_bars(BTC, [TOLD[BTC][0], TOLD[BTC][3]]).ts.tolist()
    assert stage.source.counts["odd_events"] == 2


@pytest.mark.parametrize(
    "greeting", ["", "nonsense", "[]", "{}", "[7]", b"\xff\xfe", '[{"ev":"status"}]']
)
def test_a_login_that_is_answered_with_something_else_is_tried_again(greeting: str | bytes) -> None:
    """The client cannot read such an answer; the stream goes on all the same."""

    async def story(stage: Stage) -> None:
        talk = stage.socket._talk

        async def odd(connection: ServerConnection) -> None:
            stage.socket._talk = talk  # type: ignore[method-assign]
            with suppress(ConnectionClosed):
                await connection.send(greeting)
                await connection.recv()
                await connection.send(greeting)
                await connection.wait_closed()

        stage.socket._talk = odd  # type: ignore[method-assign]
        await stage.socket.drop(1006)
        await asyncio.sleep(60.0)
        stage.socket.tell(BTC, TOLD[BTC][0])
        await asyncio.sleep(1.0)

    stage = play(story)
    assert len(stage.bars) == 1
    assert stage.source.counts["connections"] == 3


def test_a_key_that_is_not_accepted_ends_the_stream() -> None:
    """The only way that a stream ends by itself; nothing is tried again, the key is not told."""

    async def story(stage: Stage) -> None:
        stage.exchange.refuse_auth = True
        with pytest.raises(SourceRefused, match=r"POLYGON_API_KEY.*authentication failed") as error:
            await stage.listen(BTC)
        assert KEY not in str(error.value)
        assert stage.count("connect") == 2

    play(story)


def test_a_client_that_does_not_let_itself_be_cancelled_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`asyncio.wait_for`, in which the client waits, can swallow a cancellation."""
    swallowed = []

    class Stubborn:
        websocket, subs = None, frozenset[str]()

        def __init__(self, *args: object, **settings: object) -> None:
            """Any settings will do."""

        async def connect(self, *args: object, **settings: object) -> None:
            """Talk for ever."""
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed.append(1)
            await asyncio.Event().wait()

    async def story(stage: Stage) -> None:
        package = SimpleNamespace(WebSocketClient=Stubborn, exceptions=load_client().exceptions)
        monkeypatch.setattr(polygon_socket, "load_client", lambda: package)
        await stage.socket.drop(1000)
        await asyncio.sleep(10.0)

    play(story)
    assert swallowed == [1]


def test_symbols_are_checked_before_anything_is_connected() -> None:
    """One that the settings do not have is refused at the call."""
    source = PolygonConfig(symbols=(BTC,)).open(seed=1)
    with pytest.raises(SourceError, match=r"no bars of ETH-USD; it has BTC-USD"):
        source.stream((BTC, ETH))


def test_a_stalled_consumer_holds_back_the_exchange_not_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only a bounded number of frames is taken meanwhile; then all come, in order, none twice."""
    monkeypatch.setattr(polygon_socket, "WAITING_FRAMES", 8)
    frame = TOLD[BTC][0]
    sent, total = [0], 3_000
    first = frame.t

    async def flood(connection: ServerConnection) -> None:
        padding = " " * 10_000
        for number in range(total):
            one = message(BTC, frame._replace(t=first + number * 60_000))
            await connection.send(json.dumps([one]) + padding)
            sent[0] += 1

    async def story(stage: Stage) -> None:
        stage.stalled.clear()
        (connection,) = stage.socket.listeners
        flooding = asyncio.create_task(flood(connection))
        await asyncio.sleep(600.0)
        taken = sent[0]
        assert 8 < taken < total // 2  # the rest waits at the exchange
        stage.stalled.set()
        await asyncio.wait_for(flooding, 600.0)
        await asyncio.sleep(10.0)

    stage = play(story)
    stamps = stage.bars.ts.astype("datetime64[ms]").astype(np.int64)
    np.testing.assert_array_equal(stamps, first + 60_000 * np.arange(total))
    assert stage.source.counts["connections"] == 1


def seconds_of(symbol: str, minute: int) -> tuple[Aggregate, ...]:
    """The seconds of a minute of the market."""
    return MARKET.prints_of(symbol, MARKET.minutes(symbol)[minute])[0].seconds


def test_seconds_make_the_minutes_of_the_market() -> None:
    """XAS: each minute between the first and the last is given soon after, as the market has it."""

    async def story(stage: Stage) -> None:
        for minute in range(6):
            for second in seconds_of(BTC, minute):
                until = second.t / 1000 + 1 - START.astype(np.int64) / 1e6
                await asyncio.sleep(max(until - stage.at(), 0))
                stage.socket.tell(BTC, second, channel="XAS")
        await asyncio.sleep(100.0)

    stage = play(story, channel="XAS", grace_s=3.0)
    law.check_same(
        stage.bars,
        Bars.concat([Bars.empty(BTC), _without_trades(to_bars(BTC, TOLD[BTC][1:5]))]),
    )
    for at, bars in stage.given:
        closed = (bars.ts[-1] + M1.step - START) / np.timedelta64(1, "s")
        assert closed <= at <= closed + 70.0


def test_a_minute_in_which_the_connection_broke_is_not_made_up() -> None:
    """XAS: half of its seconds would be passed off as the whole; it is for REST to fill."""

    async def story(stage: Stage) -> None:
        for minute in range(6):
            for second in seconds_of(BTC, minute):
                until = second.t / 1000 + 1 - START.astype(np.int64) / 1e6
                await asyncio.sleep(max(until - stage.at(), 0))
                stage.socket.tell(BTC, second, channel="XAS")
                if minute == 2 and second == seconds_of(BTC, 2)[len(seconds_of(BTC, 2)) // 2]:
                    await stage.socket.drop(1011)
        await asyncio.sleep(100.0)

    stage = play(story, channel="XAS", reconnect=Patience(first_wait_s=1.0, max_wait_s=2.0))
    given = set(stage.bars.ts.tolist())
    stamps = to_bars(BTC, TOLD[BTC][:6]).ts.tolist()
    assert stamps[2] not in given
    assert {stamps[1], stamps[4]} <= given
    whole = dict(zip(stamps, to_bars(BTC, TOLD[BTC][:6])))
    assert all(bar[:6] == whole[bar.ts.item()][:6] for bar in stage.bars)


def _without_trades(bars: Bars) -> Bars:
    return Bars(**{**{n: getattr(bars, n) for n in ("symbol", "timeframe")},
                   **{n: c for n, c in bars.columns().items() if n != "trades"}})  # fmt: skip


def test_the_same_seed_gives_the_same_story() -> None:
    """Waits, connections and bars come at the same moments, whatever went wrong."""

    async def story(stage: Stage) -> None:
        for number, happens in enumerate([_clean_close, _half_open, _down, _reset]):
            stage.socket.tell(BTC, TOLD[BTC][number])
            await asyncio.sleep(20.0)
            await happens(stage)
            await asyncio.sleep(300.0)

    one, other = play(story), play(story)
    assert one.events == other.events
    assert [at for at, _ in one.given] == [at for at, _ in other.given]
    assert len(one.events) > 20


def test_the_key_is_in_no_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not at DEBUG, of no library, whatever happens; and nothing is written to the terminal."""
    caplog.set_level(logging.DEBUG)

    async def story(stage: Stage) -> None:
        stage.socket.tell_text(json.dumps([{"ev": "status", "status": "error", "message": KEY}]))
        stage.socket.tell_text(f"what is {KEY}")
        for happens in (_error, _too_many, _no_greeting, _down):
            await happens(stage)
            await asyncio.sleep(60.0)

    play(story)
    ours = [record for record in caplog.records if record.name != "websockets.server"]
    text = "\n".join(record.getMessage() + str(record.exc_text) for record in ours)
    assert "[key]" in text
    assert KEY not in text
    assert "".join(capfd.readouterr()) == ""
