"""Where the real bars for tests lie, and the mark of tests that need them."""

import os
from functools import lru_cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from crypto_nn.bars import Bars
from crypto_nn.bars.symbol import symbol_from

ROOT = Path(__file__).parents[1]
MARKET = Path(os.environ.get("CRYPTO_NN_MARKET", ROOT.parent / "shared" / "market"))

needs_market = [
    pytest.mark.market,
    pytest.mark.skipif(
        not (MARKET / "history").is_dir(),
        reason=f"no real bars in {MARKET}; set CRYPTO_NN_MARKET to the folder that has them",
    ),
]


@lru_cache(maxsize=16)  # read once, and only read
def real_bars(name: str, rows: int | None = None, start: int = 0) -> Bars:
    """Bars of a file of the market folder, such as "history/BTCUSDT_1m_2023-01_2025-06.parquet"."""
    table = pq.read_table(MARKET / name)
    table = table.slice(start, rows) if rows else table.slice(start)
    return Bars.from_arrow(table, symbol_from(Path(name).name.split("_")[0]))


BTC = "history/BTCUSDT_1m_2023-01_2025-06.parquet"
ETH = "history/ETHUSDT_1m_2023-01_2025-06.parquet"
