"""A month of raw bars is told from one that was damaged or edited, also where the hash fits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.bars import Bars
from crypto_nn.store import RawStore
from crypto_nn.store.sealed import write_sealed
from crypto_nn.store.whole import problems_of
from crypto_nn_tests.store.workers import some_bars

NOW = np.datetime64("2024-02-01T00:00:05", "us")
BTC = ("files", "BTC-USDT", "2024-01")


def corrected(bars: Bars, by: float) -> Bars:
    return replace(bars, close=bars.close + by)


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    """Twenty minutes, some of them corrected once or twice, one time that cannot be read."""
    made = RawStore(tmp_path / "raw")
    bars = some_bars(20)
    ts = bars.ts.copy()
    ts[12] = np.datetime64("NaT")
    made.append(*BTC, replace(bars, ts=ts), NOW)
    for number, few in enumerate((bars.take(np.arange(3, 6)), bars.take(np.arange(4, 5)))):
        made.append(*BTC, corrected(few, 1.0 + number), NOW + np.timedelta64(number + 1, "h"))
    return made


def write(store: RawStore, rows: pa.Table) -> None:
    """Put other rows in the file, with a hash that fits."""
    write_sealed(store.path(*BTC), rows)


def with_value(rows: pa.Table, at: int, name: str, value: object) -> pa.Table:
    listed = rows.to_pylist()
    listed[at] = {**listed[at], name: value}
    return pa.Table.from_pylist(listed, rows.schema)


def test_what_the_store_writes_is_whole(store: RawStore) -> None:
    assert problems_of(store, *BTC) == []


def test_a_flipped_bit_is_found(store: RawStore) -> None:
    path = store.path(*BTC)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "is damaged" in problems_of(store, *BTC)[0]


def test_a_file_that_is_gone_is_told(store: RawStore) -> None:
    store.path(*BTC).unlink()
    assert "There are no raw bars" in problems_of(store, *BTC)[0]


@pytest.mark.parametrize(
    ("at", "name", "value", "told"),
    [
        (0, "symbol", "ETH-USDT", "symbol is ETH-USDT"),
        (5, "received_at", None, "1 rows have no time of receipt"),
        (0, "ts", np.datetime64("2023-12-31T23:59", "us").item(), "1 rows lie outside 2024-01"),
        (1, "revision", 1, "do not follow"),
        (4, "revision", 2, "do not follow"),
    ],
)
def test_an_edited_row_is_found(
    store: RawStore, at: int, name: str, value: object, told: str
) -> None:
    write(store, with_value(store.read("BTC-USDT", "2024-01"), at, name, value))
    assert any(told in problem for problem in problems_of(store, *BTC))


def test_a_correction_that_was_taken_out_is_found(store: RawStore) -> None:
    """The first delivery of a minute, or one between two others; order tells of rows moved."""
    rows = store.read("BTC-USDT", "2024-01")
    revisions = rows["revision"].to_pylist()
    between = next(n for n in range(1, len(rows)) if revisions[n : n + 2] == [1, 2])
    for gone in (between, between - 1):
        write(store, pa.concat_tables([rows.slice(0, gone), rows.slice(gone + 1)]))
        assert "do not follow" in problems_of(store, *BTC)[0]
    write(store, rows.take([1, 0, *range(2, len(rows))]))
    assert problems_of(store, *BTC) == ["rows are not in the order of time and revision"]
