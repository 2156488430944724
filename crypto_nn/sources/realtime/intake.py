"""What a live stream does with all that arrives: time, order, records, and what to ask for."""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import TS
from crypto_nn.sources.clock import Clock
from crypto_nn.sources.realtime.asking import Ask
from crypto_nn.sources.realtime.config import RealtimeConfig
from crypto_nn.sources.realtime.feed_time import FeedTime
from crypto_nn.sources.realtime.forgotten import Forgotten
from crypto_nn.sources.realtime.outbox import Outbox
from crypto_nn.sources.realtime.rows import MINUTE_US, Row, fit_rows
from crypto_nn.sources.realtime.series import Series
from crypto_nn.sources.realtime.updates import Delivery, Update

log = logging.getLogger(__name__)

_ENDLESS = 2**40
_LEAP_US = 1_000_000
_MOST_STRANGE = 64
_ORDER = ("hole", "doubt", "forgotten", "record")


class Intake:
    """All symbols of a stream, what waits to be told and recorded, and the exchange's time."""

    def __init__(
        self, series: Mapping[str, Series], config: RealtimeConfig, clock: Clock, seconds: float
    ) -> None:
        """Begin at a steady time (s); `open` says who listens and how steady time goes on."""
        self.series = series
        self.updates: Outbox[Update | None] = Outbox(config.buffer)
        self.records: Outbox[Delivery] = Outbox(config.buffer)
        self.num_unrecorded = 0
        self.exchange = FeedTime(_us(clock.now()), seconds)
        self._config, self._clock = config, clock
        self._seconds: Callable[[], float] = lambda: seconds
        self._wake: Callable[[], object] = lambda: None
        self._tells = self._records = False
        self._behind = self._warned = False
        self._last_stamp = 0
        self._strange: deque[Bars] = deque(maxlen=_MOST_STRANGE)
        self._leapt = False
        settle_us = round(config.confirm_after_s * 1e6)
        self._unrecorded = {symbol: Forgotten(settle_us) for symbol in series}

    def open(
        self,
        seconds: Callable[[], float],
        wake: Callable[[], object],
        tells: bool,
        records: bool,
    ) -> None:
        """Begin: `seconds` is steady time, `wake` is called when there may be something to ask."""
        self.exchange = FeedTime(_us(self._clock.now()), seconds())
        self._seconds, self._wake = seconds, wake
        self._tells, self._records = tells, records

    @property
    def now_us(self) -> int:
        """The exchange's time (µs since 1970)."""
        return self.exchange.now_us(self._seconds())

    @property
    def _steady_us(self) -> int:
        """A time for waits, without leaps (µs)."""
        return round(self._seconds() * 1e6)

    @property
    def room(self) -> int:
        """How many updates could be told now."""
        return self.updates.room if self._tells else _ENDLESS

    def receive(self, bars: Bars) -> None:
        """Take what came by itself."""
        series = self.series.get(bars.symbol)
        if series is None:
            log.warning("Bars of %s came, which nobody asked for; they are left out.", bars.symbol)
            return
        before_us = self.now_us
        machine_us = _us(self._clock.now())
        fit = fit_rows(bars, self._config.quality)
        rows = self._believable(fit, machine_us)
        if len(rows) < len(fit):
            self._strange.append(bars)
        now_us = self._see(rows, machine_us, streamed=True)
        self._record(bars, rows, now_us, "stream")
        series.take(rows, now_us, unfit=len(bars) - len(rows))
        if abs(now_us - before_us) > _LEAP_US:
            self.flush()
        else:
            self._advance(series, now_us)
        if series.calls():
            self._wake()
        self._reconsider()

    def _reconsider(self) -> None:
        """Take what was not believed before, if what is now known of the time bears it out."""
        if not self._leapt or not self._strange:
            return
        self._leapt, machine_us = False, _us(self._clock.now())
        waiting = list(self._strange)
        self._strange.clear()
        for bars in waiting:
            if self._believable(fit_rows(bars, self._config.quality), machine_us):
                self.receive(bars)
            else:
                self._strange.append(bars)

    def answer(self, ask: Ask, pieces: Sequence[Bars], whole: bool) -> None:
        """Take what was asked for; not `whole` where the source gave up."""
        series, rows, machine_us = self.series[ask.symbol], list[Row](), _us(self._clock.now())
        for bars in pieces:
            fit = fit_rows(bars, self._config.quality)
            fit = [row for row in fit if ask.start <= row[0] < ask.end]
            self._record(bars, fit, self._see(fit, machine_us, streamed=False), "fetch")
            rows += fit
        now_us = self.now_us
        (series.answer if whole else series.fail)(ask, rows, now_us)
        if ask.why == "record":
            forgotten = self._unrecorded[ask.symbol]
            (forgotten.fetched if whole else forgotten.failed)()
        self._advance(series, now_us)
        self._reconsider()

    def _believable(self, rows: Sequence[Row], machine_us: int) -> list[Row]:
        at_s = self._seconds()
        return [
            row
            for row in rows
            if self.exchange.believes((row[0] + 1) * MINUTE_US, at_s, machine_us)
        ]

    def _see(self, rows: Sequence[Row], machine_us: int, streamed: bool) -> int:
        """Learn the time from rows that have arrived; the exchange's time now."""
        if rows:
            close_us = (max(minute for minute, _ in rows) + 1) * MINUTE_US
            before_us = self.now_us
            self.exchange.saw(close_us, self._seconds(), machine_us, streamed)
            self._leap(self.now_us - before_us)
            if streamed:
                self._check_skew()
        return self.now_us

    def _leap(self, by_us: int) -> None:
        """What the time is held to be has changed; how long is waited for things has not."""
        if abs(by_us) > _LEAP_US:
            self._leapt = True
            for series in self.series.values():
                series.leap(by_us)

    def _check_skew(self) -> None:
        skew_s = self.exchange.skew_s
        is_off = skew_s is not None and abs(skew_s) > self._config.max_skew_s
        if is_off and not self._warned:
            log.warning(
                "This machine's clock is %+.1f s off the exchange's (positive: ahead, the delay "
                "of delivery included). Bars are timed by the exchange; set the clock by NTP.",
                skew_s,
            )
        self._warned = is_off

    def _record(
        self, bars: Bars, rows: Sequence[Row], now_us: int, origin: Literal["stream", "fetch"]
    ) -> None:
        """Hand what was received to who records it, or remember that this was not done."""
        self._last_stamp = max(self._last_stamp + 1, now_us)
        if not self._records or not len(bars):
            return
        if len(bars) <= self.records.room or not self.records.size:
            stamp = np.datetime64(self._last_stamp, "us")
            self.records.put(Delivery(bars, stamp, origin), len(bars))
            return
        self.num_unrecorded += len(bars)
        if rows:
            minutes = [minute for minute, _ in rows]
            self._unrecorded[bars.symbol].add(min(minutes), max(minutes), self._steady_us)

    def flush(self) -> None:
        """Tell what can be told of every symbol, who is furthest behind first."""
        now_us = self.now_us
        if not self.exchange.is_guess:
            for series in self.series.values():
                series.begin(now_us // MINUTE_US)
        self._behind = False
        for series in sorted(self.series.values(), key=lambda one: one.cursor or 0):
            self._advance(series, now_us)
        self._wake()

    def begin_by_guess(self) -> None:
        """Nothing has come at all: symbols without a start begin now, by the machine's clock."""
        for series in self.series.values():
            series.begin(self.now_us // MINUTE_US)

    def taken(self) -> None:
        """Something was told or recorded: there may be room for more."""
        if self._behind and self.updates.is_low:
            self.flush()
        elif self._records and self.records.is_low and any(self._unrecorded.values()):
            self._wake()

    def _advance(self, series: Series, now_us: int) -> None:
        room = self.room
        updates = series.advance(now_us, room)
        if self._tells:
            for update in updates:
                self.updates.put(update)
            self._behind |= len(updates) == room

    def choose(self) -> Ask | None:
        """What to fetch next: the oldest hole, then what changed, then what was dropped."""
        at_s, now_us, room = self._seconds(), self.now_us, self.room
        sure_us = self.exchange.sure_us(at_s)
        asks = [ask for one in self.series.values() if (ask := one.ask(now_us, sure_us, room))]
        if self.records.is_low:
            for symbol, forgotten in self._unrecorded.items():
                if stretch := forgotten.ask(self._steady_us, self._config.fetch_minutes):
                    asks.append(Ask(symbol, *stretch, "record", sure_us or 0))
        return min(asks, key=lambda ask: (_ORDER.index(ask.why), ask.start), default=None)

    def next_s(self) -> float:
        """In how many seconds there will be something to fetch, if nothing arrives until then."""
        now_us, room = self.now_us, self.room
        times = [series.next_us(now_us, room) for series in self.series.values()]
        if self.records.is_low:
            leap_us = now_us - self._steady_us
            times += [one.due_us + leap_us for one in self._unrecorded.values() if one]
        return max((min(times) - now_us) / 1e6, 0.05)


def _us(now: np.datetime64) -> int:
    return int(now.astype(TS).astype(np.int64))
