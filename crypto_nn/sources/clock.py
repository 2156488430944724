"""What a source and a stream know of time; tests hold it in their hands."""

import time
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from crypto_nn.bars.calendar import TS


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
