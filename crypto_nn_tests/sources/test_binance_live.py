"""Live bars by polling: each bar once, soon after its minute, and none lost over any trouble."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest

from crypto_nn.bars import M1, Bars
from crypto_nn.errors import SourceError, SourceRefused
from crypto_nn.sources.binance.source import BinanceSource
from crypto_nn_tests.contracts import source as law
from crypto_nn_tests.exchange.virtual import VirtualClock, VirtualLoop, virtual_world
from crypto_nn_tests.sources.fake_binance import FakeBinance, Reply, market, times

START = np.datetime64("2025-02-05T12:34:20", "us")
FIRST = np.datetime64("2025-02-05T12:34", "us")
HOLE = (("2025-02-05T13:00", "2025-02-05T13:20"),)
MARKET = market("2025-02-05", "2025-02-05T20:00", HOLE)
ETHER = market("2025-02-05", "2025-02-05T20:00", seed=2)
SYMBOLS = ("BTC-USDT", "ETH-USDT")


class World:
    """A source that streams in virtual time, and what came out of it, when."""

    def __init__(self, loop: VirtualLoop, exchange: FakeBinance, **settings: Any) -> None:
        self.loop, self.exchange = loop, exchange
        self.clock = exchange.clock
        config = exchange.config(**({"patience": {"max_wait_s": 30.0}} | settings))
        self.source = BinanceSource(config, self.clock, seed=1)
        self.got: dict[str, list[Bars]] = {symbol: [] for symbol in SYMBOLS}
        self.at: dict[str, list[float]] = {symbol: [] for symbol in SYMBOLS}

    def run(self, minutes: float, pause: Callable[[int], float] = lambda _: 0.0) -> None:
        """Let so much time pass; `pause` says how long the consumer takes over its nth piece."""

        async def consume(stream: AsyncIterator[Bars]) -> None:
            number = 0
            async for bars in stream:
                self.got[bars.symbol].append(bars)
                self.at[bars.symbol].append(self.loop.time())
                await asyncio.sleep(pause(number))
                number += 1

        async def watch() -> None:
            task = asyncio.ensure_future(consume(self.source.stream(SYMBOLS)))
            done, _ = await asyncio.wait([task], timeout=60 * minutes)
            task.cancel()
            await asyncio.gather(*([] if done else [task]), return_exceptions=True)
            for each in done:
                each.result()

        self.loop.run_until_complete(watch())

    def bars(self, symbol: str) -> Bars:
        """All that came of a symbol."""
        return Bars.concat([Bars.empty(symbol), *self.got[symbol]])


@pytest.fixture
def world() -> Any:
    """Makes a world; its exchange's clock may be ahead of ours."""
    with virtual_world() as loop:
        made: list[FakeBinance] = []

        def make(skew_s: float = 0.0, **settings: Any) -> World:
            clock = VirtualClock(loop, START)
            exchange = FakeBinance(clock, {"BTCUSDT": MARKET, "ETHUSDT": ETHER}, skew_s=skew_s)
            made.append(exchange.__enter__())
            return World(loop, exchange, **settings)

        yield make
        for exchange in made:
            exchange.__exit__(None, None, None)


def due(bars: Bars, until: str) -> Bars:
    """What had closed from the start of the stream until a time."""
    return bars.between(FIRST, np.datetime64(until))


@pytest.mark.parametrize("skew_s", [0.0, -3600.0, 20.0])
def test_each_bar_comes_once_soon_after_its_minute(
    world: Callable[..., World], skew_s: float
) -> None:
    """By the exchange's clock, whatever ours says: within the delay, the jitter and its place."""
    here = world(skew_s=skew_s)
    here.run(15)
    for symbol, market_ in zip(SYMBOLS, (MARKET, ETHER)):
        bars = here.bars(symbol)
        first = np.searchsorted(market_.ts, bars.ts[0])
        law.check_same(bars, market_[int(first) : int(first) + len(bars)])
        assert len(bars) in (14, 15)
        for piece, at in zip(here.got[symbol], here.at[symbol]):
            there = START + np.timedelta64(round((at + skew_s) * 1e6), "us")
            late = (there - piece.ts[-1] - M1.step) / np.timedelta64(1, "s")
            assert 1.0 <= late <= 5.0


def test_an_outage_of_the_market_is_a_gap_and_no_end(world: Callable[..., World]) -> None:
    """Twenty minutes without bars are asked for again and again, never above the budget."""
    here = world()
    here.run(60)
    law.check_same(here.bars("BTC-USDT"), due(MARKET, "2025-02-05T13:34"))
    law.check_same(here.bars("ETH-USDT"), due(ETHER, "2025-02-05T13:34"))
    assert len(here.exchange.requests) < 2 * 60 + 20 * 2 + 5


TROUBLE: dict[str, Reply] = {
    "down": (503, {}, b""),
    "busy": (429, {"Retry-After": "30"}, b"{}"),
    "garbled": (200, {}, b"<html>"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_what_was_missed_in_trouble_comes_after_it(
    world: Callable[..., World], trouble: str
) -> None:
    """The next good answer brings all since the last bar: nothing is lost or doubled."""
    here = world()
    here.run(3)
    seen = len(here.bars("ETH-USDT"))
    here.got = {symbol: [] for symbol in SYMBOLS}
    here.exchange.faults.append(times(40, TROUBLE[trouble]))
    here.run(55)
    assert seen in (2, 3)
    for symbol, market_ in zip(SYMBOLS, (MARKET, ETHER)):
        bars = here.bars(symbol)
        law.check_same(bars, market_.between(bars.ts[0], bars.ts[-1] + M1.step))
        assert bars.ts[-1] >= np.datetime64("2025-02-05T13:30")


def test_when_asked_to_wait_no_symbol_is_asked_for(world: Callable[..., World]) -> None:
    """A 429 for one symbol silences all of them for as long as it says; a ban of hours too."""
    here = world()
    here.run(3)
    for seconds in (40, 7200):
        before = len(here.exchange.times)
        here.exchange.faults.append(times(1, (418, {"Retry-After": str(seconds)}, b"{}")))
        here.run(5 + seconds / 60)
        first, *rest = here.exchange.times[before:]
        assert min(at for at in rest if at > first + 2) >= first + seconds
        assert sum(at <= first + 2 for at in rest) <= 1  # what was under way already
    for symbol, market_ in zip(SYMBOLS, (MARKET, ETHER)):
        last = here.got[symbol][-1].ts[-1]
        assert last > START + np.timedelta64(2, "h")
        assert len(market_.between(START, last)) > 100


def test_a_consumer_that_stalls_is_waited_for(world: Callable[..., World]) -> None:
    """While it does not take, little is asked and nothing piles up; then it gets everything."""
    here = world()
    here.run(120, pause=lambda number: 3600.0 if number == 1 else 0.0)
    for symbol, market_ in zip(SYMBOLS, (MARKET, ETHER)):
        law.check_same(here.bars(symbol), due(market_, "2025-02-05T14:34"))
    quiet = [at for at in here.exchange.times if 200 < at < 3600]
    assert len(quiet) <= 4


def test_a_small_budget_is_kept_live(world: Callable[..., World]) -> None:
    """With room for four requests a minute, no minute sees a fifth."""
    here = world(requests_per_minute=4)
    here.exchange.faults.append(times(20, (503, {}, b"")))
    here.run(60)
    seen = np.array(here.exchange.times)
    assert (seen[4:] - seen[:-4] >= 60.0).all()
    law.check_same(here.bars("ETH-USDT"), due(ETHER, "2025-02-05T13:34"))


def test_only_what_cannot_pass_ends_a_stream(world: Callable[..., World]) -> None:
    """A refusal, an unknown symbol, no REST, and more symbols than there is room for."""
    here = world()
    here.exchange.faults.append(times(99, (451, {}, b"restricted")))
    with pytest.raises(SourceRefused, match="restricted"):
        here.run(5)
    del here.exchange.markets["ETHUSDT"]
    here.exchange.faults.clear()
    with pytest.raises(SourceError, match="it knows no ETHUSDT"):
        here.run(5)
    with pytest.raises(SourceError, match=r"2 symbols .* with 2 requests a minute, only 1"):
        world(requests_per_minute=2).source.stream(SYMBOLS)
    with pytest.raises(SourceError, match="history only"):
        world(api_url=None).source.stream(SYMBOLS)


def test_the_same_seed_asks_at_the_same_times() -> None:
    """Chance comes in as an argument."""

    def trace() -> list[float]:
        with virtual_world() as loop:
            clock = VirtualClock(loop, START)
            with FakeBinance(clock, {"BTCUSDT": MARKET, "ETHUSDT": ETHER}) as exchange:
                World(loop, exchange).run(10)
                return exchange.times

    assert trace() == trace()
