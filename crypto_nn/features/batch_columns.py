"""The columns of one timeframe for a month of history: each indicator once, then the transforms."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.bars.resample import resample_clean

if TYPE_CHECKING:
    from crypto_nn.features.feature_set import FeatureSet


class BatchColumns:
    """The columns of one timeframe, a month at a time, so that what is worked on stays in cache."""

    def __init__(self, features: "FeatureSet", timeframe: Timeframe, bars: Bars) -> None:
        self._features, self._bars = features, bars
        self._columns = dict(features.by_timeframe)[timeframe]
        self._steps = features.steps[timeframe]
        self._closed: Bars | None = None
        if timeframe != M1:
            # An anchor is a midnight, over which no slow bar reaches: one resampling serves all.
            self._closed = resample_clean(bars, timeframe, features.gaps.slow_bar_min_share)

    def write(self, anchor: np.datetime64, rows: slice, x_FN: NDArray[Any]) -> None:
        """Write the columns of these rows, computed from the bars since `anchor`, into `x_FN`."""
        if self._closed is None:
            since = int(np.searchsorted(self._bars.ts, anchor))
            into = [x_FN[column] for column in self._columns]
            self._compute(self._bars[since : rows.stop], rows.start - since, into)
            return
        bars = self._bars[rows]
        closed = self._closed.between(anchor, bars.ts[-1] + 1)
        closed_CM = np.full((len(self._columns), len(closed) + 1), np.nan, x_FN.dtype)
        self._compute(closed, 0, list(closed_CM[:, :-1]))
        row_N = self._features.gaps.visible(closed, bars)
        for column, closed_M in zip(self._columns, closed_CM):
            np.take(closed_M, row_N, out=x_FN[column], mode="wrap")  # -1: the NaN at the end

    def _compute(self, bars: Bars, num_before: int, into: Sequence[NDArray[Any]]) -> None:
        """The columns of all but the first rows, each run of bars as a start of its own."""
        for run in self._features.gaps.runs(bars):
            if run.stop <= num_before:
                continue
            skip = max(num_before - run.start, 0)
            rows = slice(run.start + skip - num_before, run.stop - num_before)
            part = bars[run]
            outputs: list[NDArray[Any]] = []
            for step, values_N in zip(self._steps, into):
                for indicator in step.indicators:
                    outputs += [output_N[skip:] for output_N in indicator.compute(part)]
                written_N = values_N[rows]
                np.copyto(written_N, step.transform(*step.pick(outputs)), casting="same_kind")
                written_N += 0.0  # 0.0 and -0.0 are one number, and are written as one
