"""Bars that grow at one end and are dropped at the other, in arrays that stay small."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from crypto_nn.bars import M1, Bar, Bars, Float, Times
from crypto_nn.bars.calendar import TS

_NUMBERS = Bar._fields[1:]
_SPARE = 1024


class BarHistory:
    """The last bars of one symbol, in order."""

    def __init__(self, bars: Bars, trimmed: bool = False) -> None:
        """Begin with these bars, which must be clean; `trimmed`: there were earlier ones."""
        self.symbol = bars.symbol
        self.trimmed = trimmed
        size = len(bars)
        # A market beside another stays so when the other falls silent, even for all that is kept.
        self._has_reference = bars.reference is not None
        self._lo, self._hi = 0, size
        self._ts: Times = np.empty(size + _SPARE, dtype=TS)
        self._numbers: Float = np.full((len(_NUMBERS), size + _SPARE), np.nan)
        self._ts[:size] = bars.ts
        for row, name in enumerate(_NUMBERS):
            column = getattr(bars, name)
            if column is not None:
                self._numbers[row, :size] = column

    def __len__(self) -> int:
        return self._hi - self._lo

    @property
    def last(self) -> np.datetime64:
        """The open of the newest bar."""
        last: np.datetime64 = self._ts[self._hi - 1]
        return last

    def append(self, bar: Bar) -> None:
        """Take the next bar."""
        if self._hi == len(self._ts):
            self._make_room()
        self._ts[self._hi] = bar.ts
        self._numbers[:, self._hi] = bar[1:]
        self._has_reference |= bar.reference == bar.reference
        self._hi += 1

    def _make_room(self) -> None:
        """Move to arrays with a fourth to spare; what was dropped is let go."""
        kept = slice(self._lo, self._hi)
        size = len(self) + len(self) // 4 + _SPARE
        ts, numbers = np.empty(size, dtype=TS), np.full((len(_NUMBERS), size), np.nan)
        ts[: len(self)], numbers[:, : len(self)] = self._ts[kept], self._numbers[:, kept]
        self._ts, self._numbers, self._lo, self._hi = ts, numbers, 0, len(self)

    def drop_before(self, start: np.datetime64) -> None:
        """Forget the bars before `start`, but for the last of them: that there was one counts."""
        ahead = int(np.searchsorted(self._ts[self._lo : self._hi], start, side="right"))
        drop = max(ahead - 1, 0)
        self._lo += drop
        self.trimmed |= drop > 0

    def bars(self) -> Bars:
        """What is kept."""
        return self._as_bars(self._ts[self._lo : self._hi], self._numbers[:, self._lo : self._hi])

    def _as_bars(self, ts: Times, numbers: Float) -> Bars:
        columns: dict[str, Any] = {name: numbers[row].copy() for row, name in enumerate(_NUMBERS)}
        for name in ("vwap", "trades"):
            if np.isnan(columns[name]).all():
                columns[name] = None
        if not self._has_reference:
            columns["reference"] = None
        return Bars(self.symbol, M1, ts.copy(), **columns)

    def corrected(self, bars: Sequence[Bar]) -> Bars | None:
        """What is kept, with these bars in the place of theirs; None where that is the same.

        Raises:
            BarsError: a bar cannot be.
        """
        ts, numbers = self._ts[self._lo : self._hi], self._numbers[:, self._lo : self._hi]
        news = {bar.ts.astype(TS): bar for bar in bars}
        if self.trimmed:
            news = {at: bar for at, bar in news.items() if not at < ts[0]}
        if not news:
            return None
        at = np.array(list(news), dtype=TS)
        values = np.array([bar[1:] for bar in news.values()]).T
        kept = ~np.isin(ts, at)
        all_ts = np.concatenate([ts[kept], at])
        order = np.argsort(all_ts, kind="stable")
        all_numbers = np.concatenate([numbers[:, kept], values], axis=1)[:, order]
        if len(all_ts) == len(ts) and np.array_equal(all_numbers, numbers, equal_nan=True):
            return None
        return self._as_bars(all_ts[order], all_numbers).check_clean()
