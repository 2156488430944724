"""A few seeds of the torture kit, and proof that it can fail; `make torture` plays hundreds."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import numpy as np
import pytest

from crypto_nn.bars import Bars, Timeframe
from crypto_nn.features.live_windows import LiveWindows
from crypto_nn.sources.clock import Clock
from crypto_nn.sources.polygon import PolygonConfig
from crypto_nn.sources.realtime import RealtimeDataStream
from crypto_nn.sources.source import Availability, BarSource
from crypto_nn_tests.exchange import KEY
from crypto_nn_tests.torture.machine import Parts, open_polygon
from crypto_nn_tests.torture.run import difference, run

SHORT = 45
FEW = (10, 3, 7, 4)


@pytest.mark.parametrize("seed", [3, 14, 24, 67, 108])
def test_after_any_storm_the_data_is_whole(seed: int) -> None:
    """Nothing lost, doubled, made up or out of order; every window is history's, to the bit."""
    assert run(seed, in_lake=False).wrong == []


def test_the_lake_after_a_storm_is_the_oracle() -> None:
    """Recorder, live rows, raw store and fold: the same table as without any fault."""
    assert run(10, minutes=SHORT, in_lake=True).wrong == []


def test_the_same_seed_gives_the_same_trace() -> None:
    """What fails once fails again, at the same moment."""
    first, second = run(7, minutes=SHORT), run(7, minutes=SHORT)
    assert len(first.trace) > 100
    assert difference(first, second) == ""
    assert difference(first, run(8, minutes=SHORT)) != ""


class Spoilt(BarSource):
    """A source with a bug: what the real one gives is passed through these."""

    def __init__(
        self,
        source: BarSource,
        fetched: Callable[[Bars], Bars] = lambda bars: bars,
        streamed: Callable[[Bars], Bars] = lambda bars: bars,
    ) -> None:
        self._source, self._fetched, self._streamed = source, fetched, streamed
        self.name = source.name

    def symbols(self) -> tuple[str, ...]:
        return self._source.symbols()

    def available(self, symbol: str) -> Availability:
        return self._source.available(symbol)

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        for bars in self._source.fetch(symbol, timeframe, start, end):
            yield self._fetched(bars)

    async def stream(self, symbols: Sequence[str]) -> AsyncIterator[Bars]:
        async for bars in self._source.stream(symbols):
            yield self._streamed(bars)


def half_a_page(config: PolygonConfig, clock: Clock, seed: int) -> BarSource:
    """Takes what could be read of a page for the whole."""
    return Spoilt(open_polygon(config, clock, seed), fetched=lambda bars: bars[: len(bars) // 2])


def no_bar_twice(config: PolygonConfig, clock: Clock, seed: int) -> BarSource:
    """Leaves out bars of minutes that it has seen: re-sent ones are lost."""
    seen: set[tuple[str, Any]] = set()

    def only_new(bars: Bars) -> Bars:
        new = [(bars.symbol, ts) not in seen for ts in bars.ts.tolist()]
        seen.update((bars.symbol, ts) for ts in bars.ts.tolist())
        return bars.take(np.array(new))

    return Spoilt(open_polygon(config, clock, seed), streamed=only_new)


def impatient(config: PolygonConfig, clock: Clock, seed: int) -> BarSource:
    """Asks four times as often as it may."""
    more = config.model_copy(update={"requests_per_minute": 4 * config.requests_per_minute})
    return open_polygon(more, clock, seed)


def talkative(config: PolygonConfig, clock: Clock, seed: int) -> BarSource:
    """Writes the key into the log."""
    logging.getLogger("talkative").warning("asking with %s", KEY)
    return open_polygon(config, clock, seed)


class AsksNobody(RealtimeDataStream):
    """Calls every hole a gap, without asking."""

    async def _fetch(self, ask: Any) -> None:
        self._intake.series[ask.symbol].asked(ask)
        await asyncio.sleep(1.0)
        self._intake.answer(ask, [], whole=True)


class TellsTwice(RealtimeDataStream):
    """Tells each bar to each callback twice."""

    def on_bar(self, function: Any) -> Any:
        super().on_bar(function)
        return super().on_bar(function)


class SeesNoHoles(LiveWindows):
    """Takes rows on both sides of a hole for neighbours."""

    def _take(self, ts: np.datetime64, row_F: Any) -> None:
        self._last = ts - np.timedelta64(1, "m")
        super()._take(ts, row_F)


def one_minute_too_early(config: PolygonConfig, clock: Clock, seed: int) -> BarSource:
    """Believes the last row of a page, which is a part of a minute, to be its bar."""
    source = open_polygon(config, clock, seed)
    source._history._rest = _Early(source._history._rest)  # type: ignore[attr-defined]
    return source


class _Early:
    """The REST client, with answers that seem to be of a minute later."""

    def __init__(self, rest: Callable[[], Any]) -> None:
        self._rest = rest

    def __call__(self) -> "_Early":
        return self

    def aggregates(self, *asked: Any) -> tuple[dict[str, Any], Any]:
        answer, headers = self._rest().aggregates(*asked)
        later = parsedate_to_datetime(headers["Date"]) + timedelta(minutes=1)
        return answer, {"Date": format_datetime(later, usegmt=True)}


BUGS: dict[Any, tuple[Parts, str]] = {
    half_a_page: (Parts(source=half_a_page), "is called a gap, but"),
    no_bar_twice: (Parts(source=no_bar_twice), "the table has"),
    impatient: (Parts(source=impatient), "requests within"),
    talkative: (Parts(source=talkative), "logged the key"),
    one_minute_too_early: (Parts(source=one_minute_too_early), "is none of"),
    AsksNobody: (Parts(stream=AsksNobody), "REST was not asked"),
    TellsTwice: (Parts(stream=TellsTwice), "was due"),
    SeesNoHoles: (Parts(windows=SeesNoHoles), "window"),
}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: Any) -> None:
    """Each of these a reader could write, and each breaks one law: a few seeds tell."""
    parts, told = BUGS[bug]
    for seed in FEW:
        if any(told in what for what in run(seed, parts, SHORT, in_lake=False).wrong):
            return
    pytest.fail(f"none of the seeds {FEW} shows it")
