"""No window ever sees more requests than the budget, and patience has an end."""

import json
import multiprocessing as mp
import threading
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crypto_nn.errors import SourceError
from crypto_nn.sources.clock import StoppableClock
from crypto_nn.sources.patience import (
    LONGEST_S,
    OutOfPatience,
    Patience,
    RateBudget,
    Transient,
    http_date,
    persist,
    retry_after,
)
from crypto_nn_tests.sources.fake_binance import HandClock


def most_in_a_window(times: list[float], length: float) -> int:
    """The most moments that any stretch of this length holds, both ends included."""
    times = sorted(times)
    return max(
        (int(np.searchsorted(times, start + length, side="right")) - at
         for at, start in enumerate(times)),
        default=0,
    )  # fmt: skip


Steps = st.lists(
    st.tuples(
        st.integers(0, 2),  # which of three processes
        st.sampled_from([0.0, 0.0, 0.1, 1.0, 30.0]),  # how long it thinks before
        st.sampled_from([0.0, 0.5, 2.0, 70.0]),  # how long its request takes
        st.floats(0, 1),  # when within that time the service sees it
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.sampled_from([0.3, 1.0, 60.0]), Steps, st.booleans())
def test_no_window_holds_more_than_the_budget(
    requests: int, length: float, steps: list[tuple[int, float, float, float]], restarts: bool
) -> None:
    """However long requests take, whoever of the processes sends them, restarted or not."""
    clock, seen = HandClock("2024-01-01"), []
    with TemporaryDirectory() as folder:

        def process() -> RateBudget:
            return RateBudget(requests, length, clock, Path(folder) / "ledger.json")

        processes = [process() for _ in range(3)]
        for owner, think, takes, share in steps:
            clock.sleep(think)
            with processes[owner].request():
                began = clock.monotonic()
                clock.sleep(takes)
                seen.append(began + share * (clock.monotonic() - began))
            if restarts:
                processes[owner] = process()
    assert len(seen) == len(steps)
    assert most_in_a_window(seen, length) <= requests


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.lists(st.tuples(st.booleans(), st.floats(0, 90)), max_size=40))
def test_requests_under_way_at_the_same_time_count_until_they_end(
    requests: int, steps: list[tuple[bool, float]]
) -> None:
    """Of requests that overlap, any moment of each may be the one that the service sees."""
    clock, spans = HandClock("2024-01-01"), []
    budget = RateBudget(requests, 60.0, clock)
    under_way: list[tuple[float, Any]] = []

    def end(index: int) -> None:
        began, request = under_way.pop(index)
        request.__exit__(None, None, None)
        spans.append((began, clock.monotonic()))

    for begin, passes in steps:
        clock.sleep(passes)
        if under_way and (not begin or len(under_way) == requests):
            end(0)
        request = budget.request()
        request.__enter__()
        under_way.append((clock.monotonic(), request))
    while under_way:
        end(0)
    for late in (False, True):  # the worst cases: the first ones late, the others early
        for at, (_, ended) in enumerate(spans):
            others = [span[0] for span in spans[at + 1 :]]
            assert sum(ended <= one <= ended + 60.0 for one in others) < requests
        assert most_in_a_window([span[late] for span in spans], 60.0) <= requests


def test_threads_share_a_budget() -> None:
    """Ten threads that ask at once get no more than one thread would."""
    clock, seen = HandClock("2024-01-01"), []
    budget = RateBudget(3, 10.0, clock)

    def ask() -> None:
        for _ in range(5):
            with budget.request():
                seen.append(clock.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 50
    assert most_in_a_window(seen, 10.0) <= 3


class SharedClock:
    """A hand clock for several processes: whoever waits moves it for all."""

    def __init__(self, passed: Any) -> None:
        self._passed = passed

    def now(self) -> np.datetime64:
        """Any moment."""
        return np.datetime64("2024-01-01", "us")

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return float(self._passed.value)

    def sleep(self, seconds: float) -> None:
        """Time passes for everyone."""
        with self._passed.get_lock():
            self._passed.value += seconds


def ask_in_a_process(ledger: Path, passed: Any, seen: Any) -> None:
    """What each process of the next test does."""
    clock = SharedClock(passed)
    for _ in range(10):
        with RateBudget(4, 60.0, clock, ledger).request():
            seen.put(clock.monotonic())


def test_processes_share_a_budget(tmp_path: Path) -> None:
    """Two processes with one ledger keep together what each would keep alone."""
    spawn = mp.get_context("spawn")
    passed, seen = spawn.Value("d", 0.0), spawn.Queue()
    started = [
        spawn.Process(target=ask_in_a_process, args=(tmp_path / "b" / "ledger.json", passed, seen))
        for _ in range(2)
    ]
    for process in started:
        process.start()
    times = [seen.get(timeout=60) for _ in range(20)]
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0, 0]
    assert most_in_a_window(times, 60.0) <= 4
    assert passed.value >= 60.0 * (20 // 4 - 1)  # so it was the budget that made them wait


def test_a_request_of_a_killed_process_counts_and_is_forgotten_in_the_end(tmp_path: Path) -> None:
    """Nobody says when it ended, so it counts as long as any request can take, and no longer."""
    clock, ledger = HandClock("2024-01-01"), tmp_path / "ledger.json"
    killed = RateBudget(1, 60.0, clock, ledger).request()
    killed.__enter__()
    RateBudget(1, 60.0, clock, ledger).acquire()
    assert LONGEST_S + 60.0 <= clock.monotonic() < LONGEST_S + 121.0


def test_stamps_of_before_the_machine_started_are_void(tmp_path: Path) -> None:
    """A steady clock that began anew does not block for as long as the machine had been up."""
    before, after = HandClock("2024-01-01"), HandClock("2024-01-01")
    before.sleep(1e6)
    RateBudget(1, 60.0, before, tmp_path / "ledger.json").acquire()
    RateBudget(1, 60.0, after, tmp_path / "ledger.json").acquire()
    assert after.monotonic() == 0.0


@pytest.mark.parametrize("content", [b"", b"{", b"[[1]]", b'{"a": 1}', b"\xff", b"[1, 2]"])
def test_a_damaged_ledger_costs_one_window(tmp_path: Path, content: bytes) -> None:
    """The budget may just have been spent: it is waited for, and the ledger is whole again."""
    clock, ledger = HandClock("2024-01-01"), tmp_path / "ledger.json"
    ledger.write_bytes(content)
    budget = RateBudget(2, 60.0, clock, ledger)
    budget.acquire()
    assert 60.0 < clock.monotonic() < 61.0
    assert json.loads(ledger.read_bytes())


@pytest.mark.parametrize(("requests", "length"), [(0, 60.0), (1, 0.0), (1, -1.0), (5, np.inf)])
def test_a_budget_of_nothing_is_refused(requests: int, length: float) -> None:
    """It could only wait for ever."""
    with pytest.raises(ValueError, match="is no budget"):
        RateBudget(requests, length, HandClock("2024-01-01"))


def test_waits_grow_to_the_cap_within_their_bounds() -> None:
    """Bounds double up to the cap; full jitter fills them, steady jitter their upper half."""
    patience, chance = Patience(first_wait_s=1.0, max_wait_s=30.0), Random(1)
    assert [patience.bound(n) for n in (1, 2, 3, 5, 6, 7, 2_000)] == [1, 2, 4, 16, 30, 30, 30]
    full = [patience.wait(4, chance) for _ in range(2_000)]
    steady = [patience.steady_wait(4, chance) for _ in range(2_000)]
    assert 0 <= min(full) < 0.1
    assert 4 <= min(steady) < 4.1
    assert max(full) <= 8 and max(steady) <= 8  # noqa: PT018 - one law for both
    assert min(max(full), max(steady)) > 7.9


def test_what_is_asked_for_is_waited_up_to_its_cap() -> None:
    """Retry-After is never undercut below its cap, and only a little jitter comes on top."""
    patience, chance = Patience(max_asked_s=100.0), Random(1)
    for asked, least in [(0.0, 0.0), (7.5, 7.5), (100.0, 100.0), (5_000.0, 100.0), (-3.0, 0.0)]:
        waits = [patience.wait(9, chance, asked) for _ in range(200)]
        assert least <= min(waits)
        assert max(waits) <= least + patience.first_wait_s


def failing(times: int, after_s: float | None = None) -> Any:
    """An attempt that fails so often and then succeeds."""
    made: list[int] = []

    def attempt() -> str:
        made.append(1)
        if len(made) <= times:
            raise Transient(f"no {len(made)}", after_s)
        return f"yes after {len(made)}"

    return attempt


def test_patience_ends_in_an_error_that_tells_of_it() -> None:
    """One attempt more and it would have been there; the last reason is told."""
    clock = HandClock("2024-01-01")
    assert persist(failing(4), Patience(attempts=5), clock, Random(1)) == "yes after 5"
    with pytest.raises(OutOfPatience, match=r"^5 attempts in \d+ s failed; last: no 5$"):
        persist(failing(5), Patience(attempts=5), clock, Random(1))
    with pytest.raises(OutOfPatience, match=r"^1 attempt in 0 s"):
        persist(failing(1), Patience(attempts=1), clock, Random(1))


def test_patience_ends_with_its_time() -> None:
    """No attempt begins after `give_up_after_s`, and none is waited for that could not begin."""
    clock, patience = HandClock("2024-01-01"), Patience(attempts=99, give_up_after_s=100.0)
    with pytest.raises(OutOfPatience):
        persist(failing(99), patience, clock, Random(1))
    assert 40.0 < clock.monotonic() <= 100.0
    began = clock.monotonic()
    with pytest.raises(OutOfPatience):
        persist(failing(1, after_s=200.0), patience, clock, Random(1))
    assert clock.monotonic() == began


def test_what_the_service_asks_for_is_waited() -> None:
    """The next attempt begins no earlier than Retry-After."""
    clock = HandClock("2024-01-01")
    assert persist(failing(2, after_s=40.0), Patience(), clock, Random(1)) == "yes after 3"
    assert 80.0 <= clock.monotonic() <= 82.0


HALF_PAST = "Wed, 01 May 2024 00:00:30 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "-4"}, 0.0),
        ({"Retry-After": HALF_PAST, "Date": "Wed, 01 May 2024 00:00:10 GMT"}, 20.0),
        ({"Retry-After": HALF_PAST}, 25.0),
        ({"Retry-After": "Tue, 30 Apr 2024 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "Wed, 99 Foo 2024 00:00:30 GMT"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_all_its_forms(
    headers: dict[str, str], seconds: float | None
) -> None:
    """Seconds or a date, by the answer's own clock where it tells one; else nothing."""
    assert retry_after(headers, HandClock("2024-05-01T00:00:05")) == seconds


def test_http_dates_are_utc() -> None:
    """Other zones are converted, other texts are no date."""
    expected = np.datetime64("2024-05-01T00:00:30", "us")
    assert http_date("Wed, 01 May 2024 00:00:30 GMT") == expected
    assert http_date("Wed, 01 May 2024 02:00:30 +0200") == expected
    assert http_date("yesterday") is None
    assert http_date(None) is None


def test_patience_that_cannot_be_is_refused() -> None:
    """A cap below the first wait, no attempt at all."""
    with pytest.raises(ValidationError, match="below first_wait_s"):
        Patience(first_wait_s=5.0, max_wait_s=1.0)
    with pytest.raises(ValidationError, match="attempts"):
        Patience(attempts=0)


def test_a_service_that_keeps_failing_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever waits half an hour sees why; a single failure is everyday and says nothing."""

    def never() -> None:
        raise Transient("nobody answers")

    with pytest.raises(OutOfPatience):
        persist(never, Patience(attempts=2), HandClock("2024-01-01"), Random(1))
    assert caplog.messages == []
    with pytest.raises(OutOfPatience):
        persist(never, Patience(attempts=5), HandClock("2024-01-01"), Random(1))
    assert [text.partition(":")[0] for text in caplog.messages] == [
        "Attempt 3 of 5 failed",
        "Attempt 4 of 5 failed",
    ]


def test_a_clock_that_is_stopped_ends_every_wait() -> None:
    """A process that is told to stop does not sleep out its patience."""
    clock = StoppableClock()
    clock.stop()
    with pytest.raises(SourceError, match="told to stop"):
        clock.sleep(3600.0)
