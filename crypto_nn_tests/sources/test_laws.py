"""Every source keeps the laws of sources."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from crypto_nn.sources import FilesConfig, SourceConfig, SyntheticConfig, open_source
from crypto_nn.sources.formats import delimited
from crypto_nn.sources.synthetic import Gap, Regime, generate
from crypto_nn_tests.contracts import source as law

MARKET = SyntheticConfig(
    symbols=("BTC-USDT", "ETH-USDT"),
    start=datetime(2024, 1, 20),
    end=datetime(2024, 3, 5, 12),
    gap_rate=3.0,
    gaps=(Gap(start=datetime(2024, 1, 31, 23, 50), minutes=30),),
    regimes=(Regime(start=datetime(2024, 2, 20), volatility=2.0),),
)
CUTS = np.array(["2024-01-31T23:59", "2024-02-01", "2024-02-29T23:59:30", "2024-03-01"], "M8[us]")


def synthetic(folder: Path) -> SourceConfig:
    """A made-up market with outages over a leap day."""
    return MARKET


def parquet(folder: Path) -> SourceConfig:
    """One file a symbol, in several row groups."""
    for symbol in MARKET.symbols:
        table = generate(MARKET, symbol).to_arrow()
        pq.write_table(table, folder / f"{symbol}.parquet", row_group_size=7_000)
    return FilesConfig(paths=(str(folder),))


def delimited_months(folder: Path) -> SourceConfig:
    """One CSV a symbol and month, in folders, named so that their order is not that of time."""
    for symbol in MARKET.symbols:
        bars = generate(MARKET, symbol)
        for name, (start, end) in {"c": ("2024-01", "2024-02"), "b": ("2024-02", "2024-03"),
                                   "a": ("2024-03", "2024-04")}.items():  # fmt: skip
            (folder / name).mkdir(exist_ok=True)
            path = folder / name / f"{symbol.replace('-', '')}_1m.csv"
            part = bars.between(np.datetime64(start), np.datetime64(end))
            pyarrow.csv.write_csv(part.to_arrow(), path)
    return FilesConfig(paths=(f"{folder}/**/*.csv",))


SOURCES = [synthetic, parquet, delimited_months]


@pytest.mark.parametrize("make", SOURCES)
def test_source_keeps_the_laws(
    make: Callable[[Path], SourceConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ordered closed bars, honest slices, the same twice, small pieces, clear refusals."""
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 1_000_000)
    config = make(tmp_path)
    source = open_source(config)
    assert source.symbols() == ("BTC-USDT", "ETH-USDT")
    law.check_ordered_and_closed(source)
    law.check_honours_start_and_end(source, CUTS)
    law.check_same_bars_twice(source, open_source(config))
    law.check_pieces_are_small(source)
    law.check_outside_is_empty(source)
    law.check_unknown_is_refused(source)


def test_files_give_what_was_written_to_them(tmp_path: Path) -> None:
    """Parquet and CSV give back every number of the bars that were written, bit for bit."""
    expected = {symbol: generate(MARKET, symbol) for symbol in MARKET.symbols}
    for make in (parquet, delimited_months):
        folder = tmp_path / make.__name__
        folder.mkdir()
        source = open_source(make(folder))
        for symbol, bars in expected.items():
            law.check_same(law.everything(source, symbol), bars)
            known = source.available(symbol)
            assert (known.start, known.end) == (bars.ts[0], bars.ts[-1] + bars.timeframe.step)
