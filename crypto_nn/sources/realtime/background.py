"""An asyncio program in a thread of its own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable


class Background:
    """Runs a coroutine in its own thread and event loop until it ends or is stopped.

    What it still has running in worker threads when it is stopped is left to finish by itself:
    a request that waits for its answer cannot be broken off, and nobody should wait for it.
    """

    def __init__(self, program: Callable[[], Awaitable[None]], name: str) -> None:
        """Start it."""
        self._program = program
        self._error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._guarded())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    async def _guarded(self) -> None:
        self._task = asyncio.ensure_future(self._awaited())
        if self._stopped.is_set():
            self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._error = self._task.exception()

    async def _awaited(self) -> None:
        await self._program()

    def stop(self) -> None:
        """End it and wait until it has ended; not where it calls this itself.

        Raises:
            BaseException: what had ended it before, told once.
        """
        self._stopped.set()
        if self._thread.is_alive() and not self._loop.is_closed():
            self._cancel_soon()
        if threading.current_thread() is not self._thread:
            self.join(None)

    def join(self, timeout_s: float | None) -> bool:
        """Wait until it has ended, at most so long; whether it has. Raises as `stop` does."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        error, self._error = self._error, None
        if error is not None:
            raise error
        return True

    def _cancel_soon(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            assert self._loop.is_closed()  # it has ended by itself meanwhile

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
