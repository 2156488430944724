"""Slower bars are what the faster ones add up to, and are given only once they have closed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.bars import H1, M1, M5, M15, Bars, Timeframe
from crypto_nn.bars.resample import resample
from crypto_nn.errors import BarsError
from crypto_nn_tests.bars.raw_table import minutes
from crypto_nn_tests.market import BTC, needs_market, real_bars


def gappy(rows: list[int], start: str = "2024-01-01T00:00") -> Bars:
    """The bars of these minutes, with all columns."""
    bars = minutes(max(rows) + 1, start)
    bars = replace(bars, vwap=bars.close + 0.1, trades=np.arange(len(bars), dtype=np.float64))
    return bars.take(np.array(sorted(set(rows))))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=150),
    st.sampled_from([M5, M15, H1]),
    st.sampled_from([0.2, 0.8, 1.0]),
    st.sampled_from(["2024-01-01T00:00", "2023-12-31T22:57"]),
)
def test_a_slow_bar_is_the_sum_of_its_minutes(
    rows: list[int], to: Timeframe, min_share: float, start: str
) -> None:
    """An independent reading with pandas gives the same bars."""
    bars = gappy(rows, start)
    frame = bars.to_pandas().set_index("ts").tz_localize(None)
    groups = frame.assign(paid=frame.vwap * frame.volume).resample(f"{to.minutes}min")
    due = groups.agg({"open": "first", "high": "max", "low": "min", "close": "last",
                      "volume": "sum", "trades": "sum", "paid": "sum"})  # fmt: skip
    num = groups.close.count()
    closed = num.index.to_numpy() + to.step <= bars.ts[-1] + M1.step
    due = due[(num >= min_share * to.minutes) & closed]

    slow = resample(bars, to, min_share)
    assert slow.timeframe == to
    slow.check_clean()
    np.testing.assert_array_equal(slow.ts, due.index.to_numpy().astype("datetime64[us]"))
    for name in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(slow, name), due[name])
    for name, expected in [("volume", due.volume), ("trades", due.trades),
                           ("vwap", due.paid / due.volume)]:  # fmt: skip
        np.testing.assert_allclose(getattr(slow, name), expected, rtol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 90), min_size=2, max_size=80), st.integers(1, 89))
def test_later_bars_never_change_a_slow_bar(rows: list[int], cut: int) -> None:
    """What is given after any bar is the beginning of what is given in the end."""
    bars = gappy(rows)
    early, whole = resample(bars[:cut], M5), resample(bars, M5)
    for name, column in early.columns().items():
        np.testing.assert_array_equal(column, getattr(whole, name)[: len(early)])


def test_an_open_slow_bar_is_not_given() -> None:
    """Four of five minutes are enough of a share, but not before the fifth has passed."""
    assert len(resample(minutes(4), M5)) == 0
    assert len(resample(minutes(5), M5)) == 1
    assert len(resample(minutes(7).take(np.array([0, 1, 2, 3, 5])), M5)) == 1


def test_nothing_traded_has_no_average_price() -> None:
    """A slow bar of zero volume has volume 0 and no vwap; unknown trades stay unknown."""
    bars = replace(
        minutes(10),
        volume=np.r_[np.zeros(5), np.ones(5)],
        vwap=np.full(10, 100.0),
        trades=np.r_[np.full(5, np.nan), np.ones(5)],
    )
    slow = resample(bars, M5)
    np.testing.assert_array_equal(slow.vwap, [np.nan, 100.0])
    np.testing.assert_array_equal(slow.trades, [np.nan, 5.0])
    np.testing.assert_array_equal(slow.volume, [0.0, 5.0])


def test_the_same_timeframe_and_no_bars_change_nothing() -> None:
    """One minute to one minute is the identity; nothing resampled is nothing."""
    bars = minutes(20)
    np.testing.assert_array_equal(resample(bars, M1).close, bars.close)
    assert len(resample(bars[:0], H1)) == 0


def test_what_cannot_be_resampled_is_refused() -> None:
    """Slow bars cannot be made faster, dirty bars not at all, and a share is a share."""
    with pytest.raises(BarsError, match="no multiple"):
        resample(resample(minutes(60), M15), M5)
    with pytest.raises(BarsError, match="no multiple"):
        resample(resample(minutes(60), M15), Timeframe(20))
    with pytest.raises(BarsError, match="min_share is 0"):
        resample(minutes(5), M5, 0.0)
    with pytest.raises(BarsError, match="quality"):
        resample(replace(minutes(5), close=np.zeros(5)), M5)


@needs_market[0]
@needs_market[1]
def test_real_hours_are_real_minutes_put_together() -> None:
    """Resampling in two steps gives the same bars as in one."""
    bars = real_bars(BTC, 50_000)
    once, twice = resample(bars, H1), resample(resample(bars, M15), H1)
    for name in ("ts", "open", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(once, name), getattr(twice, name))
    np.testing.assert_allclose(once.volume, twice.volume, rtol=1e-12)
