"""An event loop in which hours pass in seconds, and in the same order every time.

Time stands still while anything can go on, and jumps to the next timer when nothing can. Worker
threads are taken along: exactly one thread runs at any moment, the loop's or one worker's, and a
worker that waits (`VirtualClock.sleep`, or a socket with nothing to read) hands over to the loop.
Sockets are real; only how long is waited at them is virtual.
"""

import asyncio
import collections
import heapq
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import urllib3.util.connection

from crypto_nn.bars.calendar import TS

_IN_TRANSIT_S = 0.02
_HANDOVER_S = 60.0
_LAST_WORKER_S = 86_400.0
_threads: dict[int, "_Job"] = {}


class _Job:
    """A call in a worker thread; it runs only while it has its turn."""

    def __init__(self, loop: "VirtualLoop", call: Callable[[], Any]) -> None:
        self.loop, self.call = loop, call
        self.future: asyncio.Future[Any] = loop.create_future()
        self.turn, self.handed_back = threading.Semaphore(0), threading.Semaphore(0)
        self.result: Any = None
        self.error: BaseException | None = None
        self.over = False
        loop.jobs.add(self)
        self.woken_by_time = False
        self.waits_for: tuple[float | None, int | None] | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.turn.acquire()
        _threads[threading.get_ident()] = self
        try:
            self.result = self.call()
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits the call
            self.error = error
        finally:
            _threads.pop(threading.get_ident(), None)
        self.over = True
        self.handed_back.release()

    def go_on(self) -> None:
        """Let the thread run until it waits or is over. In the loop's thread."""
        self.turn.release()
        if not self.handed_back.acquire(timeout=_HANDOVER_S):
            raise RuntimeError(
                "a worker thread waits for something that is not of the virtual world "
                "(a lock held by a sleeping thread, or real time)"
            )
        if self.waits_for is not None:
            self._watch(*self.waits_for)
        if self.over:
            self.loop.jobs.discard(self)
        if self.over and not self.future.done():
            if self.error is None:
                self.future.set_result(self.result)
            elif isinstance(self.error, StopIteration):
                self.future.set_exception(RuntimeError("StopIteration in a worker thread"))
            else:
                self.future.set_exception(self.error)

    def wait(self, seconds: float | None, fd: int | None = None) -> bool:
        """Wait so long, or until the descriptor can be read; False where time ran out."""
        self.waits_for = (seconds, fd)
        self.handed_back.release()
        self.turn.acquire()
        return not self.woken_by_time

    def _watch(self, seconds: float | None, fd: int | None) -> None:
        """Have the loop wake this thread. In the loop's thread."""
        timer: asyncio.TimerHandle | None = None

        def wake(by_time: bool) -> None:
            if fd is not None:
                self.loop.remove_reader(fd)
            if timer is not None:
                timer.cancel()
            if self.waits_for is not None:
                self.waits_for, self.woken_by_time = None, by_time
                self.loop.runnable.append(self)

        if fd is not None:
            self.loop.add_reader(fd, wake, False)
        if seconds is not None:
            timer = self.loop.call_later(max(seconds, 0.0), wake, True)


class _Selector(selectors.DefaultSelector):
    """Never waits: looks, lets a worker go on, or moves time."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.loop.runnable:
            self.loop.runnable.popleft().go_on()
            return super().select(0)
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:  # no timer at all: only the world outside can go on
            return super().select(_IN_TRANSIT_S)
        self.loop.jump()
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time, which starts at 0 seconds."""

    def __init__(self) -> None:
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        self.elapsed = 0.0
        self.runnable: collections.deque[_Job] = collections.deque()
        self.jobs: set[_Job] = set()
        self.jumps = 0

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self.elapsed

    def jump(self) -> None:
        """Move time to the next timer."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0].cancelled():
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
        if scheduled:
            self.elapsed = max(self.elapsed, scheduled[0].when())
            self.jumps += 1

    def finish(self) -> None:
        """Cancel every task and let worker threads come to their end."""
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        until = self.elapsed + _LAST_WORKER_S
        while self.jobs and self.elapsed < until:
            self.run_until_complete(asyncio.sleep(1.0))
        self.run_until_complete(self.shutdown_asyncgens())
        if self.jobs:
            raise RuntimeError(f"{len(self.jobs)} worker threads do not end")

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run a call in a thread of its own, when its turn comes."""
        job = _Job(self, lambda: func(*args))
        self.runnable.append(job)
        return job.future


class VirtualClock:
    """The clock of a machine in the virtual world: steady time is right, wall time need not be.

    Args:
        loop: gives the time.
        start: the true UTC time at the loop's second 0.
        wrong_s: by how much the wall clock is wrong, as a function of the loop's time.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        start: np.datetime64,
        wrong_s: Callable[[float], float] = lambda _: 0.0,
    ) -> None:
        self._loop, self._wrong_s = loop, wrong_s
        self._start_us = int(start.astype(TS).astype(np.int64))

    def true_s(self) -> float:
        """The right time, unix seconds."""
        return self._start_us / 1e6 + self._loop.time()

    def now(self) -> np.datetime64:
        """What the machine takes for UTC."""
        elapsed = self._loop.time()
        us = self._start_us + round((elapsed + self._wrong_s(elapsed)) * 1e6)
        return np.datetime64(us, "us")

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return self._loop.time()

    def sleep(self, seconds: float) -> None:
        """Wait in a worker thread."""
        job = current_job()
        if job is None:
            raise RuntimeError("VirtualClock.sleep was called in the event loop's own thread")
        job.wait(seconds)


def current_job() -> _Job | None:
    """The worker call in which this code runs."""
    return _threads.get(threading.get_ident())


class VirtualSocket(socket.socket):
    """A real socket; a worker thread that waits for it does so in virtual time."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        job = current_job()
        timeout = self.gettimeout()
        if job is None or timeout == 0:
            return super().recv_into(*args, **kwargs)
        self.setblocking(False)
        try:
            while True:
                try:
                    return super().recv_into(*args, **kwargs)
                except BlockingIOError:
                    if not job.wait(timeout, self.fileno()):
                        raise TimeoutError("timed out") from None
        finally:
            self.settimeout(timeout)


def _connect(
    address: tuple[str, int],
    timeout: Any = None,
    source_address: Any = None,
    socket_options: Any = (),
) -> socket.socket:
    sock = VirtualSocket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    for option in socket_options or ():
        sock.setsockopt(*option)
    try:
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    sock.settimeout(timeout if isinstance(timeout, int | float) else None)
    return sock


@contextmanager
def virtual_world() -> Iterator[VirtualLoop]:
    """A fresh loop, in which urllib3's sockets wait in virtual time; closed at the end."""
    loop = VirtualLoop()
    before = urllib3.util.connection.create_connection
    urllib3.util.connection.create_connection = _connect
    asyncio.set_event_loop(loop)
    try:
        yield loop
    finally:
        try:
            loop.finish()
        finally:
            urllib3.util.connection.create_connection = before
            asyncio.set_event_loop(None)
            loop.close()
