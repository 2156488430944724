"""A market's bars carry the close of their reference, in history and live alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from crypto_nn.bars import M5, Bar, Bars
from crypto_nn.bars.reference import ReferenceJoin, with_reference
from crypto_nn.bars.resample import resample
from crypto_nn.errors import BarsError
from crypto_nn_tests.indicators.made import walk

OWN, OTHER = walk(200, seed=1), walk(200, seed=2, price=60_000.0)


def some(bars: Bars, missing: set[int]) -> Bars:
    return bars.take(np.array([row not in missing for row in range(len(bars))]))


def closes(bars: list[Bar]) -> list[float]:
    return [bar.reference for bar in bars]


def test_each_bar_has_the_close_of_its_own_minute() -> None:
    """Matched by time, never by position, and never carried over a hole."""
    joined = with_reference(some(OWN, {3, 50}), some(OTHER, {10, 11, 199}))
    assert joined.reference is not None
    due = OTHER.close.copy()
    due[[10, 11, 199]] = np.nan
    assert_array_equal(joined.reference, np.delete(due, [3, 50]))
    assert_array_equal(joined.close, np.delete(OWN.close, [3, 50]))


def test_without_any_bar_of_the_reference_there_is_none() -> None:
    """All NaN, and still clean bars; NaN is not a price that is out of range."""
    joined = with_reference(OWN, Bars.empty("BTC-USD")).check_clean()
    assert joined.reference is not None
    assert np.isnan(joined.reference).all()


def test_a_market_may_be_its_own_reference() -> None:
    """So that one model can learn bitcoin and its followers with the same columns."""
    assert_array_equal(with_reference(OWN, OWN).reference, OWN.close)


def test_other_timeframes_are_refused() -> None:
    """A minute has no five-minute close."""
    with pytest.raises(BarsError, match="one timeframe"):
        with_reference(OWN, resample(OTHER, M5))


def test_an_impossible_reference_is_not_clean() -> None:
    """Zero, negative or endless prices are found as in any other column."""
    for wrong in (0.0, -1.0, np.inf):
        joined = with_reference(OWN, OTHER)
        assert joined.reference is not None
        joined.reference[7] = wrong
        with pytest.raises(BarsError):
            joined.check_clean()


def test_slow_bars_have_the_reference_of_their_last_minute() -> None:
    """As with the close; where that minute lacks it, NaN."""
    joined = with_reference(OWN, some(OTHER, {9}))
    slow = resample(joined, M5)
    assert slow.reference is not None
    assert_array_equal(slow.reference[:3], [OTHER.close[4], np.nan, OTHER.close[14]])


@settings(max_examples=60, deadline=None)
@given(
    missing=st.sets(st.integers(0, 59), max_size=30),
    none_there=st.sets(st.integers(0, 59), max_size=30),
    lags=st.lists(st.integers(0, 5), min_size=60, max_size=60),
)
def test_live_bars_are_joined_as_history_is(
    missing: set[int], none_there: set[int], lags: list[int]
) -> None:
    """Whichever of the two comes first and however late: the same bars in the same order."""
    own, other = some(OWN[:60], missing), some(OTHER[:60], none_there)
    due = list(with_reference(own, other))
    lateness = {bar.ts: lags[row] for row, bar in enumerate(OTHER[:60])}
    minute = np.timedelta64(1, "m")
    events = [(bar.ts, 1, bar) for bar in own]
    last = OTHER.ts[0] - minute
    for bar in other:
        last = max(last, bar.ts + lateness[bar.ts] * minute)  # a socket keeps the order
        events.append((last, 0, bar))
    join, got = ReferenceJoin(), []
    for _, kind, bar in sorted(events, key=lambda event: event[:2]):
        got += join.take(bar) if kind else join.take_reference(bar)
    got += join.give_up(OWN.ts[60])
    assert [bar.ts for bar in got] == [bar.ts for bar in due]
    assert_array_equal(closes(got), closes(due))


def test_a_bar_waits_for_its_reference_until_that_is_given_up() -> None:
    """It is not answered early with NaN, and not held for ever."""
    join = ReferenceJoin()
    assert join.take(OWN[0]) == []
    assert join.take(OWN[1]) == []
    assert [bar.ts for bar in join.give_up(OWN.ts[1])] == [OWN.ts[0]]
    assert closes(join.take_reference(OTHER[1])) == [OTHER.close[1]]
    assert join.take_reference(OTHER[2]) == []
    assert closes(join.take(OWN[2])) == [OTHER.close[2]]
