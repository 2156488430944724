"""Work that is done while the work before it is stored."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items in the same order, each made in another thread while the last is being used.

    An error comes in its place, after the items before it. Whoever stops early waits for the item
    that is being made; no further one is begun. At most two items are alive.
    """
    iterator = iter(items)

    def make() -> tuple[Item, ...]:
        for item in iterator:
            return (item,)
        return ()

    with ThreadPoolExecutor(1, "ahead") as pool:
        try:
            coming = pool.submit(copy_context().run, make)
            while made := coming.result():
                coming = pool.submit(copy_context().run, make)
                yield made[0]
        finally:
            pool.shutdown(wait=True)
            close: Callable[[], None] | None = getattr(iterator, "close", None)
            if close is not None:
                close()
