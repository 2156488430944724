"""Calling what users have given: plain functions and coroutines, whose errors stay their own."""

import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

log = logging.getLogger(__name__)

Callback = Callable[[Any], Awaitable[object] | object]


class Callbacks:
    """The functions that want to hear of each kind of update."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._of: dict[type, list[Callback]] = {}
        self._failures: Counter[tuple[str, str]] = Counter()

    @property
    def num_errors(self) -> int:
        """How many exceptions they have raised."""
        return self._failures.total()

    def add(self, kind: type, function: Callback) -> None:
        """Call it with every update of this kind."""
        self._of.setdefault(kind, []).append(function)

    def wants(self, kind: type) -> bool:
        """Whether anybody listens."""
        return kind in self._of

    async def tell(self, update: object) -> None:
        """Call everyone in turn; who fails is logged and does not keep it from the others."""
        for function in self._of.get(type(update), ()):
            with _Contained(self._failures, function):
                told = function(update)
                if inspect.isawaitable(told):
                    await told


class _Contained:
    """A user's function is a process edge: its exceptions end here, but no interrupt does."""

    def __init__(self, failures: Counter[tuple[str, str]], function: Callback) -> None:
        self._failures = failures
        self._name = getattr(function, "__qualname__", repr(type(function)))

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        self._failures[self._name, kind.__qualname__] += 1
        if self._failures[self._name, kind.__qualname__] == 1:
            log.error(
                "Callback %s raised %s. The stream goes on; further ones of this kind are only "
                "counted in stats().callback_errors.",
                self._name,
                kind.__qualname__,
                exc_info=error,
            )
        return True
