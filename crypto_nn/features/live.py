"""Features of live bars, with the same bits as history has."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from crypto_nn.bars import Bar, Bars
from crypto_nn.bars.calendar import TS, month_bounds, month_of
from crypto_nn.errors import BarsError, FeatureError
from crypto_nn.features.gaps import MINUTE_US, microseconds
from crypto_nn.features.live_columns import LiveColumns

if TYPE_CHECKING:
    from crypto_nn.features.feature_set import FeatureSet


class LiveFeatures:
    """The newest row of a feature set, bar by bar.

    Attributes:
        symbol: whose features these are.
        complete: whether nothing is missing before the history that it was opened with.
    """

    def __init__(self, features: "FeatureSet", history: Bars, complete: bool) -> None:
        self.symbol, self.complete = history.symbol, complete
        self._features = features
        self._first = history.ts[0] if len(history) else None
        self._last_us: int | None = None
        self._month_end_us = 0
        self._anchored = False
        self._newest: list[float] = []
        self._whole = True  # not between two bars
        if len(history):
            self._enter_month(history.ts[-1])
            since = features.anchor(month_of(history.ts[-1]))
            history = history[int(np.searchsorted(history.ts, since)) :]
        self._columns = [LiveColumns(features, one, history) for one, _ in features.by_timeframe]
        # In the order of the columns, what comes timeframe by timeframe.
        self._order = np.argsort([n for columns in self._columns for n in columns.columns])
        self._blank = [float("nan")] * len(self._order)
        if len(history):
            self._last_us = microseconds(history.ts[-1])
            self._newest = self._values(self._last_us)

    @property
    def last(self) -> np.datetime64 | None:
        """The open of the last bar; None before the first."""
        return None if self._last_us is None else np.datetime64(self._last_us, "us")

    @property
    def newest(self) -> NDArray[np.float32] | None:
        """The features of the last bar, shape (F,), NaN where null; None before the first."""
        return self._row(np.float32) if self._newest else None

    def update(self, bar: Bar, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Take the next closed bar; give its features, shape (F,), NaN where null.

        Raises:
            BarsError: the bar is not later than the last, off the minute, or not possible; the
                state is as it was before.
            FeatureError: an earlier bar made a feature fail; its error was raised then.
        """
        if not self._whole:
            raise FeatureError(
                f"{self.symbol}: a feature failed at an earlier bar, so that the state is between "
                "two bars. Open a new stream over the stored bars."
            )
        ts_us = self._check(bar)
        if bar.ts.dtype != TS:
            bar = bar._replace(ts=np.datetime64(ts_us, "us"))
        if self._first is None:
            self._first = bar.ts
        self._whole = False
        if ts_us >= self._month_end_us:
            self._enter_month(bar.ts)
        for columns in self._columns:
            columns.take(bar, ts_us)
        self._last_us = ts_us
        self._newest = self._values(ts_us)
        self._whole = True
        return self._row(dtype)

    def _enter_month(self, now: np.datetime64) -> None:
        """Know whether the rows of this month have all the history that they need."""
        month = month_of(now)
        self._month_end_us = microseconds(month_bounds(month)[1])
        since = self._features.anchor(month)
        self._anchored = self.complete or bool(self._first is not None and self._first <= since)

    def _values(self, ts_us: int) -> list[float]:
        if not self._anchored:
            return self._blank
        values: list[float] = []
        for columns in self._columns:
            values += columns.values(ts_us)
        return values

    def _row(self, dtype: DTypeLike) -> NDArray[Any]:
        """The newest values as they are stored: 0.0 and -0.0, one number, are written as one."""
        row: NDArray[Any] = np.array(self._newest, dtype)[self._order]
        row += 0.0
        return row

    def _check(self, bar: Bar) -> int:
        ts, open_, high, low, close, volume, _, _, reference = bar
        if not isinstance(ts, np.datetime64):
            raise BarsError(
                f"{self.symbol}: the time of a bar is {ts!r}; a numpy.datetime64 in UTC is due. "
                "The bar was not taken; the stream goes on with the next one."
            )
        ts_us = int(ts.view(np.int64)) if ts.dtype == TS else microseconds(ts)
        inside = low <= open_ <= high and low <= close <= high
        sane = inside and low > 0 and high < np.inf and 0 <= volume < np.inf
        sane = sane and (reference != reference or 0 < reference < np.inf)
        if ts_us % MINUTE_US or not sane:
            raise BarsError(
                f"{self.symbol}: {bar} cannot be: a bar on the minute with finite, positive "
                "prices, low ≤ open, close ≤ high and a volume is due, and a reference that is "
                "such a price or NaN. It was not taken; the stream goes on with the next one."
            )
        if self._last_us is not None and ts_us <= self._last_us:
            raise BarsError(
                f"{self.symbol}: the bar of {bar.ts} is not later than the last, "
                f"{self.last}. It was not taken; to correct history, open a new stream over the "
                "corrected bars."
            )
        return ts_us
