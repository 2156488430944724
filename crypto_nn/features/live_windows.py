"""The newest window of features, bar by bar: what a model is asked about live."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bar, Bars
from crypto_nn.bars.calendar import month_bounds, month_of, months_between
from crypto_nn.errors import FeatureError
from crypto_nn.features.bar_history import BarHistory
from crypto_nn.features.feature_set import FeatureSet

Rows = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Window:
    """The last rows of features, one minute apart and complete.

    Attributes:
        ts: the open of the newest bar (µs, UTC); the window is known one minute later.
        x_TF: features as stored, not scaled, float32, oldest row first.
    """

    ts: np.datetime64
    x_TF: NDArray[np.float32]


class LiveWindows:
    """Windows of one symbol's live bars, the same bits as history gives.

    A window is given only where `Panel.window_ends` has one: its rows are one minute apart, and
    each has every feature. So there is never a window with a hole. The bars that the features
    can still see are kept, and no more: up to the features' memory before the month of the oldest
    row in the window.
    """

    def __init__(
        self, features: FeatureSet, history: Bars, window: int, complete: bool = False
    ) -> None:
        """Open after `history`.

        Args:
            features: what is computed of the bars.
            history: clean 1-minute bars up to now; may be empty. Bars from the anchor of the last
                bar's month on are due; what is earlier serves the first windows of a month.
            window: rows in a window.
            complete: whether the history begins at the symbol's first bar ever.

        Raises:
            BarsError: the bars are not clean.
            FeatureError: they are not 1-minute bars, or the window has no row.
        """
        if window < 1:
            raise FeatureError(f"A window of {window} rows was asked for; at least 1 is due.")
        self.features, self.window = features, window
        self.complete = complete
        self._open(BarHistory(history))

    @property
    def symbol(self) -> str:
        """Whose windows these are."""
        return self._history.symbol

    @property
    def bars(self) -> Bars:
        """The bars that are kept."""
        return self._history.bars()

    @property
    def num_kept(self) -> int:
        """How many bars are kept."""
        return len(self._history)

    def update(self, bar: Bar) -> Window | None:
        """Take the next closed bar; the window that ends with it, or None while there is none.

        Raises:
            BarsError: the bar is not later than the last, off the minute, or not possible; all is
                as before.
        """
        row_F = self._live.update(bar)
        self._history.append(bar)
        if self._last is None or bar.ts.astype("M8[D]") != self._last.astype("M8[D]"):
            self._history.drop_before(self._needed_from(bar.ts))
        self._take(bar.ts, row_F)
        return self.newest()

    def revise(self, *bars: Bar) -> Window | None:
        """Correct bars that were taken, put in ones that were missing, and open anew.

        Returns:
            The newest window as it is now; None where there is none, or where nothing changed:
            the bars say what is known already, or are too old to be seen in any feature.

        Raises:
            BarsError: a bar is off the minute or not possible; all is as before.
        """
        corrected = self._history.corrected(bars)
        if corrected is None:
            return None
        self._open(BarHistory(corrected, self._history.trimmed))
        return self.newest()

    def newest(self) -> Window | None:
        """The window that ends with the last bar, if that is whole."""
        if self._run < self.window:
            return None
        assert self._last is not None
        order = np.arange(self._at - self.window, self._at) % self.window
        return Window(self._last, self._x_TF[order])

    def _open(self, kept: BarHistory) -> None:
        bars = kept.bars()
        live = self.features.stream(bars, self.complete)
        self._last: np.datetime64 | None = None
        self._x_TF = np.full((self.window, len(self.features.names)), np.nan, np.float32)
        self._at = self._run = 0
        self._history, self._live = kept, live
        if not len(bars):
            return
        kept.drop_before(self._needed_from(bars.ts[-1]))
        first = bars.ts[-1] - (self.window - 1) * M1.step
        for month in months_between(first, bars.ts[-1] + M1.step):
            rows = bars.between(*month_bounds(month))
            x_NF = self.features.compute_month(bars, month, self.complete)
            for row in range(int(np.searchsorted(rows.ts, first)), len(rows)):
                self._take(rows.ts[row], x_NF[row])

    def _needed_from(self, last: np.datetime64) -> np.datetime64:
        oldest = last - (self.window - 1) * M1.step
        return self.features.anchor(month_of(oldest))

    def _take(self, ts: np.datetime64, row_F: Rows) -> None:
        """Append a row; the run of rows that belong together goes on, or starts anew."""
        follows = self._last is not None and ts - self._last == M1.step
        is_whole = bool(np.isfinite(row_F).all())
        self._run = (self._run + 1 if follows else 1) if is_whole else 0
        self._x_TF[self._at % self.window] = row_F
        self._at += 1
        self._last = ts
