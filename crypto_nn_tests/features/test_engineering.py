"""All features of a frame: what is given back, live and in history, and what is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from crypto_nn.bars import M5, Bars
from crypto_nn.bars.reference import with_reference
from crypto_nn.bars.resample import resample
from crypto_nn.errors import BarsError, FeatureError
from crypto_nn.features import TechnicalFeatureEngineering, default_feature_set
from crypto_nn.features.config import FeatureConfig
from crypto_nn_tests.indicators.made import walk, without

BARS = walk(1600, seed=21)
FRAME = BARS.to_pandas()
OTHER = without(walk(1600, seed=22, price=2_000.0), (700, 703))
ETH = replace(OTHER, symbol="ETH-USDT")


def test_a_frame_of_bars_becomes_a_frame_of_features() -> None:
    """The same bits as the feature set gives, a row for each bar, by its time in UTC."""
    features = TechnicalFeatureEngineering()
    table = features.transform(FRAME)
    assert features.feature_names == default_feature_set().names
    assert tuple(table.columns) == features.feature_names
    assert_array_equal(table.to_numpy(), default_feature_set().compute(BARS, complete=True))
    assert (table.dtypes == np.float32).all()
    assert table.index.name == "ts"
    assert isinstance(table.index, pd.DatetimeIndex)
    assert str(table.index.tz) == "UTC"
    assert_array_equal(table.index.tz_localize(None), BARS.ts)


@pytest.mark.parametrize(
    "form",
    [
        lambda frame: frame.set_index("ts"),
        lambda frame: frame.assign(ts=frame["ts"].dt.tz_localize(None)),
        lambda frame: frame[["volume", "close", "low", "high", "open", "ts"]].assign(own=1),
        lambda frame: frame.assign(symbol="ETH-USDT"),
        lambda frame: BARS,
    ],
)
def test_bars_may_come_in_many_forms(form: Any) -> None:
    """Time as column or index, aware or not, columns in any order, others beside them, Bars."""
    features = TechnicalFeatureEngineering(FeatureConfig(groups=("returns", "candle")))
    pd.testing.assert_frame_equal(features.transform(form(FRAME)), features.transform(FRAME))


def test_missing_is_the_warm_up_and_no_more() -> None:
    """Each column is missing for as long as `warm_ups` says at most, and never again."""
    features = TechnicalFeatureEngineering()
    missing = features.missing(FRAME)
    assert list(features.warm_ups) == list(features.feature_names)
    for name, minutes in features.warm_ups.items():
        assert not missing[name].iloc[minutes:].any(), name
    assert missing["log_return_240"].to_list() == [True] * 240 + [False] * 1360
    assert features.warm_ups["rsi_14_1h"] == (14 + 2) * 60 - 1


def test_missing_says_why() -> None:
    """The mask is that of the values; what is missing after a hole says so."""
    features = TechnicalFeatureEngineering(FeatureConfig(reference="ETH-USDT"))
    holes = without(BARS, (900, 1000))
    table = features.transform(holes, reference=ETH)
    pd.testing.assert_frame_equal(features.missing(holes, reference=ETH), table.isna())
    why = features.why_missing(holes, reference=ETH)
    pd.testing.assert_frame_equal(why != "known", table.isna())
    assert why["log_return_60"].iloc[[0, 100, 900, 960]].to_list() == [
        "warm_up", "known", "after_gap", "known",
    ]  # fmt: skip
    assert why["reference_return_1"].iloc[699:705].to_list() == [
        "known", *["no_reference"] * 4, "known",
    ]  # fmt: skip
    assert (features.why_missing(holes, reference=ETH, complete=False) == "no_history").all().all()


def test_warm_up_of_slow_columns_holds_wherever_a_frame_begins() -> None:
    """Also where the first slow bar is cut: the bound is met at the worst minute, not exceeded."""
    features = TechnicalFeatureEngineering(FeatureConfig(groups=("slow",)))
    most = dict.fromkeys(features.feature_names, 0)
    for first in range(0, 60, 4):
        missing = features.missing(BARS[first:])
        most = {name: max(most[name], int(missing[name].sum())) for name in most}
    assert all(most[name] <= features.warm_ups[name] for name in most)
    assert any(most[name] > features.warm_ups[name] - 60 for name in most)


def test_an_incomplete_frame_is_null_until_a_month_is_anchored() -> None:
    """Where more came before, values must not depend on where the frame begins."""
    features = TechnicalFeatureEngineering(FeatureConfig(groups=("returns", "momentum")))
    assert features.transform(FRAME, complete=False).isna().all().all()


def test_live_features_are_those_of_history() -> None:
    """Whether a bar comes as one or as a mapping with time as a stamp, a text or numpy's."""
    features = TechnicalFeatureEngineering()
    whole = features.transform(FRAME)
    live = features.stream(FRAME.iloc[:1500])
    for n in range(1500, 1600):
        said: Any = FRAME.iloc[n].to_dict()
        if n % 4 == 1:
            said = BARS[n]
        if n % 4 == 2:
            said |= {"ts": BARS.ts[n]}
        if n % 4 == 3:
            said |= {"ts": str(said["ts"])}
        row = live.update(said)
        assert row.name == whole.index[n]
        pd.testing.assert_series_equal(row, whole.iloc[n], check_freq=False)


def test_a_stream_may_begin_with_nothing() -> None:
    """The first bar ever is then the first that is given."""
    features = TechnicalFeatureEngineering(FeatureConfig(groups=("returns",)))
    live = features.stream(FRAME.iloc[:0])
    rows = pd.DataFrame([live.update(bar) for bar in BARS[:30]])
    assert_array_equal(rows.to_numpy(), features.transform(BARS[:30]).to_numpy())


def test_the_catalog_has_a_line_for_each_column() -> None:
    """By name, with unit and formula."""
    catalog = TechnicalFeatureEngineering().catalog()
    assert tuple(catalog.index) == default_feature_set().names
    assert catalog.loc["rsi_14", "formula"] == "rsi_14 / 50 - 1"
    assert catalog.loc["sma_distance_60", "unit"] == "ATR"


def test_a_reference_stands_beside_the_market() -> None:
    """As bars or a frame; a market that is its own reference needs none."""
    features = TechnicalFeatureEngineering(FeatureConfig(groups=("returns",), reference="BTC-USDT"))
    due = features.features.compute(with_reference(ETH, BARS), complete=True)
    for reference in (BARS, FRAME):
        given = features.transform(ETH, reference=reference)
        assert_array_equal(given.to_numpy(), due)
    assert_array_equal(features.transform(with_reference(ETH, BARS)).to_numpy(), due)
    own = features.features.compute(with_reference(BARS, BARS), complete=True)
    assert_array_equal(features.transform(FRAME, symbol="BTC-USDT").to_numpy(), own)
    with pytest.raises(FeatureError, match=r"ETH-USDT: .* beside BTC-USDT\. Give the bars of BTC"):
        features.transform(ETH)
    with pytest.raises(FeatureError, match="no feature reads them"):
        TechnicalFeatureEngineering().transform(ETH, reference=BARS)


def test_a_live_reference_stands_beside_the_market() -> None:
    """Under `reference` in the mapping; where it is missing the columns that need it are NaN."""
    features = TechnicalFeatureEngineering(FeatureConfig(groups=("cross",), reference="BTC-USDT"))
    both = with_reference(ETH, BARS)
    whole = features.transform(both)
    live = features.stream(both[:1500])
    for n in range(1500, len(both)):
        bar = both[n]
        row = live.update({**bar._asdict()} if n % 2 else bar)
        assert_array_equal(row.to_numpy(), whole.iloc[n].to_numpy())


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (FRAME.drop(columns="volume"), BarsError, r"column volume is missing; found ts, open"),
        (FRAME.rename(columns=str.title), BarsError, r"ts, open, .* is missing; found Ts, Open"),
        (FRAME.assign(close="a lot"), BarsError, "close"),
        (FRAME.assign(ts=FRAME["ts"].dt.tz_convert("Asia/Tokyo")), BarsError, "Asia/Tokyo"),
        (FRAME.iloc[::-1], BarsError, "stamps must ascend"),
        (FRAME.assign(close=np.nan), BarsError, "cannot be"),
        (FRAME.assign(ts=FRAME["ts"] + pd.Timedelta("20s")), BarsError, "not the start of a 1m"),
        (FRAME.iloc[::5], FeatureError, r"no two bars are closer than 5 minutes"),
        (resample(BARS, M5), FeatureError, r"no two bars are closer than 5 minutes"),
        (
            FRAME.assign(symbol=["BTC-USDT", "ETH-USDT"] * 800),
            FeatureError,
            "bars of BTC-USDT, ETH-USDT; one symbol at a time",
        ),
        (
            pd.concat([FRAME, FRAME[["close", "ts"]]], axis=1),
            BarsError,
            "column ts, close is there more than once; found ts, open",
        ),
        (FRAME.assign(volume=FRAME["volume"] + 1j), BarsError, "column volume holds complex"),
        (replace(BARS, volume=BARS.volume + 1j), BarsError, "volume is of type <c16"),  # type: ignore[arg-type]
        (FRAME.to_dict(), FeatureError, "A dict was given; a pandas DataFrame or Bars"),
    ],
)
def test_what_is_wrong_is_said(given: Any, error: type[Exception], said: str) -> None:
    """Columns, numbers, zone, order, stamps, resolution, several symbols, another type."""
    features = TechnicalFeatureEngineering(FeatureConfig(groups=("returns",)))
    for entry in (features.transform, features.stream, features.missing):
        with pytest.raises(error, match=said):
            entry(given)


def test_a_wrong_live_bar_is_refused_and_the_stream_goes_on() -> None:
    """As in a plain stream: the bar is not taken."""
    features = TechnicalFeatureEngineering(FeatureConfig(groups=("returns",)))
    live = features.stream(BARS[:500])
    good = BARS[500]._asdict()
    for bad in ({**good, "close": -1.0}, {k: v for k, v in good.items() if k != "volume"}):
        with pytest.raises(BarsError):
            live.update(bad)
    whole = features.transform(BARS[:501])
    assert_array_equal(live.update(good).to_numpy(), whole.iloc[-1].to_numpy())


@pytest.mark.parametrize("as_bar", [False, True])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reference": "x"}, "reference of a bar is 'x'; its close is due as a number"),
        ({"reference": 1j}, "reference of a bar is 1j"),
        ({"reference": np.complex128(1j)}, r"reference of a bar is np\.complex128\(1j\)"),
        ({"volume": 1j}, "column volume holds complex numbers"),
        ({"close": "a lot"}, "column close holds .* not a number"),
        ({"ts": "soon"}, "'soon' is not a time"),
        ({"ts": None}, "'None' is not a time"),
        ({"ts": pd.NaT}, "'NaT' is not a time"),
        ({"ts": 1_704_103_200_000}, "ts is of type int64; a UTC date-time is due"),
        ({"ts": pd.Timestamp(BARS.ts[500], tz="UTC").tz_convert("Asia/Tokyo")}, "zone Asia/Tokyo"),
        ({"ts": datetime(2024, 1, 1, 17, 20, tzinfo=timezone(timedelta(hours=9)))}, "UTC is due"),
        ({"ts": "2024-01-01T17:20+09:00"}, r"zone UTC\+09:00; UTC is due"),
    ],
)
def test_a_live_bar_that_cannot_be_read_is_told(
    wrong: dict[str, Any], said: str, as_bar: bool
) -> None:
    """In a mapping or a Bar; the stream goes on. Zones are refused as they are in history."""
    features = TechnicalFeatureEngineering(FeatureConfig(groups=("cross",), reference="BTC-USDT"))
    both = with_reference(ETH, BARS)
    live = features.stream(both[:500])
    with pytest.raises(BarsError, match=said):
        live.update(both[500]._replace(**wrong) if as_bar else both[500]._asdict() | wrong)
    assert_array_equal(live.update(both[500]), features.transform(both[:501]).iloc[-1])


@pytest.mark.parametrize("as_bar", [False, True])
@pytest.mark.parametrize(
    "form",
    [
        lambda ts: ts,
        lambda ts: ts.astype("datetime64[ns]"),
        lambda ts: ts.astype("datetime64[m]"),
        lambda ts: ts.item(),
        lambda ts: ts.item().replace(tzinfo=UTC),
        lambda ts: pd.Timestamp(ts),
        lambda ts: pd.Timestamp(ts, tz="UTC"),
        str,
    ],
)
def test_the_time_of_a_live_bar_may_come_in_many_forms(form: Any, as_bar: bool) -> None:
    """Aware of UTC or naive, of Python, pandas or numpy; a reference may be silent."""
    features = TechnicalFeatureEngineering(FeatureConfig(groups=("returns",)))
    bar = BARS[500]._replace(ts=form(BARS.ts[500]))
    row = features.stream(BARS[:500]).update(
        bar if as_bar else {**bar._asdict(), "reference": None}
    )
    due = features.transform(BARS[:501]).iloc[-1]
    pd.testing.assert_series_equal(row, due, check_freq=False)


def test_what_is_no_bar_is_refused() -> None:
    """A row of a frame is one, a list is none."""
    features = TechnicalFeatureEngineering(FeatureConfig(groups=("returns",)))
    live = features.stream(BARS[:500])
    given: Any = [1.0, 2.0]
    with pytest.raises(BarsError, match="A list was given; a Bar or a mapping of ts, open"):
        live.update(given)
    given = FRAME.iloc[500]
    assert_array_equal(live.update(given), features.transform(BARS[:501]).iloc[-1])


def test_no_bars_give_no_rows() -> None:
    """An empty frame is no error."""
    table = TechnicalFeatureEngineering().transform(FRAME.iloc[:0])
    assert table.shape == (0, len(default_feature_set().names))
    assert TechnicalFeatureEngineering().transform(Bars.empty("BTC-USDT")).empty
