"""One symbol's live bars: whatever the order, each minute is told once, in order, or explained."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.bars import M1, Bar, Bars
from crypto_nn.bars.quality import QualityConfig
from crypto_nn.sources.realtime.asking import Ask
from crypto_nn.sources.realtime.config import RealtimeConfig
from crypto_nn.sources.realtime.feed_time import FeedTime
from crypto_nn.sources.realtime.forgotten import Forgotten
from crypto_nn.sources.realtime.rows import MINUTE_US, Row, fit_rows, instant, says_the_same
from crypto_nn.sources.realtime.series import Series
from crypto_nn.sources.realtime.updates import Closed, Gap, Revised, StateChange, Update

START = 28_401_120  # 2024-01-01T00:00
SECOND_US = 1_000_000
CONFIG = RealtimeConfig()
ENDLESS = 10**9


def row(at: int, price: float = 100.0) -> Row:
    """The bar of the minute `at` after the start."""
    minute = START + at
    return minute, Bar(instant(minute), price, price + 1, price - 1, price, 1.0)


def closes(at: int, seconds: float = 0.0) -> int:
    """So many seconds after that minute's end."""
    return (START + at + 1) * MINUTE_US + round(seconds * SECOND_US)


@dataclass
class Follower:
    """Follows what is told, as a table would, and holds it to the law."""

    table: dict[int, Bar] = field(default_factory=dict)
    next: int = START
    gaps: set[int] = field(default_factory=set)
    told: list[Update] = field(default_factory=list)

    def follow(self, updates: Sequence[Update]) -> None:
        for update in updates:
            self.told.append(update)
            match update:
                case Closed(bar=bar):
                    minute = _minute(bar.ts)
                    assert minute == self.next, "every minute before it is told or explained"
                    self.table[minute] = bar
                    self.next += 1
                case Gap(start=start, end=end):
                    assert _minute(start) == self.next
                    assert _minute(end) > self.next
                    self.gaps |= set(range(self.next, _minute(end)))
                    self.next = _minute(end)
                case Revised(bar=bar, kind=kind):
                    minute = _minute(bar.ts)
                    assert minute < self.next, "only what has been told can be revised"
                    known = self.table.get(minute)
                    assert kind == ("changed" if known else "late")
                    assert (minute in self.gaps) == (kind == "late")
                    assert known is None or not says_the_same(known, bar)
                    self.gaps.discard(minute)
                    self.table[minute] = bar


def _minute(ts: np.datetime64) -> int:
    return int(ts.astype("M8[m]").astype(int))


def answer_all(
    series: Series, truth: dict[int, Bar], now_us: int, follower: Follower, room: int = ENDLESS
) -> list[Ask]:
    """Fetch what is asked for until nothing is, as a source that has all of the truth by now."""
    asks: list[Ask] = []
    while ask := series.ask(now_us, now_us, room):
        assert len(asks) < 100, "it asks for ever"
        asks.append(ask)
        series.asked(ask)
        rows = [(m, truth[m]) for m in range(ask.start, ask.end) if m in truth]
        series.answer(ask, rows, now_us)
        follower.follow(series.advance(now_us, room))
    return asks


def settle(
    series: Series, truth: dict[int, Bar], now_us: int, follower: Follower, minutes: int = 30
) -> None:
    """Let time pass, everything be asked for, and everything be told."""
    for _ in range(minutes * 4):
        now_us += 15 * SECOND_US
        follower.follow(series.advance(now_us, ENDLESS))
        answer_all(series, truth, now_us, follower)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_interleaving_gives_the_same_table(data: st.DataObject) -> None:
    """Bars in any order, as often as you like, some never: the table is the source's."""
    length = data.draw(st.integers(1, 40))
    missing = data.draw(st.sets(st.integers(0, length - 1)))
    truth = dict(row(at, 100.0 + at) for at in range(length) if at not in missing)
    lost = data.draw(st.sets(st.integers(0, length - 1)))
    sent = [(m, bar) for m, bar in truth.items() if m - START not in lost]
    again = data.draw(st.lists(st.sampled_from(sent), max_size=30)) if sent else []
    deliveries = data.draw(st.permutations(sent + again))
    series, follower = Series("BTC-USD", CONFIG, START), Follower()
    now_us = closes(0)
    for minute, bar in deliveries:
        now_us = max(now_us, (minute + 1) * MINUTE_US)
        series.take([(minute, bar)], now_us)
        follower.follow(series.advance(now_us, ENDLESS))
        if data.draw(st.booleans()):
            answer_all(series, truth, now_us, follower)
    settle(series, truth, max(now_us, closes(length)), follower)
    assert follower.table == truth
    assert follower.gaps >= missing_minutes(truth, length)
    assert series.state(now_us) == "LIVE"


def missing_minutes(truth: dict[int, Bar], length: int) -> set[int]:
    """The minutes of which there is no bar."""
    return set(range(START, START + length)) - truth.keys()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_versions_that_overtake_each_other_end_as_the_source_has_them(data: st.DataObject) -> None:
    """A stale version that comes last does not stay; nor does one from an answer under way."""
    length = data.draw(st.integers(1, 12))
    versions = [
        [row(at, 100.0 + at + version / 8) for version in range(data.draw(st.integers(1, 3)))]
        for at in range(length)
    ]
    truth = dict(told[-1] for told in versions)
    deliveries = data.draw(st.permutations([one for told in versions for one in told]))
    series, follower = Series("BTC-USD", CONFIG, START), Follower()
    now_us, under_way = closes(length), None
    for one in deliveries:
        now_us += data.draw(st.sampled_from([0, 1, 45])) * SECOND_US
        if under_way is None and (ask := series.ask(now_us, now_us, ENDLESS)):
            stale = ask.why == "hole" and data.draw(st.booleans())
            series.asked(ask)
            asked = range(ask.start - START, min(ask.end - START, length))
            under_way = ask, [versions[at][0 if stale else -1] for at in asked]
        series.take([one], now_us)
        follower.follow(series.advance(now_us, ENDLESS))
        if under_way and data.draw(st.booleans()):
            series.answer(*under_way, now_us)
            under_way = None
            follower.follow(series.advance(now_us, ENDLESS))
    if under_way:
        series.answer(*under_way, now_us)
    settle(series, truth, now_us, follower)
    assert follower.table == truth


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_stalled_consumer_costs_no_memory_and_no_bar(data: st.DataObject) -> None:
    """While nothing can be told, what is kept stays within bounds; later all of it is told."""
    config = RealtimeConfig(keep_minutes=10, fetch_minutes=data.draw(st.integers(10, 30)))
    series, follower = Series("BTC-USD", config, START), Follower()
    truth, length = {}, data.draw(st.integers(1, 120))
    for at in range(length):
        minute, bar = row(at, 100.0 + at)
        truth[minute] = bar
        back = data.draw(st.integers(0, 40))
        if back <= at and back % 4 == 0:
            changed = row(at - back, 100.0 + at - back + 0.25)
            truth[changed[0]] = changed[1]
            series.take([changed], closes(at))
        series.take([(minute, bar)], closes(at))
        room = data.draw(st.sampled_from([0, 0, 0, 1, 3]))
        follower_told(follower, series.advance(closes(at), room), room)
        assert series.num_kept <= 5 * config.keep_minutes
    settle_old(series, truth, closes(length), follower)
    assert follower.table == truth


def follower_told(follower: Follower, updates: Sequence[Update], room: int) -> None:
    """Follow updates of which there may be no more than room."""
    assert len(updates) <= room
    follow_old(follower, updates)


def follow_old(follower: Follower, updates: Sequence[Update]) -> None:
    """Follow where the series remembers less than the follower: revisions may be old."""
    for update in updates:
        if isinstance(update, Revised):
            minute = _minute(update.bar.ts)
            assert minute < follower.next
            follower.table[minute] = update.bar
        else:
            follower.follow([update])


def settle_old(series: Series, truth: dict[int, Bar], now_us: int, follower: Follower) -> None:
    """As `settle`, where revisions may be older than the series' memory."""
    for _ in range(200):
        now_us += 15 * SECOND_US
        follow_old(follower, series.advance(now_us, ENDLESS))
        while ask := series.ask(now_us, now_us, ENDLESS):
            series.asked(ask)
            rows = [(m, truth[m]) for m in range(ask.start, ask.end) if m in truth]
            series.answer(ask, rows, now_us)
            follow_old(follower, series.advance(now_us, ENDLESS))


def fresh(since: int | None = START, config: RealtimeConfig = CONFIG) -> Series:
    return Series("BTC-USD", config, since)


def test_a_hole_is_held_back_until_the_source_fills_it() -> None:
    """Later bars wait; the fetch is of just the hole and what may confirm it."""
    series = fresh()
    series.take([row(0), row(3), row(4)], closes(4))
    assert [type(one) for one in series.advance(closes(4), 9)] == [Closed]
    ask = series.ask(closes(4), closes(4), 9)
    assert ask is not None
    assert (ask.start - START, ask.end - START, ask.why) == (1, 5, "hole")
    series.asked(ask)
    series.answer(ask, [row(1), row(2), row(3), row(4)], closes(4))
    told = series.advance(closes(4), 9)
    assert [one.bar for one in told if isinstance(one, Closed)] == [
        row(at)[1] for at in (1, 2, 3, 4)
    ]
    assert told[-1] == StateChange("BTC-USD", "LIVE", instant(START + 5))


def test_a_minute_is_not_missed_before_its_grace() -> None:
    """At the close nothing is asked; after the grace it is, by the exchange's time."""
    series = fresh()
    assert series.ask(closes(0, CONFIG.grace_s - 1), 0, 9) is None
    assert series.next_us(closes(0), 9) == closes(0, CONFIG.grace_s)
    ask = series.ask(closes(0, CONFIG.grace_s), 0, 9)
    assert ask is not None
    assert (ask.start, ask.end) == (START, START + 1)
    assert series.advance(closes(0, CONFIG.grace_s), 9) == []
    assert series.state(closes(0, CONFIG.grace_s)) == "STALE"


def test_a_gap_is_certain_once_the_source_has_a_later_bar() -> None:
    """Empty, the answer says nothing yet; with a later bar it says that there is none."""
    series, now_us = fresh(), closes(0, 10)
    ask = series.ask(now_us, now_us, 9)
    assert ask is not None
    series.asked(ask)
    series.answer(ask, [], now_us)
    assert series.advance(now_us, 9) == []
    assert series.ask(now_us, now_us, 9) is None, "it waits before it asks again"
    series.take([row(1)], closes(1))
    ask = series.ask(closes(1), closes(1), 9)
    assert ask is not None, "a later bar is there: the source can tell"
    series.asked(ask)
    series.answer(ask, [row(1)], closes(1))
    gap, bar, state = series.advance(closes(1), 9)
    assert gap == Gap("BTC-USD", instant(START), instant(START + 1))
    assert isinstance(bar, Closed)
    assert isinstance(state, StateChange)


@pytest.mark.parametrize("sure", [True, False])
def test_a_gap_is_certain_after_long_enough_by_the_exchanges_time_only(sure: bool) -> None:
    """This machine's clock alone never confirms a gap: it may be wrong by hours."""
    series, now_us = fresh(), closes(0, CONFIG.confirm_after_s)
    ask = series.ask(now_us, now_us if sure else None, 9)
    assert ask is not None
    series.asked(ask)
    series.answer(ask, [], now_us)
    gaps = [(one.start, one.end) for one in series.advance(now_us, 9) if isinstance(one, Gap)]
    assert gaps == ([(instant(START), instant(START + 1))] if sure else [])


def test_a_bar_after_its_gap_is_late() -> None:
    """It is told as a revision, never as the next bar, and never dropped."""
    series = fresh()
    series.take([row(1)], closes(1))
    ask = series.ask(closes(1), closes(1), 9)
    assert ask is not None
    series.asked(ask)
    series.answer(ask, [row(1)], closes(1))
    series.advance(closes(1), 9)
    series.take([row(0), row(0)], closes(2))
    assert series.advance(closes(2, -30), 9) == [Revised("BTC-USD", row(0)[1], "late")]
    assert series.stats(closes(2)).gap_minutes == 1


def test_what_came_by_itself_is_not_undone_by_an_older_answer() -> None:
    """The answer was under way when the bar changed; who is right is asked later."""
    series = fresh()
    ask = series.ask(closes(0, 10), closes(0), 9)
    assert ask is not None
    series.asked(ask)
    series.take([row(0, 101.0)], closes(0, 11))
    series.answer(ask, [row(0, 100.0)], closes(0, 12))
    (closed, _) = series.advance(closes(0, 12), 9)
    assert isinstance(closed, Closed)
    assert closed.bar == row(0, 101.0)[1]
    series.take([row(1), row(2)], closes(2))
    series.advance(closes(2), 9)
    again = series.ask(closes(0, 12 + CONFIG.confirm_after_s), closes(2), 9)
    assert again == Ask("BTC-USD", START, START + 1, "doubt", closes(2))
    series.asked(again)
    series.answer(again, [row(0, 102.0)], closes(2, 30))
    assert series.advance(closes(2, 12), 9) == [Revised("BTC-USD", row(0, 102.0)[1], "changed")]
    later = series.ask(closes(2, 400), None, 9)
    assert later is not None
    assert later.why == "hole", "what was doubtful is settled"


def test_bars_older_than_the_start_are_passed_on() -> None:
    """Nothing is known of them here, but somebody may have made something of them."""
    series = fresh()
    series.take([row(-5)], closes(0))
    (told, _) = series.advance(closes(0), 9)
    assert told == Revised("BTC-USD", row(-5)[1], "old")


def test_thin_coins_are_asked_for_ever_less_often() -> None:
    """A day without a trade: some hundred questions, not one per minute and try."""
    series = fresh()
    asks, now_us, follower = 0, closes(0), Follower()
    while now_us < closes(1440):
        asks += len(answer_all(series, {}, now_us, follower))
        now_us = max(series.next_us(now_us, ENDLESS), now_us + SECOND_US)
    assert asks < 450
    assert len(follower.gaps) > 1425


def test_a_source_that_fails_is_asked_again_for_ever() -> None:
    """Each time later, up to the longest wait, and also when bars arrive meanwhile."""
    series, now_us, waits = fresh(), closes(0, 10), []
    for _ in range(12):
        ask = series.ask(now_us, now_us, 9)
        assert ask is not None
        series.asked(ask)
        series.fail(ask, [], now_us)
        due_us = series.next_us(now_us, 9)
        waits.append((due_us - now_us) / SECOND_US)
        series.take([row(5)], now_us)
        assert series.ask(now_us + 1, now_us, 9) is None
        now_us = due_us
    assert waits[-1] <= CONFIG.retry_max_s
    assert min(waits[-3:]) >= CONFIG.retry_max_s / 2


def test_waits_are_not_shortened_by_a_leap_of_the_exchanges_time() -> None:
    """It was thought to be an hour ago or to come: as long is waited all the same."""
    for leap_us in (3600 * SECOND_US, -3600 * SECOND_US):
        series, now_us = fresh(), closes(100)
        ask = series.ask(now_us, now_us, 9)
        assert ask is not None
        series.asked(ask)
        series.fail(ask, [], now_us)
        wait_us = series.next_us(now_us, 9) - now_us
        series.leap(leap_us)
        now_us += leap_us
        assert series.next_us(now_us, 9) == now_us + wait_us
        assert series.ask(now_us + wait_us - 1, now_us, 9) is None
        assert series.ask(now_us + wait_us, now_us, 9) is not None


def test_rows_that_cannot_be_bars_are_told_apart() -> None:
    """The same rows that `quality.inspect` puts aside are no bars here."""
    one = np.ones(1)
    good = Bars("BTC-USD", M1, np.array([instant(START)]), one, one * 2, one / 2, one, one)
    nan = np.array([np.nan])
    wrong: list[dict[str, Any]] = [
        {"ts": np.array([np.datetime64("NaT", "us")])},
        {"ts": good.ts + np.timedelta64(1, "s")},
        {"open": nan}, {"high": nan}, {"low": nan}, {"close": nan}, {"volume": nan},
        {"high": np.array([np.inf])}, {"low": -one}, {"low": one * 3}, {"volume": -one},
        {"high": np.array([1e300])}, {"volume": np.array([1e300])},
    ]  # fmt: skip
    for columns in wrong:
        spoiled = replace(good, **columns)
        assert fit_rows(spoiled, QualityConfig()) == []
    assert fit_rows(good, QualityConfig()) == [(START, good[0])]


def test_a_count_that_only_one_side_has_is_no_news() -> None:
    """The socket does not tell how many trades there were; history does."""
    bar = row(0)[1]
    assert says_the_same(bar, bar._replace(trades=7.0, vwap=100.0))
    assert not says_the_same(bar._replace(trades=6.0), bar._replace(trades=7.0))
    assert not says_the_same(bar, bar._replace(volume=2.0))


class TestFeedTime:
    """The exchange's time comes from what it sends."""

    def test_it_is_the_last_close_and_the_time_since(self) -> None:
        """Older closes change nothing; until the first, the machine's clock is the guess."""
        time = FeedTime(closes(500), 0.0)
        assert (time.now_us(3.0), time.sure_us(3.0)) == (closes(500, 3), None)
        time.saw(closes(10), 4.0, closes(500), streamed=True)
        time.saw(closes(9), 5.0, closes(500), streamed=True)
        assert time.now_us(9.0) == time.sure_us(9.0) == closes(10, 5)

    def test_an_answer_tells_a_lower_bound_only(self) -> None:
        """History may end long ago: what is due is still guessed, what is certain is not."""
        time = FeedTime(closes(500), 0.0)
        time.saw(closes(10), 0.0, closes(500), streamed=False)
        assert (time.now_us(2.0), time.sure_us(2.0)) == (closes(500, 2), closes(10, 2))

    def test_one_damaged_stamp_does_not_move_it(self) -> None:
        """Nor does the same one twice; two that agree do: this machine was asleep."""
        time = FeedTime(closes(0), 0.0)
        time.saw(closes(0), 0.0, closes(0), streamed=True)
        assert time.believes(closes(5), 0.0, closes(0))
        assert not time.believes(closes(5000), 0.0, closes(0))
        assert not time.believes(closes(5000), 1.0, closes(0))
        assert time.believes(closes(5001), 2.0, closes(0))

    def test_the_quickest_delivery_tells_the_skew(self) -> None:
        """A clock 3 s ahead, deliveries that take 0.1 to 2 s."""
        time = FeedTime(closes(0), 0.0)
        for at, delay in enumerate([2.0, 0.5, 0.1, 1.0, 0.4]):
            assert time.skew_s is None
            time.saw(closes(at), at * 60.0, closes(at, 3 + delay), streamed=True)
        assert time.skew_s == pytest.approx(3.1)


class TestForgotten:
    """What was dropped is asked for in pieces, and only once it is safe."""

    def test_it_is_fetched_in_pieces_after_the_source_has_settled(self) -> None:
        """From the earliest to the latest, whatever lies between."""
        forgotten = Forgotten(100)
        forgotten.add(10, 12, 0)
        forgotten.add(3, 3, 50)
        assert forgotten.ask(149, 5) is None
        pieces = []
        while stretch := forgotten.ask(150, 5):
            pieces.append(stretch)
            forgotten.fetched()
        assert pieces == [(3, 8), (8, 13)]
        assert not forgotten

    def test_what_is_dropped_while_it_is_fetched_is_fetched_again(self) -> None:
        """Also where the fetch failed."""
        forgotten = Forgotten(0)
        forgotten.add(3, 9, 0)
        assert forgotten.ask(0, 4) == (3, 7)
        forgotten.add(5, 5, 0)
        forgotten.fetched()
        assert forgotten.ask(0, 4) == (3, 7)
        forgotten.failed()
        assert forgotten.ask(0, 40) == (3, 10)
