"""Features of live bars, with the same bits as history has."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from crypto_nn.bars import M1, Bar, Bars, Float
from crypto_nn.bars.calendar import month_bounds, month_of, shift_month
from crypto_nn.errors import BarsError
from crypto_nn.features.gaps import MINUTE_US, microseconds
from crypto_nn.features.live_columns import LiveColumns, LiveSlowColumns

if TYPE_CHECKING:
    from crypto_nn.features.feature_set import FeatureSet


class LiveFeatures:
    """The newest row of a feature set, bar by bar.

    It keeps the state of the month of the last bar, and from the next month's anchor on that one's
    too, so that at the turn of the month it goes on from where a fresh start would.
    """

    def __init__(self, features: "FeatureSet", history: Bars, complete: bool) -> None:
        self._features = features
        self._symbol = history.symbol
        self._complete = complete
        self._first = history.ts[0] if len(history) else None
        self._last_us = microseconds(history.ts[-1]) if len(history) else None
        self._months: list[_Month] = []
        if len(history):
            self._open_months(history.ts[-1], history)

    def update(self, bar: Bar, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Take the next closed bar; give its features, shape (F,), NaN where null.

        Raises:
            BarsError: the bar is not later than the last, off the minute, or not possible; the
                state is as it was before.
        """
        ts_us = self._check(bar)
        if self._first is None:
            self._first = bar.ts
        if not self._months or ts_us >= self._months[0].end_us or self._next_is_due(ts_us):
            self._open_months(bar.ts, Bars.empty(self._symbol))
        for month in self._months[1:]:
            month.take(bar, ts_us)
        self._last_us = ts_us
        current = self._months[0]
        current.take(bar, ts_us)
        if not current.anchored:
            return np.full(len(self._features.names), np.nan, dtype)
        return current.row(ts_us).astype(dtype)

    def _next_is_due(self, ts_us: int) -> bool:
        return len(self._months) == 1 and ts_us >= self._months[0].next_anchor_us

    def _open_months(self, now: np.datetime64, history: Bars) -> None:
        """Make the states of the month of `now` and, from its anchor on, of the next."""
        month = month_of(now)
        open_now = {state.month: state for state in self._months}
        self._months = []
        for name in (month, shift_month(month, 1)):
            anchor = self._features.anchor(name)
            if now >= anchor:
                anchored = self._complete or bool(self._first is not None and self._first <= anchor)
                fresh = _Month(self._features, name, history.between(anchor, now + 1), anchored)
                self._months.append(open_now.get(name, fresh))

    def _check(self, bar: Bar) -> int:
        ts_us = microseconds(bar.ts)
        inside = bar.low <= bar.open <= bar.high and bar.low <= bar.close <= bar.high
        sane = inside and bar.low > 0 and bar.high < np.inf and 0 <= bar.volume < np.inf
        if ts_us % MINUTE_US or not sane:
            raise BarsError(
                f"{self._symbol}: {bar} cannot be: a bar on the minute with finite, positive "
                "prices, low ≤ open, close ≤ high and a volume is due. It was not taken; the "
                "stream goes on with the next one."
            )
        if self._last_us is not None and ts_us <= self._last_us:
            raise BarsError(
                f"{self._symbol}: the bar of {bar.ts} is not later than the last, "
                f"{np.datetime64(self._last_us, 'us')}. It was not taken; to correct history, open "
                "a new stream over the corrected bars."
            )
        return ts_us


class _Month:
    """What the features of one month know so far."""

    def __init__(self, features: "FeatureSet", month: str, history: Bars, anchored: bool) -> None:
        self.month = month
        self.anchored = anchored
        self.end_us = microseconds(month_bounds(month)[1])
        self.next_anchor_us = microseconds(features.anchor(shift_month(month, 1)))
        self._x_F = np.full(len(features.names), np.nan)
        self._frames = [
            (LiveColumns if timeframe == M1 else LiveSlowColumns)(
                features, timeframe, columns, history
            )
            for timeframe, columns in features.by_timeframe
        ]

    def take(self, bar: Bar, ts_us: int) -> None:
        for frame in self._frames:
            frame.take(bar, ts_us)

    def row(self, ts_us: int) -> Float:
        for frame in self._frames:
            frame.write(self._x_F, ts_us)
        return self._x_F
