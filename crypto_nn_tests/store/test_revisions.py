"""What was said, and when: no order of arrival changes what is in force, or what was at a time."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.quality import inspect
from crypto_nn.errors import BarsError
from crypto_nn.store import Appended, RawStore
from crypto_nn_tests.store.workers import JANUARY, some_bars

BTC = ("files", "BTC-USDT", "2024-01")
NOW = np.datetime64("2024-02-01", "us")
MINUTES = 4

Delivery = tuple[int, Sequence[tuple[int, float]]]
"""The second (after NOW) at which it was received, and rows of (minute, close)."""


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> RawStore:
    return RawStore(tmp_path_factory.mktemp("raw"))


def at(second: int) -> np.datetime64:
    return NOW + np.timedelta64(second, "s")


def bars_of(rows: Sequence[tuple[int, float]]) -> Bars:
    minutes = np.array([minute for minute, _ in rows], dtype=np.int64)
    close = np.array([value for _, value in rows], dtype=np.float64)
    bars = some_bars(len(rows))
    low, high = np.full(len(rows), 1.0), np.full(len(rows), 1e6)
    return replace(bars, ts=JANUARY + minutes * M1.step, close=close, low=low, high=high)


def deliver(store: RawStore, deliveries: Iterable[Delivery]) -> list[Appended]:
    return [store.append(*BTC, bars_of(rows), at(second)) for second, rows in deliveries]


def rows_of(table: pa.Table) -> list[tuple[int, int, float]]:
    """Each row's time of receipt in seconds, minute and close, in the order of the file."""
    seconds = (table["received_at"].to_numpy() - NOW) // np.timedelta64(1, "s")
    minutes = (table["ts"].to_numpy() - JANUARY) // M1.step
    return list(zip(seconds.tolist(), minutes.tolist(), table["close"].to_pylist()))


def in_force(store: RawStore) -> list[tuple[int, float]]:
    table = store.read("BTC-USDT", "2024-01")
    if not table.num_rows:
        return []
    accepted = inspect(table).accepted
    return list(zip(((accepted.ts - JANUARY) // M1.step).tolist(), accepted.close.tolist()))


class SlowStore:
    """The rule, read one delivery and one minute at a time."""

    def __init__(self) -> None:
        self.rows: dict[int, list[tuple[int, float]]] = {}

    def append(self, second: int, rows: Sequence[tuple[int, float]]) -> int:
        added = 0
        for minute in sorted({minute for minute, _ in rows}):
            said = [value for m, value in rows if m == minute]
            kept = self.rows.setdefault(minute, [])
            until = [when for when, _ in kept if when <= second]
            force = [value for when, value in kept if until and when == max(until)]
            surplus = Counter(said) - Counter(force)
            if until and max(until) == second:
                known = Counter(force)
                new = [value for value in said if not known[value] or known.subtract([value])]
            else:
                new = said if surplus or said[-1] != force[-1] else []
            kept += [(second, value) for value in new]
            added += len(new)
        return added


SAID = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([2.0, 3.0])), max_size=5)
DELIVERIES = st.lists(st.tuples(st.integers(0, 4), SAID), max_size=7)


@given(DELIVERIES)
@settings(max_examples=60, deadline=None)
def test_deliveries_are_kept_as_the_rule_read_slowly_says(
    tmp_path_factory: pytest.TempPathFactory, deliveries: list[Delivery]
) -> None:
    """In any order of arrival, with corrections, returns, doubles and pieces of one delivery."""
    store, slow = RawStore(tmp_path_factory.mktemp("raw")), SlowStore()
    for delivery in deliveries:
        (appended,) = deliver(store, [delivery])
        due = slow.append(*delivery)
        assert (appended.rows_new, appended.rows_known) == (due, len(delivery[1]) - due)
    if deliveries:
        table = store.read("BTC-USDT", "2024-01")
        kept_by_rule = [
            (second, m, value) for m, kept in slow.rows.items() for second, value in kept
        ]
        assert Counter(rows_of(table)) == Counter(kept_by_rule)
        revisions = table.group_by("ts").aggregate([("revision", "list")])["revision_list"]
        assert all(each == sorted(each) for each in revisions.to_pylist())


@given(DELIVERIES, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_many_deliveries_at_once_are_kept_as_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, deliveries: list[Delivery], chance: Random
) -> None:
    """Rows that each have their time of receipt, in any order of times, and none lost."""
    before, rest = deliveries[:2], sorted(deliveries[2:], key=lambda delivery: delivery[0])
    joined: dict[int, list[tuple[int, float]]] = {}
    for second, rows in rest:
        joined.setdefault(second, []).extend(rows)
    one, all_at_once = (
        RawStore(tmp_path_factory.mktemp("raw")),
        RawStore(tmp_path_factory.mktemp("raw")),
    )
    deliver(one, [*before, *joined.items()])
    deliver(all_at_once, before)
    parts = list(joined.items())
    chance.shuffle(parts)
    rows = [row for _, part in parts for row in part]
    times = np.array([at(second) for second, part in parts for _ in part], dtype="datetime64[us]")
    all_at_once.append(*BTC, bars_of(rows), times)
    if before or rest:
        assert all_at_once.read("BTC-USDT", "2024-01").equals(one.read("BTC-USDT", "2024-01"))


@st.composite
def histories(draw: st.DrawFn) -> list[Delivery]:
    """What a source said over time: each minute is told again, or corrected to what is new."""
    version = [0.0] * MINUTES
    deliveries: list[Delivery] = []
    for second in range(draw(st.integers(1, 6))):
        rows = []
        for minute in draw(st.lists(st.integers(0, MINUTES - 1), max_size=4)):
            version[minute] += draw(st.integers(0, 1))
            rows.append((minute, 2.0 + version[minute]))
        deliveries.append((second, rows))
    return deliveries


@given(histories(), st.data())
@settings(max_examples=60, deadline=None)
def test_no_order_of_arrival_changes_the_accepted_bars(
    tmp_path_factory: pytest.TempPathFactory, history: list[Delivery], data: st.DataObject
) -> None:
    """Older news that comes later never wins; what came once can come again and adds nothing."""
    in_order, shuffled = (
        RawStore(tmp_path_factory.mktemp("raw")),
        RawStore(tmp_path_factory.mktemp("raw")),
    )
    deliver(in_order, history)
    arrivals = data.draw(st.permutations(history))
    for number, delivery in enumerate(arrivals):
        again = data.draw(st.lists(st.sampled_from(arrivals[: number + 1]), max_size=2))
        deliver(shuffled, [delivery])
        before = shuffled.path(*BTC).read_bytes()
        assert all(appended.rows_new == 0 for appended in deliver(shuffled, [delivery, *again]))
        assert shuffled.path(*BTC).read_bytes() == before
    assert in_force(shuffled) == in_force(in_order)
    last = {minute: value for _, rows in history for minute, value in rows}
    assert in_force(in_order) == sorted(last.items())


@given(DELIVERIES, st.integers(-1, 5))
@settings(max_examples=60, deadline=None)
def test_what_was_known_at_a_time_is_what_had_come_by_then(
    tmp_path_factory: pytest.TempPathFactory, deliveries: list[Delivery], second: int
) -> None:
    """As-of: the very rows, in the same order, as if nothing had been received since."""
    whole, part = RawStore(tmp_path_factory.mktemp("raw")), RawStore(tmp_path_factory.mktemp("raw"))
    deliver(whole, [(0, []), *deliveries])
    deliver(part, [(0, []), *(each for each in deliveries if each[0] <= second)])
    known = whole.read("BTC-USDT", "2024-01", as_of=at(second))
    assert known.schema == whole.read("BTC-USDT", "2024-01").schema
    assert rows_of(known) == rows_of(part.read("BTC-USDT", "2024-01"))


def test_a_source_that_returns_to_its_first_word_is_taken_at_it(store: RawStore) -> None:
    """Told in order that is at once; told out of order, the next delivery puts it right."""
    deliver(store, [(1, [(0, 2.0)]), (2, [(0, 3.0)]), (3, [(0, 2.0)])])
    assert in_force(store) == [(0, 2.0)]
    deliver(store, [(5, [(1, 2.0)]), (7, [(1, 2.0)]), (6, [(1, 3.0)])])
    assert in_force(store)[1] == (1, 3.0)
    deliver(store, [(8, [(1, 2.0)])])
    assert in_force(store)[1] == (1, 2.0)


def test_the_last_of_several_rows_of_a_minute_is_its_word(store: RawStore) -> None:
    """A delivery of one of them is news, unless it is the last of those before it."""
    deliver(store, [(1, [(0, 2.0), (0, 3.0)])])
    assert [done.rows_new for done in deliver(store, [(2, [(0, 3.0)]), (3, [(0, 2.0)])])] == [0, 1]
    assert in_force(store) == [(0, 2.0)]


def test_what_was_said_of_a_running_minute_is_no_word_on_the_whole_of_it(store: RawStore) -> None:
    """A bar that came before its close, and comes again after it unchanged, is accepted then."""
    close = JANUARY + M1.step
    early, late = close - np.timedelta64(1, "s"), close + np.timedelta64(1, "s")
    assert store.append(*BTC, some_bars(1), early).rows_new == 1
    assert in_force(store) == []
    assert store.append(*BTC, some_bars(1), late).rows_new == 1
    assert in_force(store) == [(0, 100.0)]
    for again in (early, late):
        assert store.append(*BTC, some_bars(1), again).rows_new == 0


def test_rows_without_a_time_of_receipt_are_refused(store: RawStore) -> None:
    """One time for all, or one for each; a row whose time is unknown cannot be ordered."""
    for times in (np.array([NOW]), np.array([NOW, "NaT"]), np.datetime64("NaT")):
        with pytest.raises(BarsError, match="Give one time, or one per row"):
            store.append(*BTC, some_bars(2), times.astype("datetime64[us]"))
    assert store.append(*BTC, some_bars(1), np.array([NOW])).rows_new == 1


def test_every_live_minute_may_have_a_time_of_its_own(store: RawStore) -> None:
    """A month of live bars, each received after its close, is one append; then all are known."""
    bars = some_bars(31 * 1440)
    received = bars.ts + M1.step + np.timedelta64(300, "ms")
    assert store.append(*BTC, bars, received).rows_new == len(bars)
    assert store.append(*BTC, bars, at(1)).rows_new == 0
    noon = np.datetime64("2024-01-10T12:00", "us")
    assert store.read("BTC-USDT", "2024-01", as_of=noon)["ts"].to_pylist()[-1] == (
        np.datetime64("2024-01-10T11:58", "us").item()
    )
