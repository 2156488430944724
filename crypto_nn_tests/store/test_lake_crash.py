"""Whatever dies and whoever else writes: the lake holds the old rows or the new ones."""

import os
from collections.abc import Iterator
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from crypto_nn.errors import LakeError
from crypto_nn.store import Lake, ModelStore, RawStore, query
from crypto_nn_tests.store import workers
from crypto_nn_tests.store.kill import (
    CONTEXT,
    KILLS,
    commit_then_kill,
    killed,
    run,
)

ROWS = 400
WRITERS, COMMITS = 3, int(os.environ.get("CRYPTO_NN_COMMITS", "3"))

READS = int(os.environ.get("CRYPTO_NN_READS", "20"))


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    made = Lake(tmp_path / "lake")
    workers.write_version(made, 0, ROWS)
    yield made
    made.close()


def _version(lake: Lake) -> float:
    """The one version of which both tables hold every row once; fails where there is a mixture."""
    features, labels = lake.read("features"), lake.read("labels")
    found = set(features["f0"].to_pylist()) | set(labels["sigma"].to_pylist())
    assert len(found) == 1
    due = workers.minutes(ROWS).tolist()
    assert features["ts"].to_numpy().tolist() == labels["ts"].to_numpy().tolist() == due
    return float(found.pop())


def _referenced(lake: Lake) -> set[Path]:
    cursor = lake.catalogue.cursor()
    rows = [
        row
        for table in lake.tables()
        for row in cursor.execute(f"FROM ducklake_list_files('lake', '{table}')").fetchall()
    ]
    cursor.close()
    return {Path(row[0]) for row in rows}


@pytest.mark.kill
def test_a_killed_replace_leaves_the_old_rows_or_the_new_ones_in_all_its_tables(lake: Lake) -> None:
    """A1, A2, A3, A13: never torn, durable once said, right when repeated, swept clean."""
    found = _version(lake)
    trials = ((lake.root, version, ROWS) for version in range(1, KILLS + 2))
    for number, done in killed(workers.replace_month, trials):
        before, found = found, _version(lake)
        assert found in ({number + 1} if done else {before, number + 1})
    workers.write_version(lake, 7, ROWS)
    workers.write_version(lake, 7, ROWS)
    assert _version(lake) == 7
    lake.maintain(keep=1, grace=timedelta(0))
    assert set((lake.root / "data").rglob("*.parquet")) == _referenced(lake)
    assert _version(lake) == 7


def test_a_crash_between_delete_and_insert_leaves_the_old_rows(lake: Lake) -> None:
    """A4: the two statements are one transaction."""
    commit_then_kill(workers.replace_month_and_die_between, lake.root, 1, ROWS, after=None)
    assert _version(lake) == 0
    workers.write_version(lake, 1, ROWS)
    assert _version(lake) == 1


def test_readers_beside_a_writer_never_fail_and_never_see_a_mixture(lake: Lake) -> None:
    """A5: through the kept connection, and through a user's query with a connection of its own."""
    stop = lake.root / "stop"
    writer = CONTEXT.Process(target=_write_until, args=(lake.root, stop), daemon=True)
    writer.start()
    sql = """SELECT count(*) AS n, count(DISTINCT v) AS v FROM
             (SELECT f0 AS v FROM features UNION ALL SELECT sigma FROM labels)"""
    seen: list[float] = []
    while len(seen) < READS or len(set(seen)) < 3:
        seen.append(_version_at(lake))
        if len(seen) % 10 == 0:
            assert query(lake, lake.root, sql).to_pylist() == [{"n": 2 * ROWS, "v": 1}]
    stop.touch()
    writer.join()
    assert writer.exitcode == 0


def _version_at(lake: Lake) -> float:
    snapshot = lake.snapshot()
    both = [lake.read("features", ["f0"], snapshot=snapshot)["f0"]]
    both.append(lake.read("labels", ["sigma"], snapshot=snapshot)["sigma"])
    assert [len(column) for column in both] == [ROWS, ROWS]
    found = {value for column in both for value in column.to_pylist()}
    assert len(found) == 1
    return float(found.pop())


def _write_until(root: Path, stop: Path) -> None:
    workers.replace_until_told(root, stop, ROWS)()


def test_writers_of_the_same_and_of_other_partitions_lose_nothing(lake: Lake) -> None:
    """A7, A8: every commit is there, in one line of snapshots; nobody is refused."""
    pipes = []
    for writer in range(WRITERS):
        ours, theirs = CONTEXT.Pipe()
        child = CONTEXT.Process(target=_write_much, args=(theirs, lake.root, writer), daemon=True)
        child.start()
        theirs.close()
        pipes.append((ours, child))
    snapshots = []
    for ours, child in pipes:
        snapshots += ours.recv()
        ours.close()
        child.join()
    assert len(set(snapshots)) == len(snapshots) == WRITERS * COMMITS * 3
    due = {f"{writer}-{number}" for writer in range(WRITERS) for number in range(COMMITS)}
    assert sorted(lake.read("alerts")["key"].to_pylist()) == sorted(due)
    for writer in range(WRITERS):
        month = {"symbol": "BTC-USDT", "month": f"2023-{writer + 1:02d}"}
        assert lake.count("labels", month) == 50 + writer
    last = lake.read("labels", ["sigma"], workers.PARTITION)["sigma"].to_pylist()
    assert last in [[float(writer)] * (50 + writer) for writer in range(WRITERS)]


def _write_much(pipe: Connection, root: Path, writer: int) -> None:
    pipe.send(workers.append_and_replace(root, writer, COMMITS)())


def test_a_full_disk_is_an_error_and_the_old_rows_stay(lake: Lake) -> None:
    """A9: each store says so, keeps what it had, and leaves no temporary file."""
    root = lake.root.parent
    raw, models = RawStore(root / "raw"), ModelStore(root / "models")
    raw.append("files", "BTC-USDT", "2024-01", workers.some_bars(5), workers.JANUARY)
    models.save("lstm", "v1", {"w": b"1"})

    errors = run(workers.fill_the_disk, root, 600_000)

    assert errors == ["LakeError", "OSError", "OSError"]
    assert _version(lake) == 0
    assert raw.read("BTC-USDT", "2024-01").num_rows == 5
    assert models.versions("lstm") == ("v1",)
    assert list(root.rglob("*.tmp")) == []


def test_a_passing_conflict_is_tried_again_and_a_lasting_one_is_said(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crypto_nn.store.catalogue.time.sleep", lambda _: None)
    left = [2]

    def work(cursor: duckdb.DuckDBPyConnection) -> str:
        cursor.execute("DELETE FROM lake.main.features")
        left[0] -= 1
        if left[0] >= 0:
            raise duckdb.TransactionException("database is locked")
        return "done"

    assert lake.catalogue.write(work)[0] == "done"
    assert lake.count("features") == 0
    left[0] = 99
    with pytest.raises(LakeError, match=r"Nothing was written .* database is locked"):
        lake.catalogue.write(work)
    assert left[0] == 94


def test_a_lake_on_postgres_is_the_same_lake(tmp_path: Path) -> None:
    """DESIGN §7: more machines are a change of the catalogue's address."""
    server_of = pytest.importorskip("pgserver", reason="needs pgserver from PyPI").get_server
    server = server_of(tmp_path / "postgres")
    try:
        lake = Lake(tmp_path / "lake", f"postgres:{server.get_uri()}")
        for version in range(2):
            workers.write_version(lake, version, ROWS)
        assert _version(lake) == 1
        answer = query(lake, tmp_path, "SELECT count(*) AS n FROM features AT (VERSION => 1)")
        assert answer.to_pylist() == [{"n": ROWS}]
        lake.append("alerts", pa.table({"key": ["x"]}))
        lake.maintain(keep=1, grace=timedelta(0))
        assert _version(lake) == 1
        lake.close()
    finally:
        server.cleanup()
