"""The database is killed under load and stays away for an hour: nothing is lost or doubled.

The long version (100,000 predictions) runs with CRYPTO_NN_LONG=1.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from crypto_nn.store.database import DatabaseConfig, Mirror, migrate
from crypto_nn.store.database.postgres import PostgresWriter
from crypto_nn.store.database.rows import prediction_rows
from crypto_nn_tests.store import kill
from crypto_nn_tests.store.database.made import predictions
from crypto_nn_tests.store.database.servers import Cluster, until

LONG = bool(os.environ.get("CRYPTO_NN_LONG"))
WRITERS = 2
BATCHES = 100 if LONG else 12
ROWS = 500 if LONG else 250
HOUR_S = 3600.0


class HandClock:
    """An hour is as long as the test says; waiting moves it on."""

    def __init__(self) -> None:
        self.time, self._turning = 1.7e9, threading.Lock()

    def now(self) -> float:
        """Seconds since 1970."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        with self._turning:
            self.time += seconds


@pytest.mark.kill
def test_postgres_killed_under_load_and_back_after_an_hour(plain: Cluster, tmp_path: Path) -> None:
    """I2: each prediction is in the database once, as it was said last."""
    plain.run("create database outage")
    dsn = plain.dsn("outage")
    migrate(dsn)
    clock, sent, handed = HandClock(), [], []
    outage_over = threading.Event()

    def load(writer: int) -> None:
        config = DatabaseConfig(mirror=("predictions",))
        connect = lambda: PostgresWriter(SecretStr(dsn))  # noqa: E731
        mirror = Mirror(config, tmp_path, connect, lambda: dsn, clock.now, clock.sleep, writer)
        for number in range(BATCHES):
            if number == BATCHES - BATCHES // 4:
                outage_over.wait()
            symbol = f"N{writer}-USDT"
            mirror.predictions(predictions(ROWS, number * ROWS, symbol))
            if number % 10 == 9:  # some are said anew, and the newer word must win
                mirror.predictions(predictions(ROWS, (number - 1) * ROWS, symbol, shift=0.05))
            handed.append(number)
            clock.sleep(HOUR_S / BATCHES)
        sent.append(mirror.state().sent)

    with ThreadPoolExecutor(WRITERS) as pool:
        running = [pool.submit(load, writer) for writer in range(WRITERS)]
        until(lambda: len(handed) >= WRITERS * BATCHES // 4)
        before = clock.now()
        plain.kill()
        until(lambda: len(handed) >= WRITERS * (BATCHES - BATCHES // 4))
        clock.sleep(max(0.0, before + HOUR_S - clock.now()))
        waiting = sum(s.rows for s in Mirror(DatabaseConfig(), tmp_path).spool.waiting())
        plain.start()
        outage_over.set()
        for each in running:
            each.result()
    state = _mirror_to(dsn, tmp_path).flush(force=True)

    assert (state.waiting, state.set_aside) == (0, 0)
    assert waiting >= WRITERS * ROWS * (BATCHES // 2 - 1)
    due = {
        (symbol, at): confidence
        for writer in range(WRITERS)
        for symbol, at, confidence in _due(f"N{writer}-USDT")
    }
    found = plain.run("select symbol, timestamp, confidence from predictions", "outage")
    assert len(found) == len(due) == WRITERS * BATCHES * ROWS
    assert {(symbol, at): confidence for symbol, at, confidence in found} == due
    print(f"{len(found):,} predictions, {waiting:,} waited, 0 lost, 0 doubled")


def mirroring(dsn: str, folder: str, number: int) -> Callable[[], int]:
    """Hand one batch to a mirror, for a child that may be killed at any moment."""
    mirror = _mirror_to(dsn, Path(folder))
    table = predictions(ROWS, number * ROWS)

    def commit() -> int:
        mirror.predictions(table)
        return mirror.state().taken

    return commit


def _mirror_to(dsn: str, folder: Path) -> Mirror:
    config = DatabaseConfig(mirror=("predictions",))
    return Mirror(config, folder, lambda: PostgresWriter(SecretStr(dsn)), lambda: dsn)


@pytest.mark.kill
def test_a_mirror_killed_at_any_moment_loses_and_doubles_nothing(
    plain: Cluster, tmp_path: Path
) -> None:
    """Before, while and after the database is written to, and before the spool forgets."""
    plain.run("create database killed")
    dsn = plain.dsn("killed")
    migrate(dsn)
    trials = [(dsn, str(tmp_path), number) for number in range(max(2, kill.KILLS // 3))]
    confirmed = [number for number, done in kill.killed(mirroring, trials) if done]
    assert _mirror_to(dsn, tmp_path).flush(force=True).waiting == 0
    found = plain.run(
        "select (extract(epoch from timestamp - '2024-01-01Z') / 60)::int, count(distinct id)"
        " from predictions group by 1",
        "killed",
    )
    assert {ids for _, ids in found} == {1}
    counts = Counter(minute // ROWS for minute, _ in found)
    assert set(counts.values()) == {ROWS}
    assert set(confirmed) <= set(counts)


def _due(symbol: str) -> list[tuple[object, ...]]:
    """What a writer said last of each minute."""
    rows = []
    for number in range(BATCHES):
        shift = 0.05 if number % 10 == 8 and number + 1 < BATCHES else 0.0
        table = prediction_rows(predictions(ROWS, number * ROWS, symbol, shift=shift))
        columns = (table[name].to_pylist() for name in ("symbol", "timestamp", "confidence"))
        rows += list(zip(*columns))
    return rows
