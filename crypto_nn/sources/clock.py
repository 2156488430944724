"""What a source and a stream know of time; tests hold it in their hands."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from crypto_nn.bars.calendar import TS
from crypto_nn.errors import SourceError


class Clock(Protocol):
    """Wall time for stamps, steady time for durations, and waiting."""

    def now(self) -> np.datetime64:
        """The time of day as this machine has it, naive UTC (µs); it may be wrong or jump."""

    def monotonic(self) -> float:
        """Seconds that only ever go forward, the same for all processes of this machine."""

    def sleep(self, seconds: float) -> None:
        """Let this thread wait."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> np.datetime64:
        """The machine's UTC time."""
        return np.datetime64(datetime.now(UTC).replace(tzinfo=None)).astype(TS)

    def monotonic(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        time.sleep(seconds)


class StoppableClock(SystemClock):
    """The machine's clock, whose waits end at once when the process is told to stop."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End every wait, and each that comes."""
        self._stopped.set()

    def sleep(self, seconds: float) -> None:
        """Wait in real time.

        Raises:
            SourceError: `stop` was called.
        """
        if self._stopped.wait(seconds):
            raise SourceError("The process was told to stop, so that nothing is asked again.")
