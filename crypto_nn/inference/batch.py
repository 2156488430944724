"""A whole history answered in pieces: tables of predictions, in bounded memory."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_nn.errors import FeatureError
from crypto_nn.features.live_windows import Window
from crypto_nn.features.panel import Panel
from crypto_nn.inference.answering import Answering
from crypto_nn.inference.ensemble import EnsembleInference, Opinion, as_ensemble
from crypto_nn.inference.prediction_rows import SCHEMA, prediction_rows

CHUNK = 256


class BatchInference:
    """A version, or an ensemble, asked about every whole window of a panel.

    Attributes:
        times_ms: how long each piece that was asked so far took.
    """

    def __init__(
        self,
        answering: Answering | EnsembleInference,
        chunk: int = CHUNK,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Ask `chunk` windows at a time; memory grows with that and not with the panel.

        Raises:
            FeatureError: a piece would have no window.
        """
        if chunk < 1:
            raise FeatureError(f"Pieces of {chunk} windows were asked for; at least 1 is due.")
        self._asked, self._chunk, self._clock = as_ensemble(answering), chunk, clock
        self.times_ms: list[float] = []

    def predict(self, panel: Panel, ends: NDArray[np.int64] | None = None) -> pa.Table:
        """All predictions, one row per window and horizon, as `prediction_rows.SCHEMA`.

        Args:
            panel: unscaled features, in the order that the version learned.
            ends: rows with the newest bar of each window; all whole windows where not given.

        Raises:
            FeatureError: features or symbols are others, or a window is not whole.
        """
        return pa.Table.from_batches(self.pieces(panel, ends), schema=SCHEMA)

    def pieces(
        self, panel: Panel, ends: NDArray[np.int64] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The same, piece by piece, for histories larger than memory."""
        whole = panel.window_ends(self._asked.reach)
        ends = whole if ends is None else np.asarray(ends, dtype=np.int64)
        self._check(panel, ends, whole)
        for start in range(0, len(ends), self._chunk):
            rows = ends[start : start + self._chunk]
            symbols = [panel.symbols[number] for number in panel.symbol_N[rows]]
            said = self._timed(panel, rows, symbols)
            yield prediction_rows(
                symbols, panel.ts_N[rows], self._asked.version, self._asked.horizons, said
            )

    def _timed(self, panel: Panel, rows: NDArray[np.int64], symbols: list[str]) -> Opinion:
        reach = self._asked.reach
        windows = [Window(panel.ts_N[r], panel.x_NF[r - reach + 1 : r + 1]) for r in rows]
        started = self._clock()
        said = self._asked.opinion(symbols, windows)
        self.times_ms.append((self._clock() - started) * 1e3)
        return said

    def _check(self, panel: Panel, ends: NDArray[np.int64], whole: NDArray[np.int64]) -> None:
        if panel.names != self._asked.feature_names:
            odd = sorted(set(panel.names) ^ set(self._asked.feature_names)) or ["their order"]
            raise FeatureError(
                f"Version {self._asked.version} learned from other features than the "
                f"{len(panel.names)} given; the difference is {', '.join(odd[:5])}. "
                "Use the feature set that it was trained with."
            )
        broken = np.setdiff1d(ends, whole)
        if len(broken):
            raise FeatureError(
                f"{len(broken)} of {len(ends)} windows are not whole, the first ends in row "
                f"{broken[0]}. Ask only for rows of panel.window_ends({self._asked.reach})."
            )
