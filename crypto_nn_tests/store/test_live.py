"""Live rows: committed without a file, read at once by anyone, shown with the clean bars."""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.quality import QualityConfig, inspect
from crypto_nn.store import Lake, RawStore, attach_script, query, upkeep
from crypto_nn.store.live import LiveBars, folded, received
from crypto_nn_tests.store import workers
from crypto_nn_tests.store.kill import KILLS, killed
from crypto_nn_tests.store.workers import JANUARY, some_bars

SYMBOL, MONTH, SOURCE = "BTC-USDT", "2024-01", "venue"
MINUTE = M1.step
LATER = JANUARY + 3 * 60 * MINUTE
FAR = np.datetime64("2100-01-01", "us")
FEWER = max(KILLS // 4, 1)


@dataclass(frozen=True)
class Delivery:
    bars: Bars
    received_at: np.datetime64 = LATER
    origin: str = "stream"


def said(value: float, minute: int = 0, after: int = 0) -> Delivery:
    """One bar of that minute, received so many minutes after the others."""
    return Delivery(some_bars(1, value, JANUARY + minute * MINUTE), LATER + after * MINUTE)


@pytest.fixture(scope="module")
def shared_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    made = Lake(tmp_path_factory.mktemp("live") / "lake")
    yield made
    made.close()


@pytest.fixture
def lake(shared_lake: Lake) -> Lake:
    """A lake without tables; opening one anew takes a third of a second."""
    drop_all(shared_lake)
    return shared_lake


@pytest.fixture
def live(lake: Lake) -> LiveBars:
    return LiveBars(lake)


def drop_all(lake: Lake) -> None:
    def drop(cursor: duckdb.DuckDBPyConnection) -> None:
        for name in lake.tables():
            cursor.execute(f"DROP TABLE lake.main.{name}")

    lake.catalogue.write(drop)
    lake._inlined.clear()


def files(lake: Lake) -> set[Path]:
    return set(lake.catalogue.data.rglob("*.parquet"))


def closes(bars: Bars) -> dict[int, float]:
    """By minute of January."""
    return dict(zip(((bars.ts - JANUARY) // MINUTE).tolist(), bars.close.tolist()))


def now(live: LiveBars) -> dict[int, float]:
    return closes(live.now(SYMBOL, JANUARY, FAR))


def fold(live: LiveBars, raw: RawStore) -> None:
    """What the assets `raw_bars` and `bars` do, with no source between."""
    rows = live.read(SYMBOL, MONTH, SOURCE)
    raw.append(SOURCE, SYMBOL, MONTH, *received(rows, SYMBOL))
    finish_fold(live, raw)


def finish_fold(live: LiveBars, raw: RawStore) -> None:
    stored = raw.read(SYMBOL, MONTH, SOURCE)
    accepted = inspect(stored, live.quality).accepted
    remove = {"live_bars": folded(live.read(SYMBOL, MONTH, SOURCE), stored)}
    live.lake.replace({"bars": accepted.to_arrow()}, workers.PARTITION, remove)


def test_few_rows_are_committed_without_a_file_and_come_back_as_they_were(live: LiveBars) -> None:
    before = files(live.lake)
    ts = np.array(["NaT", JANUARY], "datetime64[us]")
    numbers = ([np.nan, 1.0], [np.inf, 2.0], [0.1, 0.5], [5e-324, 1.5], [-1.0, 7.0])
    opens, highs, lows, ends, volumes = map(np.array, numbers)
    note, vwap = np.array(["ts: 'x'", None], dtype=object), np.array([np.nan, 1.25])
    odd = Bars(SYMBOL, M1, ts, opens, highs, lows, ends, volumes, vwap=vwap, note=note)
    assert live.append(SOURCE, [Delivery(odd, LATER, "fetch")]) == 2
    for rows in (1, 10, 50):
        live.append(SOURCE, [Delivery(some_bars(rows, start=JANUARY + 5 * MINUTE))])
    assert files(live.lake) == before
    rows = live.read(SYMBOL)
    assert rows.num_rows == 63
    assert set(rows["month"].to_pylist()) == {MONTH}
    first = rows.slice(0, 2).sort_by([("ts", "descending")])
    bars, times = received(first.take([1, 0]), SYMBOL)
    for name, column in odd.columns().items():
        found = getattr(bars, name)
        if name == "note":
            assert found.tolist() == column.tolist()
        else:
            np.testing.assert_array_equal(found, column)
    assert set(times) == {LATER}
    assert rows["origin"].to_pylist().count("fetch") == 2


def test_rows_keep_the_order_in_which_they_were_recorded(live: LiveBars) -> None:
    for minute in (3, 1, 2):
        live.append(SOURCE, [said(1.0, minute)])
    rows = live.read(SYMBOL, MONTH, SOURCE)
    assert closes(received(rows, SYMBOL)[0]).keys() == {3, 1, 2}
    assert rows["rowid"].to_pylist() == sorted(rows["rowid"].to_pylist())
    assert live.read(SYMBOL, "2024-02").num_rows == live.read("ETH-USDT").num_rows == 0


def test_a_row_is_fit_exactly_where_inspection_would_accept_it_alone(live: LiveBars) -> None:
    """The view must not show what `quarantined_bars` will hold, nor hide what `bars` will."""
    bad = some_bars(8)
    bad.close[1], bad.low[2], bad.volume[3], bad.open[4] = np.nan, 0.0, -1.0, 1e13
    bad.ts[5] += np.timedelta64(1, "s")
    bad.ts[6] = np.datetime64("NaT")
    bad.ts[7] = LATER  # its minute had not passed
    live.append(SOURCE, [Delivery(bad)])
    rows = live.read(SYMBOL).sort_by([("ts", "ascending")])
    assert [ts for ts, ok in zip(rows["ts"].to_pylist(), rows["fit"].to_pylist()) if ok] == [
        JANUARY.item()
    ]
    assert now(live) == {0: 100.0}


def test_bars_now_is_there_before_its_tables_are(live: LiveBars, tmp_path: Path) -> None:
    """Neither table, either one alone, and both: the same columns always."""
    schemas = []
    for step in (
        lambda: None,
        lambda: live.append(SOURCE, [said(5.0)]),
        lambda: live.lake.replace({"bars": some_bars(2, 1.0).to_arrow()}, workers.PARTITION),
    ):
        step()
        schemas.append(query(live.lake, tmp_path, "SELECT * FROM bars_now").schema)
        assert live.last("ETH-USDT") is None
    assert len(set(map(str, schemas))) == 1
    assert schemas[0] == query(live.lake, tmp_path, "SELECT * FROM bars").schema
    assert now(live) == {0: 5.0, 1: 1.0}
    drop_all(live.lake)
    live.lake.replace({"bars": some_bars(2, 1.0).to_arrow()}, workers.PARTITION)
    assert query(live.lake, tmp_path, "SELECT * FROM bars_now").schema == schemas[0]
    assert live.last(SYMBOL) == JANUARY + MINUTE


@pytest.mark.parametrize("floor", [False, True], ids=["quarantine", "floor"])
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_folding_changes_nothing_that_bars_now_shows(
    floor: bool, data: st.DataObject, shared_lake: Lake, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Late, doubled, disordered, changed and broken rows: seen live and folded they are the same.

    Nothing is left over, folding twice is folding once, and what had been folded before stands.
    """
    drop_all(shared_lake)
    live = LiveBars(shared_lake, QualityConfig(off_minute="floor" if floor else "quarantine"))
    raw = RawStore(tmp_path_factory.mktemp("raw"))
    row = st.tuples(
        st.integers(0, 3),
        st.sampled_from([0, 30]),
        st.sampled_from([1.0, 2.0, 3.0, -1.0, np.nan]),
    )
    deliveries = st.lists(st.lists(row, min_size=1, max_size=4), min_size=1, max_size=3)
    for number in range(1 if floor else 2):
        for rows in data.draw(deliveries):
            parts = [some_bars(1, v, JANUARY + m * MINUTE + s * MINUTE // 60) for m, s, v in rows]
            after = data.draw(st.integers(3 * number, 3 * number + 2))
            live.append(SOURCE, [Delivery(Bars.concat(parts), LATER + after * MINUTE)])
        before = now(live)
        fold(live, raw)
        assert live.read().num_rows == 0
        assert now(live) == before
        held = shared_lake.read("bars", where=workers.PARTITION)
        assert closes(Bars.from_arrow(held, SYMBOL)) == before
    fold(live, raw)
    assert now(live) == before


def test_a_row_that_comes_while_the_others_are_folded_stays(live: LiveBars, tmp_path: Path) -> None:
    """Also where its clock stood still or went back, and where it says what was said before."""
    raw = RawStore(tmp_path)
    live.append(SOURCE, [said(1.0), said(2.0, after=1), said(9.0, 1)])
    rows = live.read(SYMBOL, MONTH, SOURCE)
    raw.append(SOURCE, SYMBOL, MONTH, *received(rows, SYMBOL))
    live.append(SOURCE, [said(3.0, after=1), said(1.0, after=2), said(8.0, 1, after=-1)])
    finish_fold(live, raw)
    assert live.read().num_rows == 3
    assert now(live)[0] == 1.0
    fold(live, raw)
    assert (live.read().num_rows, now(live)) == (0, {0: 1.0, 1: 9.0})


def test_other_processes_see_a_row_as_soon_as_append_returns(live: LiveBars) -> None:
    """Through a user's query, a lake of their own, and the printed script in a plain DuckDB."""
    code = """
import sys, duckdb
from pathlib import Path
from crypto_nn.store import Lake, query
from crypto_nn.store.extensions import load_extensions
root = Path(sys.argv[1])
print(query(Lake(root), root, "SELECT max(close) AS c FROM bars_now").to_pylist()[0]["c"])
print(Lake(root).count("live_bars"))
con = duckdb.connect()
load_extensions(con, "ducklake", "sqlite_scanner")
for line in sys.stdin.read().split(";"):
    if line.strip() and "INSTALL" not in line and "LOAD" not in line:
        con.execute(line)
print(con.execute("SELECT count(*), max(close) FROM bars_now").fetchall())
"""
    live.append(SOURCE, [said(41.0), said(42.0, after=1)])
    done = subprocess.run(
        [sys.executable, "-c", code, str(live.lake.root)],
        input=attach_script(live.lake), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[:3] == ["42.0", "2", "[(1, 42.0)]"]


def test_removed_rows_stay_removed_through_flush_merge_and_time_travel(live: LiveBars) -> None:
    """What DuckLake does with rows in its catalogue, pinned: DuckLake 1.5 had bugs just there."""
    lake, seen = live.lake, {}

    def mark() -> None:
        seen[lake.snapshot()] = lake.read("live_bars", ["ts", "close"]).to_pylist()

    def remove(*minutes_gone: int) -> None:
        rows = live.read()
        gone = [r for r, ts in zip(rows["rowid"].to_pylist(), rows["ts"].to_numpy())
                if (ts - JANUARY) // MINUTE in minutes_gone]  # fmt: skip
        lake.replace({}, {}, {"live_bars": gone})
        mark()

    def call(sql: str) -> None:
        with lake.catalogue.lock():
            cursor = lake.catalogue.cursor()
            cursor.execute(sql).fetchall()
            cursor.close()
        mark()

    def append(value: float) -> None:
        live.append(SOURCE, [Delivery(some_bars(10, value))])
        mark()

    flush = "CALL ducklake_flush_inlined_data('lake')"
    append(1.0)
    remove(0)
    append(2.0)
    call(flush)
    remove(1)  # from a file now
    append(3.0)
    remove(2, 3)  # from a file and from the catalogue
    call(flush)
    call("CALL ducklake_merge_adjacent_files('lake')")
    append(4.0)
    remove(4)
    lake.maintain()
    mark()
    ids = live.read()["rowid"].to_pylist()
    assert len(set(ids)) == len(ids) == 5 + 6 + 7 + 9
    for snapshot, rows in seen.items():
        found = lake.read("live_bars", ["ts", "close"], snapshot=snapshot).to_pylist()
        assert sorted(map(str, found)) == sorted(map(str, rows))
    remove(*range(10))
    assert live.read().num_rows == 0


def test_live_snapshots_push_out_no_other_and_end_after_half_a_day(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorder makes more snapshots a day than upkeep keeps; pinned ones stay whatever they are.

    The rows of the catalogue that no snapshot can read any more are gone from it, too.
    """
    live, kept = LiveBars(lake), []
    for number in range(4):
        bars = {"bars": some_bars(3, float(number)).to_arrow()}
        kept.append(lake.replace(bars, workers.PARTITION))
        for minute in range(4):
            live.append(SOURCE, [said(1.0, minute)])
            pinned = lake.snapshot() if (number, minute) == (1, 2) else 0
            kept += [pinned] if pinned else []
    lake.maintain(pinned=kept[2:3], keep=3)
    found = [lake.read("bars", ["close"], snapshot=each)["close"][0].as_py() for each in kept[1:]]
    assert found == [1.0, 1.0, 2.0, 3.0]
    young = _snapshots(lake)
    assert len(young) > 16
    lake.replace({}, {}, {"live_bars": live.read()["rowid"].to_numpy()})
    monkeypatch.setattr(upkeep, "LIVE_SECONDS", 0)
    expired, reclaimed = lake.forget_live(pinned=kept[2:3])
    assert expired > 10
    assert reclaimed > 0
    assert set(kept[1:]) <= _snapshots(lake)
    assert lake.count("live_bars", snapshot=kept[2]) == 7
    lake.maintain(keep=1)
    assert _snapshots(lake) == {lake.snapshot()}
    assert _rows_in_catalogue(lake, "live_bars") == 0
    assert lake.count("bars") == 3


def _snapshots(lake: Lake) -> set[int]:
    cursor = lake.catalogue.cursor()
    rows = cursor.execute("SELECT snapshot_id FROM ducklake_snapshots('lake')").fetchall()
    cursor.close()
    return {row[0] for row in rows}


def _rows_in_catalogue(lake: Lake, table: str) -> int:
    def meta(sql: str, name: str = "") -> list[tuple[Any, ...]]:
        written = sql.format(name=name, meta="__ducklake_metadata_lake")
        return cursor.execute(written).fetchall()

    cursor = lake.catalogue.cursor()
    ids = dict(meta("SELECT table_name, table_id FROM ducklake_table_info('lake')"))
    named = meta("SELECT table_name, table_id FROM {meta}.ducklake_inlined_data_tables")
    count = "SELECT count(*) FROM {meta}.{name}"
    counts = [meta(count, name) for name, of in named if of == ids[table]]
    cursor.close()
    return sum(rows[0][0] for rows in counts)


def test_rows_that_nobody_folds_are_moved_into_one_file(
    live: LiveBars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "UNFOLDED_ROWS", 30)
    before = files(live.lake)
    for number in range(4):
        live.append(SOURCE, [Delivery(some_bars(10, float(number)))])
    rows = live.read().drop_columns("rowid")
    live.lake.maintain()
    assert len(files(live.lake) - before) == 1
    assert _rows_in_catalogue(live.lake, "live_bars") == 0
    assert live.read().drop_columns("rowid").equals(rows)
    assert now(live) == dict.fromkeys(range(10), 3.0)


def test_live_bars_on_postgres_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    server_of = pytest.importorskip("pgserver", reason="needs pgserver from PyPI").get_server
    monkeypatch.setattr(upkeep, "LIVE_SECONDS", 0)
    # Not in pytest's own folder: it is closed to the user as whom Postgres runs.
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        root = Path(folder)
        server = server_of(root / "postgres")
        stack.callback(server.cleanup)
        lake = Lake(root / "lake", f"postgres:{server.get_uri()}")
        stack.callback(lake.close)
        live, raw = LiveBars(lake), RawStore(root / "raw")
        live.append(SOURCE, [said(1.0), said(2.0, after=1), said(3.0, 1)])
        assert files(lake) == set()
        count = "SELECT count(*) AS n, sum(close) AS s FROM bars_now"
        assert query(lake, root, count).to_pylist() == [{"n": 2, "s": 5.0}]
        fold(live, raw)
        assert (live.read().num_rows, now(live)) == (0, {0: 2.0, 1: 3.0})
        lake.maintain(keep=1, grace=timedelta(0))
        assert _rows_in_catalogue(lake, "live_bars") == 0
        assert now(live) == {0: 2.0, 1: 3.0}


@pytest.mark.kill
def test_a_killed_recorder_has_every_row_that_it_said_was_committed(tmp_path: Path) -> None:
    """None twice, none torn, none lost; what it had not said yet is there whole or not at all."""
    lake = Lake(tmp_path / "lake")
    live = LiveBars(lake)
    live.append(SOURCE, [said(0.0)])
    there = {0}
    trials = ((lake.root, minute) for minute in range(1, FEWER + 2))
    for number, done in killed(append_three, trials):
        minute, rows = number + 1, live.read(SYMBOL)
        found = Counter(rows["trades"].to_pylist())
        assert found.pop(None) == 1
        assert set(found.values()) <= {3}
        assert not done or float(minute) in found
        there |= {minute} if float(minute) in found else set()
        assert {int(number) for number in found} == there - {0}
    assert len(there) > 1
    assert files(lake) == set()
    lake.close()


@pytest.mark.kill
def test_a_fold_that_is_killed_anywhere_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Between the raw file and the lake's transaction, or within either; then it is run again."""
    lake, raw = Lake(tmp_path / "lake"), RawStore(tmp_path / "raw")
    live = LiveBars(lake)
    live.append(SOURCE, [said(0.0)])
    fold(live, raw)
    due = {0: 0.0}

    def trials() -> Iterator[tuple[Path, Path]]:
        for minute in range(1, FEWER + 2):
            live.append(SOURCE, [said(float(minute), minute), said(float(minute), 0, after=minute)])
            due.update({minute: float(minute), 0: float(minute)})
            yield lake.root, raw.root

    for _ in killed(fold_once, trials()):
        assert now(live) == due
    fold(live, raw)
    assert now(live) == due
    assert live.read().num_rows == 0
    stored = raw.read(SYMBOL, MONTH, SOURCE)
    assert stored.num_rows == 2 * len(due) - 1  # each version once, though folded again and again
    lake.close()


def append_three(root: Path, minute: int) -> Callable[[], int]:
    """One commit of three deliveries that tell their number."""
    live = LiveBars(Lake(root))
    live.lake.snapshot()
    bars = replace(some_bars(1, 1.0, JANUARY + minute * MINUTE), trades=np.array([float(minute)]))
    return lambda: live.append(SOURCE, [Delivery(bars)] * 3)


def fold_once(root: Path, raw_root: Path) -> Callable[[], None]:
    live = LiveBars(Lake(root))
    live.lake.snapshot()
    return lambda: fold(live, RawStore(raw_root))
