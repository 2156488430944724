"""One symbol's live bars: what is told, what waits, what is missing, what to ask for."""

from collections.abc import Iterable, Sequence
from random import Random

from crypto_nn.bars import Bar
from crypto_nn.sources.realtime.asking import Ask, Backoff, Why
from crypto_nn.sources.realtime.config import RealtimeConfig
from crypto_nn.sources.realtime.doubts import Doubts
from crypto_nn.sources.realtime.forgotten import Forgotten
from crypto_nn.sources.realtime.rows import MINUTE_US, Row, instant, says_the_same
from crypto_nn.sources.realtime.told import Told
from crypto_nn.sources.realtime.updates import (
    Closed,
    Gap,
    State,
    StateChange,
    SymbolStats,
    Update,
)

_OVERLAP = 5  # asked for beyond a hole, so that a later bar can confirm it


class Series:
    """The bars of one symbol: each minute told exactly once, in order, or explained as a gap.

    It is a plain machine without clock, network or tasks. Rows go in by `take` (they came by
    themselves) and `answer` (they were asked for), in any order, as often as they like; `advance`
    gives what can be told; `ask` says what should be fetched. Times are µs since 1970 by the
    exchange's clock, minutes count since 1970.
    """

    def __init__(
        self, symbol: str, config: RealtimeConfig, since: int | None = None, seed: int = 0
    ) -> None:
        """A series that tells from minute `since` on; without one, from its first bar on."""
        self.symbol = symbol
        self._config = config
        self._grace_us = round(config.grace_s * 1e6)
        self._confirm_us = round(max(config.confirm_after_s, config.grace_s) * 1e6)
        self._most_ahead = max(config.keep_minutes, config.fetch_minutes)
        jitter = Random(f"{seed} {symbol}")  # noqa: S311 - no secret
        self._backoff = Backoff(config, jitter)
        self._cursor = since
        self._first = since
        self._told = Told(symbol, config.keep_minutes, since or 0)
        self._ahead: dict[int, Bar] = {}
        self._absent: set[int] = set()
        self._forgotten = Forgotten(self._confirm_us)
        self._doubts = Doubts(self._confirm_us, config.keep_minutes, self._forgotten)
        self._asked: Ask | None = None
        self._during: set[int] = set()
        self._reach = since or 0
        self._stirred = False
        self._leaped_us = 0
        self._told_state: State = "STALE"
        self._last: int | None = None
        self._bars = self._revisions = self._gaps = self._fetches = 0
        self._dropped = self._unfit = 0

    @property
    def cursor(self) -> int | None:
        """The first minute that is not told yet; None before it is known where to begin."""
        return self._cursor

    @property
    def num_kept(self) -> int:
        """How many minutes it remembers something of."""
        return len(self._told) + len(self._ahead) + len(self._absent) + len(self._doubts)

    def begin(self, minute: int) -> None:
        """Tell from this minute on, if nothing has said yet where to begin."""
        if self._cursor is None:
            self._cursor = self._told.kept_from = minute

    def take(self, rows: Iterable[Row], now_us: int, unfit: int = 0) -> None:
        """Rows that came by themselves; `unfit` more were no bars."""
        self._unfit += unfit
        for minute, bar in rows:
            if self._cursor is None or (self._may_begin_earlier and minute < self._cursor):
                self._cursor = self._told.kept_from = self._reach = minute
            if self._asked and self._asked.start <= minute < self._asked.end:
                self._during.add(minute)
            is_new = self._put(minute, bar, now_us, self._config.keep_minutes)
            if is_new and not self._is_there(self._cursor):
                self._stirred |= self._backoff.hurry(self._steady(now_us))

    def leap(self, by_us: int) -> None:
        """The exchange's time turns out to be another; what waits goes on waiting as long."""
        self._leaped_us += by_us

    def _steady(self, now_us: int) -> int:
        """A time for waits: it goes on as now does, without its leaps."""
        return now_us - self._leaped_us

    def calls(self) -> bool:
        """Whether there is something new to ask for since this was asked last."""
        stirred, self._stirred = self._stirred, False
        return stirred

    @property
    def _may_begin_earlier(self) -> bool:
        return self._first is None and not (self._bars or self._gaps)

    def _put(self, minute: int, bar: Bar, now_us: int, most_ahead: int) -> bool:
        """File a row under what is told or what is ahead; whether its minute was missing."""
        assert self._cursor is not None
        if minute < self._cursor:
            self._put_told(minute, bar, now_us)
            return False
        if minute >= self._cursor + most_ahead:
            self._dropped += 1
            return False
        old = self._ahead.get(minute)
        if old is None or not says_the_same(old, bar):
            self._ahead[minute] = bar
            self._absent.discard(minute)
            if old is not None:
                self._doubt(minute, bar, now_us)
        return old is None

    def _put_told(self, minute: int, bar: Bar, now_us: int) -> None:
        before = self._newest(minute)
        if before is not None and says_the_same(before, bar):
            return
        if self._told.revise(minute, bar) != "late":
            self._doubt(minute, bar, now_us)
        if (lost := self._told.overflow()) is not None:
            self._forgotten.add(lost, lost, self._steady(now_us))
            self._dropped += 1

    def _doubt(self, minute: int, bar: Bar, now_us: int) -> None:
        self._doubts.add(minute, bar, self._steady(now_us))
        self._stirred = True

    def advance(self, now_us: int, room: int) -> list[Update]:
        """What can be told now, at most `room` updates; the rest stays as it is."""
        updates: list[Update] = []
        while len(updates) < room and (revised := self._told.next_revision()):
            updates.append(revised)
        self._revisions += len(updates)
        if self._cursor is None:
            return updates
        while len(updates) < room and (update := self._next()):
            updates.append(update)
        self._trim()
        state = self.state(now_us)
        if state != self._told_state and len(updates) < room:
            self._told_state = state
            updates.append(StateChange(self.symbol, state, instant(self._cursor)))
        return updates

    def _next(self) -> Closed | Gap | None:
        """The next bar or gap, if it is certain."""
        assert self._cursor is not None
        start = self._cursor
        bar = self._ahead.pop(start, None)
        if bar is not None:
            self._told.tell(start, bar)
            self._cursor += 1
            self._bars += 1
            self._last = start
            self._backoff.relax()
            return Closed(self.symbol, bar)
        while self._cursor in self._absent:
            self._absent.remove(self._cursor)
            self._cursor += 1
        if self._cursor == start:
            return None
        self._gaps += self._cursor - start
        return Gap(self.symbol, instant(start), instant(self._cursor))

    def _trim(self) -> None:
        """Forget what lies too far behind or ahead."""
        assert self._cursor is not None
        keep = self._config.keep_minutes
        self._told.trim(self._cursor)
        if len(self._ahead) + len(self._absent) > keep:
            too_far = [minute for minute in self._ahead if minute >= self._cursor + keep]
            for minute in too_far:
                del self._ahead[minute]
            self._dropped += len(too_far)
            self._absent = {m for m in self._absent if m < self._cursor + keep}
            self._reach = min(self._reach, self._cursor + keep)

    def _due_end(self, now_us: int) -> int:
        """All minutes before this one are due."""
        return (now_us - self._grace_us) // MINUTE_US

    def state(self, now_us: int) -> State:
        """Whether a minute that is due has not been told."""
        if self._cursor is None or self._cursor < self._due_end(now_us):
            return "STALE"
        return "LIVE"

    def _is_there(self, minute: int) -> bool:
        return minute in self._ahead or minute in self._absent

    def _first_missing(self) -> int:
        """The first minute of which nothing is there, due or not."""
        assert self._cursor is not None
        self._reach = max(self._reach, self._cursor)
        while self._is_there(self._reach):
            self._reach += 1
        return self._reach

    def _limit(self, room: int) -> int:
        """Up to which minute bars could be taken in now."""
        assert self._cursor is not None
        return self._cursor + max(self._config.keep_minutes, min(self._config.fetch_minutes, room))

    def _hole(self, now_us: int, room: int) -> tuple[int, int] | None:
        """The minutes to ask for so that what is due becomes whole, or None."""
        if self._cursor is None:
            return None
        end = min(self._due_end(now_us), self._limit(room))
        start = self._first_missing()
        if start >= end:
            return None
        end = min(end, start + self._config.fetch_minutes)
        while self._is_there(end - 1):
            end -= 1
        return start, min(end + _OVERLAP, now_us // MINUTE_US)

    def ask(self, now_us: int, sure_us: int | None, room: int) -> Ask | None:
        """What to fetch now: the oldest hole first, then what changed, then what was dropped.

        Args:
            now_us: the exchange's time.
            sure_us: the same, as far as it is certain; None where it is only guessed.
            room: how many updates could be told now.
        """
        steady_us = self._steady(now_us)
        waits = steady_us < self._backoff.due_us
        if waits and self._backoff.failed:
            return None
        why: Why = "hole"
        stretch = None if waits else self._hole(now_us, room)
        if stretch is None:
            why, stretch = "doubt", self._doubts.due(steady_us)
        half = self._config.keep_minutes // 2
        if stretch is None and self._told.num_revised <= half:
            why, stretch = "forgotten", self._forgotten.ask(steady_us, half)
        return None if stretch is None else Ask(self.symbol, *stretch, why, sure_us or 0)

    def asked(self, ask: Ask) -> None:
        """The fetch begins; what comes by itself from now on is newer than its answer."""
        self._asked, self._during = ask, set()
        self._fetches += 1

    def answer(self, ask: Ask, rows: Sequence[Row], now_us: int) -> None:
        """Rows that were asked for: all that the source has of the stretch."""
        filled = self._file(ask, rows, now_us)
        self._confirm_gaps(ask, rows)
        if ask.why == "doubt":
            for minute in range(ask.start, ask.end):
                if minute not in self._during:
                    self._doubts.settle(minute)
        elif ask.why == "forgotten":
            self._forgotten.fetched()
        self._asked = None
        self._backoff.answered()
        if filled:
            self._backoff.reset()
        elif ask.why == "hole":
            self._backoff.wait(self._steady(now_us), failed=False)

    def _confirm_gaps(self, ask: Ask, rows: Sequence[Row]) -> None:
        """The source has none of a minute: it has a later one, or the minute is long past."""
        if self._cursor is None:
            return
        there = {minute for minute, _ in rows}
        end = min(ask.end, max(max(there, default=0), self._settled(ask)))
        asked = set(range(max(ask.start, self._cursor), end))
        self._absent |= asked - there - self._during - self._ahead.keys()

    def _settled(self, ask: Ask) -> int:
        """What the source says of minutes before this one is final."""
        return (ask.sure_us - self._confirm_us) // MINUTE_US

    def fail(self, ask: Ask, rows: Sequence[Row], now_us: int) -> None:
        """The source gave up; `rows` are what it gave before."""
        self._file(ask, rows, now_us)
        if ask.why == "forgotten":
            self._forgotten.failed()
        self._asked = None
        self._backoff.wait(self._steady(now_us), failed=True)

    def _file(self, ask: Ask, rows: Sequence[Row], now_us: int) -> int:
        """Take rows that were asked for; how many of them were missing."""
        filled, newest = 0, max((minute for minute, _ in rows), default=0)
        for minute, bar in rows:
            if self._cursor is None or not ask.start <= minute < ask.end:
                continue
            ours = self._newest(minute)
            if minute in self._during and ours is not None:
                if not says_the_same(ours, bar):
                    self._doubt(minute, ours, now_us)
            elif minute >= self._told.kept_from or ask.why in ("doubt", "forgotten"):
                is_last = minute == newest and minute >= self._settled(ask)
                if is_last and ours is None:
                    self._doubt(minute, bar, now_us)  # a source that lags cuts its last bar short
                filled += self._put(minute, bar, now_us, self._most_ahead)
                if ask.why in ("doubt", "forgotten"):
                    self._doubts.settle(minute)
        return filled

    def _newest(self, minute: int) -> Bar | None:
        """What is held to be the minute's bar."""
        return self._ahead.get(minute) or self._told.bar(minute) or self._doubts.bar(minute)

    def next_us(self, now_us: int, room: int) -> int:
        """When there will be something to ask for, if nothing comes until then (µs)."""
        times = [self._doubts.next_us()]
        if self._forgotten and self._told.num_revised <= self._config.keep_minutes // 2:
            times.append(self._forgotten.due_us)
        if self._cursor is not None:
            minute = self._first_missing()
            if minute < self._limit(room):
                due_us = self._steady((minute + 1) * MINUTE_US + self._grace_us)
                times.append(max(due_us, self._backoff.due_us))
        earliest_us = min(times)
        if self._backoff.failed:
            earliest_us = max(earliest_us, self._backoff.due_us)
        return earliest_us + self._leaped_us

    def stats(self, now_us: int) -> SymbolStats:
        """How it fares."""
        return SymbolStats(
            None if self._last is None else instant(self._last),
            self.state(now_us),
            bars=self._bars,
            revisions=self._revisions,
            gap_minutes=self._gaps,
            fetches=self._fetches,
            dropped=self._dropped,
            unfit=self._unfit,
        )
