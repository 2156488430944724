"""Raw rows for tests, in the columns of the raw store."""

import numpy as np
import pyarrow as pa

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.quality import RAW_COLUMNS

LATER = np.datetime64("2026-01-01", "us")


def raw_table(
    bars: Bars, month: str, received_at: np.datetime64 = LATER, revision: int = 0
) -> pa.Table:
    """The rows of one month as a source gave them, all received at one time."""
    num = len(bars)
    columns = {name: pa.array(column, from_pandas=True) for name, column in bars.columns().items()}
    blank = {name: pa.nulls(num, pa.float64()) for name in ("vwap", "trades")}
    table = {
        **blank,
        "note": pa.nulls(num, pa.string()),
        **columns,
        "source": pa.array(["test"] * num, pa.string()),
        "symbol": pa.array([bars.symbol] * num, pa.string()),
        "month": pa.array([month] * num, pa.string()),
        "received_at": pa.array(np.full(num, received_at)),
        "revision": pa.array(np.full(num, revision, dtype=np.int32)),
    }
    return pa.table({name: table[name] for name in RAW_COLUMNS})


def minutes(num: int, start: str = "2024-01-01", symbol: str = "BTC-USDT") -> Bars:
    """Clean bars, each unlike the others."""
    count = np.arange(num, dtype=np.float64)
    close = 100 + np.sin(count)
    return Bars(
        symbol,
        M1,
        np.datetime64(start, "us") + np.arange(num) * M1.step,
        open=close - 0.1,
        high=close + 0.5,
        low=close - 0.5,
        close=close,
        volume=1 + count,
    )
