"""Windows follow the bars, to the bit, and are none where bars are missing."""

import numpy as np

from crypto_nn.bars import M1, Bars
from crypto_nn.features.live_windows import LiveWindows
from crypto_nn.server.feed import BarFeed
from crypto_nn_tests.indicators.made import without
from crypto_nn_tests.server.made import BARS, FEATURES, ROWS, SYMBOL, Market


def feed(market: Market) -> BarFeed:
    return BarFeed(market, FEATURES, ROWS)


def due(bars: Bars) -> np.ndarray:
    window = LiveWindows(FEATURES, bars, ROWS).newest()
    assert window is not None
    return window.x_TF


def test_a_bar_is_taken_when_it_has_closed_and_once() -> None:
    """The bar that is still open is not seen; one that was seen does not come again."""
    market, following = Market(), None
    following = feed(market)
    assert [b.ts for b in following.poll(SYMBOL, market.time())] == [BARS.ts[1939]]
    almost = BARS.ts[1940] + M1.step - np.timedelta64(1, "us")
    assert following.poll(SYMBOL, almost) == ()
    assert [b.ts for b in following.poll(SYMBOL, BARS.ts[1940] + M1.step)] == [BARS.ts[1940]]
    window = following.window(SYMBOL, 2)
    assert window is not None
    np.testing.assert_array_equal(window.x_TF, due(BARS[:1941])[-2:])


def test_after_a_hole_there_is_no_window_until_the_late_bar_came() -> None:
    """Then it is the one of the whole history, bit for bit."""
    market = Market(without(BARS, (1939, 1940)))
    following = feed(market)
    market.closed = 1939
    following.poll(SYMBOL, market.time())
    market.closed = 1942
    following.poll(SYMBOL, market.time())
    assert following.window(SYMBOL, ROWS) is None
    market.bars = BARS
    following.poll(SYMBOL, market.time())
    window = following.window(SYMBOL, ROWS)
    assert window is not None
    np.testing.assert_array_equal(window.x_TF, due(BARS[:1942]))


def test_a_window_is_the_same_object_until_a_bar_is_news() -> None:
    """So that an answer is worked out once."""
    market = Market()
    following = feed(market)
    following.poll(SYMBOL, market.time())
    before = following.window(SYMBOL, ROWS)
    following.poll(SYMBOL, market.time())
    assert following.window(SYMBOL, ROWS) is before


def test_before_the_first_bar_there_is_nothing() -> None:
    """An empty lake is no error."""
    following = feed(Market(Bars.empty(SYMBOL)))
    assert following.poll(SYMBOL, BARS.ts[0]) == ()
    assert (following.window(SYMBOL, 1), following.last(SYMBOL)) == (None, None)
