"""Live features are those of history, to the bit: through holes, months and restarts."""

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import DTypeLike, NDArray

from crypto_nn.bars import H1, M1, M5, M15, Bar, Bars, Float, Timeframe
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.bars.reference import with_reference
from crypto_nn.bars.resample import resample
from crypto_nn.errors import BarsError, FeatureError
from crypto_nn.features import FeatureSet, default_feature_set, transforms
from crypto_nn.features.columns import Column
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.feature import Feature, Output
from crypto_nn.features.gaps import GapPolicy, microseconds
from crypto_nn.features.gather import Gather
from crypto_nn.indicators import LiveIndicator, LogReturn
from crypto_nn_tests.indicators.made import walk, without
from crypto_nn_tests.market import ETH, needs_market, real_bars

SHIPPED = default_feature_set()
# The same without the slowest columns: its anchors are one and two days before the month.
QUICK = FeatureSet(tuple(one for one in SHIPPED.features if one.timeframe <= M5), SHIPPED.gaps)


def check_stream(
    features: FeatureSet, bars: Bars, first: int, complete: bool, rows: int | None = None
) -> None:
    """From row `first` on, every live row is the row of history, before and after rounding."""
    last = len(bars) if rows is None else first + rows
    live = features.stream(bars[:first], complete)
    streamed = np.array([live.update(bar, np.float64) for bar in bars[first:last]])
    due = features.compute(bars, complete, np.float64)[first:last]
    assert_array_equal(streamed.reshape(due.shape), due)
    assert not np.signbit(streamed[streamed == 0]).any(), "0.0 and -0.0 are one number"


@pytest.fixture(scope="module")
def holes() -> Bars:
    """Six days around a month's end: holes short and long, one over midnight of the first."""
    bars = walk(6 * 1440, seed=21, start="2024-02-26T00:00")
    midnight = 4 * 1440
    return without(bars, (100, 103), (2000, 2005), (2500, 2506), (3000, 3400), (5000, 5013),
                   (midnight - 2, midnight + 3), (midnight + 500, midnight + 640))  # fmt: skip


def test_stream_equals_batch_from_the_first_bar(holes: Bars) -> None:
    """Without any history, over six days with every kind of hole and a month's end."""
    check_stream(QUICK, holes, 0, complete=True)


@pytest.mark.parametrize("first", [1, 17, 1998, 2490, 2999, 4990, 5260, 5330])
@pytest.mark.parametrize("complete", [True, False])
def test_stream_equals_batch(holes: Bars, first: int, complete: bool) -> None:
    """Opened before, in and after holes, and on both sides of the month's end."""
    check_stream(QUICK, holes, first, complete, rows=400)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_stream_equals_batch_wherever_holes_are(data: st.DataObject) -> None:
    """Any holes, any start of history, any restart, across the end of a month."""
    bars = walk(4 * 1440, seed=data.draw(st.integers(0, 99)), start="2024-01-30T07:13")
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(0, len(bars) - 2))
        length = data.draw(st.sampled_from([1, 4, 5, 6, 7, 14, 61, 130, 700]))
        bars = without(bars, (at, at + length))
    bars = bars[data.draw(st.integers(0, max(len(bars) // 3, 1))) :]
    first = data.draw(st.integers(0, len(bars)))
    check_stream(QUICK, bars, first, data.draw(st.booleans()), rows=min(500, len(bars) - first))


@pytest.mark.parametrize(("restart_at", "rows"), [(-420, 1000), (-1, 300), (0, 300), (150, 300)])
def test_the_whole_set_crosses_a_month(restart_at: int, rows: int) -> None:
    """All columns: a stream opened before, at or after the turn of the month goes on alike."""
    bars = walk(32 * 1440, seed=22, start="2024-01-01T00:00")
    turn = int(np.searchsorted(bars.ts, np.datetime64("2024-02-01")))
    bars = without(bars, (turn - 300, turn - 280), (turn + 200, turn + 207))
    turn = int(np.searchsorted(bars.ts, np.datetime64("2024-02-01")))
    check_stream(SHIPPED, bars, turn + restart_at, True, rows)


def test_a_stream_that_skips_months_is_history_too() -> None:
    """After an outage over the turn of two months, values are those of the new month's anchor."""
    early = walk(3000, seed=23, start="2024-01-15T00:00")
    late = walk(1500, seed=24, start="2024-03-30T12:00")
    check_stream(QUICK, Bars.concat([early, late]), 2500, False)


def test_months_can_be_computed_alone(holes: Bars) -> None:
    """A month from its anchor's bars, from all bars, and from the middle of history is the same."""
    whole = QUICK.compute(holes, complete=True)
    for month in ("2024-02", "2024-03"):
        start, end = month_bounds(month)
        lo, hi = np.searchsorted(holes.ts, [start, end])
        alone = QUICK.compute_month(holes.between(QUICK.anchor(month), end), month, complete=True)
        assert_array_equal(alone, whole[lo:hi])
        assert_array_equal(QUICK.compute_month(holes, month, complete=True), whole[lo:hi])
    march = QUICK.compute_month(holes.between(QUICK.anchor("2024-03"), end), "2024-03")
    assert_array_equal(march, whole[lo:hi])
    assert np.isfinite(march[-1]).all()


def test_a_month_without_its_history_is_null(holes: Bars) -> None:
    """One bar too few before the month, and nothing is said; an outage there may be vouched for."""
    bars = holes.between(QUICK.anchor("2024-03"), holes.ts[-1])
    whole = QUICK.compute_month(bars, "2024-03")
    assert np.isfinite(whole[-1]).all()
    assert np.isnan(QUICK.compute_month(bars[1:], "2024-03")).all()
    assert np.isfinite(QUICK.compute_month(bars[1:], "2024-03", complete=True)[-1]).all()
    none = QUICK.compute_month(Bars.empty("BTC-USDT"), "2024-03", complete=True)
    assert none.shape == (0, len(QUICK.names))


@pytest.mark.parametrize("timeframe", [M1, M5])
def test_history_before_the_anchor_changes_nothing(timeframe: Timeframe) -> None:
    """The rows of a month are the same bits, whatever came before its timeframe's own anchor."""
    bars = walk(10 * 1440, seed=25, start="2024-01-25T00:00")
    other = walk(10 * 1440, seed=26, start="2024-01-25T00:00")
    anchor = int(np.searchsorted(bars.ts, QUICK.anchor("2024-02", timeframe)))
    february = int(np.searchsorted(bars.ts, np.datetime64("2024-02-01")))
    mixed = Bars.concat([other[:anchor], bars[anchor:]])
    columns = list(dict(QUICK.by_timeframe)[timeframe])
    for compute in (QUICK.compute, partial(_streamed, QUICK, february)):
        one, same = (compute(each, dtype=np.float64)[-1440:, columns] for each in (mixed, bars))
        assert_array_equal(one, same)
    one, same = (QUICK.compute_unanchored(each)[february:, columns] for each in (mixed, bars))
    assert (one != same).any(), "sums keep a trace of whatever was, but for the anchor"


def _streamed(
    features: FeatureSet, opened: int, bars: Bars, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    live = features.stream(bars[:opened])
    return np.array([live.update(bar, dtype) for bar in bars[opened:]])


@pytest.mark.parametrize("complete", [True, False])
def test_twenty_random_starts(holes: Bars, complete: bool) -> None:
    """Anywhere among holes and about a month's end, from the anchor's history and no more."""
    rng = np.random.default_rng(28)
    batch = QUICK.compute(holes, complete, np.float64)
    for opened in rng.integers(2 if complete else 2 * 1440, len(holes) - 100, 20).tolist():
        anchor = QUICK.anchor(str(holes.ts[opened - 1].astype("datetime64[M]")))
        since = int(np.searchsorted(holes.ts, anchor))
        live = QUICK.stream(holes[since:opened], complete)
        rows = [live.update(bar, np.float64) for bar in holes[opened : opened + 100]]
        assert_array_equal(np.array(rows), batch[opened : opened + 100])


def test_twenty_random_restarts(holes: Bars) -> None:
    """A stream that is closed and opened anew again and again goes on as if nothing had been."""
    rng = np.random.default_rng(29)
    first = len(holes) - 3000
    stops = sorted(rng.integers(first, len(holes), 20).tolist())
    rows = []
    for lo, hi in pairwise([first, *stops, len(holes)]):
        live = QUICK.stream(holes[:lo], complete=True)
        rows += [live.update(bar, np.float64) for bar in holes[lo:hi]]
    assert_array_equal(np.array(rows), QUICK.compute(holes, True, np.float64)[first:])


def test_what_a_stream_tells_of_itself(holes: Bars) -> None:
    """Symbol, last bar and newest row, those of its history too."""
    due = QUICK.compute(holes, complete=True)
    live = QUICK.stream(holes[:0], complete=True)
    assert (live.symbol, live.complete, live.last, live.newest) == ("BTC-USDT", True, None, None)
    for row in range(3):
        live.update(holes[row])
    for row, stream in ((2, live), (2990, QUICK.stream(holes[:2991], complete=True))):
        assert stream.last == holes.ts[row]
        assert stream.newest is not None
        assert stream.newest.dtype == np.float32
        assert_array_equal(stream.newest, due[row])
    unknown = QUICK.stream(holes[:2991])
    assert not unknown.complete
    assert unknown.newest is not None
    assert np.isnan(unknown.newest).all()


def test_a_reference_that_falls_silent(holes: Bars) -> None:
    """Its NaN reaches the columns that look at it, for their windows only, alike live."""
    beside = with_reference(holes, walk(6 * 1440, seed=30, start="2024-02-26T00:00"))
    reference = np.array(beside.reference)
    reference[[1200, 1201, 4000]] = np.nan
    reference[2600:2700] = np.nan
    beside = replace(beside, reference=reference)
    features = default_feature_set(FeatureConfig(groups=("momentum",), reference="ETH-USDT"))
    assert set(features.groups) == {"momentum", "cross"}
    for first in (0, 1201, 2650, 4001):
        check_stream(features, beside, first, True, rows=700)
    x_NF = features.compute(beside, complete=True)
    cross = [features.names.index(name) for name in features.groups["cross"]]
    rest = [n for n in range(len(features.names)) if n not in cross]
    assert np.isnan(x_NF[2600:2700, cross]).all()
    assert np.isfinite(x_NF[2490, cross]).all()
    assert np.isfinite(x_NF[-1]).all()
    alone = default_feature_set(FeatureConfig(groups=("momentum",)))
    assert_array_equal(x_NF[:, rest], alone.compute(holes, complete=True))


def _inverse_square(value: Float) -> Float:
    return 1.0 / value**2 - np.where(value > 0, value, 1.0) ** 2.5


def test_a_transform_of_ones_own_sees_arrays() -> None:
    """It need know arrays only, and may divide by zero: infinity is the answer, live as well."""
    bars = walk(300, seed=31)
    bars = replace(bars, volume=np.where(np.arange(300) % 7 == 0, 0.0, bars.volume))
    volume = (Output(Column("volume")),)
    features = FeatureSet((Feature("own", _inverse_square, volume, "words"),))
    with np.errstate(divide="ignore"):
        check_stream(features, bars, 100, complete=True)
        assert np.isinf(features.compute(bars, complete=True)).any()


def test_a_shipped_transform_that_divides_by_zero_is_that_of_arrays() -> None:
    """Plain floats would raise where arrays say infinity."""
    bars = walk(300, seed=32)
    bars = replace(bars, volume=np.zeros(300))
    close, volume = Output(Column("close")), Output(Column("volume"))
    relative = Feature("relative", transforms.log_relative_range, (close, volume), "words")
    whole = Feature("whole", transforms.percent, (close,), "words")
    with np.errstate(divide="ignore"):
        check_stream(FeatureSet((relative, whole)), bars, 100, complete=True)


@settings(max_examples=200, deadline=None)
@given(
    transform=st.sampled_from(
        [one for one in vars(transforms).values() if callable(one) and hasattr(one, "__code__")
         and one.__module__ == transforms.__name__ and not one.__name__.startswith("_")
         and one is not transforms.takes_floats]
    ),
    data=st.data(),
)  # fmt: skip
def test_transforms_of_floats_are_those_of_arrays(
    transform: transforms.Transform, data: st.DataObject
) -> None:
    """Each shipped transform gives one row the bits that it gives among others, NaN and 0 too."""
    number = st.one_of(
        st.sampled_from([0.0, 1.0, 1e-12, float("nan"), 1e8]), st.floats(-1e6, 1e6), st.floats(0, 9)
    )
    inputs = transform.__code__.co_argcount
    rows = data.draw(st.lists(st.tuples(*[number] * inputs), min_size=1, max_size=40))
    columns = [np.array(column) for column in zip(*rows)]
    with np.errstate(all="ignore"):
        due = transform(*columns)
        for row, expected in zip(rows, due):
            try:
                found = transform(*row)
            except ZeroDivisionError:  # which LiveFeatures meets with arrays of one row
                found = transform(*(np.array([value]) for value in row))[0]
            assert_array_equal(np.float64(found), expected)


def _wrong_bars(bar: Bar, before: Bar) -> list[Bar]:
    second, nan = np.timedelta64(1, "s"), float("nan")
    return [
        before,
        before._replace(ts=before.ts - np.timedelta64(60, "s")),
        bar._replace(ts=bar.ts + second),
        bar._replace(ts=np.datetime64("NaT", "us")),
        bar._replace(open=nan),
        bar._replace(high=nan),
        bar._replace(low=nan),
        bar._replace(close=nan),
        bar._replace(volume=nan),
        bar._replace(high=float("inf")),
        bar._replace(low=-1.0),
        bar._replace(low=bar.high * 2),
        bar._replace(volume=-1.0),
        bar._replace(volume=float("inf")),
        bar._replace(reference=0.0),
        bar._replace(reference=float("inf")),
    ]


def test_a_bar_that_cannot_be_is_refused_and_forgotten(holes: Bars) -> None:
    """Late, repeated, off the minute, not finite, impossible: an error, and no trace."""
    live = QUICK.stream(holes[:2000], complete=True)
    due = QUICK.compute(holes, complete=True)
    for row in range(2000, 2030):
        for wrong in _wrong_bars(holes[row], holes[row - 1]):
            with pytest.raises(BarsError, match="not taken"):
                live.update(wrong)
        assert_array_equal(live.update(holes[row]), due[row])


@pytest.mark.parametrize("unit", ["ns", "us", "ms", "s", "m"])
def test_stamps_may_come_in_other_units(holes: Bars, unit: str) -> None:
    """A frame's stamps are nanoseconds: the same minute, the same bits."""
    live = QUICK.stream(holes[:2000], complete=True)
    due = QUICK.compute(holes, complete=True)
    for row in range(2000, 2010):
        bar = holes[row]._replace(ts=holes.ts[row].astype(f"M8[{unit}]"))
        assert_array_equal(live.update(bar), due[row])


def test_a_time_of_another_kind_is_refused(holes: Bars) -> None:
    """What cannot be told to be UTC is not taken, and leaves no trace."""
    live = QUICK.stream(holes[:2000], complete=True)
    odd: tuple[Any, ...] = ("2024-03-01", 5, holes.ts[2000].item())
    for wrong in odd:
        with pytest.raises(BarsError, match=r"numpy\.datetime64"):
            live.update(holes[2000]._replace(ts=wrong))
    assert_array_equal(live.update(holes[2000]), QUICK.compute(holes, complete=True)[2000])


def test_a_stream_whose_feature_failed_says_so_for_good(holes: Bars) -> None:
    """Half of its state has seen the bar, half has not: never a number from that."""
    flaky = Feature("flaky", transforms.as_is, (Output(_Flaky("close")),), "words")
    live = FeatureSet((*QUICK.features, flaky), QUICK.gaps).stream(holes[:100], complete=True)
    with pytest.raises(RuntimeError, match="once"):
        live.update(holes[100])
    for row in (100, 101):
        with pytest.raises(FeatureError, match="Open a new stream"):
            live.update(holes[row])


class _Flaky(Column):
    """Close, but for one failure."""

    def fresh(self) -> LiveIndicator:
        return _FailsOnce()


class _FailsOnce:
    def __init__(self) -> None:
        self._seen = 0

    def update(self, bar: Bar) -> tuple[float, ...]:
        self._seen += 1
        if self._seen == 3:  # the first two are the history
            raise RuntimeError("once")
        return (bar.close,)


def test_a_slow_bar_from_before_the_anchor_is_not_seen_after_the_turn() -> None:
    """Behind a day's hole over the turn, 5-minute bars of the old month count for nothing."""
    slow = Feature("step", transforms.as_is, (Output(LogReturn(1)),), "words", M5)
    features = FeatureSet((slow,), GapPolicy(1440, 0.8))
    assert features.anchor_days[M5] == 1
    bars = walk(6 * 1440, seed=31, start="2024-01-28T00:00")
    start, end = np.searchsorted(
        bars.ts, np.array(["2024-01-30T23:59", "2024-02-01"], dtype="M8[us]")
    )
    bars = without(bars, (int(start), int(end)))
    check_stream(features, bars, int(start) - 50, complete=True, rows=200)


@settings(max_examples=12, deadline=None)
@given(
    missing=st.sets(st.integers(0, 399), max_size=250),
    timeframe=st.sampled_from([M5, M15, H1]),
    share=st.sampled_from([0.01, 0.5, 0.8, 1.0]),
    start=st.sampled_from(["2024-01-01T00:00", "2024-01-31T21:37"]),
)
def test_gathered_bars_are_resampled_ones(
    missing: set[int], timeframe: Timeframe, share: float, start: str
) -> None:
    """Slow bars that close live are those of `resample`, to the bit, volume included."""
    bars = walk(400, seed=27, start=start)
    bars = bars.take(np.array(sorted(set(range(400)) - missing), dtype=np.int64))
    gather = Gather(timeframe, share)
    gathered: list[Bar] = []
    for row, bar in enumerate(bars):
        gathered += [slow for slow, _ in gather.update(bar, microseconds(bar.ts))]
        due = resample(bars[: row + 1], timeframe, share)
        assert len(gathered) == len(due)
    assert [bar[:6] for bar in gathered] == [bar[:6] for bar in replace(due, trades=None)]


class TestOnRealBars:
    """The same on the real thing."""

    pytestmark = needs_market

    def test_stream_equals_batch(self) -> None:
        """Ether around an outage and the turn of a month, opened a week before."""
        bars = real_bars(ETH, 30_000, start=100_000)
        gap = int(np.flatnonzero(np.diff(bars.ts) > np.timedelta64(60, "m"))[0])
        check_stream(SHIPPED, bars, gap - 100, True, rows=1500)
        turn = int(np.searchsorted(bars.ts, np.datetime64("2023-04-01")))
        check_stream(SHIPPED, bars, turn - 100, True, rows=500)
