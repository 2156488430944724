"""The leak detector finds every planted leak, and none in what ships."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from crypto_nn.bars import Bars, Float
from crypto_nn.benchmark.controls.planted import PLANTED
from crypto_nn.errors import BarsError, FeatureError
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features import transforms as to
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.feature import Feature, Output
from crypto_nn.features.leaks import (
    FUTURES,
    awkward_bars,
    check_features,
    cuts_of,
    examine,
    examine_features,
    find_leaks,
)
from crypto_nn.features.leaks.cuts import ranked_cuts
from crypto_nn.features.leaks.futures import NUMBERS
from crypto_nn.indicators import ALL, Indicator, LiveIndicator
from crypto_nn_tests.features.planted_hidden import HIDDEN
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


@pytest.fixture(scope="module")
def awkward() -> Bars:
    return awkward_bars()


@pytest.mark.parametrize("leak", PLANTED)
def test_every_planted_leak_is_found(leak: str, made: Bars) -> None:
    """20 of 20, also the one that touches one row in 500 and the one that touches one row."""
    found = find_leaks(PLANTED[leak], made)
    assert found
    assert all(0 <= one.row < one.cut and one.column == 0 for one in found)


@pytest.mark.parametrize("leak", HIDDEN)
def test_every_hidden_leak_is_found(leak: str, awkward: Bars) -> None:
    """20 of 20 again: rare rows, state, labels, splits and scalers."""
    assert HIDDEN[leak](awkward).leaks


def test_there_are_twenty_of_each() -> None:
    """The lists keep their length, and nothing is in both."""
    assert len(PLANTED) == len(HIDDEN) == 20
    assert not set(PLANTED) & set(HIDDEN)


def test_a_leak_beside_honest_columns_is_the_only_one_named(made: Bars) -> None:
    """The report names the column, and a reader can see which rows changed, when and how."""

    def compute(bars: Bars) -> pd.DataFrame:
        columns = {"close": bars.close, "filled": PLANTED["interpolated"](bars), "v": bars.volume}
        return pd.DataFrame(columns)

    found = find_leaks(compute, made)
    assert {one.name for one in found} == {"filled"}
    assert {one.num_rows for one in found} == {1}
    told = next(str(one) for one in found if one.test == "prefix")
    row = next(one.row for one in found if one.test == "prefix")
    when = str(made.ts[row].astype("datetime64[m]")).replace("T", " ")
    assert told.startswith("filled: 1 row before row ")
    assert f"row {row} ({when}), changed in the prefix test. Later bars were taken away" in told


def honest(bars: Bars) -> Float:
    """Averages, extremes, ranks and fills that only look back, and noise of a fixed seed."""
    close, vwap = pd.Series(bars.close), pd.Series(bars.vwap)
    noise_N = np.random.default_rng(7).normal(size=len(bars))
    columns = [
        close.rolling(20).mean(), close.ewm(span=20).mean(), close.expanding().max(),
        close.pct_change(fill_method=None), close.shift(3), vwap.ffill(), close.rolling(50).rank(),
        close.diff().rolling(30).std(), (close - close.expanding().mean()), close + noise_N,
        close.groupby(bars.ts.astype("datetime64[D]").astype(np.int64)).cummax(),
        (close > close.expanding().median()).astype(float),
    ]  # fmt: skip
    return np.column_stack(columns).astype(np.float64)


@pytest.mark.parametrize("seed", [0, 1])
def test_honest_columns_are_not_flagged(made: Bars, awkward: Bars, seed: int) -> None:
    """Nothing that only looks back, whatever happens in the bars."""
    for bars in (made, awkward):
        done = examine(honest, bars, seed=seed, seconds=0.4)
        assert done.passed, [str(leak) for leak in done.leaks]
        assert done.num_cuts > 100
        assert done.silent == done.unmoved == ()


def test_rounding_that_knows_the_future_is_told_by_its_size(made: Bars) -> None:
    """pandas centres its windowed skew on the mean of all rows, and so rounds by the future."""

    def skew(bars: Bars) -> Float:
        return pd.Series(bars.close).rolling(60).skew().to_numpy()

    found = find_leaks(skew, made)
    assert max(leak.size for leak in found) < 1e-2
    assert find_leaks(skew, made, seconds=0.3, tolerance=1e-3) == []
    assert find_leaks(PLANTED["pivot"], made, tolerance=1e-3)


def test_a_frame_function_is_given_a_frame(made: Bars) -> None:
    """Whoever writes features in pandas need not know `Bars`; a result by time may lack rows."""

    def late(frame: pd.DataFrame) -> pd.Series:
        return frame["close"].rolling(5).mean().dropna().rename("late")

    def early(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.reset_index()[["close"]].rolling(5, center=True).mean()

    assert find_leaks(late, made, seconds=0.3) == []
    assert {leak.name for leak in find_leaks(early, made)} == {"close"}


def test_words_and_categories_are_compared_too(made: Bars) -> None:
    """A column need not be a number to know the future."""

    def compute(bars: Bars) -> pd.DataFrame:
        close = pd.Series(bars.close)
        rises = np.where(close.shift(-1) > close, "up", "down")
        rose = np.where(close.shift(1) > close, "down", "up")
        return pd.DataFrame({"rises": pd.Categorical(rises), "rose": rose, "at": bars.ts})

    assert {leak.name for leak in find_leaks(compute, made, seconds=0.3)} == {"rises"}
    done = examine(lambda bars: compute(bars)[["rose", "at"]], made, seconds=0.3)
    assert done.words == ("rose",)
    assert done.verdict == "NO NUMBERS: rose"


def test_columns_that_come_with_the_future_are_leaks(made: Bars) -> None:
    """One-hot columns of whatever classes there are tell by being there what will come."""

    def compute(bars: Bars) -> pd.DataFrame:
        return pd.get_dummies(pd.Series(bars.ts.astype("datetime64[h]").astype(str))).astype(float)

    assert find_leaks(compute, made)


def test_what_is_never_the_same_is_told_apart_from_a_leak(made: Bars) -> None:
    """Noise without a seed says nothing of the future, and no verdict is given."""

    def noise(bars: Bars) -> Float:
        return bars.close + np.random.default_rng().normal(size=len(bars))

    done = examine(noise, made, seconds=0.3)
    assert not done.passed
    assert not done.leaks
    assert done.unstable == ("column 0",)
    with pytest.raises(FeatureError, match="other values each time"):
        find_leaks(noise, made, seconds=0.3)


def test_what_says_nothing_is_said(made: Bars) -> None:
    """Columns without values, or that no bar moves, are listed: nothing is known of them."""

    def compute(bars: Bars) -> pd.DataFrame:
        hour_N = (bars.ts.astype("datetime64[h]").astype(np.int64) % 24).astype(np.float64)
        none = pd.Series(bars.close).shift(40_000)
        return pd.DataFrame({"close": bars.close, "hour": hour_N, "none": none})

    done = examine(compute, made, seconds=0.3)
    assert done.passed
    assert done.silent == ("none",)
    assert done.verdict == "NO VALUE: nothing is known of none"
    assert done.unmoved == ("hour",)


def test_every_boundary_is_cut_at_and_what_is_not_is_counted(awkward: Bars) -> None:
    """A pass that left boundaries out says so in its verdict."""
    done = examine(honest, awkward, seconds=3)
    assert done.num_left == 0
    assert done.num_places == len(ranked_cuts(awkward))
    short = examine(honest, awkward, seconds=0)
    told = f"no leak found, but {short.num_left} of {short.num_places} boundaries not tried"
    assert short.verdict == told
    assert short.num_left > 0


def test_a_function_of_no_column_is_refused(made: Bars) -> None:
    """Nothing that could be examined is no pass."""
    for empty in (lambda bars: pd.DataFrame(index=bars.ts), lambda bars: np.empty((len(bars), 0))):
        with pytest.raises(FeatureError, match="no column"):
            examine(empty, made)


def test_no_indicator_is_flagged(made: Bars) -> None:
    """All of them at once, as one matrix."""
    clean = replace(made, vwap=None)

    def compute(bars: Bars) -> Float:
        return np.column_stack([array for one in ALL for array in one.compute(bars.check_clean())])

    assert find_leaks(compute, clean, seconds=0.4) == []


def test_no_shipped_feature_is_flagged_on_made_bars(awkward: Bars) -> None:
    """The whole feature set with a reference, across holes, dead stretches and a month's end."""
    features = default_feature_set(FeatureConfig(reference="ETH-USDT"))
    done = examine_features(features, awkward, seconds=0.5)
    assert done.columns == features.names
    assert any(feature.group == "cross" for feature in features.features)
    assert done.passed
    assert not done.silent


@pytest.mark.parametrize("seed", [1, 2])
def test_a_future_that_refuses_is_not_a_leak(made: Bars, seed: int) -> None:
    """Features refuse NaN in bars; that answer does not depend on earlier rows."""
    features = default_feature_set(FeatureConfig(groups=("returns",)))
    broken = replace(made, close=np.where(np.arange(len(made)) > 2000, np.nan, made.close))
    with pytest.raises(BarsError):
        features.compute(broken)
    done = examine(features.compute, made, cuts=(1500, 2000), seed=seed)
    assert done.passed
    assert done.refused["blank"][0] == 2


def test_a_result_of_another_length_is_refused(made: Bars) -> None:
    """A function that drops rows cannot be compared row by row."""
    with pytest.raises(FeatureError, match="one row per bar"):
        find_leaks(lambda bars: bars.close[1:], made)


def test_a_function_that_fails_is_refused_with_its_error(made: Bars) -> None:
    """The message has the function's own error."""

    def broken(bars: Bars) -> Float:
        raise KeyError("no such column")

    with pytest.raises(FeatureError, match="no such column"):
        examine(broken, made)


@pytest.mark.parametrize("test", FUTURES)
def test_other_futures_leave_the_past_alone(test: str, awkward: Bars) -> None:
    """To the bit, and all but the blank one are clean bars; each of them changes what comes."""
    for cut in (1, 1_900, 9_000, len(awkward) - 1):
        other = FUTURES[test](awkward, cut, np.random.default_rng(cut))
        np.testing.assert_array_equal(other.ts[:cut], awkward.ts[:cut])
        for name in NUMBERS:
            before, after = getattr(awkward, name), getattr(other, name)
            np.testing.assert_array_equal(after[:cut], before[:cut])
        assert (other.problem() == "") == (test != "blank")
    other = FUTURES[test](awkward, 9_000, np.random.default_rng(0))
    changed = [
        len(other) != len(awkward)
        or not np.array_equal(getattr(other, name), getattr(awkward, name), equal_nan=True)
        for name in ("ts", *NUMBERS)
    ]
    assert any(changed)


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


def test_awkward_bars_are_what_they_are_made_for(awkward: Bars) -> None:
    """Clean, with holes, Mondays, a month's turn, dead minutes, jumps and blanks."""
    awkward.check_clean()
    assert (np.diff(awkward.ts) > awkward.timeframe.step).sum() == 7
    assert len(np.unique(awkward.ts.astype("datetime64[M]"))) == 2
    assert (awkward.volume == 0).sum() > 500
    assert np.abs(np.diff(np.log(awkward.close))).max() > 0.5
    for column in (awkward.vwap, awkward.trades, awkward.reference):
        assert column is not None
        assert 0 < np.isnan(column).mean() < 0.02
    np.testing.assert_array_equal(awkward_bars().close, awkward.close)
    assert not np.array_equal(awkward_bars(seed=1).close, awkward.close)


@dataclass(frozen=True)
class Peeking(Indicator):
    """The next close but one, in the last bar of each hour."""

    memory: int = 3

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("peeking",)

    @property
    def warm_up(self) -> int:
        return 0

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        last_N = bars.ts.astype("datetime64[m]").astype(np.int64) % 60 == 59
        ahead_N = np.append(bars.close[1:], bars.close[-1:])
        return (np.where(last_N, ahead_N, bars.close),)

    def stream(self, history: Bars) -> LiveIndicator:
        raise NotImplementedError


def test_the_quick_check_of_features_finds_a_leak_of_one_row_an_hour(awkward: Bars) -> None:
    """What each materialisation is put to sees it at once, and nothing in what ships."""
    shipped = default_feature_set(FeatureConfig(groups=("returns", "candle")))
    peeking = Feature("peeking", to.as_is, (Output(Peeking()),), "What it should not know")
    found = check_features(FeatureSet((*shipped.features, peeking)), awkward)
    assert {leak.name for leak in found} == {"peeking"}
    assert check_features(shipped, awkward, seconds=0.2) == []
    assert check_features(shipped, awkward[:2]) == []


@pytest.fixture(scope="module")
def btc() -> Bars:
    """Around the outage of 2023-03-24 and the end of that month."""
    return real_bars(BTC, 12_000, start=118_000)


class TestOnRealBars:
    """The same on the real thing."""

    pytestmark = needs_market

    def test_no_shipped_feature_is_flagged(self, btc: Bars) -> None:
        """Across an outage, day, hour and month boundaries."""
        assert (np.diff(btc.ts) > np.timedelta64(60, "m")).any()
        assert len(np.unique(btc.ts.astype("datetime64[M]"))) == 2
        done = examine_features(default_feature_set(), btc, seconds=0.5)
        assert done.passed
        assert not done.silent

    def test_no_shipped_feature_is_flagged_in_a_long_history(self) -> None:
        """In months from their own anchors, as they are stored."""
        features = default_feature_set()
        bars = real_bars(BTC, 100_000, start=200_000)

        def compute(some: Bars) -> NDArray[Any]:
            return features.compute(some)

        assert np.isfinite(compute(bars)).mean() > 0.3
        assert examine(compute, bars, cuts=(70_000, 95_000), names=features.names).passed

    @pytest.mark.parametrize("leak", PLANTED)
    def test_every_planted_leak_is_found(self, leak: str, btc: Bars) -> None:
        """20 of 20."""
        assert find_leaks(PLANTED[leak], with_blanks(btc[:4000]))

    def test_honest_columns_are_not_flagged(self, btc: Bars) -> None:
        """Nothing that only looks back."""
        assert find_leaks(honest, with_blanks(btc), seconds=0.4) == []
