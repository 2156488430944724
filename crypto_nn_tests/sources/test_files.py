"""Files are read as they come: many layouts, one meaning, and no row lost on the way."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from crypto_nn.bars import M1, Bars
from crypto_nn.sources import FilesConfig, FileSource
from crypto_nn.sources.formats.cells import from_epoch
from crypto_nn.sources.formats.naming import Naming
from crypto_nn.sources.formats.parquet import ParquetFile
from crypto_nn_tests.bars.raw_table import minutes
from crypto_nn_tests.contracts.source import everything

BARS = minutes(50, "2024-01-31T23:30")


def source(*paths: Path, **settings: Any) -> FileSource:
    """The source that reads these files."""
    return FilesConfig(paths=tuple(map(str, paths)), **settings).open()


def read(path: Path, symbol: str = "BTC-USDT", **settings: Any) -> Bars:
    """All rows of a symbol in a file."""
    return everything(source(path, **settings), symbol)


def frame(bars: Bars = BARS) -> pd.DataFrame:
    """The bars with naive stamps."""
    return bars.to_pandas().assign(ts=bars.ts)


def klines(bars: Bars, unit: str) -> pd.DataFrame:
    """Binance's twelve columns."""
    ts = bars.ts.astype(f"datetime64[{unit}]").astype(np.int64)
    close = (bars.ts + M1.step).astype(f"datetime64[{unit}]").astype(np.int64) - 1
    paid = bars.volume * bars.close
    return pd.DataFrame(
        {"open_time": ts, "open": bars.open, "high": bars.high, "low": bars.low,
         "close": bars.close, "volume": bars.volume, "close_time": close, "quote_volume": paid,
         "count": 7, "taker_buy_volume": 0.5 * bars.volume, "taker_buy_quote_volume": 0.5 * paid,
         "ignore": 0}
    )  # fmt: skip


def assert_prices(found: Bars, expected: Bars = BARS) -> None:
    """The same stamps, prices and volumes."""
    for name in ("ts", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.note is None


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("kind", ["csv", "zip", "csv.gz"])
def test_binance_klines_are_read_as_the_archive_ships_them(
    tmp_path: Path, unit: str, header: bool, kind: str
) -> None:
    """Headerless or not, in ms or (since 2025) µs, plain or packed; trades come along."""
    text = klines(BARS, unit).to_csv(index=False, header=header)
    path = tmp_path / f"BTCUSDT-1m-2024-01.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("BTCUSDT-1m-2024-01.csv", text)
    else:
        path.write_bytes(gzip.compress(text.encode()) if kind == "csv.gz" else text.encode())
    found = read(path)
    assert_prices(found)
    np.testing.assert_array_equal(found.trades, np.full(50, 7.0))


def test_a_unit_that_changes_midway_is_followed(tmp_path: Path) -> None:
    """Archives joined across 2025 hold ms first and µs after; each stamp is read on its own."""
    parts = [klines(BARS[:20], "ms"), klines(BARS[20:], "us")]
    pd.concat(parts).to_csv(tmp_path / "BTCUSDT.csv", index=False)
    assert_prices(read(tmp_path / "BTCUSDT.csv"))


def test_polygon_flat_files_hold_many_tickers(tmp_path: Path) -> None:
    """Each ticker's rows are its own; what is no symbol of ours is left alone."""
    expected = {"BTC-USD": BARS, "ETH-USD": minutes(30, "2024-01-31T23:40")}
    rows = pd.concat(
        pd.DataFrame(
            {"ticker": ticker, "volume": bars.volume, "open": bars.open, "close": bars.close,
             "high": bars.high, "low": bars.low,
             "window_start": bars.ts.astype("datetime64[ns]").astype(np.int64), "transactions": 3}
        )
        for ticker, bars in [("X:BTC-USD", BARS), ("X:$$$", BARS),
                             ("X:ETHUSD", expected["ETH-USD"])]
    )  # fmt: skip
    path = tmp_path / "2024-01-31.csv.gz"
    rows.sort_values("window_start", kind="stable").to_csv(path, index=False)
    found = source(path)
    assert found.symbols() == ("BTC-USD", "ETH-USD")
    for symbol, bars in expected.items():
        assert_prices(everything(found, symbol), bars)
        assert found.available(symbol).start == bars.ts[0]


def _epoch(unit: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda f: f.assign(ts=f.ts.to_numpy().astype(f"datetime64[{unit}]").astype(np.int64))


def _written(unit: str, how: Callable[[Any], Any]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda f: _epoch(unit)(f).assign(ts=lambda g: how(g.ts))


WRITTEN: dict[str, Callable[[Any], Any]] = {
    "int": lambda ts: ts,
    "uint": lambda ts: ts.astype(np.uint64),
    "float": lambda ts: ts.astype(float),
    "text": lambda ts: ts.astype(str),
    "text of a float": lambda ts: ts.astype(float).map(repr),
    "text with an exponent": lambda ts: ts.map(lambda t: f"{t:.17e}"),
    "categories": lambda ts: ts.astype(str).astype("category"),
}


def _text(form: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda f: f.assign(ts=f.ts.dt.strftime(form))


LAYOUTS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "ours": lambda f: f,
    "UTC": lambda f: f.assign(ts=f.ts.dt.tz_localize("UTC")),
    "ms": lambda f: f.assign(ts=f.ts.dt.as_unit("ms")),
    "ns": lambda f: f.assign(ts=f.ts.dt.as_unit("ns")),
    "epoch s": _epoch("s"),
    "epoch ms": _epoch("ms"),
    "epoch us": _epoch("us"),
    "epoch ns": _epoch("ns"),
    "epoch float": lambda f: _epoch("s")(f).astype({"ts": float}),
    "epoch text": lambda f: _epoch("ms")(f).astype({"ts": str}),
    "ISO T": _text("%Y-%m-%dT%H:%M"),
    "ISO Z": _text("%Y-%m-%dT%H:%M:%SZ"),
    "ISO offset": _text("%Y-%m-%d %H:%M:%S+00:00"),
    "ISO mixed": lambda f: pd.concat([_text("%Y-%m-%d %H:%M")(f[:9]), _text("%FT%TZ")(f[9:])]),
    "capitals": lambda f: f.rename(columns=str.capitalize).rename(columns={"Ts": "Date"}),
    "short": lambda f: f.set_axis(["t", "o", "h", "l", "c", "v"], axis=1),
    "open time": lambda f: f.rename(columns={"ts": "Open time"}),
    "index": lambda f: f.set_index("ts").rename_axis(None),
    "extra": lambda f: f.assign(close_time=1, quote="x")[[*f.columns[::-1], "close_time", "quote"]],
    "text numbers": lambda f: f.astype({"open": str, "volume": str}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_layouts_differ_and_bars_do_not(tmp_path: Path, layout: str, kind: str) -> None:
    """Whatever columns and stamps are called and made of, the bars are the same."""
    rows, path = LAYOUTS[layout](frame()), tmp_path / f"BTCUSDT_1m.{kind}"
    if kind == "parquet":
        rows.to_parquet(path)
    else:
        rows.to_csv(path, index=layout == "index")
    assert_prices(read(path))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_stamps_in_any_unit_are_told_apart(tmp_path: Path, unit: str, how: str, kind: str) -> None:
    """However a count is written, and also where a file changes from one unit to another."""
    others = {"s": "us", "ms": "us", "us": "ns", "ns": "s"}
    whole = _written(unit, WRITTEN[how])(frame())
    mixed = pd.concat([whole[:20], _written(others[unit], WRITTEN[how])(frame()[20:])])
    for name, rows in {"BTCUSDT": whole, "ETHUSDT": mixed}.items():
        if kind == "parquet":
            rows.to_parquet(tmp_path / f"{name}.parquet", row_group_size=9)
        else:
            rows.to_csv(tmp_path / f"{name}.csv", index=False)
        assert_prices(read(tmp_path / f"{name}.{kind}", f"{name[:3]}-USDT"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\n\n" + text.replace("\n", "\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace(",", " , "),
        lambda text: "\n".join(",".join(f'"{c}"' for c in r.split(",")) for r in text.splitlines()),
        lambda text: text.split("\n", 1)[1],
    ],
    ids=["semicolons", "tabs", "BOM", "CRLF", "blank lines", "no end", "spaces", "quotes", "bare"],
)
def test_dialects_of_csv_are_read(tmp_path: Path, change: Callable[[str], str]) -> None:
    """Delimiters, line ends, marks and quotes are the writer's choice."""
    path = tmp_path / "BTCUSDT.csv"
    path.write_bytes(change(frame().to_csv(index=False)).encode())
    assert_prices(read(path))


def test_counts_are_told_apart_by_their_size_or_refused() -> None:
    """The same instant in s, ms, µs and ns is one; what lies between the units is no time."""
    instants = np.array(["2001-09-09T01:47", "2024-01-01", "2100-01-01"], "M8[us]")
    for unit in ("s", "ms", "us", "ns"):
        counts = instants.astype(f"M8[{unit}]").astype(np.int64)
        np.testing.assert_array_equal(from_epoch(counts), instants)
        np.testing.assert_array_equal(from_epoch(counts.astype(float)), instants)
    between = np.array([0, -1, 5 * 10**8, 10**10, 5 * 10**11, 10**13, 10**14, 10**17, 2**63 - 1])
    assert np.isnat(from_epoch(between)).all()
    assert np.isnat(from_epoch(np.array([np.nan, np.inf, 1.5]))).all()


def test_files_of_one_symbol_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    """By what is in them, not by name; rows that overlap come out as often as they are there."""
    frame(BARS[:30]).to_parquet(tmp_path / "BTCUSDT_b.parquet")
    frame(BARS[20:]).to_csv(tmp_path / "BTCUSDT_a.csv", index=False)
    found = everything(source(tmp_path), "BTC-USDT")
    np.testing.assert_array_equal(found.ts, np.concatenate([BARS.ts[:30], BARS.ts[20:]]))
    again = source(tmp_path, tmp_path / "BTCUSDT_a.csv", tmp_path / "*.csv")
    assert len(everything(again, "BTC-USDT")) == 60


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    """What is remembered of a file holds only as long as the file stays the same."""
    path = tmp_path / "BTCUSDT.csv"
    frame(BARS[:10]).to_csv(path, index=False)
    files = source(path)
    assert len(everything(files, "BTC-USDT")) == 10
    frame(BARS).to_csv(path, index=False)
    assert len(everything(files, "BTC-USDT")) == 50


def test_only_what_is_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Availability reads no prices, and a range only the row groups that hold it."""
    read_parts: list[tuple[list[str], int | None]] = []
    original = ParquetFile.tables

    def spy(file: ParquetFile, names: Any, pieces: Any = None) -> Any:
        read_parts.append((list(names), None if pieces is None else len(pieces)))
        return original(file, names, pieces)

    monkeypatch.setattr(ParquetFile, "tables", spy)
    pq.write_table(BARS.to_arrow(), tmp_path / "BTCUSDT.parquet", row_group_size=10)
    files = source(tmp_path)
    files.available("BTC-USDT")
    assert read_parts == [(["ts"], 1)]
    assert len(list(files.fetch("BTC-USDT", M1, BARS.ts[12], BARS.ts[25]))) == 1
    assert read_parts[1][1] == 2


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT_1m_2023-01_2025-06.parquet", "BTC-USDT"),
        ("BTCUSDT-1m-2024-01.csv", "BTC-USDT"),
        ("BTC-USDT.parquet", "BTC-USDT"),
        ("btc_usd.csv.gz", "BTC-USD"),
        ("kraken_ETHBTC_1m.csv", "ETH-BTC"),
        ("Binance BTC-EUR 2024.csv", "BTC-EUR"),
        ("BINANCE-BTC-EUR_1m.csv", "BTC-EUR"),
        ("Kraken_eth_busd.csv", "ETH-BUSD"),
        ("bars_eth.parquet", None),
        ("archive.zip!SOLUSDC-1m-2024-01.csv", "SOL-USDC"),
        ("SOLUSDC-1m-2024-01.zip!data.csv", "SOL-USDC"),
        ("bars.parquet", None),
        ("2024-01-31.csv", None),
        ("XBT.csv", "BTC-USD"),
        ("my_coin_7.csv", "COIN-USDT"),
    ],
)
def test_a_file_is_of_the_symbol_in_its_name(name: str, symbol: str | None) -> None:
    """Names of archives and tools tell the symbol; settings go before them; nothing is guessed."""
    naming = Naming({"XBT.csv": "BTC-USD", "my_coin*": "COIN-USDT"})
    assert naming.of_file(f"/usdt/BTC-USD/{name}") == symbol


def test_tickers_can_be_named_in_the_settings(tmp_path: Path) -> None:
    """What a file calls XBT is what the settings say it is."""
    frame().assign(symbol="XBT").to_csv(tmp_path / "rows.csv", index=False)
    files = source(tmp_path, symbols={"XBT": "BTC-USD"})
    assert files.symbols() == ("BTC-USD",)
    assert_prices(everything(files, "BTC-USD"), BARS)
