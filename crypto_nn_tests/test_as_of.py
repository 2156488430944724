"""What did we know at a time: bars and features as they were, whatever has come since."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

import crypto_nn
from crypto_nn.bars import M1, Bars, Times
from crypto_nn.bars.calendar import month_slices
from crypto_nn.errors import ConfigError, LakeError
from crypto_nn.features import default_feature_set
from crypto_nn.sources import SyntheticConfig
from crypto_nn.sources.synthetic import generate
from crypto_nn.store import Lake, RawStore, query
from crypto_nn.store.lineage import content_of
from crypto_nn.store.live import LiveBars, received
from crypto_nn_tests.market import ROOT

SYMBOL, SOURCE = "SYN-USDT", "synthetic"
FETCHED = np.datetime64("2024-03-05", "us")
REVISED = np.datetime64("2024-03-06", "us")
LIVE = np.datetime64("2024-03-07", "us")
LAST = np.datetime64("2024-05-01", "us")
WRONG = np.datetime64("2024-01-31T12:00", "us")
FEATURES = default_feature_set()

Load = Callable[..., pd.DataFrame]


@dataclass(frozen=True)
class Told:
    """A delivery as it comes in live."""

    bars: Bars
    received_at: np.datetime64
    origin: str = "stream"


@dataclass(frozen=True)
class World:
    """A home with two months of bars, as they were fetched; one was revised a day later."""

    raw: RawStore
    lake: Lake
    first: Bars
    second: Bars


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("as_of")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CRYPTO_NN_HOME", str(home))
        raw, lake = RawStore(home / "raw_bars"), Lake(home / "lake")
        config = SyntheticConfig(start=datetime(2024, 1, 1), end=datetime(2024, 3, 1))
        first = replace(generate(config, SYMBOL), vwap=None)
        for month, rows in month_slices(first.ts):
            raw.append(SOURCE, SYMBOL, month, first[rows], FETCHED)
        late = corrected(first, WRONG, 1.01)
        raw.append(SOURCE, SYMBOL, "2024-01", late, REVISED)
        lake.snapshot()
        yield World(raw, lake, first, put(first, late))
        lake.close()


def corrected(bars: Bars, minute: np.datetime64, factor: float) -> Bars:
    """One bar with other prices."""
    bar = bars.between(minute, minute + M1.step)
    prices = {name: getattr(bar, name) * factor for name in ("open", "high", "low", "close")}
    return replace(bar, **prices)


def put(bars: Bars, bar: Bars) -> Bars:
    """The bars with one in the place of its minute's."""
    row = int(np.searchsorted(bars.ts, bar.ts[0]))
    return Bars.concat([bars[:row], bar, bars[row + 1 :]])


def as_of(time: np.datetime64) -> pd.Timestamp:
    return pd.Timestamp(time, tz="UTC")


def times_of(found: pd.DataFrame) -> Times:
    return pd.DatetimeIndex(found.index).tz_localize(None).to_numpy()


def assert_bars(found: pd.DataFrame, due: Bars) -> None:
    """The same bars, bit for bit, in the columns of the table."""
    assert [*found.columns][:7] == ["open", "high", "low", "close", "volume", "vwap", "trades"]
    assert set(found["source"]) <= {SOURCE}
    np.testing.assert_array_equal(times_of(found), due.ts)
    for name, column in due.columns().items():
        if name != "ts":
            np.testing.assert_array_equal(found[name].to_numpy(), column)


def assert_features(found: pd.DataFrame, bars: Bars) -> None:
    """Those of the whole history of these bars, bit for bit."""
    assert tuple(found.columns) == FEATURES.names
    assert set(found.dtypes) == {np.dtype(np.float32)}
    whole = pd.DataFrame(FEATURES.compute(bars, complete=True), bars.ts, list(FEATURES.names))
    due = whole.loc[pd.DatetimeIndex(times_of(found))]
    np.testing.assert_array_equal(found.to_numpy(), due.to_numpy())


@pytest.mark.parametrize("revised", [False, True])
def test_bars_and_features_are_those_of_what_had_come_by_then(world: World, revised: bool) -> None:
    """Bit for bit: before the revision the first word, from its receipt on the second."""
    bars = world.second if revised else world.first
    time = REVISED if revised else REVISED - np.timedelta64(1, "us")
    assert_bars(crypto_nn.load_bars(SYMBOL, as_of=as_of(time)), bars)
    found = crypto_nn.load_features(SYMBOL, as_of=as_of(time))
    assert len(found) == len(bars)
    assert_features(found, bars)


def test_bounds_select_as_they_do_without_a_time(world: World) -> None:
    """[start, end), across months too."""
    start, end = np.datetime64("2024-01-31T23:30", "us"), np.datetime64("2024-02-01T00:10", "us")
    bounds = as_of(start), as_of(end)
    found = crypto_nn.load_bars(SYMBOL, *bounds, as_of=as_of(FETCHED))
    assert_bars(found, world.first.between(start, end))
    found = crypto_nn.load_features(SYMBOL, *bounds, as_of=as_of(FETCHED))
    assert len(found) == 40
    assert_features(found, world.first)


@pytest.mark.parametrize("load", [crypto_nn.load_bars, crypto_nn.load_features])
def test_before_anything_came_nothing_was_known(world: World, load: Load) -> None:
    """No rows, in the same columns and types, however old the bars themselves are."""
    none, some = load(SYMBOL, as_of="2024-03-01"), load(SYMBOL, as_of=as_of(FETCHED))
    assert len(none) == 0
    assert len(load(SYMBOL, "2025-01-01", as_of=as_of(FETCHED))) == 0
    pd.testing.assert_series_equal(none.dtypes, some.dtypes)
    assert none.index.dtype == some.index.dtype
    assert none.index.name == some.index.name == "ts"


def test_the_page_asks_the_same_in_sql(world: World) -> None:
    """The recipe of docs/querying.md, in our SQL and in any DuckDB on the files themselves."""
    page = (ROOT / "docs" / "querying.md").read_text(encoding="utf-8")
    (recipe,) = [part for part in page.split("```") if "received_at <= TIMESTAMP" in part]
    files = f"read_parquet('{world.raw.root}/*/*/*.parquet')"
    assert f"{files.partition(chr(39))[0]}'data/raw_bars/*/*/*.parquet')" in page
    for time, bars in ((FETCHED, world.first), (REVISED, world.second)):
        sql = recipe.removeprefix("sql").replace("2024-02-20 12:00:00", str(time))
        january = bars.between(bars.ts[0], np.datetime64("2024-02-01", "us"))
        sql = sql.replace("'2024-02'", "'2024-01'")
        asked = query(world.lake, world.raw.root, sql)
        plain = duckdb.connect().execute(sql.replace("raw_bars", files)).to_arrow_table()
        for found in (asked, plain):
            assert content_of(Bars.from_arrow(found, SYMBOL)) == content_of(january)


def test_features_stay_null_where_the_month_before_was_not_known_yet(world: World) -> None:
    """As the asset leaves them: half a history is not a history."""
    raw = RawStore(world.raw.root)
    april = replace(
        world.first[: 3 * 1440], ts=world.first.ts[: 3 * 1440] + np.timedelta64(91, "D")
    )
    raw.append(SOURCE, SYMBOL, "2024-04", april, LAST)
    found = crypto_nn.load_features(SYMBOL, "2024-04-01", as_of=as_of(LAST))
    assert len(found) == len(april)
    assert found.isna().all(axis=None)
    raw.append(SOURCE, SYMBOL, "2024-03", Bars.empty(SYMBOL), LAST)  # ingested, and nothing in it
    found = crypto_nn.load_features(SYMBOL, "2024-04-01", as_of=as_of(LAST))
    assert_features(found, Bars.concat([world.second, april]))
    raw.path(SOURCE, SYMBOL, "2024-03").unlink()
    raw.path(SOURCE, SYMBOL, "2024-04").unlink()


def test_live_rows_count_before_they_are_folded_and_after(world: World) -> None:
    """From when each was received; folding them changes nothing of what was known."""
    live = LiveBars(world.lake)
    late = corrected(world.first, WRONG + M1.step, 1.02)
    live.append(SOURCE, [Told(late, LIVE)])

    hour = WRONG, WRONG + 60 * M1.step

    def known() -> list[pd.DataFrame]:
        times = LIVE - np.timedelta64(1, "us"), LIVE
        return [crypto_nn.load_bars(SYMBOL, *map(as_of, hour), as_of(time)) for time in times]

    before, after = known()
    assert_bars(before, world.second.between(*hour))
    assert_bars(after, put(world.second, late).between(*hour))
    rows = live.read(SYMBOL)
    world.raw.append(SOURCE, SYMBOL, "2024-01", *received(rows, SYMBOL))
    for found, due in zip(known(), (before, after)):
        pd.testing.assert_frame_equal(found, due)
    world.lake.replace({}, {}, {"live_bars": rows["rowid"].to_numpy()})
    for found, due in zip(known(), (before, after)):
        pd.testing.assert_frame_equal(found, due)


def test_what_never_came_is_an_error_that_says_what_to_do(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A symbol that is not ingested does not look like a market without bars."""
    with pytest.raises(ConfigError, match="XRP-USDT"):
        crypto_nn.load_bars("XRP-USDT", as_of=as_of(LIVE))
    monkeypatch.setenv("CRYPTO_NN_HOME", str(tmp_path))
    Lake(tmp_path / "lake").snapshot()
    with pytest.raises(LakeError, match="Nothing was ever received of SYN-USDT from 'synthetic'"):
        crypto_nn.load_features(SYMBOL, as_of=as_of(LIVE))


@pytest.mark.parametrize("snapshot", [int, np.int64])
def test_a_number_is_a_snapshot_of_the_lake(world: World, snapshot: Callable[[int], Any]) -> None:
    """The table as it was, also where the number comes out of a DataFrame."""
    partition = {"symbol": SYMBOL, "month": "2024-01"}
    table = world.first[:10].to_arrow().append_column("source", [[SOURCE] * 10])
    first = world.lake.replace({"bars": table}, partition)
    world.lake.replace({"bars": table[:3]}, partition)
    assert len(crypto_nn.load_bars(SYMBOL)) == 3
    assert_bars(crypto_nn.load_bars(SYMBOL, as_of=snapshot(first)), world.first[:10])
