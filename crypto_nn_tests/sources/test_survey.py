"""A dry run says what would be ingested, what not and why, and takes nothing."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from crypto_nn.bars import M1
from crypto_nn.sources import FilesConfig, SyntheticConfig, open_source
from crypto_nn.sources.formats.delimited import DelimitedFile
from crypto_nn.sources.formats.parquet import ParquetFile
from crypto_nn.sources.survey import Found, survey
from crypto_nn_tests.bars.raw_table import minutes
from crypto_nn_tests.contracts.source import everything
from crypto_nn_tests.sources.fake_binance import FakeBinance, HandClock, market
from crypto_nn_tests.sources.test_binance import MARKET, NOW, fetch, opened

BARS = minutes(3000, "2024-01-30T12:00")


def found(folder: Path, **settings: Any) -> dict[str, Found]:
    """What a folder's files hold, by name and symbol."""
    rows = survey(FilesConfig(paths=(str(folder),), **settings).open())
    return {f"{Path(row.origin).name} {row.symbol or ''}".strip(): row for row in rows}


def csv(path: Path, frame: pd.DataFrame, **settings: Any) -> None:
    """Write a frame as CSV."""
    frame.to_csv(path, index=False, **settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files of every kind, good and bad."""
    frame = BARS.to_pandas().assign(ts=BARS.ts)
    pq.write_table(BARS.to_arrow(), tmp_path / "BTC-USDT.parquet", row_group_size=1000)
    ms = frame.assign(ts=BARS.ts.astype("M8[ms]").astype(np.int64))
    us = frame.assign(ts=BARS.ts.astype(np.int64))
    csv(tmp_path / "ETHUSDT.csv", pd.concat([ms[:1500], us[1500:]]), sep=";")
    with zipfile.ZipFile(tmp_path / "SOLUSDT-1m-2024-01.zip", "w") as archive:
        archive.writestr("SOLUSDT-1m-2024-01.csv", ms.to_csv(index=False, header=False))
    late = frame.assign(ts=frame.ts.astype(str))
    late.loc[7, "ts"] = "soon"
    csv(tmp_path / "two.csv", late.assign(symbol=["X:ADAUSD"] * 1500 + ["X:XRPUSD"] * 1500))
    csv(
        tmp_path / "XMR-USDT.csv",
        frame.assign(ts=pd.date_range("2024-01-01", periods=3000, freq="1h")),
    )
    (tmp_path / "DOGEUSDT.csv").write_text("<html>404</html>")
    (tmp_path / "notes.csv").write_text("hello\nworld\n")
    return tmp_path


def test_a_survey_tells_each_file_and_symbol(folder: Path) -> None:
    """Layout, range, rows, unit, spacing and months, for the bad files what is wrong with them."""
    rows = found(folder)
    assert set(rows) == {
        "BTC-USDT.parquet BTC-USDT", "ETHUSDT.csv ETH-USDT", "two.csv ADA-USD", "two.csv XRP-USD",
        "SOLUSDT-1m-2024-01.zip!SOLUSDT-1m-2024-01.csv SOL-USDT",
        "XMR-USDT.csv XMR-USDT", "DOGEUSDT.csv", "notes.csv",
    }  # fmt: skip
    months = {"2024-01": 2160, "2024-02": 840}
    bitcoin = rows["BTC-USDT.parquet BTC-USDT"]
    assert bitcoin == Found(
        str(folder / "BTC-USDT.parquet"), "Parquet", "BTC-USDT", BARS.ts[0], BARS.ts[-1], 3000, 0,
        "date-time", "60 s", months,
    )  # fmt: skip
    ether = rows["ETHUSDT.csv ETH-USDT"]
    assert (ether.layout, ether.unit, ether.months) == ("CSV with ';'", "ms, µs", months)
    solana = rows["SOLUSDT-1m-2024-01.zip!SOLUSDT-1m-2024-01.csv SOL-USDT"]
    assert (solana.layout, solana.unit, solana.rows) == ("CSV in zip, no header", "ms", 3000)
    cardano = rows["two.csv ADA-USD"]
    assert (cardano.rows, cardano.unreadable, cardano.unit) == (1500, 1, "date-time")
    assert cardano.months == {"2024-01": 1499}
    assert rows["two.csv XRP-USD"].unreadable == 0
    assert "every 3600 s; one a minute is due" in rows["XMR-USDT.csv XMR-USDT"].refused
    assert not rows["XMR-USDT.csv XMR-USDT"].months
    assert "is a web page" in rows["DOGEUSDT.csv"].refused
    assert "column ts, open" in rows["notes.csv"].refused


def test_a_survey_says_what_ingesting_then_gives(folder: Path) -> None:
    """Rows by month are those that are fetched."""
    for name in ("XMR-USDT.csv", "DOGEUSDT.csv", "notes.csv"):
        (folder / name).unlink()
    source = FilesConfig(paths=(str(folder),)).open()
    for row in survey(source):
        assert row.symbol
        bars = everything(source, row.symbol)
        assert (row.rows, row.first, row.last) == (
            len(bars),
            np.nanmin(bars.ts),
            np.nanmax(bars.ts),
        )
        for month, num in row.months.items():
            start = np.datetime64(month, "M")
            pieces = source.fetch(row.symbol, M1, start, start + 1)
            assert num == sum(int((~np.isnat(piece.ts)).sum()) for piece in pieces)


def test_a_survey_can_be_narrowed(folder: Path) -> None:
    """To symbols, to months; files that cannot be read stay in it."""
    source = FilesConfig(paths=(str(folder), str(folder / "gone*.csv"))).open()
    rows = survey(source, ["BTC-USDT"], first="2024-02", last="2024-02")
    assert [row.symbol for row in rows] == [None, "BTC-USDT", None, None]
    assert rows[0].origin == str(folder / "gone*.csv")
    assert "no file, folder or match" in rows[0].refused
    assert rows[1].months == {"2024-02": 840}


def test_a_survey_reads_no_prices(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only times and symbols; of Parquet only the row groups that its statistics leave open."""
    asked: list[tuple[str, str, int | None]] = []
    for kind in (ParquetFile, DelimitedFile):
        original = kind.tables

        def spy(file: Any, names: Any, pieces: Any = None, original: Any = original) -> Any:
            num = None if pieces is None else len(pieces)
            asked.append((Path(file.label).name, " ".join(names), num))
            return original(file, names, pieces)

        monkeypatch.setattr(kind, "tables", spy)
    found(folder)
    assert {names for _, names, _ in asked} == {"ts", "ts symbol"}
    parquet = [num for name, _, num in asked if name == "BTC-USDT.parquet"]
    assert parquet == [1, 2, 1]  # the spacing, the units at both ends, the month's change


def test_files_of_two_venues_are_all_refused_in_a_survey(tmp_path: Path) -> None:
    """As they would be by ingesting."""
    for name, seed in (("kraken_BTC_USD.csv", 1), ("bitstamp_BTC_USD.csv", 2)):
        market("2024-01-01", "2024-01-02", seed=seed).to_pandas().to_csv(tmp_path / name)
    rows = found(tmp_path)
    assert len(rows) == 2
    for row in rows.values():
        assert "of kraken" in row.refused
        assert "of bitstamp" in row.refused
        assert not row.months


def test_other_sources_tell_their_symbols_and_months() -> None:
    """A source without files says what it has; how many rows only asking would tell."""
    rows = survey(open_source(SyntheticConfig()), first="2024-03", last="2030-01")
    assert [(row.origin, row.symbol) for row in rows] == [("synthetic", "SYN-USDT")]
    assert rows[0].months == dict.fromkeys(["2024-03", "2024-04", "2024-05"])
    assert str(rows[0].last) == "2024-05-31T23:59:00.000000"
    (unknown,) = survey(open_source(SyntheticConfig()), ["BTC-USDT"])
    assert "has no bars of BTC-USDT; it has SYN-USDT" in unknown.refused


@pytest.mark.parametrize("settings", [{}, {"archive_url": None}, {"api_url": None}])
def test_a_source_on_the_network_tells_how_many_requests_it_takes(settings: dict[str, Any]) -> None:
    """Nothing is fetched for that, and the number is about right."""
    late = np.timedelta64(8, "D")
    with FakeBinance(HandClock(NOW), {"BTCUSDT": MARKET}, months_late=late) as exchange:
        source = opened(exchange, symbols=("BTC-USDT",), **settings)
        (row,) = survey(source, first="2025-01")
        assert all("/klines?" in path or "/bucket" in path for path in exchange.requests)
        assert list(row.months) == ["2025-01", "2025-02"]
        exchange.requests.clear()
        fetch(source, "2025-01-01", "2025-03-01")
        assert row.requests
        assert abs(len(exchange.requests) - row.requests) <= 3  # holes; what is published when


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_counts_above_what_float64_holds_are_surveyed_and_read(tmp_path: Path, ending: str) -> None:
    """Whole nanoseconds as Polygon writes them, and tokens of which 10^17 trade in a minute."""
    frame = BARS.to_pandas().assign(ts=BARS.ts.astype("datetime64[ns]").astype(np.int64))
    frame = frame.assign(volume=10**17 + 1)
    path = tmp_path / f"PEPE-USDT.{ending}"
    frame.to_parquet(path) if ending == "parquet" else csv(path, frame)
    (row,) = found(tmp_path).values()
    assert (row.unit, row.rows, row.refused) == ("ns", len(BARS), "")
    bars = everything(FilesConfig(paths=(str(path),)).open(), "PEPE-USDT")
    assert np.array_equal(bars.ts, BARS.ts)
    assert set(bars.volume) == {1e17}
