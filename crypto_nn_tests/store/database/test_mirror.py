"""A mirror fails nobody, loses nothing, and says what it lacks."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from crypto_nn.store.database import DatabaseConfig, Mirror, MirrorState, Writer
from crypto_nn.store.database.postgres import PostgresWriter
from crypto_nn_tests.store.database.made import metrics, minutes, predictions
from crypto_nn_tests.store.database.servers import Cluster, free_port

ALL: Any = ("predictions", "model_metrics", "bars")


class Hands:
    """A clock that is turned by hand, and a database that is switched off and on by hand."""

    def __init__(self, dsn: str) -> None:
        self.time, self.slept, self.tried = 1.7e9, 0.0, 0
        self.dsn, self.dead = dsn, f"postgresql://x:y@127.0.0.1:{free_port()}/x"
        self.alive = True

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.time += seconds

    def connect(self) -> Writer:
        self.tried += 1
        return PostgresWriter(SecretStr(self.dsn if self.alive else self.dead))

    def mirror(self, folder: Path, **settings: Any) -> Mirror:
        """A mirror as a new process would open it."""
        config = DatabaseConfig(mirror=ALL).model_copy(update=settings)
        return Mirror(config, folder, self.connect, lambda: "here", self.now, self.sleep, seed=1)


@pytest.fixture
def hands(supabase_like: Cluster, database: str) -> Hands:
    return Hands(supabase_like.dsn(database, "owner"))


@pytest.fixture
def ask(supabase_like: Cluster, database: str) -> Callable[[str], list[Any]]:
    """Ask the database itself."""
    return lambda sql: supabase_like.run(sql, database)


def test_off_by_default_and_then_nothing_is_written_or_connected(
    hands: Hands, tmp_path: Path
) -> None:
    mirror = Mirror(DatabaseConfig(), tmp_path / "mirror", hands.connect)
    mirror.predictions(predictions(3))
    mirror.model_metrics(metrics(["BTC-USDT"]))
    assert mirror.flush() == MirrorState()
    assert mirror.metadata() == {}
    assert hands.tried == 0
    assert not (tmp_path / "mirror").exists()


def test_what_waits_when_it_is_turned_off_is_told_and_stays(
    hands: Hands, ask: Any, tmp_path: Path
) -> None:
    hands.alive = False
    hands.mirror(tmp_path).predictions(predictions(3))
    hands.alive, tried = True, hands.tried
    off = hands.mirror(tmp_path, mirror=())
    assert (off.flush(force=True).waiting, off.state().waiting) == (3, 3)
    assert (off.metadata(), hands.tried) == ({}, tried)
    assert hands.mirror(tmp_path).flush(force=True).waiting == 0
    assert ask("select count(*) from predictions") == [(3,)]


def test_what_is_handed_over_is_in_the_database(hands: Hands, ask: Any, tmp_path: Path) -> None:
    """With the features that were asked for, and with labels beside classes."""
    mirror = hands.mirror(tmp_path)
    mirror.predictions(predictions(3), pa.table({"ts": minutes(2), "rsi": [30.5, 40.5]}))
    mirror.model_metrics(metrics(["BTC-USDT", None]))
    assert ask("select predicted_label, features->'rsi' from predictions order by timestamp") == [
        ("up", 30.5), ("up", 40.5), ("up", None),
    ]  # fmt: skip
    assert ask("select count(*) from model_metrics") == [(2,)]
    assert mirror.metadata() == {
        "mirror_rows": 5,
        "mirror_rows_unchanged": 0,
        "mirror_rows_sent": 5,
        "mirror_rows_waiting": 0,
    }


def test_a_dead_database_delays_and_the_last_value_of_a_row_wins(
    hands: Hands, ask: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """I2: rows wait in order, also those of another process, and are sent when it is back."""
    hands.alive = False
    for shift in (0.0, 0.01, 0.02):
        mirror = hands.mirror(tmp_path)
        mirror.predictions(predictions(20, shift=shift))
    mirror.model_metrics(metrics(["BTC-USDT"]))
    state = mirror.state()
    assert (state.taken, state.sent, state.waiting) == (21, 0, 61)
    assert "cannot be reached" in state.problem
    assert "cannot be reached" in caplog.text
    hands.alive = True
    hands.time += 3600
    again = hands.mirror(tmp_path)
    assert again.flush().sent == 21
    assert again.state().waiting == 0
    assert ask("select count(*), max(confidence) from predictions") == [
        (20, pytest.approx(19 / 1000 * 0.9 + 0.02))
    ]
    assert ask("select count(*) from model_metrics") == [(1,)]


def test_a_dead_database_is_left_alone_for_longer_and_longer(hands: Hands, tmp_path: Path) -> None:
    """Each failure is a few attempts; then nobody waits for it until the rest is over."""
    hands.alive = False
    mirror = hands.mirror(tmp_path, attempts=3, first_wait_s=1.0, max_wait_s=64.0)
    rests = []
    for number in range(10):
        mirror.predictions(predictions(1, first=number))
        tried, began = hands.tried, hands.time
        while hands.tried == tried:
            hands.time += 0.25
            hands.mirror(tmp_path, first_wait_s=1.0, max_wait_s=64.0).flush()
        rests.append(hands.time - began)
    assert rests[0] < 8
    assert rests[-1] > 30
    assert max(rests) <= 64 + 8
    hands.alive = True
    assert mirror.flush().waiting == 10
    assert mirror.flush(force=True).waiting == 0
    mirror.predictions(predictions(1, first=99))
    assert mirror.state().waiting == 0


def test_a_clock_set_back_does_not_prolong_the_rest(hands: Hands, tmp_path: Path) -> None:
    hands.alive = False
    mirror = hands.mirror(tmp_path)
    mirror.predictions(predictions(1))
    hands.alive = True
    hands.time -= 86_400
    assert mirror.flush().waiting == 0


def test_a_poisoned_row_stands_aside_alone_and_blocks_nobody(
    hands: Hands, ask: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two bad rows of 900; the reason is kept; when the rule is mended they can be put back."""
    table = predictions(900)
    confidence = table["confidence"].to_pylist()
    confidence[123] = confidence[800] = 7.0
    place = table.column_names.index("confidence")
    mirror = hands.mirror(tmp_path)
    mirror.predictions(table.set_column(place, "confidence", pa.array(confidence)))
    mirror.predictions(predictions(1, first=900))
    state = mirror.state()
    assert (state.sent, state.waiting, state.set_aside) == (899, 0, 2)
    assert ask("select count(*) from predictions") == [(899,)]
    reasons = mirror.spool.reasons()
    assert [each["rows"] for each in reasons] == [1, 1]
    assert all("predictions_confidence_check" in str(each["reason"]) for each in reasons)
    assert "predictions_confidence_check" in caplog.text
    assert mirror.metadata()["mirror_rows_set_aside"] == 2
    ask("alter table predictions drop constraint predictions_confidence_check")
    try:
        assert mirror.spool.put_back() == 2
        assert mirror.flush().set_aside == 0
        assert ask("select count(*) from predictions where confidence = 7") == [(2,)]
    finally:
        ask("truncate predictions")
        ask("alter table predictions add constraint predictions_confidence_check"
            " check (confidence between 0 and 1)")  # fmt: skip


def test_a_damaged_file_stands_aside_too(hands: Hands, ask: Any, tmp_path: Path) -> None:
    hands.alive = False
    mirror = hands.mirror(tmp_path)
    for number in range(3):
        mirror.predictions(predictions(10, first=10 * number))
    mirror.spool.waiting()[1].path.write_bytes(b"not Arrow")
    hands.alive = True
    state = mirror.flush(force=True)
    assert (state.sent, state.waiting, state.set_aside) == (20, 0, 10)
    assert ask("select count(*) from predictions") == [(20,)]


def test_a_full_spool_is_loud_keeps_the_oldest_and_lets_the_rows_come_again(
    hands: Hands, ask: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was refused is not taken for known: the same partition made anew brings it."""
    hands.alive = False
    mirror = hands.mirror(tmp_path, spool_limit_mb=1)
    days = [predictions(25_000, symbol=symbol) for symbol in ("BTC-USDT", "ETH-USDT")]
    for table in days:
        mirror.predictions(table)
    state = mirror.state()
    assert (state.taken, state.refused) == (0, 50_000)
    mirror.predictions(days[0].slice(0, 5_000))
    mirror.predictions(days[1])
    assert mirror.state().waiting == 5_000
    assert "nothing was added, what waits is kept" in mirror.state().problem
    assert [record.levelno for record in caplog.records if "nothing was added" in record.message]
    assert max(record.levelno for record in caplog.records) == logging.ERROR
    hands.alive = True
    mirror.flush(force=True)
    roomy = hands.mirror(tmp_path)
    for table in days:
        roomy.predictions(table)
    assert ask("select count(*) from predictions") == [(50_000,)]


def test_a_disk_that_refuses_fails_nobody(hands: Hands, ask: Any, tmp_path: Path) -> None:
    """When the database is dead or rejects, what cannot be written down is no error of the run."""
    table = predictions(3)
    place = table.column_names.index("confidence")
    table = table.set_column(place, "confidence", pa.array([0.5, 7.0, 0.5]))
    (tmp_path / "rest.json").mkdir()  # so that neither file can be written, as on a full disk
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "set_aside").touch()
    hands.alive = False
    mirror = hands.mirror(tmp_path)
    mirror.predictions(table)
    assert (mirror.state().waiting, mirror.state().refused) == (3, 0)
    assert "cannot be reached" in mirror.state().problem
    hands.alive = True
    assert mirror.flush().waiting == 3
    assert "set_aside" in mirror.state().problem
    (tmp_path / "spool" / "set_aside").unlink()
    (tmp_path / "rest.json").rmdir()
    state = mirror.flush(force=True)
    assert (state.waiting, state.set_aside) == (0, 1)
    assert ask("select count(*) from predictions") == [(2,)]


def test_a_partition_made_anew_sends_only_the_days_that_changed(
    hands: Hands, ask: Any, tmp_path: Path
) -> None:
    """A month of minutes each hour would be a flood; another database knows none of them."""
    mirror = hands.mirror(tmp_path)
    mirror.predictions(predictions(5 * 1440))
    mirror.predictions(predictions(5 * 1440))
    assert (mirror.state().taken, mirror.state().unchanged) == (5 * 1440, 5 * 1440)
    longer = pa.concat_tables([predictions(3 * 1440), predictions(2 * 1440 + 7, 3 * 1440)])
    mirror.predictions(longer)
    assert mirror.state().taken == 5 * 1440 + 7
    mirror.predictions(pa.concat_tables([longer.slice(0, 9), longer.slice(10)]))
    assert mirror.state().taken == 5 * 1440 + 7 + 1439
    assert ask("select count(*) from predictions") == [(5 * 1440 + 7,)]
    config = DatabaseConfig(mirror=ALL)
    other = Mirror(config, tmp_path, hands.connect, lambda: "elsewhere", hands.now, hands.sleep)
    other.predictions(longer)
    assert other.state().taken == longer.num_rows


def test_many_at_once_lose_and_double_nothing(hands: Hands, ask: Any, tmp_path: Path) -> None:
    """Eight writers with their own handles on one folder, as partitions that run in parallel."""

    def work(number: int) -> None:
        mirror = hands.mirror(tmp_path)
        for part in range(10):
            mirror.predictions(predictions(50, first=50 * part, symbol=f"N{number}-USDT"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert hands.mirror(tmp_path).flush().waiting == 0
    assert ask("select count(*), count(distinct symbol) from predictions") == [(4000, 8)]


def test_many_small_batches_are_few_transactions(hands: Hands, ask: Any, tmp_path: Path) -> None:
    """An hour of single rows is one batch when the database is back."""
    hands.alive = False
    mirror = hands.mirror(tmp_path)
    for number in range(60):
        mirror.predictions(predictions(1, first=number))
    before = ask("select xact_commit from pg_stat_database where datname = current_database()")
    hands.alive = True
    mirror.flush(force=True)
    assert ask("select count(*), count(distinct xmin::text) from predictions") == [(60, 1)]
    assert before


def test_an_environment_without_a_database_is_named_and_the_rows_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("CRYPTO_NN_DATABASE", "SUPABASE_URL", "SUPABASE_KEY"):
        monkeypatch.delenv(name, raising=False)
    mirror = Mirror(DatabaseConfig(mirror=ALL), tmp_path)
    mirror.predictions(predictions(3))
    assert mirror.state().waiting == 3
    assert "SUPABASE_URL is not set" in str(mirror.metadata()["mirror_problem"])
    assert "CRYPTO_NN_DATABASE" in caplog.text


def test_the_environment_names_the_database(
    supabase_like: Cluster,
    database: str,
    ask: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Set the variable, name the table, and rows arrive."""
    monkeypatch.setenv("CRYPTO_NN_DATABASE", supabase_like.dsn(database, "owner"))
    mirror = Mirror(DatabaseConfig(mirror=ALL), tmp_path)
    mirror.predictions(predictions(3))
    assert mirror.state().waiting == 0
    assert ask("select count(*) from predictions") == [(3,)]
