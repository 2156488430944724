"""The virtual world: hours in moments, always in the same order, with real sockets and threads."""

import asyncio
import json

import numpy as np
import pytest
import urllib3
from polygon import RESTClient, WebSocketClient

from crypto_nn_tests.exchange import CALM, GARBAGE, KEY, Character, FakePolygon, Market, RestFault
from crypto_nn_tests.exchange.virtual import VirtualClock, VirtualLoop, virtual_world

START = np.datetime64("2024-05-01T00:00", "us")


def test_a_day_of_waiting_takes_no_time() -> None:
    """Timers fire in order, at exactly their time."""
    fired: list[tuple[float, str]] = []

    async def wait(loop: VirtualLoop, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        fired.append((loop.time(), name))

    with virtual_world() as loop:
        slow = loop.create_task(wait(loop, "b", 86_400))
        loop.create_task(wait(loop, "a", 7.5))
        loop.run_until_complete(slow)
    assert fired == [(7.5, "a"), (86_400.0, "b")]


def test_threads_wait_in_virtual_time_and_take_turns() -> None:
    """What worker threads do is ordered by virtual time, not by the machine's scheduler."""
    done: list[tuple[float, int]] = []

    def work(clock: VirtualClock, number: int) -> None:
        for _ in range(3):
            clock.sleep(10.0 + number)
            done.append((clock.monotonic(), number))

    async def all_work(clock: VirtualClock) -> None:
        await asyncio.gather(*(asyncio.to_thread(work, clock, n) for n in range(4)))

    with virtual_world() as loop:
        loop.run_until_complete(all_work(VirtualClock(loop, START)))
    assert done == sorted(done)
    assert len(done) == 12
    assert done[-1] == (39.0, 3)


def test_the_wall_clock_may_be_wrong_and_steady_time_is_not() -> None:
    """A clock that jumps back tells wrong dates and right durations."""
    with virtual_world() as loop:
        clock = VirtualClock(loop, START, lambda elapsed: -3600.0 if elapsed >= 60 else 0.0)
        before, steady = clock.now(), clock.monotonic()
        loop.run_until_complete(asyncio.sleep(60))
        assert clock.now() - before == np.timedelta64(-3540, "s")
        assert clock.monotonic() - steady == 60.0


def test_a_request_that_is_never_answered_times_out_in_virtual_time() -> None:
    """The real client waits its whole read timeout, and the loop goes on meanwhile."""
    market = Market.random(1, minutes=10, character=CALM)

    async def ask(loop: VirtualLoop) -> float:
        exchange = FakePolygon(market, now=VirtualClock(loop, START).true_s)
        await exchange.start()
        exchange.answer(RestFault("hang"))
        client = RESTClient(KEY, base=exchange.base_url, retries=0, read_timeout=30.0)
        client.client.connection_pool_kw["timeout"] = client.timeout

        def call() -> None:
            client.list_aggs("X:BTCUSD", 1, "minute", "2024-05-01", "2024-05-01", raw=True)

        with pytest.raises(urllib3.exceptions.HTTPError):
            await asyncio.to_thread(call)
        await exchange.stop()
        return loop.time()

    with virtual_world() as loop:
        assert loop.run_until_complete(ask(loop)) == pytest.approx(30.0, abs=1.0)


def test_the_real_socket_client_hears_what_the_exchange_tells() -> None:
    """Greeting, key, subscription, bars, garbage, and a clean close at which it just returns."""
    market = Market.random(3, minutes=5, character=CALM)
    heard: list[str | bytes] = []

    async def listen(exchange: FakePolygon) -> None:
        async def take(text: str | bytes) -> None:
            heard.append(text)

        client = WebSocketClient(
            KEY,
            feed=exchange.feed,
            market="crypto",
            secure=False,
            subscriptions=["XA.BTC-USD"],
            max_reconnects=0,
            raw=True,
        )
        await client.connect(take)

    async def run(loop: VirtualLoop) -> None:
        exchange = FakePolygon(market, now=VirtualClock(loop, START).true_s)
        await exchange.start()
        listening = asyncio.ensure_future(listen(exchange))
        for told in market.prints["BTC-USD"]:
            await asyncio.sleep(60)
            exchange.socket.tell("BTC-USD", told.bar)
        exchange.tell_text(GARBAGE[1])
        exchange.drop(1000)
        await listening
        await exchange.stop()

    with virtual_world() as loop:
        loop.run_until_complete(run(loop))
    bars = [json.loads(text)[0] for text in heard[1:-1]]
    assert json.loads(heard[0])[0]["message"] == "subscribed to: XA.BTC-USD"
    assert [bar["s"] for bar in bars] == market.minutes("BTC-USD")
    assert heard[-1] == GARBAGE[1]


def test_a_market_is_known_only_as_it_was_published() -> None:
    """History at a moment holds what was out by then; the oracle holds the last word."""
    wild = Character(missing=0.1, late=0.2, revised=0.3)
    market = Market.random(5, minutes=200, character=wild, settled=40)
    end = market.minutes("BTC-USD")[-1]
    after = list(market.history("BTC-USD", 0, end, end / 1000 + 86_400))
    np.testing.assert_array_equal(market.final("BTC-USD").volume, [bar.v for bar in after])
    assert len(after) < 200, "minutes without trades have no bar"
    changed = 0
    for told in market.prints["BTC-USD"]:
        before = list(market.history("BTC-USD", told.bar.t, told.bar.t, told.at - 1e-3))
        now = list(market.history("BTC-USD", told.bar.t, told.bar.t, told.at))
        assert now == [told.bar]
        assert before != now
        changed += bool(before)
    assert changed > 20


def test_the_minute_that_is_not_over_is_there_as_far_as_it_has_come() -> None:
    """As Polygon does it: whoever takes it for a closed bar has a wrong one."""
    market = Market.random(7, minutes=3, character=CALM)
    last = market.minutes("BTC-USD")[-1]
    whole = market.final("BTC-USD")[-1]
    parts = [list(market.history("BTC-USD", last, last, last / 1000 + s)) for s in range(60)]
    volumes = [bars[0].v for bars in parts if bars]
    assert volumes == sorted(volumes)
    assert volumes[0] < whole.volume
