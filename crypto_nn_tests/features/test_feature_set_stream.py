"""Live features are those of history, to the bit: through holes, months and restarts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from crypto_nn.bars import H1, M5, M15, Bar, Bars, Timeframe
from crypto_nn.bars.calendar import month_bounds
from crypto_nn.bars.resample import resample
from crypto_nn.errors import BarsError
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.gaps import microseconds
from crypto_nn.features.gather import Gather
from crypto_nn_tests.indicators.made import walk, without
from crypto_nn_tests.market import ETH, needs_market, real_bars

SHIPPED = default_feature_set()
# The same without the slowest columns: remembers two days, so that months can be crossed quickly.
QUICK = FeatureSet(tuple(one for one in SHIPPED.features if one.timeframe <= M5), SHIPPED.gaps)


def check_stream(
    features: FeatureSet, bars: Bars, first: int, complete: bool, rows: int | None = None
) -> None:
    """From row `first` on, every live row is the row of history, before and after rounding."""
    last = len(bars) if rows is None else first + rows
    live = features.stream(bars[:first], complete)
    streamed = [live.update(bar, np.float64) for bar in bars[first:last]]
    due = features.compute(bars, complete, np.float64)[first:last]
    assert_array_equal(np.array(streamed).reshape(due.shape), due)


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


def test_history_before_the_anchor_changes_nothing() -> None:
    """The rows of a month are the same bits, whatever came before its anchor."""
    bars = walk(10 * 1440, seed=25, start="2024-01-25T00:00")
    other = walk(10 * 1440, seed=26, start="2024-01-25T00:00")
    anchor = int(np.searchsorted(bars.ts, QUICK.anchor("2024-02")))
    february = int(np.searchsorted(bars.ts, np.datetime64("2024-02-01")))
    mixed = Bars.concat([other[:anchor], bars[anchor:]])
    assert_array_equal(QUICK.compute(mixed)[february:], QUICK.compute(bars)[february:])


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
