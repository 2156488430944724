"""Answers are noted at once, on the disk after a flush, and counted where they cannot be kept."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.server.served import (
    Served,
    ServedCounts,
    ServedLimits,
    ServedRow,
    from_line,
    lines_of,
    to_line,
)

ROW = ServedRow(
    "BTC-USDT", 1_700_000_000_000_000, 5, "v1", 0.2, 0.5, 0.3, 1.5, 1_700_000_061 * 10**6
)


def rows(number: int, start: int = 0) -> list[ServedRow]:
    return [
        replace(ROW, ts=ROW.ts + 60_000_000 * minute) for minute in range(start, start + number)
    ]


def spooled(folder: Path, ends: str = "*.*") -> list[ServedRow | None]:
    files = sorted(path for path in folder.glob(ends) if path.suffix in (".open", ".jsonl"))
    return [from_line(line) for path in files for line in lines_of(path)]


def test_what_is_added_is_on_the_disk_after_a_flush_and_sealed_by_close(tmp_path: Path) -> None:
    served = Served(tmp_path / "spool")
    assert served.add(rows(3))
    assert served.counts == ServedCounts(added=3, flushed=0, dropped=0, pending=3)
    assert not (tmp_path / "spool").exists(), "adding never touches the disk"
    assert served.flush() == 3
    assert spooled(tmp_path / "spool", "*.open") == rows(3)
    served.close()
    assert spooled(tmp_path / "spool", "*.jsonl") == rows(3)
    assert [path.suffix for path in (tmp_path / "spool").iterdir()] == [".jsonl"]


def test_a_row_too_many_is_refused_and_counted(tmp_path: Path) -> None:
    served = Served(tmp_path, ServedLimits(pending=4))
    assert served.add(rows(4))
    assert not served.add(rows(2, 4))
    assert served.counts == ServedCounts(added=4, flushed=0, dropped=2, pending=4)
    served.close()
    assert not served.add(rows(1))
    assert served.counts == ServedCounts(added=4, flushed=4, dropped=3, pending=0)


def test_the_thread_writes_what_it_has_before_it_ends(tmp_path: Path) -> None:
    served = Served(tmp_path, ServedLimits(flush_s=3600))
    served.start()
    served.add(rows(5))
    served.close()
    assert spooled(tmp_path) == rows(5)


def test_files_are_sealed_by_size_and_by_age(tmp_path: Path) -> None:
    served = Served(tmp_path, ServedLimits(file_bytes=1))
    for number in range(3):
        served.add(rows(1, number))
        served.flush()
    assert len(list(tmp_path.glob("*.jsonl"))) == 3
    served.close()
    aged = Served(tmp_path / "aged", ServedLimits(flush_s=1, seal_s=2))
    aged.add(rows(1))
    aged.flush()
    assert not list((tmp_path / "aged").glob("*.jsonl"))
    aged.flush()
    assert spooled(tmp_path / "aged", "*.jsonl") == rows(1)
    aged.close()


def test_a_disk_that_refuses_keeps_the_rows_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(path: Path) -> None:
        raise OSError(28, "No space left on device")

    served = Served(tmp_path)
    served.add(rows(2))
    with monkeypatch.context() as patched:
        patched.setattr("crypto_nn.server.served.sync", refuses)
        assert served.flush() == 0
    assert served.counts.pending == 2
    served.add(rows(1, 2))
    assert served.flush() == 3
    served.close()
    assert set(spooled(tmp_path)) == set(rows(3))
    assert served.counts == ServedCounts(added=3, flushed=3, dropped=0, pending=0)


def test_a_full_spool_gives_rows_up_and_counts_them(tmp_path: Path) -> None:
    served = Served(tmp_path, ServedLimits(file_bytes=1, spool_bytes=1))
    served.add(rows(1))
    served.flush()
    served.add(rows(2, 1))
    served.flush()
    assert served.counts == ServedCounts(added=3, flushed=1, dropped=2, pending=0)
    served.close()


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=12), FINITE, st.integers(-(2**62), 2**62))
def test_a_line_gives_back_its_row_bit_for_bit(symbol: str, number: float, time: int) -> None:
    row = replace(ROW, symbol=symbol, p_up=number, served_at=time)
    assert from_line(to_line(row)) == row


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_torn_or_changed_line_is_no_row(data: st.DataObject) -> None:
    line = to_line(ROW)
    assert from_line(line[: data.draw(st.integers(0, len(line) - 1))]) is None
    place = data.draw(st.integers(0, len(line) - 2))
    changed = bytes([line[place] ^ data.draw(st.integers(1, 255))])
    if place != 8:  # the blank between checksum and content says nothing
        assert from_line(line[:place] + changed + line[place + 1 :]) is None
