"""New closed bars, and the windows of features that end with them."""

import threading
from dataclasses import replace
from typing import Protocol

import numpy as np

from crypto_nn.bars import M1, Bar, Bars
from crypto_nn.bars.calendar import TS, month_of
from crypto_nn.features import FeatureSet
from crypto_nn.features.live_windows import LiveWindows, Window

_OVERLAP = (
    120  # minutes before the newest bar that are looked at again, for late and corrected bars
)


class BarSource(Protocol):
    """Where closed bars are: `LakeBars`, or a list in a test."""

    def now(self, symbol: str, start: np.datetime64, end: np.datetime64) -> Bars:
        """Clean 1-minute bars of a symbol that open in [start, end), by time."""


class BarFeed:
    """Windows of several symbols that follow a source; one thread polls, any thread reads.

    Args:
        source: where bars are.
        features: what is computed of them.
        rows: in a window; at least the reach of every version that is asked.
    """

    def __init__(self, source: BarSource, features: FeatureSet, rows: int) -> None:
        self._source, self._features, self.rows = source, features, rows
        self._live: dict[str, LiveWindows] = {}
        self._newest: dict[str, Window | None] = {}
        self._views: dict[tuple[str, int], Window] = {}
        self._last: dict[str, np.datetime64] = {}
        self._lock = threading.Lock()

    def poll(self, symbol: str, now: np.datetime64) -> tuple[Bar, ...]:
        """Take the bars that closed until `now` (UTC); those that are new, by time.

        Late and corrected bars of the last two hours are put in too. After a hole there is no
        window until it is filled or has left the window.

        Raises:
            LakeError: bars cannot be read; all is as before.
        """
        end = now.astype(TS) - M1.step + np.timedelta64(1, "us")  # opens of bars that have closed
        live = self._live.get(symbol)
        if live is None or symbol not in self._last:
            return self._open(symbol, end)
        last = self._last[symbol]
        found = self._source.now(symbol, last - _OVERLAP * M1.step, end)
        corrected = self._correct(live, found, last)
        fresh = tuple(bar for bar in found if bar.ts > last)
        for bar in fresh:
            live.update(bar)
        if fresh or corrected:
            self._publish(symbol, live, fresh[-1].ts if fresh else last)
        return fresh

    def window(self, symbol: str, rows: int) -> Window | None:
        """The newest window, if it is whole and ends with the newest bar.

        It is the same object until a bar is new or corrected.
        """
        with self._lock:
            window = self._newest.get(symbol)
            if window is None:
                return None
            if (symbol, rows) not in self._views:
                self._views[symbol, rows] = replace(window, x_TF=window.x_TF[-rows:])
            return self._views[symbol, rows]

    def last(self, symbol: str) -> np.datetime64 | None:
        """The open of the newest bar (UTC); None before the first."""
        with self._lock:
            return self._last.get(symbol)

    def _open(self, symbol: str, end: np.datetime64) -> tuple[Bar, ...]:
        start = self._features.anchor(month_of(end - self.rows * M1.step))
        history = self._source.now(symbol, start, end)
        if not len(history):
            return ()
        live = LiveWindows(self._features, history, self.rows)
        self._live[symbol] = live
        self._publish(symbol, live, history.ts[-1])
        return (history[len(history) - 1],)

    def _correct(self, live: LiveWindows, found: Bars, last: np.datetime64) -> bool:
        kept = {bar.ts: bar for bar in live.bars.between(last - _OVERLAP * M1.step, last + M1.step)}
        other = [bar for bar in found if bar.ts <= last and not _same(bar, kept.get(bar.ts))]
        if other:
            live.revise(*other)
        return bool(other)

    def _publish(self, symbol: str, live: LiveWindows, last: np.datetime64) -> None:
        window = live.newest()
        with self._lock:
            self._newest[symbol], self._last[symbol] = window, last
            self._views = {key: view for key, view in self._views.items() if key[0] != symbol}


def _same(one: Bar, other: Bar | None) -> bool:
    return other is not None and bool(
        np.array_equal(np.array(one[1:]), np.array(other[1:]), equal_nan=True)
    )
