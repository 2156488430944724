"""The leak detector finds every planted leak, and none in what ships."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from crypto_nn.bars import Bars, Float
from crypto_nn.errors import BarsError, FeatureError
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.leaks import cuts_of, find_leaks
from crypto_nn.indicators import ALL
from crypto_nn_tests.features.planted_leaks import PLANTED
from crypto_nn_tests.indicators.made import walk, without
from crypto_nn_tests.market import BTC, needs_market, real_bars


def with_blanks(bars: Bars) -> Bars:
    """The same bars with a vwap that is missing in one row of 500."""
    vwap_N = (bars.high + bars.low + bars.close) / 3
    vwap_N[250::500] = np.nan
    return replace(bars, vwap=vwap_N)


@pytest.fixture(scope="module")
def made() -> Bars:
    """Two days around a month's end, with a short hole and a long one."""
    bars = walk(2900, seed=8, start="2024-01-30T22:00")
    return with_blanks(without(bars, (700, 703), (1900, 1990)))


@pytest.mark.parametrize("leak", PLANTED)
def test_every_planted_leak_is_found(leak: str, made: Bars) -> None:
    """20 of 20, also the one that touches one row in 500 and the one that touches one row."""
    found = find_leaks(PLANTED[leak], made)
    assert found
    assert all(0 <= one.row < one.cut and one.column == 0 for one in found)


def test_there_are_twenty() -> None:
    """The list keeps its length."""
    assert len(PLANTED) == 20


def test_a_leak_beside_honest_columns_is_the_only_one_named(made: Bars) -> None:
    """The report names the column, and a reader can see which rows changed and how."""

    def compute(bars: Bars) -> Float:
        return np.column_stack([bars.close, PLANTED["interpolated"](bars), bars.volume])

    found = find_leaks(compute, made)
    assert {one.column for one in found} == {1}
    assert {one.num_rows for one in found} == {1}
    assert "column 1: 1 rows before row" in str(found[0])


def test_honest_columns_are_not_flagged(made: Bars) -> None:
    """Averages, extremes, ranks and fills that only look back."""

    def compute(bars: Bars) -> Float:
        close, vwap = pd.Series(bars.close), pd.Series(bars.vwap)
        columns = [
            close.rolling(20).mean(), close.ewm(span=20).mean(), close.expanding().max(),
            close.pct_change(fill_method=None), close.shift(3), vwap.ffill(),
            close.rolling(50).rank(),
            close.diff().rolling(30).std(), (close - close.expanding().mean()),
        ]  # fmt: skip
        return np.column_stack(columns).astype(np.float64)

    assert find_leaks(compute, made) == []


def test_no_indicator_is_flagged(made: Bars) -> None:
    """All of them at once, as one matrix."""
    clean = replace(made, vwap=None)

    def compute(bars: Bars) -> Float:
        return np.column_stack([array for one in ALL for array in one.compute(bars)])

    assert find_leaks(compute, clean) == []


def test_no_shipped_feature_is_flagged_on_made_bars(made: Bars) -> None:
    """The whole feature set, across holes and a month's end."""
    features = default_feature_set()
    whole = features.compute(made, complete=True)
    assert np.isfinite(whole).any(axis=0).all()
    assert find_leaks(lambda bars: features.compute(bars, complete=True), made) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_a_future_that_refuses_is_not_a_leak(made: Bars, seed: int) -> None:
    """Features refuse NaN in bars; that answer does not depend on earlier rows."""
    features = default_feature_set(FeatureConfig(groups=("returns",)))
    broken = replace(made, close=np.where(np.arange(len(made)) > 2000, np.nan, made.close))
    with pytest.raises(BarsError):
        features.compute(broken)
    assert find_leaks(features.compute, made, cuts=(1500, 2000), seed=seed) == []


def test_a_result_of_another_length_is_refused(made: Bars) -> None:
    """A function that drops rows cannot be compared row by row."""
    with pytest.raises(FeatureError, match="one row per bar"):
        find_leaks(lambda bars: bars.close[1:], made)


def test_cuts_hold_every_boundary(made: Bars) -> None:
    """Holes, missing values and the month's start are cut at, whatever the seed."""
    month = int(np.searchsorted(made.ts, np.datetime64("2024-02-01")))
    holes = np.flatnonzero(np.diff(made.ts) > made.timeframe.step) + 1
    assert made.vwap is not None
    blank = np.flatnonzero(np.isnan(made.vwap))
    for seed in range(5):
        cuts = set(cuts_of(made, seed=seed))
        assert {month, *holes.tolist(), *(blank + 1).tolist()} <= cuts
        assert all(0 < cut < len(made) for cut in cuts)
    assert cuts_of(made[:1]) == ()


@pytest.fixture(scope="module")
def btc() -> Bars:
    """Around the outage of 2023-03-24 and the end of that month."""
    bars = real_bars(BTC, 12_000, start=118_000)
    return replace(bars, vwap=None, trades=None)


class TestOnRealBars:
    """The same on the real thing."""

    pytestmark = needs_market

    def test_no_shipped_feature_is_flagged(self, btc: Bars) -> None:
        """Across an outage, day, hour and month boundaries."""
        features: FeatureSet = default_feature_set()
        assert (np.diff(btc.ts) > np.timedelta64(60, "m")).any()
        assert len(np.unique(btc.ts.astype("datetime64[M]"))) == 2

        def compute(bars: Bars) -> NDArray[np.float32]:
            return features.compute(bars, complete=True)

        assert np.isfinite(compute(btc)).mean() > 0.5
        assert find_leaks(compute, btc, cuts_of(btc, num_random=3, most=3)) == []

    @pytest.mark.parametrize("leak", PLANTED)
    def test_every_planted_leak_is_found(self, leak: str, btc: Bars) -> None:
        """20 of 20."""
        assert find_leaks(PLANTED[leak], with_blanks(btc[:4000]))
