"""Token buckets: never more than was agreed, to each their own, in a table that stays small."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_nn.server.rate_limit import OTHERS, Buckets, address, retry_after
from crypto_nn.serving import RateLimits


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def buckets(per_second: float = 1, burst: int = 3, most: int = 100) -> tuple[Buckets, Clock]:
    """Buckets and the clock that they go by."""
    clock = Clock()
    return Buckets(per_second, burst, most, clock), clock


def test_a_burst_is_answered_and_what_goes_beyond_it_waits() -> None:
    table, clock = buckets()
    assert [table.take("a") for _ in range(4)] == [0, 0, 0, 1]
    clock.now = 0.5
    assert table.take("a") == 0.5
    clock.now = 1.0
    assert [table.take("a"), table.take("a")] == [0, 1]


def test_one_caller_leaves_the_others_alone() -> None:
    table, _ = buckets()
    assert sum(table.take("greedy") == 0 for _ in range(1_000)) == 3
    assert table.take("other") == 0


@given(
    st.lists(st.floats(0, 3), min_size=1, max_size=60),
    st.floats(0.1, 5),
    st.integers(1, 5),
)
def test_no_stretch_of_time_has_more_than_a_burst_and_the_rate(
    pauses: list[float], per_second: float, burst: int
) -> None:
    table, clock = buckets(per_second, burst)
    taken = []
    for pause in pauses:
        clock.now += pause
        if table.take("a") == 0:
            taken.append(clock.now)
    for first, start in enumerate(taken):
        for count, end in enumerate(taken[first:], start=1):
            assert count <= burst + per_second * (end - start) + 1e-6


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1)), max_size=200))
def test_the_table_never_outgrows_its_places(asked: list[tuple[int, float]]) -> None:
    table, clock = buckets(most=5)
    for caller, pause in asked:
        clock.now += pause
        table.take(str(caller))
        assert len(table) <= 5 + 1


def test_a_flood_of_names_gives_nobody_a_fresh_bucket() -> None:
    """Where no bucket is full again, newcomers share one; whoever is known keeps theirs."""
    table, clock = buckets(most=2)
    for _ in range(4):
        table.take("a"), table.take("b")
    flood = [table.take(f"new-{number}") for number in range(100)]
    assert sum(wait == 0 for wait in flood) == 3
    assert table.take("a") > 0
    assert len(table) == 3
    clock.now = 10
    assert [table.take("c") for _ in range(4)] == [0, 0, 0, 1]
    assert OTHERS not in ("a", "b", "c")


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "local"),
        ("testclient", "unknown"),
    ],
)
def test_an_address_is_counted_as_what_its_owner_has(host: str | None, counted: str) -> None:
    assert address(host) == counted


def test_retry_after_is_whole_seconds_and_never_too_early() -> None:
    assert [retry_after(wait) for wait in (0.01, 1.0, 1.2)] == [1, 1, 2]


def test_limits_that_let_nothing_through_are_refused() -> None:
    for wrong in ({"key_burst": 0}, {"ip_per_second": 0}, {"unknown": 1}):
        with pytest.raises(ValueError, match="1 validation error"):
            RateLimits.model_validate(wrong)
