"""Live bars of many symbols, from several sources, into the lake until told to stop."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from crypto_nn.bars import M1
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import SourceError
from crypto_nn.sources.clock import Clock, SystemClock
from crypto_nn.sources.realtime import RealtimeConfig, RealtimeDataStream, StreamStats
from crypto_nn.sources.realtime.together import until_first
from crypto_nn.sources.recorder import Recorder, RecorderConfig, RecorderStats
from crypto_nn.sources.source import BarSource
from crypto_nn.store.lake import Lake
from crypto_nn.store.live import LiveBars, check_one_venue

FIRST = np.timedelta64(60, "m")
"""A symbol of which nothing is known is recorded from so long ago on; the rest is history."""
CATCH_UP = np.timedelta64(1, "D")
"""No older minutes are recorded after a pause; refresh_bars loads them."""
LOOK_BACK = np.timedelta64(60, "m")
"""So far before the last minute that is known a hole is looked for at the start."""
YOUNG = np.timedelta64(5, "m")
"""So many of the last minutes are fetched once more at the start: they may have changed."""
LAKE_WAIT_S = 5.0
"""So long one attempt waits for another writer; then it is reported, and tried again."""


@dataclass(frozen=True)
class Recording:
    """How recording fares, by the name of each source.

    Attributes:
        streams: what each stream has received, and of which minutes it waits.
        recorders: what has been committed, and how fast.
    """

    streams: Mapping[str, StreamStats]
    recorders: Mapping[str, RecorderStats]

    def __str__(self) -> str:
        return " | ".join(self._line(name) for name in self.streams)

    def _line(self, name: str) -> str:
        stream, recorder = self.streams[name], self.recorders[name]
        states = [one.state for one in stream.symbols.values()]
        lasts = [one.last for one in stream.symbols.values() if one.last is not None]
        last = f"to {str(max(lasts))[11:16]}" if lasts else "no bar yet"
        gaps = sum(one.gap_minutes for one in stream.symbols.values())
        lag = "" if np.isnan(recorder.lag_p99_ms) else f", p99 {recorder.lag_p99_ms:.0f} ms"
        waiting = f", {recorder.waiting} waiting" if recorder.waiting else ""
        return (
            f"{name}: {states.count('LIVE')}/{len(states)} live, {last}, "
            f"{recorder.rows} rows in {recorder.commits} commits{lag}{waiting}, "
            f"{gaps} minutes missing, {stream.restarts} restarts"
        )


def record(
    lake: Lake,
    sources: Mapping[str, BarSource],
    symbols: Mapping[str, str],
    *,
    config: RealtimeConfig | None = None,
    recorder: RecorderConfig | None = None,
    tell: Callable[[Recording], object] = lambda _: None,
    tell_every_s: float = 10.0,
    clock: Clock | None = None,
    seed: int = 0,
    on_stop: Callable[[], object] = lambda: None,
) -> Recording:
    """Record live bars until SIGINT or SIGTERM; what was received by then is committed.

    A second signal ends the process at once, which loses nothing either: what is not committed
    is fetched at the next start, from the first minute that is missing on.

    Args:
        lake: where `live_bars` lies.
        sources: the opened sources, by the name under which their bars are kept.
        symbols: the source's name of each symbol that is to be recorded.
        config: of the streams; its `quality` also decides which rows `bars_now` shows.
        recorder: of the commits.
        tell: is called with how it fares, every `tell_every_s` seconds and at the end.
        clock: the time of day of this machine.
        seed: of the jitter in waits.
        on_stop: is called at the signal, such as `StoppableClock.stop` of the sources' clock.

    Returns:
        How it fared.

    Raises:
        SourceError: no symbol, or one whose source has no live bars; the message names those
            that have.
        SymbolError: a symbol's bars are kept from another source.
        SourceRefused: a source refuses for good; what was received before is recorded.
        LakeError: the lake refused for longer than the recorder's patience.
    """
    plan = by_source(sources, symbols)
    for symbol, source in symbols.items():
        check_one_venue(lake, symbol, source, ("bars", "live_bars"))
    own = Lake(lake.root, lake.catalogue.uri, lake.specs, wait_seconds=LAKE_WAIT_S)
    live = LiveBars(own, (config or RealtimeConfig()).quality)

    async def run() -> Recording:
        stop = asyncio.Event()
        _stop_by_signal(stop, on_stop)
        return await recording(
            live, sources, plan, stop,
            config=config, recorder=recorder, tell=tell, tell_every_s=tell_every_s,
            clock=clock, seed=seed,
        )  # fmt: skip

    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in _SIGNALS}
    try:
        return asyncio.run(run())
    finally:
        own.close()
        with suppress(ValueError):  # not in the main thread
            for number, handler in before.items():
                signal.signal(number, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _stop_by_signal(stop: asyncio.Event, on_stop: Callable[[], object]) -> None:
    """Let the first signal set `stop`, and the second one do what it would do otherwise."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        stop.set()
        on_stop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
        for number in _SIGNALS:
            loop.add_signal_handler(number, first)


async def recording(
    live: LiveBars,
    sources: Mapping[str, BarSource],
    plan: Mapping[str, tuple[str, ...]],
    stop: asyncio.Event,
    *,
    config: RealtimeConfig | None = None,
    recorder: RecorderConfig | None = None,
    tell: Callable[[Recording], object] = lambda _: None,
    tell_every_s: float = 10.0,
    clock: Clock | None = None,
    seed: int = 0,
) -> Recording:
    """`record` within an event loop, until `stop` is set; `plan` has each source's symbols."""
    clock = clock or SystemClock()
    recorders = {name: Recorder(live, name, recorder) for name in plan}
    streams: dict[str, RealtimeDataStream] = {}
    for name, wanted in plan.items():
        since = await asyncio.to_thread(starts, live, wanted, clock.now())
        streams[name] = RealtimeDataStream(
            sources[name], wanted, since=since, config=config, clock=clock, seed=seed
        )
        streams[name].on_delivery(recorders[name].take)

    def fares() -> Recording:
        return Recording(
            {name: stream.stats() for name, stream in streams.items()},
            {name: one.stats() for name, one in recorders.items()},
        )

    async def report() -> None:
        while True:
            await asyncio.sleep(tell_every_s)
            tell(fares())

    async with AsyncExitStack() as open_recorders:
        for one in recorders.values():
            await open_recorders.enter_async_context(one)
        works: list[Coroutine[Any, Any, object]] = [report(), stop.wait()]
        works += [stream.run() for stream in streams.values()]
        works += [one.until_broken() for one in recorders.values()]
        await until_first(works)
    last = fares()
    tell(last)
    return last


def by_source(
    sources: Mapping[str, BarSource], symbols: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The symbols of each source, after a look at whether it has live bars.

    Raises:
        SourceError: there is no symbol, or a source has history only.
    """
    able = {name for name, one in sources.items() if has_live_bars(one)}
    unable = [f"{symbol} ({name})" for symbol, name in symbols.items() if name not in able]
    if unable or not symbols:
        what = f"There are no live bars of {', '.join(unable)}" if unable else "There is no symbol"
        have = ", ".join(sorted(able)) or "none"
        raise SourceError(
            f"{what}: of the sources here {have} has any. Name symbols of such a source "
            "(--symbol), or give them one under `sources` and `symbols` in the YAML."
        )
    return {
        name: tuple(symbol for symbol, theirs in symbols.items() if theirs == name)
        for name in dict.fromkeys(symbols.values())
    }


def has_live_bars(source: BarSource) -> bool:
    """Whether a source can stream at all."""
    return type(source).stream is not BarSource.stream


def starts(
    live: LiveBars, symbols: tuple[str, ...], now: np.datetime64
) -> dict[str, np.datetime64]:
    """The first minute to record of each symbol: where what is known of it ends, or has a hole.

    What the process before had still to fetch, or to ask again, ended with it. So this is the first
    hole of the last hour that is known, and at the latest a few minutes before its end.
    """
    this = now.astype("datetime64[m]").astype(TS)
    return {symbol: _start(live, symbol, this) for symbol in symbols}


def _start(live: LiveBars, symbol: str, this: np.datetime64) -> np.datetime64:
    last = live.last(symbol)
    if last is None:
        return this - FIRST
    known = live.now(symbol, last - LOOK_BACK, last + M1.step).ts
    holes = known[:-1][np.diff(known) > M1.step]
    end = holes[0] if holes.size else last
    return min(max(min(end, last - YOUNG) + M1.step, this - CATCH_UP), this)
