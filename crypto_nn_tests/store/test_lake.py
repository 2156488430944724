"""Partitions are replaced whole, columns go by name, times are UTC, old snapshots stay readable."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crypto_nn.errors import LakeError
from crypto_nn.store import TABLES, Column, Lake, TableSpec
from crypto_nn.store.replacement import OnePart
from crypto_nn_tests.store.workers import JANUARY, PARTITION, feature_rows, label_rows, minutes

ROWS = 300
FEBRUARY = {"symbol": "BTC-USDT", "month": "2024-02"}


@pytest.fixture
def fresh_lake(tmp_path: Path) -> Iterator[Lake]:
    made = Lake(tmp_path / "lake")
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    made = Lake(tmp_path_factory.mktemp("shared") / "lake")
    yield made
    made.close()


@pytest.fixture
def lake(shared_lake: Lake) -> Lake:
    """A lake without tables; opening one anew takes a third of a second."""

    def drop_all(cursor: duckdb.DuckDBPyConnection) -> None:
        for name in shared_lake.tables():
            cursor.execute(f"DROP TABLE lake.main.{name}")

    shared_lake.catalogue.write(drop_all)
    return shared_lake


def _features(value: float, rows: int = ROWS) -> dict[str, pa.Table]:
    return {"features": feature_rows(rows, value)}


def test_a_replace_makes_the_rows_of_the_partition_these_and_no_others(lake: Lake) -> None:
    """Other partitions keep theirs; no rows delete the partition; the same again is the same."""
    january = np.datetime64("2024-02-01", "us")
    lake.replace(_features(1.0), PARTITION)
    february = feature_rows(20, 2.0).set_column(0, "ts", pa.array(minutes(20, january)))
    lake.replace({"features": february}, FEBRUARY)
    lake.replace(_features(3.0, 5), PARTITION)
    lake.replace(_features(3.0, 5), PARTITION)
    assert lake.read("features", ["f0"], PARTITION)["f0"].to_pylist() == [3.0] * 5
    assert lake.count("features", FEBRUARY) == 20
    assert lake.partitions("features", ["symbol", "month"]) == (
        ("BTC-USDT", "2024-01"),
        ("BTC-USDT", "2024-02"),
    )
    lake.replace(_features(0.0, 0), PARTITION)
    assert lake.count("features", PARTITION) == 0
    assert lake.count("features") == 20


def test_several_tables_change_in_one_snapshot(lake: Lake) -> None:
    before = lake.replace({"features": feature_rows(3, 1), "labels": label_rows(3, 1)}, PARTITION)
    after = lake.replace({"features": feature_rows(3, 2), "labels": label_rows(3, 2)}, PARTITION)
    assert lake.snapshot() == after == before + 1
    for snapshot, due in ((before, 1.0), (after, 2.0)):
        assert set(lake.read("features", ["f0"], snapshot=snapshot)["f0"].to_pylist()) == {due}
        assert set(lake.read("labels", ["sigma"], snapshot=snapshot)["sigma"].to_pylist()) == {due}


def test_rows_come_back_ordered_and_lie_ordered_in_their_file(fresh_lake: Lake) -> None:
    shuffled = feature_rows(ROWS, 1.0).take(np.random.default_rng(0).permutation(ROWS))
    fresh_lake.replace({"features": shuffled}, PARTITION)
    due = minutes(ROWS).tolist()
    assert fresh_lake.read("features")["ts"].to_numpy().tolist() == due
    (file,) = (fresh_lake.root / "data" / "main" / "features").rglob("*.parquet")
    assert pq.read_table(file)["ts"].to_numpy().tolist() == due
    assert file.parent.name == "month=2024-01"


def test_columns_go_by_name_and_not_by_place(lake: Lake) -> None:
    prices = {name: [float(i)] for i, name in enumerate(("open", "high", "low", "close"))}
    rows = pa.table({"ts": pa.array(minutes(1)), **prices})
    lake.replace({"bars": rows}, PARTITION)
    lake.replace({"bars": rows.select(rows.column_names[::-1])}, PARTITION)
    assert lake.read("bars", list(prices)).to_pylist() == [
        {"open": 0.0, "high": 1.0, "low": 2.0, "close": 3.0}
    ]


def test_missing_columns_become_null_and_new_ones_are_added(lake: Lake) -> None:
    """A14: evolving a table leaves its old partitions readable."""
    lake.replace({"features": feature_rows(2, 1.0, columns=1)}, PARTITION)
    second = feature_rows(2, 2.0, columns=2).drop_columns(["f0"])
    lake.replace({"features": second}, FEBRUARY)
    for partition, due in ((PARTITION, (1.0, None)), (FEBRUARY, (None, 2.0))):
        rows = lake.read("features", ["f0", "f1"], partition)
        assert (rows["f0"].to_pylist(), rows["f1"].to_pylist()) == ([due[0]] * 2, [due[1]] * 2)


def test_a_column_grows_to_a_wider_type_and_keeps_its_values(lake: Lake) -> None:
    """A14: float32 to float64, and a whole number to a fraction, in a table open to columns."""
    small = pa.table({"ts": pa.array(minutes(1)), "x": pa.array([7], pa.int32())})
    wide = pa.table({"ts": pa.array(minutes(1)), "x": pa.array([0.1])})
    lake.replace({"features": small}, PARTITION)
    lake.replace({"features": wide}, FEBRUARY)
    lake.replace({"features": small}, {**PARTITION, "month": "2024-03"})
    rows = lake.read("features", ["month", "x"])
    assert sorted(zip(rows["month"].to_pylist(), rows["x"].to_pylist())) == [
        ("2024-01", 7.0),
        ("2024-02", 0.1),
        ("2024-03", 7.0),
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (pa.table({"f0": ["high"]}), r"column f0 is stored as float"),
        (pa.table({"f0": pa.array([1], pa.int64())}), r"column f0 is stored as float"),
        (pa.table({"f0": [[1.0]]}), r"column f0 is of type list"),
        (pa.table({"ts": ["2024-01-01"]}), r"column ts is of type string, but timestamp"),
        (pa.table({"ts": pa.array([JANUARY]).cast(pa.timestamp("us", "Asia/Tokyo"))}), "column ts"),
        (pa.table({"ts": pa.array([1], pa.timestamp("ns"))}), "column ts does not fit"),
        (pa.table({"month": ["2024-01", "2024-02"]}), "month holds '2024-02'"),
        (pa.table({"month": pa.array([None], pa.string())}), "month holds None"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_name_and_changes_nothing(
    rows: pa.Table, said: str, lake: Lake
) -> None:
    snapshot = lake.replace(_features(1.0), PARTITION)
    with pytest.raises(LakeError, match=said):
        lake.replace({"labels": label_rows(1, 1.0), "features": rows}, PARTITION)
    assert lake.snapshot() == snapshot
    assert set(lake.read("features")["f0"].to_pylist()) == {1.0}
    assert not lake.has("labels")


def test_unknown_tables_and_columns_are_refused_by_name(lake: Lake) -> None:
    with pytest.raises(LakeError, match="no table 'x; DROP TABLE bars'"):
        lake.replace({"x; DROP TABLE bars": label_rows(1, 1.0)}, PARTITION)
    with pytest.raises(LakeError, match="alerts has no column colour"):
        lake.append("alerts", pa.table({"colour": ["red"]}))
    with pytest.raises(LakeError, match="alerts has no text column symbol"):
        lake.replace({"alerts": pa.table({"kind": ["data"]})}, PARTITION)
    with pytest.raises(LakeError, match="no rows of bars yet"):
        lake.read("bars")
    lake.replace(_features(1.0), PARTITION)
    with pytest.raises(LakeError, match="features cannot be read"):
        lake.read("features", ["colour"])
    with pytest.raises(LakeError, match="features cannot be read"):
        lake.read("features", snapshot=999)


def test_values_are_bound_and_names_are_quoted(lake: Lake) -> None:
    """H8: hostile values and names are data, never statements."""
    hostile = "x'; DROP TABLE lake.main.splits; --"
    rows = pa.table({"layout": [hostile]})
    lake.replace({"splits": rows}, {"universe": hostile})
    assert lake.read("splits", ["layout"], {"universe": hostile})["layout"].to_pylist() == [hostile]
    name = 'a"; DROP TABLE lake.main.splits; --'
    lake.replace({"features": pa.table({name: [1.0]})}, PARTITION)
    assert lake.read("features", [name])[name].to_pylist() == [1.0]
    assert lake.count("splits") == 1


def test_every_value_comes_back_as_it_was_also_from_small_tables(lake: Lake) -> None:
    """A few rows are kept in the catalogue itself, many in a file; both keep every bit.

    Only -0.0 becomes 0.0, always, since DuckDB does not always tell them apart in files.
    """
    values = [float("nan"), float("inf"), 0.0, 1e-308, 0.1, None]
    for rows in (len(values), 5 * len(values)):
        column = pa.array((values * 5)[:rows])
        minus = pa.array([-value if value == 0 else value for value in column.to_pylist()])
        table = pa.table({"ts": pa.array(minutes(rows)), "x": column, "y": column.cast("float32")})
        lake.replace({"features": table.set_column(1, "x", minus)}, PARTITION)
        got = lake.read("features", ["x", "y"])
        for name in ("x", "y"):
            due, found = table[name].combine_chunks(), got[name].combine_chunks()
            assert found.is_null().equals(due.is_null())
            view = "int64" if name == "x" else "int32"
            due_bits, found_bits = (
                array.drop_null().to_numpy(zero_copy_only=False).view(view)
                for array in (due, found)
            )
            np.testing.assert_array_equal(found_bits, due_bits)


def test_text_times_and_conditions_select_rows(lake: Lake) -> None:
    lake.replace(_features(1.0, 60), PARTITION)
    start, end = minutes(60)[10], minutes(60)[20]
    rows = lake.read("features", ["ts"], {"symbol": ["BTC-USDT", "ETH-USDT"]}, start, end)
    assert rows["ts"].to_numpy().tolist() == minutes(60)[10:20].tolist()
    assert lake.count("features", {"symbol": []}) == 0
    assert lake.count("features", {"symbol": "ETH-USDT"}) == 0


def test_aware_utc_times_lose_their_zone_and_nothing_else(lake: Lake) -> None:
    aware = pa.array([datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("ns", "UTC"))
    lake.replace({"labels": pa.table({"ts": aware})}, PARTITION)
    ts = lake.read("labels")["ts"]
    assert (ts.type, ts.to_numpy().tolist()) == (pa.timestamp("us"), [JANUARY.item()])


def test_two_dimensional_partitions_backfilled_twice_have_each_row_once(lake: Lake) -> None:
    for _ in range(2):
        for symbol in ("BTC-USDT", "ETH-USDT"):
            for month in ("2024-01", "2024-02", "2024-03"):
                partition = {"symbol": symbol, "month": month}
                lake.replace({"labels": label_rows(20, 1.0)}, partition)
    assert len(lake.partitions("labels", ["symbol", "month"])) == 6
    assert lake.count("labels") == 120


def test_every_declared_table_can_be_made_with_its_comments(lake: Lake) -> None:
    schemas = {
        name: pa.schema([(column.name, column.arrow) for column in spec.columns])
        for name, spec in TABLES.items()
    }
    lake.replace({name: schema.empty_table() for name, schema in schemas.items()}, {})
    for spec in TABLES.values():
        assert set(spec.order_by) | set(spec.partition_by) <= set(spec.by_name)
    assert lake.tables() == tuple(sorted(TABLES))
    cursor = lake.catalogue.cursor()
    tables = cursor.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall()
    columns = cursor.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns()"
        " WHERE database_name = 'lake'"
    ).fetchall()
    cursor.close()
    assert set(tables) >= {(spec.name, spec.comment) for spec in TABLES.values()}
    assert set(columns) == {
        (spec.name, column.name, column.type, column.comment)
        for spec in TABLES.values()
        for column in spec.columns
    }


def test_a_declaration_may_grow_while_its_table_holds_rows(tmp_path: Path) -> None:
    def spec(*columns: Column) -> dict[str, TableSpec]:
        return {"notes": TableSpec("notes", columns, (), ("at",), "Notes.")}

    at, text = Column("at", "BIGINT", "when"), Column("text", "VARCHAR", "what")
    old = Lake(tmp_path, tables=spec(at))
    old.append("notes", pa.table({"at": [1]}))
    old.close()
    new = Lake(tmp_path, tables=spec(at, text))
    new.append("notes", pa.table({"at": [2], "text": ["x"]}))
    assert new.read("notes").to_pylist() == [{"at": 1, "text": None}, {"at": 2, "text": "x"}]
    new.close()


def test_upkeep_keeps_what_is_pinned_or_new_and_removes_the_rest(fresh_lake: Lake) -> None:
    """A6, A13: pinned and recent snapshots stay identical; an expired one is a clear error."""
    snapshots = [fresh_lake.replace(_features(float(value)), PARTITION) for value in range(6)]
    orphan = next((fresh_lake.root / "data").rglob("*.parquet")).with_name("orphan.parquet")
    orphan.write_bytes(b"a killed writer left this")
    pinned = snapshots[1]
    upkeep = fresh_lake.maintain(pinned=[pinned], keep=2, grace=timedelta(0))
    assert upkeep.snapshots_expired >= 3
    assert upkeep.files_removed >= 4
    for number in (1, 4, 5):
        rows = fresh_lake.read("features", ["f0"], snapshot=snapshots[number])
        assert rows["f0"].to_pylist() == [float(number)] * ROWS
    with pytest.raises(LakeError, match="features cannot be read"):
        fresh_lake.read("features", snapshot=snapshots[2])
    assert not orphan.exists()
    assert len(list((fresh_lake.root / "data").rglob("*.parquet"))) == 3
    assert fresh_lake.maintain(pinned=[pinned], keep=2, grace=timedelta(0)).files_removed == 0
    with pytest.raises(LakeError, match="keep is 0"):
        fresh_lake.maintain(keep=0)


def test_upkeep_merges_small_files_and_leaves_young_ones_to_their_readers(fresh_lake: Lake) -> None:
    for number in range(4):
        rows = [f"{number}-{i}" for i in range(50)]
        fresh_lake.append("alerts", pa.table({"key": rows}))
    before = fresh_lake.read("alerts")
    upkeep = fresh_lake.maintain()
    assert (upkeep.files_merged, upkeep.files_removed) == (1, 0)
    assert fresh_lake.read("alerts").equals(before)
    assert fresh_lake.maintain(keep=1, grace=timedelta(0)).files_removed == 4
    assert fresh_lake.read("alerts").equals(before)


def test_a_forked_child_opens_a_connection_of_its_own(lake: Lake) -> None:
    lake.replace(_features(1.0), PARTITION)
    child = os.fork()
    if child == 0:
        right = lake.count("features") == ROWS and lake.append("alerts", pa.table({"key": ["x"]}))
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert lake.count("alerts") == 1


def test_any_host_time_zone_gives_the_same_counts_and_instants(lake: Lake) -> None:
    """A writer and reader in New York, around its missing hour, and a reader here."""
    code = """
import sys
from pathlib import Path
import numpy as np, pyarrow as pa
from crypto_nn.store import Lake, query
lake = Lake(Path(sys.argv[1]))
ts = np.datetime64("2024-03-01", "us") + np.arange(44640) * np.timedelta64(1, "m")
lake.replace({"labels": pa.table({"ts": ts})}, {"symbol": "BTC-USDT", "month": "2024-03"})
day = np.datetime64("2024-03-10", "us"), np.datetime64("2024-03-11", "us")
print(lake.read("labels", ["ts"], start=day[0], end=day[1]).num_rows)
print(query(lake, Path("none"), "SELECT count(*) AS n, min(ts)::VARCHAR AS a, max(ts)::VARCHAR"
    " AS b, count(DISTINCT ts::DATE) AS d FROM labels WHERE ts >= '2024-03-01'").to_pylist())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(lake.root)],
        env={**os.environ, "TZ": "America/New_York"},
        capture_output=True,
        text=True,
        check=True,
    )
    counted, answer = done.stdout.splitlines()
    assert counted == "1440"
    first, last = "2024-03-01 00:00:00", "2024-03-31 23:59:00"
    assert answer == str([{"n": 44640, "a": first, "b": last, "d": 31}])
    ts = lake.read("labels", ["ts"])["ts"].to_numpy()
    assert (str(ts[0]), str(ts[-1])) == ("2024-03-01T00:00:00.000000", "2024-03-31T23:59:00.000000")


def test_a_writer_that_waits_too_long_says_for_what(tmp_path: Path) -> None:
    lake = Lake(tmp_path, wait_seconds=0.05)
    lake.append("alerts", pa.table({"key": ["x"]}))
    with lake.catalogue.lock(), pytest.raises(LakeError, match=r"Another process .*\.write\.lock"):
        lake.append("alerts", pa.table({"key": ["y"]}))
    assert lake.count("alerts") == 1
    lake.close()


def test_a_catalogue_that_cannot_be_reached_is_said_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="cannot begin with 'mysql'"):
        Lake(tmp_path, "mysql:host=x password=hunter2")
    lake = Lake(tmp_path, "postgres:host=127.0.0.1 port=1 password=hunter2 connect_timeout=1")
    with pytest.raises(LakeError, match="cannot be opened") as caught:
        lake.snapshot()
    assert "hunter2" not in f"{caught.value}{lake!r}{caught.value.__cause__}"


def test_whether_a_table_ever_had_a_row_is_known_to_every_process(tmp_path: Path) -> None:
    """Also after they are gone: it is asked before anything is deleted or counted."""
    ours, theirs = Lake(tmp_path / "lake"), Lake(tmp_path / "lake")
    none = feature_rows(0, 0.0)
    assert not ours.has_rows("features")
    with pytest.raises(LakeError, match="has no rows of features yet"):
        ours.count("features")
    ours.replace({"features": none}, PARTITION)
    assert not ours.has_rows("features")
    assert ours.count("features") == 0
    theirs.replace({"features": feature_rows(2, 1.0)}, PARTITION)
    assert ours.has_rows("features")
    assert ours.count("features") == 2
    ours.replace({"features": feature_rows(3, 2.0)}, PARTITION)
    assert theirs.count("features") == 3
    ours.replace({"features": none}, PARTITION)
    assert ours.has_rows("features")
    assert theirs.count("features") == 0
    with pytest.raises(LakeError, match="knows no table"):
        ours.has_rows("nothing")
    for lake in (ours, theirs):
        lake.close()


def test_a_write_leaves_the_process_with_as_many_threads_as_before(lake: Lake) -> None:
    """Little is written in one thread; what is read after it may use all, also after an error."""

    def threads() -> object:
        cursor = lake.catalogue.cursor()
        return cursor.execute("SELECT current_setting('threads')").fetchone()

    before = threads()
    lake.replace(_features(1.0), PARTITION)
    assert threads() == before
    with pytest.raises(LakeError):
        lake.replace(_features(1.0), PARTITION, remove={"nothing": [1]})
    assert threads() == before
    with lake.catalogue.one_thread():
        assert threads() == (1,)


def _month(month: str, value: float, **columns: pa.Array) -> OnePart:
    start = np.datetime64(month, "us")
    rows = feature_rows(3, value, columns=2).set_column(0, "ts", pa.array(minutes(3, start)))
    for name, column in columns.items():
        rows = rows.append_column(name, column)
    partition = {"symbol": "BTC-USDT", "month": month}
    told = pa.table({"kind": ["data"], "key": [month], "message": [str(value)]})
    return OnePart(partition, {"features": rows, "alerts": told}, {"alerts": {"key": month}})


def _months_in(lake: Lake) -> list[tuple[str, float]]:
    found = lake.read("features").to_pylist()
    return sorted({(row["month"], row["f0"]) for row in found})


def test_partitions_that_are_replaced_together_are_those_replaced_one_by_one(lake: Lake) -> None:
    """In one snapshot, whatever columns each has, also where one comes twice; others stay."""
    before = lake.replace_all([_month("2023-12", 0.0), _month("2024-01", 1.0)])
    extra = pa.array([1.0, 2.0, 3.0], pa.float32())
    parts = [
        _month("2024-01", 2.0),
        _month("2024-02", 2.0),
        _month("2024-03", 3.0, more=extra),
        _month("2024-02", 4.0),
        _month("2024-04", 4.0),
    ]
    assert lake.replace_all(parts) == before + 1
    due = [("2023-12", 0.0), ("2024-01", 2.0), ("2024-02", 4.0), ("2024-03", 3.0), ("2024-04", 4.0)]
    assert _months_in(lake) == due
    assert lake.count("features") == 15
    assert lake.read("features", ("more",))["more"].drop_null().to_pylist() == [1.0, 2.0, 3.0]
    told = {row["key"]: row["message"] for row in lake.read("alerts").to_pylist()}
    assert told == {month: str(value) for month, value in due}
    for part in parts:
        lake.replace(part.tables, part.partition, part.remove, part.own)
    assert _months_in(lake) == due
    assert lake.count("features") == 15


def test_partitions_that_are_replaced_together_are_replaced_all_or_none(lake: Lake) -> None:
    """Where one of them does not fit, no other is changed."""
    lake.replace_all([_month("2024-01", 1.0)])
    lake.replace_all([_month("2024-03", 1.0, more=pa.array([1.0, 2.0, 3.0], pa.float32()))])
    clash = _month("2024-04", 1.0, more=pa.array(["a", "b", "c"]))
    for parts in ([_month("2024-01", 9.0), clash], [clash, _month("2024-01", 9.0)]):
        with pytest.raises(LakeError):
            lake.replace_all(parts)
    assert _months_in(lake) == [("2024-01", 1.0), ("2024-03", 1.0)]


def _comments(lake: Lake, table: str) -> dict[str, str]:
    cursor = lake.catalogue.cursor()
    try:
        found = cursor.execute(
            "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = ?", [table]
        ).fetchall()
    finally:
        cursor.close()
    return dict(found)


def test_a_column_that_says_something_else_is_told_anew(lake: Lake) -> None:
    """The comment of an open table's column follows its newest rows; others keep theirs."""
    for words in ("first", "second", "second"):
        rows = feature_rows(ROWS, 1.0)
        name = rows.column_names[-1]
        place = rows.column_names.index(name)
        field = pa.field(name, rows.schema.field(name).type, metadata={"comment": words})
        lake.replace({"features": rows.set_column(place, field, rows[name])}, PARTITION)
        assert _comments(lake, "features")[name] == words
    assert _comments(lake, "features")["ts"] == TABLES["features"].by_name["ts"].comment


def test_columns_are_dropped_and_rows_rewritten_in_one_transaction(lake: Lake) -> None:
    """What is dropped stays readable in the snapshot before; a change that fails drops nothing."""
    first = lake.replace(_features(1.0), PARTITION)
    *_, name = lake.columns("features")
    before = lake.read("features")

    def fails(rows: pa.Table) -> pa.Table:
        raise ValueError(f"{rows.num_rows} rows")

    with pytest.raises(ValueError, match=f"{ROWS} rows"):
        lake.rewrite("features", PARTITION, fails, {"features": [name]})
    assert lake.read("features").equals(before)
    lake.rewrite("features", PARTITION, lambda rows: rows.slice(1), {"features": [name]})
    assert name not in lake.columns("features")
    assert lake.read("features").equals(before.drop_columns([name]).slice(1))
    assert lake.read("features", snapshot=first).equals(before)
    assert lake.columns("labels") == ()


def test_infinite_values_are_counted(lake: Lake) -> None:
    """Of these columns and rows; null and finite ones are none."""
    rows = feature_rows(3, 1.0)
    name = rows.column_names[-1]
    values = pa.array([np.inf, None, -np.inf], rows.schema.field(name).type)
    wrong = rows.set_column(rows.column_names.index(name), name, values)
    lake.replace({"features": wrong}, PARTITION)
    assert lake.count_infinite("features", [name], PARTITION) == (3, 2)
    assert lake.count_infinite("features", [name], FEBRUARY) == (0, 0)
