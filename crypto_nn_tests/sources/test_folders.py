"""Which files of a folder are read, and whether they belong together."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from crypto_nn.bars import Bars
from crypto_nn.errors import BarsError, SourceError
from crypto_nn_tests.contracts.source import everything
from crypto_nn_tests.market import BTC, MARKET, needs_market
from crypto_nn_tests.sources.test_files import BARS, assert_prices, frame, source


def test_partitioned_tables_tell_the_symbol_in_their_folders(tmp_path: Path) -> None:
    """As Spark, Polars, DuckDB and Arrow write them, with what tools keep for themselves beside."""
    for symbol, folder in {"BTC-USDT": "symbol=BTC-USDT", "BTC-USD": "symbol=X%3ABTCUSD",
                           "ETH-EUR": "pair=eth%2Feur"}.items():  # fmt: skip
        for month, rows in {"01": slice(0, 30), "02": slice(30, 50)}.items():
            path = tmp_path / folder / "year=2024" / f"month={month}" / "part-0.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(BARS[rows].to_arrow(), path)
        files = source(tmp_path)
        assert_prices(everything(files, symbol), BARS)
    for name in (
        "_temporary/0/part-1.parquet",
        ".sync/symbol=LTC-USD/a.parquet",
        "_SUCCESS",
        "symbol=BTC-USDT/_delta_log/x.parquet",
        "symbol=BTC-USDT/.part-0.parquet",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert source(tmp_path).symbols() == ("BTC-USD", "BTC-USDT", "ETH-EUR")
    named = source(tmp_path, symbols={"part-0.parquet": "BTC-EUR"})
    assert named.symbols() == ("BTC-EUR",)


def test_links_are_followed_and_one_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    """A month that lies behind a link is not a gap; a folder that links to itself is read once."""
    folder, elsewhere = tmp_path / "bars", tmp_path / "disk" / "2023"
    folder.mkdir()
    elsewhere.mkdir(parents=True)
    frame(BARS[:20]).to_csv(elsewhere / "BTCUSDT-1.csv", index=False)
    frame(BARS[20:]).to_csv(folder / "BTCUSDT-2.csv", index=False)
    (folder / "old").symlink_to(elsewhere)
    (folder / "again").symlink_to(folder)
    for given in (folder, folder / "**" / "*.csv"):
        assert_prices(everything(source(given), "BTC-USDT"), BARS)
    (folder / "BTCUSDT-3.csv").symlink_to(tmp_path / "unplugged" / "BTCUSDT-3.csv")
    for given in (folder, folder / "*.csv", folder / "BTCUSDT-3.csv"):
        files = source(given)
        assert any("cannot be read" in row.refused for row in files.survey())
        for ask in (files.symbols, files.state):
            with pytest.raises(BarsError, match=r"BTCUSDT-3\.csv cannot be read: FileNotFound"):
                ask()


def test_a_name_that_is_not_utf8_is_refused_in_words_that_can_be_printed(tmp_path: Path) -> None:
    for name in (b"BTCUSDT-\xe9.csv", b"BTCUSDT-\xe9.parquet"):
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
        files = source(tmp_path)
        assert files.state()
        with pytest.raises(BarsError, match="name is not UTF-8") as caught:
            files.symbols()
        assert all((str(caught.value) + row.origin).encode() for row in files.survey())
        (tmp_path / os.fsdecode(name)).unlink()


def test_patterns_choose_files(tmp_path: Path) -> None:
    """`*`, `**`, `?` and `[..]`; a folder that matches is read with all below it."""
    for name in ("a/BTCUSDT-2023.csv", "a/b/BTCUSDT-2024.csv", "a/b/ETHUSDT-2024.csv",
                 "c/SOLUSDT [1].csv"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        frame().to_csv(tmp_path / name, index=False)
    for pattern, due in {
        "*": ["BTC-USDT", "ETH-USDT", "SOL-USDT"],
        "**/*.csv": ["BTC-USDT", "ETH-USDT", "SOL-USDT"],
        "a/*.csv": ["BTC-USDT"],
        "a/?": ["BTC-USDT", "ETH-USDT"],
        "**/[!B]*-202[34].csv": ["ETH-USDT"],
        "c/SOLUSDT [1].csv": ["SOL-USDT"],
    }.items():
        assert list(source(tmp_path / pattern).symbols()) == due


def other_venue(bars: Bars, shift: float, every: int = 1) -> pd.DataFrame:
    """The same minutes at prices that differ by a share, in each `every`-th row."""
    rows = frame(bars)
    rows.loc[::every, ["open", "high", "low", "close"]] *= 1 + shift
    return rows


def test_files_of_two_venues_are_refused(tmp_path: Path) -> None:
    """Where they tell different prices of the minutes that both have, with the first of them."""
    frame().to_csv(tmp_path / "BTC-USD_one.csv", index=False)
    other_venue(BARS, 1e-4).to_csv(tmp_path / "BTC-USD_other.csv", index=False)
    files = source(tmp_path)
    assert files.available("BTC-USD").start == BARS.ts[0]
    with pytest.raises(SourceError, match="different prices of BTC-USD in 50 of 50 minutes") as e:
        everything(files, "BTC-USD")
    assert "BTC-USD_one.csv" in str(e.value)
    assert "BTC-USD_other.csv" in str(e.value)
    assert "at 2024-01-31T23:30 they closed at 100 and 100.01" in str(e.value)
    (tmp_path / "BTC-USD_other.csv").unlink()
    assert_prices(everything(files, "BTC-USD"))


@pytest.mark.parametrize(
    ("one", "other", "refused"),
    [
        ("kraken_BTC_USD_2023.csv", "coinbase_BTC_USD_2024.csv", True),
        ("BTC-USDT_binance.csv", "BTC-USDT_binance-us.csv", True),
        ("binance_BTC-USDT.csv", "BTC-USDT_2024.csv", False),
        ("Binance.US_BTCUSDT.csv", "binanceus-BTCUSDT.csv", False),
        ("kraken/BTC-USD.csv", "bitstamp/BTC-USD.csv", True),
        ("coinbase/kraken_BTC-USD.csv", "kraken/BTC-USD.csv", False),
        ("akrakens_BTC-USD.csv", "okxy_BTC-USD.csv", False),
    ],
)
def test_venues_are_also_told_by_names(tmp_path: Path, one: str, other: str, refused: bool) -> None:
    """Files that share no minute are refused where their names are of different venues."""
    for name, rows in {one: BARS[:20], other: BARS[25:]}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        frame(rows).to_csv(tmp_path / name, index=False)
    files = source(tmp_path)
    (symbol,) = files.symbols()
    if refused:
        with pytest.raises(SourceError, match=rf"{symbol} is in .* of .*, as their names say"):
            everything(files, symbol)
    else:
        assert len(everything(files, symbol)) == 45


def test_one_venue_may_say_things_twice(tmp_path: Path) -> None:
    """Corrections of some minutes, float32, and few shared minutes are no other venue."""
    frame().to_csv(tmp_path / "BTC-USD_a.csv", index=False)
    other_venue(BARS, 0.01, every=11).to_csv(tmp_path / "BTC-USD_b.csv", index=False)
    single = frame().astype({"open": np.float32, "close": np.float32, "high": np.float32})
    single.to_parquet(tmp_path / "BTC-USD_c.parquet")
    other_venue(BARS[:29], 0.01).to_csv(tmp_path / "BTC-USD_d.csv", index=False)
    assert len(everything(source(tmp_path), "BTC-USD")) == 179


@pytest.mark.market
@needs_market[1]
def test_real_venues_are_told_apart() -> None:
    """Binance and Binance.US of the same weeks, though their prices are within 0.01 %."""
    paths = [MARKET / BTC, MARKET / "venues" / "BTCUSDT_1m_binance-us.parquet"]
    with pytest.raises(SourceError, match=r"in 4,321 of 4,321 minutes that both have"):
        everything(source(*paths), "BTC-USDT")
