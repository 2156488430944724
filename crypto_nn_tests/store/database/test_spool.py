"""Rows on disk: whole or not there, in order, never more than allowed."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crypto_nn.errors import DatabaseError
from crypto_nn.store.database import Spool, SpoolFull
from crypto_nn.store.database.rows import prediction_rows
from crypto_nn_tests.store import kill
from crypto_nn_tests.store.database.made import predictions

MIB = 2**20


def batch(number: int, rows: int = 40) -> Any:
    """A batch whose minutes tell its number."""
    return prediction_rows(predictions(rows, first=number * rows))


def fill(spool: Spool) -> None:
    """Append until there is no room."""
    for number in range(100):
        spool.append("predictions", batch(number, 500))


def test_rows_come_back_as_they_were_in_the_order_of_arrival(tmp_path: Path) -> None:
    """Large batches in several segments; another handle sees the same."""
    spool = Spool(tmp_path / "spool", 64 * MIB)
    batches = [batch(n, rows) for n, rows in enumerate((3, 25_000, 1))]
    for rows in batches:
        spool.append("predictions", rows)
    waiting = Spool(tmp_path / "spool", 64 * MIB).waiting()
    assert [segment.rows for segment in waiting] == [3, 10_000, 10_000, 5_000, 1]
    back = [row for segment in waiting for row in spool.read(segment).to_pylist()]
    assert back == [row for rows in batches for row in rows.to_pylist()]
    spool.remove(waiting[:2])
    spool.append("predictions", batches[0])
    assert [segment.rows for segment in spool.waiting()] == [10_000, 5_000, 1, 3]


def test_a_full_spool_keeps_what_it_has_and_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 100_000)
    with pytest.raises(SpoolFull, match="nothing was added, what waits is kept") as caught:
        fill(spool)
    assert "spool_limit_mb" in str(caught.value)
    before = spool.waiting()
    assert 2 <= len(before) == before[-1].number < 10
    assert 60_000 < spool.used_bytes() <= 100_000
    with pytest.raises(SpoolFull):
        spool.append("predictions", batch(0, 25_000))
    assert spool.waiting() == before
    spool.remove(before[:2])
    assert spool.append("predictions", batch(99, 500)) == 500


def test_what_is_set_aside_counts_tells_why_and_can_be_put_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", MIB)
    bad = batch(0, 2)
    spool.set_aside("predictions", bad, "confidence is 7")
    spool.set_aside("predictions", bad, "confidence is 7")
    assert spool.reasons() == [{"table": "predictions", "rows": 2, "reason": "confidence is 7"}]
    assert spool.used_bytes() > 0
    assert spool.waiting() == ()
    assert spool.put_back() == 2
    (segment,) = spool.waiting()
    assert spool.read(segment).equals(bad)
    assert spool.reasons() == []


def test_a_damaged_segment_is_an_error_that_can_be_set_aside(tmp_path: Path) -> None:
    """Cut anywhere, or with any byte changed, it is never read as other rows."""
    spool = Spool(tmp_path / "spool", MIB)
    spool.append("predictions", batch(0, 5))
    (segment,) = spool.waiting()
    whole = segment.path.read_bytes()
    chance = random.Random(3)
    for _ in range(300):
        damaged = bytearray(whole)
        if chance.random() < 0.3:
            del damaged[chance.randrange(len(damaged)) :]
        else:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        segment.path.write_bytes(damaged)
        with pytest.raises(DatabaseError, match="is damaged"):
            spool.read(segment)
    segment.path.write_bytes(whole[:100])
    spool.set_aside_file(segment, "damaged")
    assert spool.waiting() == ()
    (told,) = spool.aside.glob("*.json")
    assert json.loads(told.read_text())["reason"] == "damaged"
    assert spool.put_back() == 0


def appending(folder: str, number: int) -> Callable[[], int]:
    """Append one batch, for a child that may be killed at any moment."""
    spool = Spool(Path(folder), 64 * MIB)
    rows = batch(number, 1_000)
    return lambda: spool.append("predictions", rows)


@pytest.mark.kill
def test_a_writer_killed_at_any_moment_loses_nothing_that_it_said_was_kept(tmp_path: Path) -> None:
    """What is there is whole and in order; what was confirmed is there."""
    spool = Spool(tmp_path / "spool", 64 * MIB)
    trials = [(str(spool.folder), number) for number in range(max(2, kill.KILLS // 2))]
    confirmed = {number for number, done in kill.killed(appending, trials) if done}
    kept = [spool.read(segment) for segment in spool.waiting()]
    due = [batch(number, 1_000) for number, _ in enumerate(trials)]
    starts = {rows["timestamp"][0]: number for number, rows in enumerate(due)}
    found = [starts[rows["timestamp"][0]] for rows in kept]
    assert found == sorted(found)
    assert confirmed <= set(found)
    assert all(rows.equals(due[number]) for number, rows in zip(found, kept))
