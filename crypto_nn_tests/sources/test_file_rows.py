"""No row of a file is lost on the way, and what cannot be read costs its row only."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.quality import inspect
from crypto_nn.sources import files as sources_files
from crypto_nn.sources.formats import delimited
from crypto_nn_tests.bars.raw_table import raw_table
from crypto_nn_tests.sources.test_files import BARS, read, source

DIRTY = """ts,open,high,low,close,volume
soon,1,1,1,1,1
2024-01-31 23:58:00,100,101,99,100,5
2024-01-31 23:59:00,100,101,99,n/a,5
2024-01-31 23:59:60,100,101,99,100,5
2024-02-01 00:00:00,100,,99,100,five
2024-02-01 00:01:00,100,101,99
2024-02-01 00:02:00,100,101,99,100,5,6,7
,100,101,99,100,5
2024-02-01 00:01:00,100,101,99,inf,5
2024-02-01 00:02:00,1e2,101,99,1_00,5
"""


def test_a_cell_that_cannot_be_read_costs_its_row_only(tmp_path: Path) -> None:
    """The cell is blank, what stood there is in the note, and the row goes on."""
    path = tmp_path / "BTC-USDT.csv"
    path.write_text(DIRTY)
    found = read(path)
    assert len(found) == 10
    assert found.note is not None
    assert found.note.tolist() == [
        "ts='soon'",
        None,
        "close='n/a'",
        "ts='2024-01-31 23:59:60'",
        "volume='five'",
        "line='2024-02-01 00:01:00,100,101,99'",
        "line='2024-02-01 00:02:00,100,101,99,100,5,6,7'",
        None,
        None,
        "close='1_00'",
    ]
    assert np.isnat(found.ts).tolist() == [
        True,
        *[False] * 2,
        True,
        False,
        *[True] * 3,
        *[False] * 2,
    ]
    assert found.open[-1] == 100.0
    assert found.close[-2] == np.inf


def test_a_row_without_a_time_travels_with_its_neighbour(tmp_path: Path) -> None:
    """It comes out with the range of the row before it, the first one with the row after it."""
    path = tmp_path / "BTC-USDT.csv"
    path.write_text(DIRTY)
    files = source(path)
    new_year, february = np.datetime64("2024-01-01"), np.datetime64("2024-02-01")
    january = Bars.concat(list(files.fetch("BTC-USDT", M1, new_year, february)))
    assert january.note is not None
    assert january.note.tolist() == ["ts='soon'", None, "close='n/a'", "ts='2024-01-31 23:59:60'"]
    rest = list(files.fetch("BTC-USDT", M1, february, np.datetime64("2024-03-01")))
    assert sum(map(len, rest)) == 6


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.one_of(st.none(), st.integers(0, 60 * 24 * 40)), min_size=1, max_size=60),
    st.sampled_from(["parquet", "csv"]),
    st.sampled_from(["BTC-USDT", "", "X:$"]),
)
def test_no_row_is_lost_or_doubled_however_a_file_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: list[int | None], kind: str, other: str
) -> None:
    """Over disjoint ranges each row comes out once: unordered, doubled, without time or symbol."""
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 400)
    at = [*at, *range(7, 70)]  # an hour of minutes, so that they are the commonest distance
    start = np.datetime64("2024-01-15", "us")
    stamps = pd.Series([None if m is None else start + m * M1.step for m in at], dtype="M8[us]")
    rows = pd.DataFrame({"ts": stamps, "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0})
    rows["volume"] = np.arange(float(len(at)))
    rows["symbol"] = ["BTCUSDT" if row % 3 else other for row in range(len(rows) - 1)] + ["BTCUSDT"]
    path = tmp_path / f"rows.{kind}"
    if kind == "csv":
        rows.to_csv(path, index=False)
    else:
        pq.write_table(pa.Table.from_pandas(rows), path, row_group_size=5)
    files = source(path, symbols={"some other": "ETH-USDT"})
    months = np.arange("2024-01", "2024-05", dtype="datetime64[M]")
    try:
        pieces = [piece for m in months for piece in files.fetch("BTC-USDT", M1, m, m + 1)]
    finally:
        path.unlink()
    found = sorted(Bars.concat(pieces).volume.tolist())
    ours = rows if other != "X:$" else rows[rows.symbol == "BTCUSDT"]
    assert found == ours.volume.tolist()


def stamped(path: Path, *minutes_of_february: int | None) -> Path:
    """A Parquet file with rows at these minutes around the start of February 2024."""
    midnight = np.datetime64("2024-02-01", "us")
    at = [None if m is None else midnight + m * M1.step for m in minutes_of_february]
    ones = {name: np.ones(len(at)) for name in ("open", "high", "low", "close", "volume")}
    table = pa.table({"ts": pa.array(at, pa.timestamp("us")), **ones})
    pq.write_table(table, path, row_group_size=2)
    return path


@pytest.mark.parametrize(
    ("rows", "in_january"),
    [
        ((-2, -1, None, 0), 3),
        ((-2, 5, None, 6), 1),
        ((-2, -1, None, None, None, 0), 5),
        ((None, None, None, -1, 0, 1), 4),
        ((0, -1, None, 7, -3, None), 4),
    ],
)
def test_neighbours_are_found_across_the_pieces_of_a_file(
    tmp_path: Path, rows: tuple[int | None, ...], in_january: int
) -> None:
    """A row without a time counts with the one before it, also where a row group lies between."""
    files = source(stamped(tmp_path / "BTCUSDT.parquet", *rows))
    edges = np.array(["2024-01-01", "2024-02-01", "2024-03-01"], "M8[us]")
    counts = [sum(map(len, files.fetch("BTC-USDT", M1, *edges[at : at + 2]))) for at in (0, 1)]
    assert counts == [in_january, len(rows) - in_january]


def test_no_piece_begins_with_a_row_of_the_piece_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows without a time stay with their neighbour however the rows are handed out."""
    monkeypatch.setattr(sources_files, "CHUNK_ROWS", 3)
    stamped(tmp_path / "BTCUSDT_a.parquet", 0, 1, 2, None, None, 3, 4)
    stamped(tmp_path / "BTCUSDT_b.parquet", None, 10, 11)
    files = source(tmp_path)
    pieces = list(files.fetch("BTC-USDT", M1, BARS.ts[0], np.datetime64("2024-03-01")))
    assert [len(piece) for piece in pieces] == [5, 2, 3]
    assert [bool(np.isnat(piece.ts[0])) for piece in pieces] == [False, False, True]


FAULTS = {
    "missing": ("2024-01-01 00:10:00,100,101,,100,5", "unreadable_number"),
    "text": ("2024-01-01 00:11:00,100,101,99,100,lots", "unreadable_number"),
    "NaN": ("2024-01-01 00:12:00,nan,101,99,100,5", "unreadable_number"),
    "unordered duplicate": ("2024-01-01 00:00:00,100.0,101,99,100,5", "duplicate"),
    "other row of the minute": ("2024-01-01 00:01:00,100,102,99,100,5", "superseded"),
    "off minute": ("2024-01-01 00:14:20.799,100,101,99,100,5", "off_minute"),
    "negative price": ("2024-01-01 00:15:00,-100,101,-100,100,5", "not_positive"),
    "high < low": ("2024-01-01 00:16:00,100,98,99,100,5", "high_below_low"),
    "negative volume": ("2024-01-01 00:17:00,100,101,99,100,-5", "negative_volume"),
    "no time": ("whenever,100,101,99,100,5", "unreadable_time"),
    "too few cells": ("2024-01-01 00:18:00,100", "unreadable_time"),
    "huge": ("2024-01-01 00:19:00,1e308,1e308,1e308,1e308,5", "out_of_range"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_row_of_a_file_ends_in_quarantine_with_its_reason(tmp_path: Path, fault: str) -> None:
    """From the file to the quarantine nothing is lost: received = accepted + quarantined."""
    good = [f"2024-01-01 00:{minute:02}:00,100,101,99,100,5" for minute in range(8)]
    line, reason = FAULTS[fault]
    path = tmp_path / "BTC-USDT.csv"
    path.write_text("\n".join(["ts,open,high,low,close,volume", *good, line]))
    found = inspect(raw_table(read(path), "2024-01"))
    assert found.received == 9
    assert (len(found.accepted), found.reasons) == (8, {reason: 1})


def test_all_faults_together_cost_their_rows_only(tmp_path: Path) -> None:
    """A file with every fault at once gives its good bars, each in order."""
    good = [f"2024-01-01 00:{minute:02}:00,100,101,99,100,5" for minute in range(8)]
    lines = [*good, *(line for line, _ in FAULTS.values())]
    path = tmp_path / "BTC-USDT.csv"
    path.write_text("\n".join(["ts,open,high,low,close,volume", *lines[::-1]]))
    rows = read(path)
    found = inspect(raw_table(rows, "2024-01"))
    assert (found.received, len(found.accepted)) == (len(lines), 8)
    found.accepted.check_clean()
    assert sum(found.reasons.values()) == len(FAULTS)
