"""What is made ahead comes as if it were not."""

import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from crypto_nn.store.ahead import ahead

WHERE: ContextVar[str] = ContextVar("WHERE")


def numbers(seen: list[str], fail_at: int = 99) -> Iterator[int]:
    try:
        for number in range(5):
            if number == fail_at:
                raise ValueError(f"at {number}")
            seen.append(f"made {number}")
            yield number
    finally:
        seen.append("closed")


def test_items_come_in_order_and_the_next_is_made_meanwhile() -> None:
    """While the first is used the second is made, in one other thread, in the same context."""
    threads, made = set(), threading.Event()

    def items() -> Iterator[str]:
        for number in range(3):
            threads.add(threading.get_ident())
            if number == 1:
                made.set()
            yield f"{WHERE.get()} {number}"

    WHERE.set("here")
    found = ahead(items())
    assert next(found) == "here 0"
    assert made.wait(60)  # nobody has asked for it yet
    assert [*found] == ["here 1", "here 2"]
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    assert [*ahead([])] == []


def test_an_error_comes_in_its_place() -> None:
    """After the items before it, and what made them is closed."""
    seen: list[str] = []
    found = ahead(numbers(seen, fail_at=2))
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="at 2"):
        next(found)
    assert seen == ["made 0", "made 1", "closed"]
    assert next(found, None) is None


def test_who_stops_early_leaves_nothing_running() -> None:
    """One item at most was made for nothing."""
    seen: list[str] = []
    before = threading.active_count()
    found = ahead(numbers(seen))
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert seen == ["made 0", "made 1", "closed"]
    assert threading.active_count() == before
