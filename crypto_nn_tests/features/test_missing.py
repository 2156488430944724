"""Why a value is null, and that no hole reaches further than its warm-up."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from crypto_nn.bars import M1, M5, Bars, Float
from crypto_nn.bars.calendar import month_slices
from crypto_nn.bars.quality import QualityConfig, inspect
from crypto_nn.features import FeatureSet, default_feature_set, transforms
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.feature import Feature, Output
from crypto_nn.features.missing import Missing, missing, rows_lost
from crypto_nn.indicators import RSI, SMA, LiveIndicator
from crypto_nn.indicators.windowed import Windowed
from crypto_nn_tests.bars.raw_table import raw_table
from crypto_nn_tests.indicators.made import dead, walk, without
from crypto_nn_tests.market import BTC, needs_market, real_bars

SHIPPED = default_feature_set()
CROSS = default_feature_set(FeatureConfig(groups=("returns", "slow"), reference="BTC-USDT"))
START = "2024-01-30T12:00"  # the next month begins in the middle
DAYS = 4 * 1440
LONGEST_GAP = SHIPPED.gaps.max_gap_minutes
SLOWEST = max(feature.timeframe for feature in SHIPPED.features)

HOLES = st.lists(
    st.tuples(
        st.integers(0, DAYS - 1),
        st.sampled_from([1, 2, 4, 5, 6, 7, 12, 13, 15, 30, 59, 60, 61, 119, 121, 180, 400, 1500]),
    ),
    max_size=8,
)


def holed(holes: list[tuple[int, int]], bars: Bars | None = None) -> Bars:
    bars = walk(DAYS, seed=1, start=START) if bars is None else bars
    return without(bars, *((first, first + minutes) for first, minutes in holes))


def check_agrees(features: FeatureSet, bars: Bars, complete: bool = True) -> None:
    """A value is KNOWN exactly where it is a number, and rows are counted as they are."""
    x_NF = features.compute(bars, complete)
    why_NF = missing(features, bars, complete)
    assert_array_equal(why_NF == Missing.KNOWN, np.isfinite(x_NF))
    lost = rows_lost(features, bars, complete)
    null_N = ~np.isfinite(x_NF).all(axis=1)
    assert [month.lost for month in lost if month.rows] == [
        int(null_N[rows].sum()) for _, rows in month_slices(bars.ts)
    ]
    first_N = np.where(why_NF == 0, len(Missing), why_NF).min(axis=1)
    for why in list(Missing)[1:]:
        counted = sum(getattr(month, why.name.lower()) for month in lost)
        assert counted == np.count_nonzero(first_N == why), why


def check_recovers(features: FeatureSet, bars: Bars) -> None:
    """After as many minutes without a hole as its warm-up lasts, a column is known."""
    known_NF = np.isfinite(features.compute(bars, complete=True))
    steps = np.diff(bars.ts) != M1.step
    row_N = np.arange(len(bars))
    last_hole_N = np.maximum.accumulate(np.where(np.append([True], steps), row_N, 0))
    whole_N = row_N - last_hole_N
    for column, feature in enumerate(features.features):
        due_N = whole_N >= feature.warm_up_minutes
        assert known_NF[due_N, column].all(), feature.name


@settings(max_examples=40, deadline=None)
@given(holes=HOLES)
@example(holes=[(0, 700), (730, 1500)])
@example(holes=[(717, 6), (719, 300)])
def test_a_value_is_known_exactly_where_it_is_a_number(holes: list[tuple[int, int]]) -> None:
    """Holes of every length, at the start, across the month and side by side."""
    check_agrees(SHIPPED, holed(holes))


@settings(max_examples=40, deadline=None)
@given(holes=HOLES)
def test_no_hole_reaches_further_than_the_warm_up(holes: list[tuple[int, int]]) -> None:
    """However many holes there were before, whole minutes for a warm-up make a column known."""
    check_recovers(SHIPPED, holed(holes))


@settings(max_examples=25, deadline=None)
@given(first=st.integers(1, 2500), minutes=st.integers(LONGEST_GAP + 1, 1500))
@example(first=720, minutes=LONGEST_GAP + 1)
def test_after_a_long_hole_all_is_as_after_a_first_bar(first: int, minutes: int) -> None:
    """To the bit: base columns after any long hole, slow ones where it outlasts three slow bars."""
    bars = holed([(first, minutes)])
    columns = [
        n
        for n, feature in enumerate(SHIPPED.features)
        if minutes >= (1 if feature.timeframe == M1 else 3 * feature.timeframe.minutes)
    ]
    after = SHIPPED.compute(bars, complete=True)[first:]
    fresh = SHIPPED.compute(bars[first:], complete=True)
    assert_array_equal(after[:, columns], fresh[:, columns])
    assert minutes < 3 * SLOWEST.minutes or len(columns) == len(SHIPPED.names)


@dataclass(frozen=True)
class Poisoned(Windowed):
    """The mean of all closes so far, unknown for ever once nothing was traded: a planted fault."""

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("poisoned",)

    @property
    def warm_up(self) -> int:
        return 0

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (np.cumsum(np.where(bars.volume > 0, bars.close, np.nan)),)

    def fresh(self) -> LiveIndicator:
        raise NotImplementedError


def test_a_value_that_poisons_later_ones_is_found() -> None:
    """One bar without volume makes a planted column null for ever: both laws see it."""
    sick = FeatureSet((Feature("sick", transforms.as_is, (Output(Poisoned()),), "words"),))
    bars = walk(300, seed=2)
    check_recovers(sick, bars)
    bars.volume[100] = 0.0
    with pytest.raises(AssertionError, match="sick"):
        check_recovers(sick, bars)
    bars = replace(bars, reference=bars.close)
    with pytest.raises(AssertionError):
        check_agrees(sick, bars)


def column(name: str) -> int:
    return SHIPPED.names.index(name)


def spans(why_N: np.ndarray) -> list[tuple[str, int]]:
    """Which reasons follow one another, and for how many rows each."""
    cuts = [0, *(np.flatnonzero(np.diff(why_N)) + 1).tolist(), len(why_N)]
    return [(Missing(why_N[lo]).name, hi - lo) for lo, hi in pairwise(cuts)]


def test_each_reason_is_told() -> None:
    """A start, a long hole and a thin hour, at the base and on slow bars."""
    bars = without(walk(1000, seed=3), (300, 306))
    why_NF = missing(SHIPPED, bars, complete=True)
    rsi = spans(why_NF[:, column("rsi_14")])
    assert rsi == [("WARM_UP", 14), ("KNOWN", 286), ("AFTER_GAP", 14), ("KNOWN", 680)]
    assert spans(why_NF[:, column("rsi_14_1h")])[0] == ("WARM_UP", 15 * 60 - 1 - 6)
    assert set(missing(SHIPPED, bars).ravel()) == {Missing.NO_HISTORY}

    outage = without(walk(1000, seed=3), (300, 500))
    slow = spans(missing(SHIPPED, outage, complete=True)[:, column("rsi_14_5m")])
    assert slow == [
        ("WARM_UP", 15 * 5 - 1), ("KNOWN", 300 - 74), ("STALE", 4), ("AFTER_GAP", 14 * 5),
        ("KNOWN", 500 - 74),
    ]  # fmt: skip

    thin = np.delete(np.arange(1000), np.arange(300, 420, 3))  # a third of two hours
    spotty = missing(SHIPPED, walk(1000, seed=3).take(thin), complete=True)
    assert spans(spotty[:, column("rsi_14")]) == [("WARM_UP", 14), ("KNOWN", 946)]
    assert spans(spotty[:, column("log_return_1_5m")])[2][0] == "STALE"


def test_a_start_without_a_whole_slow_bar_is_stale_and_no_warm_up() -> None:
    """The first slow bar could have come after nine minutes; with every other one, none does."""
    bars = walk(302, seed=4).take(np.arange(1, 302, 2))
    rsi_5m = missing(FeatureSet((_rsi_5m(),), SHIPPED.gaps), bars, complete=True)[:, 0]
    assert [name for name, _ in spans(rsi_5m)] == ["WARM_UP", "STALE"]
    first = int(np.argmax(rsi_5m == Missing.STALE))
    assert bars.ts[first] - bars.ts[0] == np.timedelta64(8, "m")


def _rsi_5m() -> Feature:
    return Feature("rsi", transforms.centred, (Output(RSI()),), "words", M5)


def test_a_part_of_a_set_lacks_the_same() -> None:
    """`only` keeps the anchors, and so the reasons."""
    bars = holed([(500, 7), (2000, 300)])
    names = SHIPPED.names[::7]
    part = missing(SHIPPED.only(names), bars)
    whole = missing(SHIPPED, bars)[:, [column(name) for name in names]]
    assert_array_equal(part, whole)


@settings(max_examples=25, deadline=None)
@given(holes=HOLES, unknown=HOLES)
def test_a_reference_with_holes_is_told_and_forgotten(
    holes: list[tuple[int, int]], unknown: list[tuple[int, int]]
) -> None:
    """Its absence is the reason only where nothing else is, and only while it is looked at."""
    bars = walk(DAYS, seed=5, start=START)
    reference = walk(DAYS, seed=6).close
    for first, minutes in unknown:
        reference[first : first + minutes] = np.nan
    bars = holed(holes, replace(bars, reference=reference))
    check_agrees(CROSS, bars)
    why_NF = missing(CROSS, bars, complete=True)
    told = {CROSS.names[n] for n in np.flatnonzero((why_NF == Missing.NO_REFERENCE).any(axis=0))}
    assert told <= set(CROSS.groups["cross"])
    blank = replace(bars, reference=np.full(len(bars), np.nan))
    check_agrees(CROSS, blank)


def test_without_bars_there_is_nothing_to_tell() -> None:
    """No bars, no rows; one bar is one row of warm-up."""
    assert missing(SHIPPED, Bars.empty("BTC-USDT")).shape == (0, len(SHIPPED.names))
    assert rows_lost(SHIPPED, Bars.empty("BTC-USDT")) == ()
    (one,) = rows_lost(SHIPPED, dead(1), complete=True)
    assert (one.rows, one.complete, one.warm_up, one.missing_minutes) == (1, 0, 1, 0)


def test_missing_minutes_are_counted_in_their_month() -> None:
    """A hole over new year is shared out; a month without a bar is a line of its own."""
    bars = walk(60, seed=7, start="2023-12-31T23:30")
    later = walk(10, seed=8, start="2024-03-01T00:00")
    both = Bars.concat([without(bars, (20, 45)), later])
    lost = rows_lost(FeatureSet((Feature("s", transforms.as_is, (Output(SMA(2)),), "w"),)), both)
    assert [(month.month, month.rows, month.missing_minutes) for month in lost] == [
        ("2023-12", 20, 10),
        ("2024-01", 15, 31 * 1440 - 15),
        ("2024-02", 0, 29 * 1440),
        ("2024-03", 10, 0),
    ]
    whole = lost[0] + lost[1] + lost[2] + lost[3]
    assert whole.month == "2023-12 to 2024-03"
    assert whole.rows == len(both) == whole.complete + whole.lost


OUTAGES = "outages/BTCUSDT_1m_binance-spot_"


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(f"{OUTAGES}{name}.parquet", marks=needs_market) for name in (
            "2017-12-04-offminute-dup", "2018-02-33h-outage-offminute", "2021-04-outages",
            "2023-03-24-outage",
        )),
        *(pytest.param(f"venues/{name}.parquet", marks=needs_market) for name in (
            "BTCUSD_1m_kraken", "BTCEUR_1m_kraken", "BTCUSDT_1m_binance-us",
        )),
        pytest.param(BTC, marks=needs_market),
    ],
)  # fmt: skip
@pytest.mark.parametrize("off_minute", ["quarantine", "floor"])
def test_real_outages_cost_their_warm_up_and_no_more(name: str, off_minute: str) -> None:
    """Each value of the real files is known or its absence explained, and none is poisoned."""
    config = QualityConfig.model_validate({"off_minute": off_minute})
    raw = real_bars(name, 100_000, start=100_000 if name == BTC else 0)
    found = [
        inspect(raw_table(raw[rows], month), config).accepted
        for month, rows in month_slices(raw.ts)
    ]
    bars = Bars.concat(found)
    check_agrees(SHIPPED, bars, complete=True)
    check_agrees(SHIPPED, bars, complete=False)
    check_recovers(SHIPPED, bars)
