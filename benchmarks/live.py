"""One live bar from the exchange's socket to a committed row, and one commit beside its peer.

The exchange is the tests' own, on loopback in a process thread, the client is the real one. Each
round is one minute of all symbols, told as an exchange does: within a second, one frame each.
The peer is what one would write without `live_bars`: the same rows appended, by the same DuckLake,
to a table that is partitioned as `bars` is. Both sides run in turns. Run it with

    python benchmarks/live.py [--symbols 50] [--minutes 30] [--turns 15]
"""

import argparse
import asyncio
import os
import random
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from crypto_nn.bars import M1, Bars
from crypto_nn.sources.polygon import PolygonConfig
from crypto_nn.sources.realtime import RealtimeConfig, RealtimeDataStream
from crypto_nn.sources.recorder import Recorder, RecorderStats
from crypto_nn.store import Lake
from crypto_nn.store.live import LiveBars, Received
from crypto_nn_tests.exchange import KEY, Aggregate, FakePolygon, Market

MINUTE_MS = 60_000
Moments = dict[tuple[str, int], float]


class Timed(LiveBars):
    """Writes down when each row was committed."""

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake)
        self.done: Moments = {}

    def append(self, source: str, deliveries: Sequence[Received]) -> int:
        rows = super().append(source, deliveries)
        now = time.perf_counter()
        for each in deliveries:
            for ts in each.bars.ts.astype("datetime64[ms]").astype(np.int64).tolist():
                self.done.setdefault((each.bars.symbol, ts), now)
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("symbols", 50), ("minutes", 30), ("turns", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    symbols = [f"C{number:02d}-USD" for number in range(options.symbols)]
    with tempfile.TemporaryDirectory() as folder:
        from_socket(Path(folder) / "live", symbols, options.minutes)
        beside_peer(Path(folder), symbols, options.turns)


def from_socket(root: Path, symbols: Sequence[str], minutes: int) -> None:
    lake = Lake(root)
    live, sent = Timed(lake), Moments()
    live.append("polygon", [Delivery(bars_of("WARM-USD", np.datetime64("2020-01-01", "us")))])
    os.environ["POLYGON_API_KEY"] = KEY
    first = (int(time.time()) // 60 - minutes) * MINUTE_MS
    with FakePolygon(Market(dict.fromkeys(symbols, ()))).serving() as exchange:
        config = PolygonConfig(
            base_url=exchange.base_url, websocket_feed=exchange.feed, secure=False,
            symbols=tuple(symbols), requests_per_minute=6_000,
        )  # fmt: skip
        stats = asyncio.run(record(live, config, exchange, symbols, (first, minutes), sent))
    late_ms = np.array([(live.done[key] - at) * 1e3 for key, at in sent.items()])
    p50, p99, most = np.quantile(late_ms, [0.5, 0.99, 1.0])
    files = len(list(lake.catalogue.data.rglob("*.parquet")))
    print(f"{len(symbols)} symbols × {minutes} minutes from socket to committed row")
    print(f"  p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {most:.0f} ms (due: p99 under 250 ms)")
    print(f"  {len(late_ms)} rows in {stats.commits} commits; files written: {files}")
    lake.close()


async def record(
    live: Timed,
    config: PolygonConfig,
    exchange: FakePolygon,
    symbols: Sequence[str],
    when: tuple[int, int],
    sent: Moments,
) -> RecorderStats:
    # The exchange lives faster than the clock of this machine, which would be warned of.
    stream = RealtimeDataStream(config.open(), symbols, config=RealtimeConfig(max_skew_s=10**9))
    async with Recorder(live, "polygon") as recorder:
        stream.on_delivery(recorder.take)
        running = asyncio.create_task(stream.run())
        while not all(exchange.socket.heard(symbol, "XA") for symbol in symbols):
            await asyncio.sleep(0.01)
        talk = threading.Thread(target=tell_all, args=(exchange, symbols, when, sent))
        talk.start()
        while talk.is_alive() or len(live.done) <= len(sent):
            await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return recorder.stats()


def tell_all(
    exchange: FakePolygon, symbols: Sequence[str], when: tuple[int, int], sent: Moments
) -> None:
    """Each minute all symbols within a second, in any order; the next minute follows at once."""
    chance, (first, minutes) = random.Random(0), when
    for minute in range(minutes):
        began = time.perf_counter()
        moments = sorted((chance.random(), symbol) for symbol in symbols)
        for after, symbol in moments:
            time.sleep(max(began + after - time.perf_counter(), 0))
            t = first + minute * MINUTE_MS
            sent[symbol, t] = time.perf_counter()
            exchange.tell(symbol, Aggregate(t, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1))


@dataclass(frozen=True)
class Delivery:
    bars: Bars
    origin: str = "stream"

    @property
    def received_at(self) -> np.datetime64:
        last: np.datetime64 = self.bars.ts[-1]
        return last + M1.step


def bars_of(symbol: str, ts: np.datetime64) -> Bars:
    one = np.ones(1)
    return Bars(symbol, M1, np.array([ts]), one, one, one, one, one)


def beside_peer(root: Path, symbols: Sequence[str], turns: int) -> None:
    ours, theirs = Lake(root / "ours"), Lake(root / "theirs")
    live, start = LiveBars(ours), np.datetime64("2024-01-01", "us")
    pairs = []
    for turn in range(turns + 1):
        ts = start + turn * M1.step
        deliveries = [Delivery(bars_of(symbol, ts)) for symbol in symbols]
        rows = pa.concat_tables([plain(each.bars) for each in deliveries])
        began = time.perf_counter()
        live.append("polygon", deliveries)
        middle = time.perf_counter()
        theirs.append("bars", rows)
        pairs.append((middle - began, time.perf_counter() - middle))
    mine, peer = (float(np.median(side)) * 1e3 for side in zip(*pairs[1:]))
    files = [len(list(lake.catalogue.data.rglob("*.parquet"))) for lake in (ours, theirs)]
    print(f"one commit of {len(symbols)} rows, median of {turns}")
    print(f"  live_bars {mine:.1f} ms, partitioned table {peer:.1f} ms: {mine / peer:.2f}×")
    print(f"  files written in {turns + 1} commits: {files[0]} and {files[1]}")
    ours.close()
    theirs.close()


def plain(bars: Bars) -> pa.Table:
    keys = {"symbol": bars.symbol, "month": "2024-01", "source": "polygon"}
    table = bars.to_arrow()
    for name, value in keys.items():
        table = table.append_column(name, pa.array([value] * len(bars)))
    return table


if __name__ == "__main__":
    main()
