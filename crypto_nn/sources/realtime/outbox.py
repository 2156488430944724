"""What waits to be told, as much as fits."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Outbox(Generic[T]):
    """A queue of limited size between what receives and what takes, in one event loop."""

    def __init__(self, most: int) -> None:
        """Room for so many; what an entry counts is said when it is put."""
        self._most = most
        self._waiting: deque[tuple[T, int]] = deque()
        self._arrived = asyncio.Event()
        self.size = 0

    @property
    def room(self) -> int:
        """How much more fits."""
        return max(self._most - self.size, 0)

    @property
    def is_low(self) -> bool:
        """Whether half of it or more is free."""
        return self.size <= self._most // 2

    def put(self, entry: T, counts: int = 1) -> None:
        """Append it, whether there is room or not: look before."""
        self._waiting.append((entry, counts))
        self.size += counts
        self._arrived.set()

    async def take(self) -> T:
        """The oldest entry; waits until there is one."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        entry, counts = self._waiting.popleft()
        self.size -= counts
        return entry
