"""What came in is kept exactly as it came, each correction beside what it corrects."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from crypto_nn.bars import M5, Bars
from crypto_nn.errors import BarsError, LakeError, SymbolError
from crypto_nn.store import RAW_SCHEMA, Appended, RawStore
from crypto_nn.store.atomic import sweep
from crypto_nn_tests.store.kill import CONTEXT, KILLS, SEED, killed
from crypto_nn_tests.store.workers import JANUARY, append_raw, append_raw_days, some_bars

NOW = np.datetime64("2024-02-01T00:00:05", "us")
LATER = NOW + np.timedelta64(1, "D")
BTC = ("files", "BTC-USDT", "2024-01")


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw")


def _with_close(bars: Bars, row: int, value: float) -> Bars:
    close = bars.close.copy()
    close[row] = value
    return replace(bars, close=close)


def test_what_came_in_is_read_back_with_the_declared_schema(store: RawStore) -> None:
    bars = replace(some_bars(3), vwap=np.array([1.0, np.nan, 3.0]))
    assert store.append(*BTC, bars, NOW) == Appended(rows_new=3, rows_known=0, rows_total=3)

    table = store.read("BTC-USDT", "2024-01")
    assert table.schema == RAW_SCHEMA
    assert table["vwap"].to_pylist() == [1.0, None, 3.0]
    assert table["trades"].null_count == 3
    assert table["ts"].to_numpy().tolist() == bars.ts.tolist()
    assert set(table["received_at"].to_numpy()) == {NOW}
    assert set(table["revision"].to_pylist()) == {0}
    assert pq.read_table(store.path(*BTC)).equals(table), "any Parquet reader can read it"


def test_the_same_delivery_again_changes_no_byte(store: RawStore, tmp_path: Path) -> None:
    """Also: the same rows in another store give the same bytes."""
    store.append(*BTC, some_bars(100), NOW)
    before = store.path(*BTC).read_bytes()
    assert store.append(*BTC, some_bars(100), LATER) == Appended(0, 100, 100)
    assert store.path(*BTC).read_bytes() == before
    other = RawStore(tmp_path / "other")
    other.append(*BTC, some_bars(100), NOW)
    assert other.path(*BTC).read_bytes() == before
    assert other.digest(*BTC) == store.digest(*BTC)


def test_a_correction_stands_beside_what_it_corrects(store: RawStore) -> None:
    """Also when a source returns to what it said before: its latest word has the last number."""
    first = some_bars(3)
    second = _with_close(first, 1, 99.0)
    store.append(*BTC, first, NOW)
    assert store.append(*BTC, second, LATER) == Appended(1, 2, 4)
    assert store.append(*BTC, second, LATER) == Appended(0, 3, 4)
    assert store.append(*BTC, first, LATER + np.timedelta64(1, "s")) == Appended(1, 2, 5)

    table = store.read("BTC-USDT", "2024-01")
    minute = table.filter(np.equal(table["ts"].to_numpy(), first.ts[1]))
    assert minute["close"].to_pylist() == [100.0, 99.0, 100.0]
    assert minute["revision"].to_pylist() == [0, 1, 2]
    assert table["revision"].to_pylist() == [0, 0, 1, 2, 0]


def test_duplicates_and_unreadable_rows_are_kept_and_known_again(store: RawStore) -> None:
    ts = np.array([JANUARY, JANUARY, "NaT", "NaT"], dtype="datetime64[us]")
    note = np.array([None, None, "ts: 2024-13-01", "ts: 2024-13-01"], dtype=object)
    bars = replace(some_bars(4), ts=ts, note=note)
    assert store.append(*BTC, bars, NOW) == Appended(4, 0, 4)
    assert store.append(*BTC, bars, NOW) == Appended(0, 4, 4)
    assert store.append(*BTC, bars[:1], NOW) == Appended(0, 1, 4)
    assert store.read("BTC-USDT", "2024-01")["note"].to_pylist() == note.tolist()


def test_an_empty_delivery_is_remembered_as_an_empty_month(store: RawStore) -> None:
    assert store.append(*BTC, Bars.empty("BTC-USDT"), NOW) == Appended(0, 0, 0)
    assert store.read("BTC-USDT", "2024-01").num_rows == 0


def test_sources_stand_beside_each_other(store: RawStore) -> None:
    store.append("files", "BTC-USDT", "2024-01", some_bars(2), NOW)
    store.append("binance", "BTC-USDT", "2024-01", some_bars(3), NOW)
    february = some_bars(1, start=np.datetime64("2024-02-01", "us"))
    store.append("binance", "BTC-USDT", "2024-02", february, NOW)
    assert store.sources("BTC-USDT") == ("binance", "files")
    assert store.symbols() == ("BTC-USDT",)
    assert store.months("BTC-USDT") == ("2024-01", "2024-02")
    assert store.months("BTC-USDT", "files") == ("2024-01",)
    assert store.read("BTC-USDT", "2024-01").num_rows == 5
    assert store.read("BTC-USDT", "2024-01", "files").num_rows == 2
    assert not store.has("BTC-USDT", "2024-02", "files")
    assert [store.count("BTC-USDT", "2024-01", name) for name in (None, "files")] == [5, 2]
    for ask in (store.read, store.count):
        with pytest.raises(LakeError, match="no raw bars of BTC-USDT for 2024-02 from files"):
            ask("BTC-USDT", "2024-02", "files")
    store.path("files", "BTC-USDT", "2024-01").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(BarsError, match=r"2024-01\.parquet"):
        store.count("BTC-USDT", "2024-01")


def test_bars_of_another_month_symbol_or_timeframe_are_refused(store: RawStore) -> None:
    with pytest.raises(BarsError, match="does not lie in 2024-02"):
        store.append("files", "BTC-USDT", "2024-02", some_bars(2), NOW)
    with pytest.raises(BarsError, match="cannot be stored as ETH-USDT"):
        store.append("files", "ETH-USDT", "2024-01", some_bars(2), NOW)
    with pytest.raises(BarsError, match="at 5m cannot be stored"):
        store.append(*BTC, replace(some_bars(2), timeframe=M5), NOW)
    assert not store.root.exists()


@pytest.mark.parametrize(
    "part", ["..", "../x", "a/b", "/etc", "", "A", "a\0", "x" * 41, "%2e%2e", "a\\b"], ids=ascii
)
def test_no_name_leads_out_of_the_store(part: str, store: RawStore) -> None:
    """H7: source, symbol and month."""
    for source, symbol, month in (
        (part, "BTC-USDT", "2024-01"),
        ("files", part, "2024-01"),
        ("files", "BTC-USDT", part),
    ):
        with pytest.raises((BarsError, SymbolError)):
            store.path(source, symbol, month)


def test_every_flipped_bit_of_a_file_is_detected(store: RawStore) -> None:
    """A11: rows, statistics, footer, even the seal itself; the message names the file."""
    store.append(*BTC, some_bars(50), NOW)
    path = store.path(*BTC)
    content = path.read_bytes()
    for bit in random.Random(SEED).sample(range(len(content) * 8), 400):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(BarsError, match=r"2024-01\.parquet"):
            store.read("BTC-USDT", "2024-01")
    path.write_bytes(content[:-1])
    with pytest.raises(BarsError, match=r"2024-01\.parquet"):
        store.append(*BTC, some_bars(50), NOW)


@pytest.mark.kill
def test_a_killed_write_leaves_the_old_rows_or_the_new_ones(store: RawStore) -> None:
    """A1, A2, A3, A13: never torn, durable once said, right when repeated, swept clean."""
    rows = 1_500
    parts = [RawStore(store.root / str(number // 12)) for number in range(KILLS + 1)]
    trials = ((part.root, float(number), rows) for number, part in enumerate(parts))
    for number, done in killed(append_raw, trials):
        part, before = parts[number], rows * (number % 12)
        found = part.read("BTC-USDT", "2024-01").num_rows if part.path(*BTC).exists() else 0
        assert found - before in ({rows} if done else {0, rows})
        append_raw(part.root, float(number), rows)()
        table = part.read("BTC-USDT", "2024-01")
        assert table.num_rows == before + rows
        assert not table.select(["ts", "revision"]).to_pandas().duplicated().any()
    sweep(store.root, older_than=0.0)
    assert list(store.root.rglob("*.tmp")) == []


def test_two_writers_of_one_file_lose_nothing(store: RawStore) -> None:
    """A7: each adds its own days, at the same time."""
    children = [
        CONTEXT.Process(target=_write_days, args=(store.root, list(days)), daemon=True)
        for days in (range(0, 12, 2), range(1, 12, 2))
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    table = store.read("BTC-USDT", "2024-01")
    assert len(set(table["ts"].to_pylist())) == table.num_rows == 12 * 60


def test_symbols_do_not_wait_for_each_other(
    store: RawStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Months of a symbol share a lock; other symbols and other sources have their own."""
    locks: list[Path] = []

    def recorded(path: Path, poll_interval: float) -> FileLock:
        locks.append(path)
        return FileLock(path, poll_interval=poll_interval)

    monkeypatch.setattr("crypto_nn.store.raw.FileLock", recorded)
    february = some_bars(1, start=np.datetime64("2024-02-01", "us"))
    ether = replace(some_bars(1), symbol="ETH-USDT")
    store.append(*BTC, some_bars(1), NOW)
    store.append("files", "BTC-USDT", "2024-02", february, NOW)
    store.append("binance", "BTC-USDT", "2024-01", some_bars(1), NOW)
    store.append("files", "ETH-USDT", "2024-01", ether, NOW)
    assert locks[0] == locks[1]
    assert len(set(locks)) == 3


def _write_days(root: Path, days: list[int]) -> None:
    append_raw_days(root, days)()
