"""Bars and features in, predictions and metrics out: the platform's data for code of one's own."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import instant, month_of, month_slices
from crypto_nn.bars.quality import Inspection, QualityConfig, inspect
from crypto_nn.bars.reference import with_reference
from crypto_nn.environment import home
from crypto_nn.errors import DatabaseError
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.sources import SourceConfig
from crypto_nn.sources.clock import Clock, SystemClock
from crypto_nn.sources.realtime import RealtimeDataStream
from crypto_nn.sources.source import BarSource
from crypto_nn.store.database import DatabaseConfig, Mirror, MirrorState
from crypto_nn.store.raw import raw_rows

Time = str | pd.Timestamp | np.datetime64


class DataPipelineConnector:
    """History and live bars of a source, features of them, and a database for the results.

    It keeps nothing of its own: what the platform would store, it hands over, cleaned by the same
    rules and computed by the same feature set, to the bit.

        connector = DataPipelineConnector(BinanceConfig(symbols=("BTC-USDT",)))
        features = connector.features("BTC-USDT", "2025-06-01", "2025-06-08")

    Args:
        source: where bars come from: an opened source, or its configuration.
        database: where results go (`save_…`); None for nowhere.
        features: the feature set; the shipped one if not given.
        reference: the symbol beside which every market is seen, where the feature set needs one.
        quality: what a row must be to count as a bar.
        spool: folder in which results wait for a database that is down.
    """

    def __init__(
        self,
        source: BarSource | SourceConfig,
        database: DatabaseConfig | None = None,
        features: FeatureSet | None = None,
        quality: QualityConfig | None = None,
        spool: Path | None = None,
        clock: Clock | None = None,
        reference: str | None = None,
    ) -> None:
        self.reference = reference
        self.source = source if isinstance(source, BarSource) else source.open()
        self.feature_set = features or default_feature_set()
        self.quality = quality or QualityConfig()
        self.clock = clock or SystemClock()
        self.mirror = Mirror(database or DatabaseConfig(), spool or home() / "connector")

    def bars(self, symbol: str, start: Time, end: Time) -> pd.DataFrame:
        """Clean one-minute bars that open in [start, end), indexed by `ts` (UTC).

        Raises:
            SourceError: the source has no such symbol, refuses, or does not answer.
        """
        return self._clean(symbol, instant(start), instant(end)).to_pandas().set_index("ts")

    def inspections(self, symbol: str, start: Time, end: Time) -> Iterator[Inspection]:
        """Month by month what was accepted, what was put aside and why, and what is missing."""
        return self._inspections(symbol, instant(start), instant(end))

    def features(self, symbol: str, start: Time, end: Time) -> pd.DataFrame:
        """Features of the bars that open in [start, end), indexed by `ts` (UTC); float32.

        They are computed from the month's canonical anchor on, as those of the lake are, so that
        the history before `start` is fetched too.
        """
        first, last = instant(start), instant(end)
        anchor = self.feature_set.anchor(month_of(first))
        bars = self._clean(symbol, anchor, last)
        if self.reference is not None:
            bars = with_reference(bars, self._clean(self.reference, anchor, last))
        complete = bool(self.source.available(symbol).start >= anchor)
        x_NF = self.feature_set.compute(bars, complete=complete)
        index = pd.DatetimeIndex(bars.ts, tz="UTC", name="ts")
        frame = pd.DataFrame(x_NF, index=index, columns=list(self.feature_set.names))
        return frame[bars.ts >= first]

    def stream(self, symbols: Sequence[str], **settings: Any) -> RealtimeDataStream:
        """Live bars of these symbols without holes; settings as `RealtimeDataStream` takes them."""
        return RealtimeDataStream(self.source, symbols, clock=self.clock, **settings)

    def save_bars(self, frame: pd.DataFrame, symbol: str) -> MirrorState:
        """Put bars into the database's table `bars`; the same bars again change nothing.

        Never fails for want of a database: what it does not take waits on disk and is sent with
        the next call; the state tells.
        """
        return self._save("bars", frame.assign(symbol=symbol))

    def save_predictions(self, frame: pd.DataFrame) -> MirrorState:
        """Put predictions into the database; likewise.

        Args:
            frame: ts (column or index), symbol, horizon (minutes), model_version, predicted_class
                (0 down, 1 flat, 2 up), confidence.
        """
        return self._save("predictions", frame)

    def save_metrics(self, frame: pd.DataFrame) -> MirrorState:
        """Put model metrics into the database; likewise.

        Args:
            frame: timestamp, model_version, symbol, horizon, accuracy, latency_ms, drift_score.
        """
        return self._save("model_metrics", frame)

    def _save(self, table: str, frame: pd.DataFrame) -> MirrorState:
        if isinstance(frame.index, pd.DatetimeIndex):
            frame = frame.reset_index()
        try:
            rows = pa.Table.from_pandas(frame, preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise DatabaseError(
                f"The frame for {table} is no table of plain columns: {error}. Give every column "
                "one name and one type."
            ) from error
        {
            "bars": self.mirror.bars,
            "predictions": self.mirror.predictions,
            "model_metrics": self.mirror.model_metrics,
        }[table](rows)
        return self.mirror.state()

    def _clean(self, symbol: str, start: np.datetime64, end: np.datetime64) -> Bars:
        parts = [found.accepted for found in self._inspections(symbol, start, end)]
        return Bars.concat([Bars.empty(symbol), *parts])

    def _inspections(
        self, symbol: str, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Inspection]:
        there = self.source.available(symbol)
        pieces = list(self.source.fetch(symbol, M1, start, end))
        received_at = self.clock.now()
        if not pieces:
            return
        bars = Bars.concat(pieces)
        bars = bars.take(np.argsort(bars.ts, kind="stable"))  # unreadable times come last
        due = (max(start, there.start), min(end, there.end))
        for month, rows in _months(bars, start):
            yield inspect(raw_rows(self.source.name, month, rows, received_at), self.quality, *due)


def _months(bars: Bars, start: np.datetime64) -> Iterator[tuple[str, Bars]]:
    """The rows of each month; those without a readable time go with the last."""
    readable = bars[: int(np.count_nonzero(~np.isnat(bars.ts)))]
    *whole, (last, rows) = list(month_slices(readable.ts)) or [(month_of(start), slice(0, 0))]
    for month, place in whole:
        yield month, readable[place]
    yield last, bars[rows.start :]
