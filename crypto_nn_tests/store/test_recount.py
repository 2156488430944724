"""What is in the stores is counted as it lies there, and nothing is taken on trust."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import month_bounds, shift_month
from crypto_nn.bars.quality import QUARANTINE_SCHEMA, inspect
from crypto_nn.errors import LakeError
from crypto_nn.store import Lake, RawStore
from crypto_nn.store.recount import MONTHS_AT_ONCE, Recount, recount
from crypto_nn_tests.bars.raw_table import minutes

SYMBOL, SOURCE = "BTC-USDT", "files"
MONTHS = [shift_month("2024-01", by) for by in range(MONTHS_AT_ONCE + 1)]
NOW = np.datetime64("2026-01-01", "us")
ROWS = 5


def keep(lake: Lake, month: str, bars: Bars, aside: pa.Table) -> None:
    table = bars.to_arrow().append_column("source", pa.repeat(SOURCE, len(bars)))
    tables = {"bars": table, "quarantined_bars": aside}
    lake.replace(tables, {"symbol": SYMBOL, "month": month})


def test_rows_are_counted_in_each_store_and_bars_looked_at(tmp_path: Path) -> None:
    """Over many months: what was lost, what is put aside, and what is wrong with stored bars."""
    raw, lake = RawStore(tmp_path / "raw"), Lake(tmp_path / "lake")
    made = {m: minutes(ROWS, str(month_bounds(m)[0])) for m in MONTHS}
    for month, bars in made.items():
        raw.append(SOURCE, SYMBOL, month, bars, NOW)
        keep(lake, month, bars, QUARANTINE_SCHEMA.empty_table())
    shown: list[int] = []

    def found() -> Recount:
        shown.clear()
        return recount(
            lake, raw, SYMBOL, MONTHS, SOURCE, lambda table: shown.append(table.num_rows)
        )

    rows = ROWS * len(MONTHS)
    assert found() == Recount(received=rows, accepted=rows)
    assert sum(shown) == rows
    assert recount(lake, raw, SYMBOL, MONTHS[:1], SOURCE) == Recount(ROWS, ROWS)

    first, last = made[MONTHS[0]], made[MONTHS[-1]]
    row = raw.read(SYMBOL, MONTHS[-1]).slice(0, 1)
    keep(lake, MONTHS[-1], last[1:], inspect(pa.concat_tables([row, row])).quarantined)
    assert found() == Recount(received=rows, accepted=rows - 1, quarantined=1)
    assert found().lost == 0

    keep(lake, MONTHS[0], first[1:], QUARANTINE_SCHEMA.empty_table())
    assert found().lost == 1
    twice = Bars.concat([first[:3], first[2:]])
    keep(lake, MONTHS[0], twice, QUARANTINE_SCHEMA.empty_table())
    (problem,) = found().problems
    assert "stamps must ascend" in problem
    with pytest.raises(LakeError, match="no raw bars of BTC-USDT for 2030-01"):
        recount(lake, raw, SYMBOL, ["2030-01"], SOURCE)
    lake.close()
