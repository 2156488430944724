"""Live bars of any source, without holes: ordered, repaired, and told to whoever listens."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import TS
from crypto_nn.bars.symbol import check_symbol
from crypto_nn.errors import CryptoNNError, SourceError, SourceRefused
from crypto_nn.sources.clock import Clock, SystemClock
from crypto_nn.sources.realtime.asking import Ask
from crypto_nn.sources.realtime.background import Background
from crypto_nn.sources.realtime.callbacks import Callback, Callbacks
from crypto_nn.sources.realtime.config import RealtimeConfig
from crypto_nn.sources.realtime.intake import Intake
from crypto_nn.sources.realtime.rows import MINUTE_US, instant
from crypto_nn.sources.realtime.series import Series
from crypto_nn.sources.realtime.together import until_first
from crypto_nn.sources.realtime.updates import (
    Closed,
    Delivery,
    Gap,
    Revised,
    StateChange,
    StreamStats,
    Update,
)
from crypto_nn.sources.source import BarSource

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callback)
_BREATHE = 64  # after so many messages or updates in a row, others get their turn
_SILENT_S = 90.0


class RealtimeDataStream:
    """Bars of several symbols as they close, each exactly once, in order, without silent holes.

    Whatever happens to the source's own stream (drops, stalls, doubled, late, disordered or
    changed bars, a restart), a minute that is due and not there is fetched from the source's
    history before later minutes are told; where the source has none either, `on_gap` says so.
    What is told of a minute afterwards comes as a revision. If nobody takes what is told, memory
    does not grow: what does not fit is forgotten, and fetched again when there is room.

    Callbacks may be functions or coroutines; they are called one after the other, in the order of
    events. One that takes long should be a coroutine. What it raises is logged and counted.

        stream = RealtimeDataStream(source, ["BTC-USD"])
        stream.on_bar(lambda closed: print(closed.symbol, closed.bar))
        asyncio.run(stream.run())           # or: with stream: …; or: async for update in stream
    """

    def __init__(
        self,
        source: BarSource,
        symbols: Sequence[str],
        *,
        since: Mapping[str, np.datetime64] | None = None,
        config: RealtimeConfig | None = None,
        clock: Clock | None = None,
        seed: int = 0,
    ) -> None:
        """A stream that begins when it is run.

        Args:
            source: gives live bars (`stream`) and history (`fetch`).
            symbols: such as ["BTC-USD"].
            since: by symbol, the first minute that is due (UTC): the one after the last bar that
                is known. Without one, a symbol begins with the first bar that arrives.
            config: how long it waits, how much it remembers.
            clock: the time of day of this machine; durations are the event loop's.
            seed: of the jitter in its waits.

        Raises:
            SourceError: no symbols, one twice, or a start for a symbol that is not among them.
        """
        starts = dict(since or {})
        if not symbols or len(set(symbols)) < len(symbols) or not starts.keys() <= set(symbols):
            raise SourceError(
                f"A live stream of {', '.join(symbols) or 'no symbols'} with starts for "
                f"{', '.join(starts) or 'none'} cannot be: give each symbol once, and starts only "
                "for these."
            )
        self.config = config or RealtimeConfig()
        self.symbols = tuple(check_symbol(symbol) for symbol in symbols)
        self._source, self._clock = source, clock or SystemClock()
        self._random = Random(seed)  # noqa: S311 - jitter
        series = {
            symbol: Series(symbol, self.config, _minute(starts.get(symbol)), seed)
            for symbol in self.symbols
        }
        self._intake = Intake(series, self.config, self._clock, 0.0)
        self._callbacks = Callbacks()
        self._background: Background | None = None
        self._stop: asyncio.Event | None = None
        self._wake = asyncio.Event()
        self._restarts = self._breaths = 0
        self._begun = False

    def on_bar(self, function: F) -> F:
        """Call it with each `Closed` bar."""
        return self._listen_to(Closed, function)

    def on_revision(self, function: F) -> F:
        """Call it with each `Revised` bar."""
        return self._listen_to(Revised, function)

    def on_gap(self, function: F) -> F:
        """Call it with each confirmed `Gap`."""
        return self._listen_to(Gap, function)

    def on_state(self, function: F) -> F:
        """Call it with each `StateChange` between LIVE and STALE."""
        return self._listen_to(StateChange, function)

    def on_delivery(self, function: F) -> F:
        """Call it with each `Delivery`: all that is received, at once, as it was received."""
        return self._listen_to(Delivery, function)

    def _listen_to(self, kind: type, function: F) -> F:
        if self._begun:
            raise SourceError("The stream is running; register callbacks before it is begun.")
        self._callbacks.add(kind, function)
        return function

    async def run(self) -> None:
        """Stream until `stop` is called or the task is cancelled.

        Raises:
            SourceRefused: the source refuses for good.
            SourceError: the source has no live bars, or the stream was run before.
        """
        await self._run(self._tell())

    def start(self) -> None:
        """Run in a thread of its own; callbacks are called there."""
        if self._background is None:
            self._background = Background(self.run, "realtime")

    def stop(self) -> None:
        """End the stream; at once, also while a fetch waits. Safe to call from any thread, twice.

        Raises:
            CryptoNNError: the stream in its own thread had ended by an error: that one.
        """
        if self._background is not None:
            self._background.stop()
        elif self._stop is not None:
            self._stop.set()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the stream in its own thread has ended, at most so long; whether it has.

        Raises:
            CryptoNNError: it has ended by an error: that one.
        """
        return self._background is None or self._background.join(timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except CryptoNNError:
            if error is None:
                raise

    def stats(self) -> StreamStats:
        """How it fares now."""
        intake = self._intake
        now_us = intake.now_us
        return StreamStats(
            symbols={symbol: one.stats(now_us) for symbol, one in intake.series.items()},
            exchange_time=np.datetime64(now_us, "us"),
            skew_s=intake.exchange.skew_s,
            queued=intake.updates.size,
            deliveries_queued=intake.records.size,
            deliveries_dropped=intake.num_unrecorded,
            restarts=self._restarts,
            callback_errors=self._callbacks.num_errors,
        )

    async def __aiter__(self) -> AsyncGenerator[Update, None]:
        """Run, and give each update; callbacks are called before."""
        running = asyncio.ensure_future(self._run(None))
        running.add_done_callback(lambda _: self._intake.updates.put(None))
        try:
            while (update := await self._intake.updates.take()) is not None:
                await self._callbacks.tell(update)
                yield update
                self._intake.taken()
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _run(self, telling: Coroutine[Any, Any, None] | None) -> None:
        if self._begun:
            if telling is not None:
                telling.close()
            raise SourceError("A stream runs once; make a new one, with `since` where this ended.")
        self._begun = True
        wants = self._callbacks.wants
        tells = telling is None or any(map(wants, (Closed, Revised, Gap, StateChange)))
        loop = asyncio.get_running_loop()
        self._intake.open(loop.time, self._wake.set, tells, wants(Delivery))
        self._stop = asyncio.Event()
        works = [self._stop.wait(), self._listen(), self._mend(), self._watch(), self._record()]
        if telling is not None:
            works.append(telling)
        await until_first(works)

    async def _listen(self) -> None:
        """Keep the source's stream going, for ever."""
        config, failures = self.config, 0
        while True:
            live = self._source.stream(self.symbols)  # raises at once if there are no live bars
            try:
                async for bars in live:
                    failures = 0
                    self._intake.receive(bars)
                    await self._breathe()
                why = "it ended"
            except SourceRefused:
                raise
            except (CryptoNNError, OSError) as error:
                why = str(error)
            finally:
                if isinstance(live, AsyncGenerator):
                    await live.aclose()
            self._restarts += 1
            wait_s = min(config.restart_max_s, config.restart_first_s * 2 ** min(failures, 30))
            wait_s *= self._random.uniform(0.5, 1.0)
            failures += 1
            log.warning("The live stream broke off (%s); again in %.1f s.", why, wait_s)
            await asyncio.sleep(wait_s)

    async def _watch(self) -> None:
        """See minutes fall due though nothing arrives."""
        grace_us = round(self.config.grace_s * 1e6)
        silent_until = asyncio.get_running_loop().time() + _SILENT_S
        while True:
            self._intake.flush()
            if asyncio.get_running_loop().time() >= silent_until:
                self._intake.begin_by_guess()
            left_us = MINUTE_US - (self._intake.now_us - grace_us) % MINUTE_US
            await asyncio.sleep(left_us / 1e6)

    async def _mend(self) -> None:
        """Fetch what is missing, one stretch after the other, for ever."""
        while True:
            self._wake.clear()
            ask = self._intake.choose()
            if ask is not None:
                await self._fetch(ask)
                continue
            try:
                async with asyncio.timeout(self._intake.next_s()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _fetch(self, ask: Ask) -> None:
        self._intake.series[ask.symbol].asked(ask)
        pieces, error = await asyncio.to_thread(_fetched, self._source, ask)
        if error is not None:
            log.warning(
                "%s from %s to %s could not be fetched and is asked for again later: %s",
                *(ask.symbol, instant(ask.start), instant(ask.end), error),
            )
        self._intake.answer(ask, pieces, whole=error is None)

    async def _tell(self) -> None:
        while True:
            await self._callbacks.tell(await self._intake.updates.take())
            self._intake.taken()
            await self._breathe()

    async def _record(self) -> None:
        while True:
            await self._callbacks.tell(await self._intake.records.take())
            self._intake.taken()
            await self._breathe()

    async def _breathe(self) -> None:
        self._breaths = (self._breaths + 1) % _BREATHE
        if not self._breaths:
            await asyncio.sleep(0)


def _fetched(source: BarSource, ask: Ask) -> tuple[list[Bars], Exception | None]:
    """What the source has of a stretch, or had given when it gave up, and why it did."""
    pieces: list[Bars] = []
    try:
        pieces.extend(source.fetch(ask.symbol, M1, instant(ask.start), instant(ask.end)))
    except SourceRefused:
        raise
    except (CryptoNNError, OSError) as error:
        return pieces, error
    return pieces, None


def _minute(at: np.datetime64 | None) -> int | None:
    """The first minute that opens at or after an instant."""
    return None if at is None else -(-int(at.astype(TS).astype(np.int64)) // MINUTE_US)
