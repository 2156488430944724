"""A file that holds no bars is refused with what was found, what was due and what to do."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from crypto_nn.bars import M1
from crypto_nn.errors import BarsError, SourceError, SymbolError
from crypto_nn.sources import FilesConfig, FileSource
from crypto_nn.sources.formats import delimited
from crypto_nn_tests.bars.raw_table import minutes

FRAME = minutes(30).to_pandas()
NAIVE = FRAME.assign(ts=FRAME.ts.dt.tz_localize(None))
CSV = NAIVE.to_csv(index=False)
HEADER = "ts,open,high,low,close,volume\n"


def parquet(frame: pd.DataFrame) -> bytes:
    """The frame as the bytes of a Parquet file."""
    file = io.BytesIO()
    frame.to_parquet(file)
    return file.getvalue()


def archive(**members: str) -> bytes:
    """A .zip with these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, text in members.items():
            packed.writestr(name.replace("_", "."), text)
    return file.getvalue()


def source(*paths: Path) -> FileSource:
    """The source that reads these files."""
    return FilesConfig(paths=tuple(map(str, paths))).open()


LISTS = pa.table({**{n: [1.0] for n in ("open", "high", "low", "close")}, "ts": [1_704_067_200],
                  "volume": [[1.0]]})  # fmt: skip
BAD: dict[str, tuple[str, bytes, str]] = {
    "empty": ("BTCUSDT.csv", b"", "is empty"),
    "empty Parquet": ("BTCUSDT.parquet", b"", "is empty"),
    "blank": ("BTCUSDT.csv", b"\n\n  \n", "is empty"),
    "header only": ("BTCUSDT.csv", HEADER.encode(), "header but no rows"),
    "Parquet of no rows": ("BTCUSDT.parquet", parquet(NAIVE[:0]), "columns but no rows"),
    "HTML": ("BTCUSDT.csv", b"\n <!DOCTYPE html><html>404", "is a web page .*download it again"),
    "XML": ("BTCUSDT.csv", b"<?xml version='1.0'?><Error>", "is a web page"),
    "JSON": ("BTCUSDT.csv", b'{"results": []}', "is JSON"),
    "UTF-16": ("BTCUSDT.csv", CSV.encode("utf-16"), "UTF-16 text. Save it as UTF-8"),
    "binary": ("BTCUSDT.csv", b"\x07\x00\x00\x01" * 50, "neither text nor Parquet"),
    "missing column": ("BTCUSDT.csv", NAIVE.drop(columns="close").to_csv(index=False).encode(),
                       r"column close is missing; found 'ts', 'open'.*rename the columns"),
    "missing columns": ("BTCUSDT.parquet", parquet(NAIVE[["ts", "open"]]),
                        "column high, low, close, volume is missing"),
    "not a table": ("BTCUSDT.csv", b"hello\nworld\n", "column ts, open, .* is missing"),
    "five columns, no header": ("BTCUSDT.csv", b"1704067200,1,1,1,1\n", "no header and 5 columns"),
    "other zone": ("BTCUSDT.parquet",
                   parquet(FRAME.assign(ts=FRAME.ts.dt.tz_convert("Europe/Berlin"))),
                   "zone Europe/Berlin; UTC is due"),
    "other offset": ("BTCUSDT.csv", CSV.replace(":00,", ":00+02:00,").encode(),
                     r"zone \+02:00; UTC is due"),
    "no readable time": ("BTCUSDT.csv", NAIVE.assign(ts="01/02/2024 10:00").to_csv().encode(),
                         "not one time stamp .*01/02/2024 10:00.*Convert the column"),
    "times in 1970": ("BTCUSDT.csv", NAIVE.assign(ts=range(30)).to_csv().encode(),
                      "not one time stamp .*ts='0'"),
    "no line fits": ("BTCUSDT.csv", (HEADER + "2024-01-01,1\n").encode(), "not one time stamp"),
    "CSV named Parquet": ("BTCUSDT.parquet", CSV.encode(),
                          r"named Parquet but begins with b'ts,o'"),
    "cut Parquet": ("BTCUSDT.parquet", parquet(NAIVE)[:-200], "cannot be read.*download it again"),
    "cut zip": ("BTCUSDT.zip", archive(BTCUSDT_csv=CSV)[:200], "cannot be read: BadZipFile"),
    "zip without CSV": ("BTCUSDT.zip", archive(readme_md="hello"),
                        "without a CSV; found readme.md"),
    "cut gzip": ("BTCUSDT.csv.gz", gzip.compress(CSV.encode())[:-300], "cannot be read: EOFError"),
    "workbook": ("BTCUSDT.xlsx", archive(sheet_xml="<x/>"), "without a CSV; found sheet.xml"),
    "lists": ("BTCUSDT.parquet", b"", "column volume is of type list"),
    "single precision": ("BTCUSDT.parquet",
                         parquet(NAIVE.assign(ts=(1.7e9 + 60 * np.arange(30)).astype(np.float32))),
                         "times are float, which holds them to two minutes only"),
    "bare name": ("bars.csv", CSV.encode(), "neither a column `symbol` nor the file's name"),
    "unknown ticker": ("bars.csv", NAIVE.assign(symbol="GOLD").to_csv(index=False).encode(),
                       r"begins with \['GOLD'\].*`symbols`"),
    "no ticker": ("bars.csv", NAIVE.assign(symbol="").to_csv(index=False).encode(),
                  "no symbol in 30 rows running"),
}  # fmt: skip


GOOD = pa.Table.from_pandas(NAIVE, preserve_index=False)
STRUCTS = pa.array([{"ts": at} for at in NAIVE.ts - pd.Timedelta(days=9999)])
ODD_TABLES: dict[str, tuple[pa.Table, str]] = {
    "a column twice": (GOOD.append_column("open", GOOD["open"]), "'open' more than once"),
    "nested symbols": (GOOD.append_column("symbol", STRUCTS), "column symbol is of type struct"),
    "symbols that are no text": (GOOD.append_column("symbol", pa.array([b"\xff"] * len(GOOD))),
                                 "column symbol is of type binary"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD_TABLES)
def test_a_table_without_bars_is_refused_clearly_also_by_a_dry_run(
    tmp_path: Path, case: str
) -> None:
    table, told = ODD_TABLES[case]
    pq.write_table(table, tmp_path / "BTCUSDT.parquet")
    with pytest.raises(BarsError, match=told):
        source(tmp_path).symbols()
    (row,) = source(tmp_path).survey()
    assert told in row.refused


def test_a_column_within_another_is_not_taken_for_the_times(tmp_path: Path) -> None:
    """Statistics are those of `ts`, not of `meta.ts`."""
    pq.write_table(GOOD.add_column(0, "meta", STRUCTS), tmp_path / "BTCUSDT.parquet")
    assert source(tmp_path).available("BTC-USDT").start == minutes(30).ts[0]


def test_a_time_after_the_year_9999_costs_no_other_row(tmp_path: Path) -> None:
    ts = np.append(minutes(29).ts, np.datetime64("20000-01-01", "us"))
    table = GOOD.set_column(GOOD.column_names.index("ts"), "ts", pa.array(ts))
    pq.write_table(table, tmp_path / "BTCUSDT.parquet")
    pieces = source(tmp_path).fetch("BTC-USDT", M1, ts[0], ts[-2] + M1.step)
    assert sum(map(len, pieces)) == 29


@pytest.mark.parametrize("case", BAD)
def test_a_file_without_bars_is_refused_clearly(tmp_path: Path, case: str) -> None:
    """The message names the file, what is wrong with it, and what to do."""
    name, content, told = BAD[case]
    path = tmp_path / name
    path.write_bytes(content)
    if case == "lists":
        pq.write_table(LISTS, path)
    with pytest.raises(BarsError, match=told) as error:
        list(source(path).fetch("BTC-USDT", M1, minutes(1).ts[0], minutes(9).ts[-1]))
    assert name in str(error.value)


@pytest.mark.parametrize(("step", "told"), [("5min", "every 300 s"), ("1s", "every 1 s"),
                                            ("1D", "every 86400 s")])  # fmt: skip
@pytest.mark.parametrize("write", [pd.DataFrame.to_parquet, pd.DataFrame.to_csv])
def test_bars_of_another_timeframe_are_refused(
    tmp_path: Path, step: str, told: str, write: Callable[..., None]
) -> None:
    """Five-minute bars are not taken for one-minute bars with gaps."""
    slow = NAIVE.assign(ts=pd.date_range("2024-01-01", periods=30, freq=step))
    write(slow, tmp_path / ("BTCUSDT.csv" if write is pd.DataFrame.to_csv else "BTCUSDT.parquet"))
    with pytest.raises(SourceError, match=f"{told}; one a minute is due"):
        source(tmp_path).available("BTC-USDT")


def test_a_thin_market_is_not_taken_for_another_timeframe(tmp_path: Path) -> None:
    """Minutes that are mostly missing are still one-minute bars."""
    thin = NAIVE.assign(ts=pd.Timestamp("2024-01-01") + pd.to_timedelta(
        [7 * row + row % 3 for row in range(30)], unit="min"))  # fmt: skip
    thin.to_parquet(tmp_path / "BTCUSDT.parquet")
    assert source(tmp_path).symbols() == ("BTC-USDT",)
    assert str(source(tmp_path).available("BTC-USDT").end) == "2024-01-01T03:26:00.000000"


def test_paths_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    """A missing file, a pattern without a match, and a folder without bars say so."""
    (tmp_path / "notes.md").write_text("hello")
    (tmp_path / ".hidden.csv").write_text(CSV)
    with pytest.raises(SourceError, match=r"no file, folder or match for .*gone\.csv"):
        source(tmp_path / "gone.csv").symbols()
    with pytest.raises(SourceError, match="no file, folder or match"):
        source(tmp_path / "*.parquet").symbols()
    with pytest.raises(SourceError, match=r"no file of bars: found .*notes\.md"):
        source(tmp_path).symbols()


def test_text_without_line_ends_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block without a line end is refused, not gathered up."""
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 1_000)
    path = tmp_path / "BTCUSDT.csv"
    path.write_text(CSV + "9" * 5_000)
    with pytest.raises(BarsError, match=r"no line end in .* bytes"):
        source(path).symbols()


def test_bytes_that_are_no_text_cost_their_cell_only(tmp_path: Path) -> None:
    """One damaged byte in a number puts that row aside and no other."""
    path = tmp_path / "BTCUSDT.csv"
    path.write_bytes(CSV.encode().replace(b"100.0,", b"100\xff0,", 1))
    (bars,) = source(path).fetch("BTC-USDT", M1, minutes(1).ts[0], minutes(31).ts[-1])
    assert bars.note is not None
    assert [note for note in bars.note if note] == ["close='100\ufffd0'"]


def test_settings_that_cannot_be_are_refused() -> None:
    """No paths, another zone, a symbol that is none, an unknown key."""
    with pytest.raises(ValidationError, match="at least 1 item"):
        FilesConfig(paths=())
    with pytest.raises(ValidationError, match="Input should be 'UTC'"):
        FilesConfig.model_validate({"paths": ["x"], "timezone": "Europe/Berlin"})
    with pytest.raises(SymbolError, match="'BTCUSD' is not a symbol"):
        FilesConfig(paths=("x",), symbols={"x": "BTCUSD"})
    with pytest.raises(ValidationError, match="Extra inputs"):
        FilesConfig.model_validate({"paths": ["x"], "path": "x"})
