"""Rows as the lake has them, made up."""

import numpy as np
import pyarrow as pa

START = np.datetime64("2024-01-01T00:00", "us")
MINUTE = np.timedelta64(60_000_000, "us")


def minutes(rows: int, first: int = 0) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    """So many minutes, from the `first` after the start of 2024 on."""
    return START + (first + np.arange(rows)) * MINUTE


def predictions(
    rows: int, first: int = 0, symbol: str = "BTC-USDT", version: str = "v1", shift: float = 0.0
) -> pa.Table:
    """One prediction a minute, whose confidence tells its minute (and `shift`)."""
    p_up = (np.arange(first, first + rows) % 1000) / 1000 * 0.9 + shift
    return pa.table(
        {
            "symbol": [symbol] * rows,
            "month": ["2024-01"] * rows,
            "ts": minutes(rows, first),
            "horizon": pa.array([15] * rows, pa.int32()),
            "model_version": [version] * rows,
            "p_down": (1 - p_up) / 2,
            "p_flat": (1 - p_up) / 2,
            "p_up": p_up,
            "predicted_class": pa.array([2] * rows, pa.int8()),
            "confidence": p_up,
            "in_sample": [False] * rows,
        }
    )


def metrics(symbols: list[str | None], accuracy: float = 0.5) -> pa.Table:
    """One row of model metrics for each symbol."""
    rows = len(symbols)
    return pa.table(
        {
            "universe": ["majors"] * rows,
            "model_version": ["v1"] * rows,
            "symbol": pa.array(symbols, pa.string()),
            "horizon": pa.array([None if s is None else 15 for s in symbols], pa.int32()),
            "timestamp": minutes(1).repeat(rows),
            "accuracy": [accuracy] * rows,
            "majority": [0.4] * rows,
            "log_loss_skill": [0.01] * rows,
            "latency_ms": [1.5] * rows,
            "drift_score": pa.array([float("nan")] * rows),
            "rows": pa.array([10] * rows, pa.int64()),
        }
    )
