"""The tables of the database, as their writers know them. The migrations make them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

TIME = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class DatabaseTable:
    """One table of the database.

    Attributes:
        name: in schema `public`.
        columns: what a writer gives, with Arrow types; the database adds its own times.
        key: what makes a row the same row; a second write of it is an update.
        time: the column of `key` that says when.
        json: columns whose text is JSON.
    """

    name: str
    columns: Mapping[str, pa.DataType]
    key: tuple[str, ...]
    time: str
    json: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(list(self.columns.items()))


PREDICTIONS = DatabaseTable(
    "predictions",
    {
        "id": pa.string(),
        "timestamp": TIME,
        "symbol": pa.string(),
        "model_version": pa.string(),
        "horizon": pa.int32(),
        "predicted_class": pa.int16(),
        "predicted_label": pa.string(),
        "confidence": pa.float64(),
        "p_down": pa.float64(),
        "p_flat": pa.float64(),
        "p_up": pa.float64(),
        "in_sample": pa.bool_(),
        "features": pa.string(),
    },
    ("symbol", "timestamp", "horizon", "model_version"),
    "timestamp",
    json=("features",),
)
MODEL_METRICS = DatabaseTable(
    "model_metrics",
    {
        "id": pa.string(),
        "timestamp": TIME,
        "model_version": pa.string(),
        "symbol": pa.string(),
        "horizon": pa.int32(),
        "accuracy": pa.float64(),
        "majority": pa.float64(),
        "log_loss_skill": pa.float64(),
        "latency_ms": pa.float64(),
        "drift_score": pa.float64(),
        "rows": pa.int64(),
    },
    ("timestamp", "model_version", "symbol", "horizon"),
    "timestamp",
)
BARS = DatabaseTable(
    "bars",
    {
        "symbol": pa.string(),
        "ts": TIME,
        "open": pa.float64(),
        "high": pa.float64(),
        "low": pa.float64(),
        "close": pa.float64(),
        "volume": pa.float64(),
        "vwap": pa.float64(),
        "trades": pa.float64(),
        "source": pa.string(),
    },
    ("symbol", "ts"),
    "ts",
)
TABLES: Mapping[str, DatabaseTable] = MappingProxyType(
    {table.name: table for table in (PREDICTIONS, MODEL_METRICS, BARS)}
)
