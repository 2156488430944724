"""Every answer reaches the lake once, wherever a drainer or a writer dies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from filelock import FileLock

from crypto_nn.errors import LakeError
from crypto_nn.server import drain
from crypto_nn.server.drain import Drained, Drainer
from crypto_nn.server.served import Served, ServedRow
from crypto_nn.store import Lake
from crypto_nn_tests.server.test_served import ROW, rows


class Killed(BaseException):
    """What stands for a SIGKILL: nothing may catch it."""


@pytest.fixture(scope="module")
def shared_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    made = Lake(tmp_path_factory.mktemp("drained") / "lake")
    yield made
    made.close()


@pytest.fixture
def lake(shared_lake: Lake) -> Lake:
    if shared_lake.has("served_predictions"):

        def empty(cursor: duckdb.DuckDBPyConnection) -> None:
            cursor.execute("DELETE FROM lake.main.served_predictions")

        shared_lake.catalogue.write(empty)
    return shared_lake


def spool(folder: Path, *parts: list[ServedRow]) -> Path:
    """A spool with one sealed file of each part."""
    for part in parts:
        served = Served(folder)
        served.add(part)
        served.close()
    return folder


def in_lake(lake: Lake) -> list[int]:
    return [int(at.timestamp()) for at in lake.read("served_predictions")["ts"].to_pylist()]


def due(*parts: list[ServedRow]) -> list[int]:
    times = [row.ts for part in parts for row in part]
    return [int(at.timestamp()) for at in pa.array(sorted(times), pa.timestamp("us")).to_pylist()]


def test_all_that_is_spooled_comes_into_the_lake_and_leaves_the_spool(
    tmp_path: Path, lake: Lake
) -> None:
    folder = spool(tmp_path, rows(3), rows(2, 3))
    assert Drainer(folder, lake).drain() == Drained(rows=5, files=2)
    assert in_lake(lake) == due(rows(5))
    row = lake.read("served_predictions").to_pylist()[0]
    assert (row["month"], row["predicted_class"], row["confidence"]) == ("2023-11", 1, 0.5)
    assert row["model_version"] == "v1"
    assert row["latency_ms"] == 1.5
    assert Drainer(folder, lake).drain() == Drained()
    assert not list(folder.glob("*.jsonl"))


@pytest.mark.parametrize("point", ["before the append", "after it", "first removal", "last sync"])
def test_a_drainer_killed_anywhere_loses_nothing_and_doubles_nothing(
    point: str, tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = spool(tmp_path, rows(3), rows(2, 3))
    append, finish = lake.append, Drainer._finish

    def dies(name: str, table: pa.Table) -> int:
        if point == "after it":
            append(name, table)
        raise Killed

    def dies_after_one(self: Drainer, one: Any) -> None:
        finish(self, one)
        raise Killed

    def dies_at_once(path: Path) -> None:
        if not list(folder.glob("*.jsonl")):
            raise Killed

    with monkeypatch.context() as patched:
        if point in ("before the append", "after it"):
            patched.setattr(lake, "append", dies)
        elif point == "first removal":
            patched.setattr(Drainer, "_finish", dies_after_one)
        else:
            patched.setattr(drain, "sync", dies_at_once)
        with pytest.raises(Killed):
            Drainer(folder, lake).drain()
    again = Drainer(folder, lake).drain()
    assert again is not None
    assert in_lake(lake) == due(rows(5))
    assert not list(folder.glob("*.jsonl"))


def test_a_living_writer_keeps_its_open_file_and_a_dead_one_does_not(
    tmp_path: Path, lake: Lake
) -> None:
    served = Served(tmp_path)
    served.add(rows(2))
    served.flush()
    assert Drainer(tmp_path, lake).drain() == Drained()
    assert served._claim is not None
    served._claim.release()  # as the system does when a process dies
    [path] = tmp_path.glob("*.open")
    with path.open("ab") as file:
        file.write(b"0badc0de {torn")
    assert Drainer(tmp_path, lake).drain() == Drained(rows=2, torn=1, files=1)
    assert in_lake(lake) == due(rows(2))
    assert [path.name for path in tmp_path.iterdir() if path.name != ".drain.lock"] == []
    assert served._file is not None
    served._file.close()


def test_one_drainer_at_a_time(tmp_path: Path, lake: Lake) -> None:
    folder = spool(tmp_path, rows(1))
    with FileLock(folder / ".drain.lock"):
        assert Drainer(folder, lake).drain() is None
    assert Drainer(folder, lake).drain() == Drained(rows=1, files=1)


def test_a_damaged_line_is_kept_aside_with_its_file_and_its_neighbours_are_drained(
    tmp_path: Path, lake: Lake
) -> None:
    folder = spool(tmp_path, rows(3))
    [path] = folder.glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"BTC", b"ETH") + lines[2])
    assert Drainer(folder, lake).drain() == Drained(rows=2, damaged=1, files=1)
    assert in_lake(lake) == due([rows(3)[0], rows(3)[2]])
    assert [kept.name for kept in (folder / "damaged").iterdir()] == [path.name]


def test_the_same_row_twice_is_one_and_batches_are_bounded(tmp_path: Path, lake: Lake) -> None:
    folder = spool(tmp_path, [ROW, ROW], [ROW], rows(2))
    assert Drainer(folder, lake, max_rows=1).drain() == Drained(rows=2, known=3, files=3)
    assert in_lake(lake) == due(rows(2))


def test_a_lake_that_refuses_leaves_the_files_and_the_thread_goes_on(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = spool(tmp_path, rows(1))
    waits = iter([False, True])

    class Twice:
        def wait(self, seconds: float) -> bool:
            return next(waits)

    def refuses(name: str, table: pa.Table) -> int:
        raise LakeError("it is busy")

    with monkeypatch.context() as patched:
        patched.setattr(lake, "append", refuses)
        Drainer(folder, lake).run(Twice())  # type: ignore[arg-type]
    assert caplog.text.count("it is busy") == 2
    assert len(list(folder.glob("*.jsonl"))) == 1
