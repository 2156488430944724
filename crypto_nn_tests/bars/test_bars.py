"""Bars hold what a source said, convert without loss, and know whether they are clean."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crypto_nn.bars import M1, M5, Bar, Bars
from crypto_nn.errors import BarsError, SymbolError
from crypto_nn_tests.bars.raw_table import minutes


def assert_same(some: Bars, others: Bars) -> None:
    """Equal symbol, timeframe and columns."""
    assert (some.symbol, some.timeframe) == (others.symbol, others.timeframe)
    assert some.columns().keys() == others.columns().keys()
    for name, column in some.columns().items():
        np.testing.assert_array_equal(column, getattr(others, name))


@pytest.mark.parametrize("optional", [{}, {"vwap": np.arange(6.0), "trades": np.ones(6)}])
def test_bars_survive_pandas_and_arrow(optional: dict[str, Any]) -> None:
    """To a frame or a table and back, nothing changes."""
    bars = replace(minutes(6), **optional)
    assert_same(Bars.from_pandas(bars.to_pandas(), bars.symbol), bars)
    assert_same(Bars.from_pandas(bars.to_pandas().set_index("ts"), bars.symbol), bars)
    assert_same(Bars.from_arrow(bars.to_arrow(), bars.symbol), bars)
    assert_same(Bars.from_arrow(bars[:0].to_arrow(), bars.symbol), bars[:0])


def test_slices_are_bars_and_items_are_single_bars() -> None:
    """A slice keeps symbol and columns; an item is a named tuple; iterating gives every item."""
    bars = replace(minutes(5), trades=np.arange(5.0))
    assert_same(Bars.concat([bars[:2], bars[2:]]), bars)
    assert bars[3].trades == 3.0
    assert bars[-1].ts == bars.ts[4]
    assert [bar[:6] for bar in bars] == [bars[row][:6] for row in range(5)]
    assert all(isinstance(bar, Bar) and np.isnan(bar.vwap) for bar in bars)


def test_between_takes_the_start_and_leaves_the_end() -> None:
    """[start, end): two neighbouring ranges share no bar and lose none."""
    bars = minutes(10)
    cut = bars.ts[4]
    assert len(bars.between(bars.ts[0], cut)) == 4
    assert bars.between(cut, bars.ts[-1]).ts[0] == cut


def test_parts_without_an_optional_column_count_as_blank() -> None:
    """Where a piece has no trades, joined bars have NaN there."""
    joined = Bars.concat([minutes(2), replace(minutes(2), trades=np.ones(2))])
    np.testing.assert_array_equal(joined.trades, [np.nan, np.nan, 1.0, 1.0])


def test_what_does_not_belong_together_is_not_joined() -> None:
    """Bars of two symbols or timeframes are no series, and neither is nothing at all."""
    with pytest.raises(BarsError, match="different symbols"):
        Bars.concat([minutes(1), minutes(1, symbol="ETH-USDT")])
    with pytest.raises(BarsError, match="different symbols"):
        Bars.concat([minutes(1), replace(minutes(1), timeframe=M5)])
    with pytest.raises(BarsError, match="nothing to concatenate"):
        Bars.concat([])


def test_a_frame_that_holds_no_bars_is_refused_with_what_was_found() -> None:
    """Missing columns, texts and other zones are named."""
    frame = minutes(3).to_pandas()
    with pytest.raises(BarsError, match="column close is missing; found ts, open"):
        Bars.from_pandas(frame.drop(columns="close"), "BTC-USDT")
    with pytest.raises(BarsError, match="column open holds object"):
        Bars.from_pandas(frame.assign(open=["a", "b", "c"]), "BTC-USDT")
    with pytest.raises(BarsError, match="zone Europe/Berlin; UTC is due"):
        Bars.from_pandas(frame.assign(ts=frame.ts.dt.tz_convert("Europe/Berlin")), "BTC-USDT")
    with pytest.raises(BarsError, match="ts is of type int64"):
        Bars.from_pandas(frame.assign(ts=[1, 2, 3]), "BTC-USDT")
    with pytest.raises(SymbolError, match="'BTCUSDT' is not a symbol"):
        Bars.from_pandas(frame, "BTCUSDT")


def test_columns_of_unequal_length_are_refused() -> None:
    """Bars are a table."""
    with pytest.raises(BarsError, match="differ in length"):
        replace(minutes(3), volume=np.ones(2))


def test_naive_and_utc_stamps_mean_the_same() -> None:
    """A stamp without a zone is UTC by contract."""
    frame = minutes(3).to_pandas()
    naive = frame.assign(ts=frame.ts.dt.tz_localize(None))
    assert_same(Bars.from_pandas(naive, "BTC-USDT"), Bars.from_pandas(frame, "BTC-USDT"))
    nanos = frame.assign(ts=pd.DatetimeIndex(frame.ts).as_unit("ns"))
    assert_same(Bars.from_pandas(nanos, "BTC-USDT"), Bars.from_pandas(frame, "BTC-USDT"))


@pytest.mark.parametrize(
    ("row", "name", "value", "problem"),
    [
        (2, "ts", np.datetime64("NaT"), "could not be read"),
        (2, "ts", np.datetime64("2024-01-01T00:01"), "stamps must ascend"),
        (4, "ts", np.datetime64("2024-01-01T00:04:01"), "not the start of a 1m bar"),
        (3, "close", np.nan, "00:03"),
        (3, "low", -1.0, "00:03"),
        (3, "high", 1.0, "00:03"),
        (3, "low", 100.9, "00:03"),
        (3, "volume", np.inf, "00:03"),
        (3, "volume", -1.0, "00:03"),
    ],
)
def test_bars_that_cannot_be_are_not_clean(
    row: int, name: str, value: object, problem: str
) -> None:
    """Each kind of fault is found, and told with where it stands."""
    bars = minutes(5)
    assert bars.check_clean() is bars
    column = getattr(bars, name).copy()
    column[row] = value
    with pytest.raises(BarsError, match=problem):
        replace(bars, **{name: column}).check_clean()


def test_no_bars_are_clean() -> None:
    """An empty series has nothing wrong with it."""
    assert len(Bars.empty("BTC-USDT").check_clean()) == 0
    assert Bars.empty("BTC-USDT").timeframe == M1


@pytest.mark.parametrize("optional", [{}, {"vwap": np.arange(6.0), "trades": np.ones(6)}])
def test_single_bars_become_arrays_again(optional: dict[str, Any]) -> None:
    """What iteration takes apart, `of` puts together; a reference that is silent is NaN."""
    bars = replace(minutes(6), **optional, reference=np.full(6, np.nan))
    assert_same(Bars.of(list(bars), bars.symbol), bars)
    assert len(Bars.of([], bars.symbol)) == 0


@pytest.mark.parametrize("kind", ["<f4", ">f8", "<i8"])
def test_columns_of_other_types_are_not_clean(kind: str) -> None:
    """What reads the bytes of a column must not find other ones than it takes them for."""
    bars = minutes(6)
    with pytest.raises(BarsError, match="float64 is due"):
        replace(bars, close=bars.close.astype(kind)).check_clean()
