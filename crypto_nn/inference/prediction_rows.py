"""Predictions as rows of a table: one per window and horizon."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_nn.bars import M1
from crypto_nn.inference.ensemble import Opinion

SCHEMA = pa.schema(
    [
        ("symbol", pa.string()),
        ("ts", pa.timestamp("us")),
        ("known_at", pa.timestamp("us")),
        ("version", pa.string()),
        ("horizon", pa.int32()),
        ("p_down", pa.float64()),
        ("p_flat", pa.float64()),
        ("p_up", pa.float64()),
        ("predicted", pa.int8()),
        ("confidence", pa.float64()),
        ("epistemic", pa.float64()),
    ]
)


def prediction_rows(
    symbols: Sequence[str],
    ts_B: NDArray[np.datetime64],
    version: str,
    horizons: Sequence[int],
    said: Opinion,
) -> pa.RecordBatch:
    """B answers as B·H rows, horizons in order within each window.

    `ts` is the open of the newest bar and `known_at` its close (UTC); `predicted` is 0 down,
    1 flat, 2 up; `epistemic` is in nats, null of a single version.
    """
    times, count = len(horizons), len(symbols) * len(horizons)
    p_NC = said.p_BHC.reshape(count, 3)
    ts_N = np.repeat(ts_B.astype("datetime64[us]"), times)
    epistemic = [None] * count if said.epistemic_BH is None else said.epistemic_BH.ravel()
    columns = [
        np.repeat(np.array(symbols, dtype=object), times),
        ts_N,
        ts_N + M1.step,
        [version] * count,
        np.tile(np.array(horizons, dtype=np.int32), len(symbols)),
        *p_NC.T,
        p_NC.argmax(axis=1),
        p_NC.max(axis=1),
        epistemic,
    ]
    arrays = [
        pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
