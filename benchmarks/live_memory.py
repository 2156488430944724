"""Memory of a live stream whose listener has stalled: it must not grow with what is streamed.

A source in memory streams one-row deliveries as fast as they are taken, with some bars doubled,
changed and missing, to a listener and a recorder that do not return. Then both go on, and what
did not fit is fetched again; every bar must arrive. Run it with

    python benchmarks/live_memory.py [--messages 1000000] [--symbols 50] [--no-drain]
"""

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from crypto_nn.bars import M1, Bars, Float, Timeframe
from crypto_nn.sources.realtime import Closed, Delivery, Gap, RealtimeDataStream
from crypto_nn.sources.source import Availability, BarSource

START = np.datetime64("2024-01-01T00:00", "us")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Flood(BarSource):
    """Prices that are told by the minute alone, so that a history needs no memory."""

    name = "flood"

    def __init__(self, symbols: int, messages: int) -> None:
        self.num_minutes, self.messages, self.sent = messages // symbols, messages, 0
        self._symbols = tuple(f"C{number:02}-USD" for number in range(symbols))
        self.report: Callable[[], None] = lambda: None
        self.over = asyncio.Event()

    def symbols(self) -> tuple[str, ...]:
        return self._symbols

    def available(self, symbol: str) -> Availability:
        return Availability(START, START + self.num_minutes * M1.step, live=True)

    def bars(self, symbol: str, first: int, last: int) -> Bars:
        close: Float = 100.0 + np.arange(first, last, dtype=np.float64) % 977
        ts = START + np.arange(first, last) * M1.step
        return Bars(symbol, M1, ts, close, close, close, close, close)

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        first, last = ((at - START) // M1.step for at in (start, end))
        yield self.bars(symbol, max(int(first), 0), min(int(last), self.num_minutes))

    async def stream(self, symbols: Sequence[str]) -> AsyncIterator[Bars]:
        every = max(self.messages // 10, 1)
        for minute in range(self.num_minutes):
            for symbol in symbols:
                again = minute % 7 == 3
                at = max(minute - minute % 50, 0) if again else minute
                bars = self.bars(symbol, at, at + 1)
                if minute % 11 == 5:
                    bars.volume[:] += 1
                yield bars
                self.sent += 1
                if self.sent % every == 0:
                    self.report()
        self.over.set()
        await asyncio.sleep(1e9)


def memory_mb() -> float:
    """What this process holds in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB


async def measure(source: Flood, drain: bool) -> list[float]:
    """Stream into stalled listeners, tell of memory, then let them go on; memory by tenths."""
    since = dict.fromkeys(source.symbols(), START)
    stream = RealtimeDataStream(source, source.symbols(), since=since)
    go_on, began, held = asyncio.Event(), time.perf_counter(), list[float]()
    told = dict.fromkeys(source.symbols(), 0)

    def report() -> None:
        held.append(memory_mb())
        rate = source.sent / (time.perf_counter() - began)
        stats = stream.stats()
        print(
            f"{source.sent:>9,} messages {held[-1]:8.1f} MB {rate:9,.0f}/s   waiting: "
            f"{stats.queued} updates, {stats.deliveries_queued} rows"
        )

    source.report = report

    @stream.on_bar
    async def listen(closed: Closed) -> None:
        await go_on.wait()
        told[closed.symbol] += 1

    @stream.on_gap
    def no_gap(gap: Gap) -> None:
        raise AssertionError(gap)

    @stream.on_delivery
    async def record(delivery: Delivery) -> None:
        await go_on.wait()

    running = asyncio.ensure_future(stream.run())
    await source.over.wait()
    go_on.set()
    while drain and set(told.values()) != {source.num_minutes} and not running.done():
        await asyncio.sleep(0.1)
    if drain:
        print(f"all {sum(told.values()):,} bars told; {memory_mb():.1f} MB")
    assert stream.stats().callback_errors == 0
    stream.stop()
    await running
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--symbols", type=int, default=50)
    parser.add_argument("--no-drain", action="store_true")
    options = parser.parse_args()
    source = Flood(options.symbols, options.messages)
    held = asyncio.run(measure(source, not options.no_drain))
    print(f"from a fifth to the end: {held[-1] - held[1]:+.1f} MB")


if __name__ == "__main__":
    main()
