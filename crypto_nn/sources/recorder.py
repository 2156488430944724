"""What comes in live, committed: every delivery of a stream becomes rows of `live_bars`."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.errors import LakeError
from crypto_nn.store.live import LiveBars, Received

log = logging.getLogger(__name__)

MOST_ROWS = 10_000
"""No commit takes more deliveries than have so many rows: more would make a file."""


class RecorderConfig(BaseModel):
    """What goes into one commit, how much may wait, how long a lake that refuses is asked again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gather_s: float = Field(
        default=0.05,
        ge=0,
        le=10,
        description="So long the first bar of a commit waits for others of its minute (s): each "
        "commit is a snapshot, and thousands of them slow every query down.",
    )

    max_waiting: int = Field(
        default=10_000, ge=1, description="Rows that may wait; then the stream has to wait too."
    )
    first_wait_s: float = Field(default=0.2, gt=0, description="First wait after a failure (s).")
    max_wait_s: float = Field(default=10, gt=0, description="Longest such wait (s).")
    give_up_after_s: float = Field(
        default=900, ge=0, description="So long after the first failure recording ends (s)."
    )
    stop_after_s: float = Field(
        default=30, ge=0, description="So long, at most, stopping waits for the last commits (s)."
    )


@dataclass(frozen=True)
class RecorderStats:
    """How a recorder fares.

    Attributes:
        rows: rows committed.
        commits: in how many transactions.
        waiting: rows accepted and not yet committed.
        failures: commits that failed and were, or will be, tried again.
        lag_p50_ms, lag_p99_ms, lag_max_ms: from `take` to the end of the commit, over the last
            deliveries; NaN before the first.
    """

    rows: int
    commits: int
    waiting: int
    failures: int
    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float


class Recorder:
    """Commits a stream's deliveries in the order in which they come, one transaction at a time.

    What comes in while a commit runs goes into the next one together. Where the lake is held by a
    long writer, deliveries wait, up to a bound; `take` then waits for room, and the stream, which
    is bounded too, forgets what does not fit and fetches it again later. So nothing is lost that
    the source still has. It belongs to one event loop, and writes from a thread of its own.

        async with Recorder(LiveBars(lake), "polygon") as recorder:
            stream.on_delivery(recorder.take)
            await stream.run()

    Args:
        live: where the rows go.
        source: the name under which they are kept: that of the raw bars they are folded into.
        config: bounds and waits.
    """

    def __init__(self, live: LiveBars, source: str, config: RecorderConfig | None = None) -> None:
        self.source = source
        self._live = live
        self._config = config or RecorderConfig()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"record-{source}")
        self._waiting: deque[tuple[Received, float]] = deque()
        self._num_waiting = self._rows = self._commits = self._failures = 0
        self._lags_ms: deque[float] = deque(maxlen=4_096)
        self._news, self._done, self._ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._stopping = False
        self._error: BaseException | None = None

    async def take(self, delivery: Received) -> None:
        """Accept a delivery; returns at once unless too much waits already.

        Raises:
            LakeError: recording has ended: the lake refused for too long, or `stop` was called.
        """
        rows, began = len(delivery.bars), asyncio.get_running_loop().time()
        self._check_open()
        while self._num_waiting and self._num_waiting + rows > self._config.max_waiting:
            await self._progress()
            self._check_open()
        self._waiting.append((delivery, began))
        self._num_waiting += rows
        self._news.set()
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(), name=f"record {self.source}")
            self._writer.add_done_callback(self._end)

    async def drain(self) -> None:
        """Wait until all that was taken is committed.

        Raises:
            LakeError: the lake refused for too long; what waited is fetched at the next start.
        """
        while self._num_waiting and not self._ended.is_set():
            await self._progress()
        if self._error:
            raise self._error

    async def until_broken(self) -> None:
        """Wait until recording ends; raises the `LakeError` that ended it, if one did."""
        await self._ended.wait()
        if self._error:
            raise self._error

    async def stop(self) -> bool:
        """Commit what waits, then end; whether that was done within `stop_after_s`.

        What is not committed by then is fetched from the source at the next start.
        """
        self._stopping = True
        self._news.set()
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=self._config.stop_after_s)
            self._writer.cancel()
        self._ended.set()
        self._done.set()
        self._thread.shutdown(wait=False)
        if self._num_waiting:
            log.warning(
                "%d live rows of %s were not recorded before the end; they are fetched again at "
                "the next start.",
                self._num_waiting,
                self.source,
            )
        return not self._num_waiting

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def stats(self) -> RecorderStats:
        """How it fares."""
        lags = np.array(self._lags_ms) if self._lags_ms else np.array([np.nan])
        p50, p99, most = np.quantile(lags, [0.5, 0.99, 1.0]).tolist()
        return RecorderStats(
            self._rows, self._commits, self._num_waiting, self._failures, p50, p99, most
        )

    def _check_open(self) -> None:
        if self._error:
            raise self._error
        if self._stopping:
            raise LakeError(
                f"The recorder of {self.source} has been stopped and takes nothing more; what "
                "comes in now is fetched at the next start."
            )

    async def _progress(self) -> None:
        self._done.clear()
        await self._done.wait()

    async def _write(self) -> None:
        while self._waiting or not self._stopping:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
                await asyncio.sleep(self._config.gather_s)
            else:
                await self._write_next()

    def _end(self, writer: "asyncio.Task[None]") -> None:
        if not writer.cancelled() and (error := writer.exception()):
            self._error = error
            log.error("Live bars of %s are no longer recorded: %s", self.source, error)
        self._ended.set()
        self._done.set()

    async def _write_next(self) -> None:
        batch = [self._waiting.popleft()]
        rows = len(batch[0][0].bars)
        while self._waiting and rows + len(self._waiting[0][0].bars) <= MOST_ROWS:
            batch.append(self._waiting.popleft())
            rows += len(batch[-1][0].bars)
        await self._commit([delivery for delivery, _ in batch])
        now = asyncio.get_running_loop().time()
        self._lags_ms.extend((now - began) * 1e3 for _, began in batch)
        self._num_waiting -= rows
        self._rows += rows
        self._commits += 1
        self._done.set()

    async def _commit(self, deliveries: Sequence[Received]) -> None:
        """Append, again and again where the lake refuses or the disk is full.

        Raises:
            LakeError, OSError: it did for longer than `give_up_after_s`.
        """
        loop, config = asyncio.get_running_loop(), self._config
        wait_s, failed_at = config.first_wait_s, -1.0
        while True:
            try:
                await loop.run_in_executor(self._thread, self._live.append, self.source, deliveries)
                return
            except (LakeError, OSError) as error:
                self._failures += 1
                failed_at = loop.time() if failed_at < 0 else failed_at
                if loop.time() + wait_s > failed_at + config.give_up_after_s:
                    raise
                log.warning(
                    "Live bars of %s wait; they are recorded again in %.1f s: %s",
                    self.source, wait_s, error,
                )  # fmt: skip
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, config.max_wait_s)
