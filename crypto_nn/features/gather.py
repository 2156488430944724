"""Slower bars from live ones, with the same bits as `crypto_nn.bars.resample` gives in history."""

import numpy as np

from crypto_nn.bars import M1, Bar, Timeframe
from crypto_nn.features.gaps import MINUTE_US

Known = list[tuple[Bar, int]]


class Gather:
    """Collects 1-minute bars and gives a slow bar at its close, if enough of it was there.

    A slow bar closes with the minute that ends it or, where that minute is missing, is given
    before the next bar that comes.
    """

    def __init__(self, timeframe: Timeframe, min_share: float) -> None:
        self._step_us = timeframe.minutes * MINUTE_US
        self._due = min_share * (timeframe.minutes // M1.minutes)
        self._end_us = 0
        self._pending: list[Bar] = []

    def update(self, bar: Bar, ts_us: int) -> Known:
        """Take the next bar; give each slow bar that is known now, with its open in µs."""
        known: Known = []
        if ts_us >= self._end_us:
            known += self._close()
            self._end_us = ts_us - ts_us % self._step_us + self._step_us
        self._pending.append(bar)
        if ts_us + MINUTE_US == self._end_us:
            known += self._close()
        return known

    def _close(self) -> Known:
        parts, self._pending = self._pending, []
        if not parts or len(parts) < self._due:
            return []
        open_us = self._end_us - self._step_us
        return [(_combined(parts, np.datetime64(open_us, "us")), open_us)]


def _combined(parts: list[Bar], opened: np.datetime64) -> Bar:
    volumes = np.array([bar.volume for bar in parts])
    return Bar(
        opened,
        parts[0].open,
        max(bar.high for bar in parts),
        min(bar.low for bar in parts),
        parts[-1].close,
        float(np.add.reduceat(volumes, [0])[0]),
        reference=parts[-1].reference,
    )
