"""What time it is at the exchange, from the Date that its answers carry."""

import numpy as np

from crypto_nn.sources.clock import Clock

_MAX_AGE_S = 3_600.0
_MAX_JUMP_S = 5.0


class ExchangeTime:
    """Counts on from the last Date, by this machine's steady clock.

    A machine that slept, or whose clock was set, knows it by its two clocks' difference, and asks
    again; so it does after an hour.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._learned: tuple[np.datetime64, float, np.datetime64] | None = None

    def learn(self, date: np.datetime64) -> None:
        """An answer that has just come was sent at this time of the exchange."""
        self._learned = (date, self._clock.monotonic(), self._clock.now())

    def now(self) -> np.datetime64 | None:
        """The time at the exchange, up to a second early and never late; None where unknown."""
        if self._learned is None:
            return None
        date, steady, wall = self._learned
        passed = self._clock.monotonic() - steady
        by_wall = (self._clock.now() - wall) / np.timedelta64(1, "s")
        if passed > _MAX_AGE_S or abs(by_wall - passed) > _MAX_JUMP_S:
            self._learned = None
            return None
        return date + np.timedelta64(int(passed * 1e6), "us")
