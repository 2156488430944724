"""Asked month after month, a file gives what it gives at once, and is decoded once."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.sources import FilesConfig
from crypto_nn.sources.files import FileSource
from crypto_nn.sources.formats import rows
from crypto_nn_tests.bars.raw_table import minutes

SYMBOL, MONTHS = "BTC-USDT", ("2024-01", "2024-02", "2024-03")
START, END = month_bounds(MONTHS[0])[0], month_bounds(MONTHS[-1])[1]


def written(folder: Path, bars: Bars, group_rows: int) -> FileSource:
    path = folder / "BTC-USDT_1m.parquet"
    bars.to_pandas().to_parquet(path, row_group_size=group_rows)
    return FilesConfig(paths=(str(path),)).open()


def fetched(source: FileSource, start: np.datetime64, end: np.datetime64) -> Bars:
    return Bars.concat([Bars.empty(SYMBOL), *source.fetch(SYMBOL, M1, start, end)])


def some_hours() -> Bars:
    """An hour's bars every two days, for three months, with one row in disorder."""
    bars = minutes(91 * 1440)
    bars = bars.take(np.arange(len(bars)) % 2880 < 60)
    order = np.arange(len(bars))
    order[[70, 71]] = order[[71, 70]]
    return bars.take(order)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each decoding had."""
    sizes: list[int] = []
    decode = rows._decode

    def counted(*how: object) -> Bars:
        bars = decode(*how)  # type: ignore[arg-type]
        sizes.append(len(bars))
        return bars

    monkeypatch.setattr(rows, "_decode", counted)
    return sizes


@pytest.mark.parametrize("group_rows", [100_000, 1_000, 37])
def test_month_by_month_gives_the_same_rows_and_decodes_each_once(
    tmp_path: Path, decoded: list[int], group_rows: int
) -> None:
    """Whatever the size of row groups: years in one of them are not read again each month."""
    bars = some_hours()
    source = written(tmp_path, bars, group_rows)
    bounds = [month_bounds(month) for month in MONTHS]
    found = Bars.concat([fetched(source, *each) for each in bounds])
    assert sum(decoded) == len(bars)
    np.testing.assert_array_equal(found.ts, bars.ts)
    np.testing.assert_array_equal(found.close, bars.close)
    days = pd.date_range(START, END, freq="D").to_numpy().astype("datetime64[us]")
    by_day = Bars.concat([fetched(source, *each) for each in pairwise(days)])
    np.testing.assert_array_equal(np.sort(by_day.ts), np.sort(bars.ts))


def test_a_file_that_has_changed_is_decoded_again(tmp_path: Path) -> None:
    """What is remembered is of the file as it was."""
    bars = some_hours()
    source = written(tmp_path, bars, 100_000)
    assert len(fetched(source, START, END)) == len(bars)
    written(tmp_path, bars[:-10], 100_000)
    assert len(fetched(source, START, END)) == len(bars) - 10
