"""The machine under test: the real source, stream, windows and records, and what they tell."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from crypto_nn.bars import M1, Bar, Bars
from crypto_nn.errors import SourceRefused, SourceUnavailable
from crypto_nn.features.live_windows import LiveWindows, Window
from crypto_nn.sources.clock import Clock
from crypto_nn.sources.patience import Patience
from crypto_nn.sources.polygon import PolygonConfig
from crypto_nn.sources.realtime import RealtimeConfig, RealtimeDataStream
from crypto_nn.sources.realtime.updates import Closed, Delivery, Gap, Revised, StateChange
from crypto_nn.sources.source import BarSource
from crypto_nn_tests.exchange.virtual import VirtualClock
from crypto_nn_tests.torture.features import FEATURES, WINDOW
from crypto_nn_tests.torture.records import Records
from crypto_nn_tests.torture.scenario import ASIDE, Scenario, Trouble
from crypto_nn_tests.torture.world import World

_REFUSED_WAIT_S = 30.0
_LONG_AGO = np.datetime64("2020-01-01", "us")
MINUTE = np.timedelta64(60_000_000, "us")


class Told(NamedTuple):
    """Something that the stream told, and when (elapsed seconds)."""

    at: float
    update: Closed | Revised | Gap | StateChange


class Shown(NamedTuple):
    """A feature window, when it was given, and how many updates of its symbol came before."""

    at: float
    symbol: str
    window: Window
    known: int


@dataclass
class Life:
    """One process: from its start until it is stopped, or dies.

    Attributes:
        since: from which minute on each symbol was due.
        history: what it knew of each symbol at its start.
        told: what the stream told, in order.
        windows: what the features gave.
    """

    began: float
    since: Mapping[str, np.datetime64]
    history: Mapping[str, Bars]
    told: list[Told] = field(default_factory=list)
    windows: list[Shown] = field(default_factory=list)
    ended: float = float("inf")
    why: str = ""
    stats: Any = None


@dataclass
class Job:
    """A fetch of history beside the stream: what came, and how it ended."""

    began: float
    start: np.datetime64
    end: np.datetime64
    pieces: list[Bars] = field(default_factory=list)
    error: SourceUnavailable | None = None
    ended: float = float("inf")


Open = Callable[[PolygonConfig, Clock, int], BarSource]
Stream = Callable[..., RealtimeDataStream]


def open_polygon(config: PolygonConfig, clock: Clock, seed: int) -> BarSource:
    """The source as it ships."""
    return config.open(clock, seed)


@dataclass(frozen=True)
class Parts:
    """What is tested; a test plants its bugs here."""

    source: Open = open_polygon
    stream: Stream = RealtimeDataStream
    windows: Callable[..., LiveWindows] = LiveWindows


class Machine:
    """Runs the stream through a scenario, life after life.

    Attributes:
        lives: every process there was, the last one last.
        jobs: what was fetched beside the stream.
        records: what outlives a process.
    """

    def __init__(
        self, scenario: Scenario, world: World, clock: VirtualClock, records: Records, parts: Parts
    ) -> None:
        self.scenario, self._world, self._clock = scenario, world, clock
        self.records, self._parts = records, parts
        self.lives: list[Life] = []
        self.jobs: list[Job] = []
        self._slow_until = 0.0
        self._restart: Trouble | None = None
        self._interrupt = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._known: dict[str, LiveWindows] = {}
        world.machine = self.trouble

    def trouble(self, trouble: Trouble) -> None:
        """Something happens to the machine itself."""
        if trouble.kind == "slow_consumer":
            self._slow_until = self._world.elapsed() + trouble.lasts
        elif trouble.kind == "history":
            task = asyncio.get_running_loop().create_task(self._fetch_aside())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        else:
            self._restart = trouble
            self._interrupt.set()

    async def live(self) -> None:
        """Be started, stopped, killed and refused, until the world ends."""
        await asyncio.sleep(self.scenario.began * 60.0)
        source = self._open()
        while True:
            life = await self._begin()
            self._interrupt.clear()
            stream = self._stream(source, life)
            running = asyncio.ensure_future(stream.run())
            stop = asyncio.ensure_future(self._interrupt.wait())
            try:
                await asyncio.wait({running, stop}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                life.ended, life.stats = self._world.elapsed(), stream.stats()
                stop.cancel()
                ended = await _end(running)
            if not self._interrupt.is_set() or isinstance(ended, Exception):
                life.why = f"{type(ended).__name__}: {ended}"
                self._world.note("refused" if isinstance(ended, SourceRefused) else "ended")
                if not isinstance(ended, SourceRefused):
                    return
                await self.records.stop(crash=False)
                await asyncio.sleep(_REFUSED_WAIT_S)
                continue
            assert self._restart is not None
            life.why = self._restart.kind
            await self.records.stop(crash=life.why == "crash")
            self._world.note("machine", life.why)
            await asyncio.sleep(self._restart.lasts)
            if life.why == "crash":
                source = self._open()

    def _open(self) -> BarSource:
        exchange = self._world.exchange
        config = PolygonConfig(
            symbols=(*self.scenario.symbols, ASIDE),
            base_url=exchange.base_url,
            websocket_feed=exchange.feed,
            secure=False,
            channel=self.scenario.channel,
            requests_per_minute=self.scenario.budget,
            patience=Patience(attempts=6, max_wait_s=30.0, give_up_after_s=240.0),
        )
        return self._parts.source(config, self._clock, self.scenario.seed)

    async def _begin(self) -> Life:
        """A new process, which knows what is recorded."""
        began = self._world.elapsed()
        since, history = {}, {}
        for symbol in self.scenario.symbols:
            since[symbol] = self.records.due(symbol, self._world.start)
            history[symbol] = self.records.table(symbol).between(_LONG_AGO, since[symbol])
        life = Life(began, since, history)
        self.lives.append(life)
        self._known = {
            symbol: self._parts.windows(FEATURES, bars, WINDOW, complete=True)
            for symbol, bars in history.items()
        }
        await self.records.start()
        self._world.note("begins", *(str(since[symbol]) for symbol in self.scenario.symbols))
        return life

    def _stream(self, source: BarSource, life: Life) -> RealtimeDataStream:
        stream = self._parts.stream(
            source,
            self.scenario.symbols,
            since=life.since,
            config=RealtimeConfig(buffer=64, keep_minutes=90, fetch_minutes=45)
            if self.scenario.seed % 3 == 0
            else RealtimeConfig(),
            clock=self._clock,
            seed=self.scenario.seed,
        )

        def note(update: Closed | Revised | Gap | StateChange) -> None:
            life.told.append(Told(self._world.elapsed(), update))
            self._world.note(type(update).__name__, *_words(update))

        async def on_bar(update: Closed) -> None:
            note(update)
            self._show(life, update.symbol, self._known[update.symbol].update(update.bar))
            if self._world.elapsed() < self._slow_until:
                await asyncio.sleep(self._slow_until - self._world.elapsed())

        def on_revision(update: Revised) -> None:
            note(update)
            self._show(life, update.symbol, self._known[update.symbol].revise(update.bar))

        async def on_delivery(delivery: Delivery) -> None:
            self._world.note("delivery", delivery.origin, delivery.bars.symbol, len(delivery.bars))
            await self.records.take(delivery, self._world.elapsed())

        stream.on_bar(on_bar)
        stream.on_revision(on_revision)
        stream.on_gap(note)
        stream.on_state(note)
        stream.on_delivery(on_delivery)
        return stream

    def _show(self, life: Life, symbol: str, window: Window | None) -> None:
        if window is not None:
            known = len([told for told in life.told if told.update.symbol == symbol])
            life.windows.append(Shown(self._world.elapsed(), symbol, window, known))
            self._world.note("window", symbol, str(window.ts))

    async def _fetch_aside(self) -> None:
        """Fetch the other symbol's whole history, as a batch job would."""
        source = self._open()
        job = Job(self._world.elapsed(), self._world.start, self._world.utc())
        self.jobs.append(job)

        def fetch() -> None:
            for piece in source.fetch(ASIDE, M1, job.start, job.end):
                job.pieces.append(piece)

        try:
            await asyncio.to_thread(fetch)
        except SourceUnavailable as error:
            job.error = error
        except SourceRefused:
            self.jobs.remove(job)  # refused for good is another matter
        job.ended = self._world.elapsed()
        self._world.note("history", len(job.pieces), job.error is not None)

    async def refresh(self) -> dict[str, Bars]:
        """Fetch everything by REST once more, as the nightly job does; the tables after that."""
        source, start, end = self._open(), self._world.start, self._world.utc()

        def fetch(symbol: str) -> Bars:
            return Bars.concat(list(source.fetch(symbol, M1, start, end)))

        tables = {}
        for symbol in self.scenario.symbols:
            fetched = await asyncio.to_thread(fetch, symbol)
            tables[symbol] = await self.records.refresh(symbol, fetched)
        return tables


def _words(update: Closed | Revised | Gap | StateChange) -> tuple[object, ...]:
    """An update as the trace writes it."""
    if isinstance(update, Closed | Revised):
        bar: Bar = update.bar
        kind = update.kind if isinstance(update, Revised) else ""
        return update.symbol, str(bar.ts), *bar[1:6], kind
    if isinstance(update, Gap):
        return update.symbol, str(update.start), str(update.end)
    return update.symbol, update.state


async def _end(running: "asyncio.Future[None]") -> BaseException | None:
    """Cancel it and wait; how it ended."""
    if not running.done():
        running.cancel()
    (ended,) = await asyncio.gather(running, return_exceptions=True)
    return ended
