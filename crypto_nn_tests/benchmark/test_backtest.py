"""The vectorised backtest against a slow one that lives through the bars one by one."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.benchmark.backtest import MINUTE, Backtest, Float, Market, Times, backtest, positions

START = np.datetime64("2024-03-01T00:00", "us")


@dataclass
class Trader:
    """One who sees bars in order, sends orders, and writes down every fill (the slow oracle)."""

    horizon: int
    position: float = 0.0
    entry: float = 0.0
    order: float | None = None
    leaves: np.datetime64 | None = None
    block: int = -1
    fills: list[tuple[np.datetime64, float, float]] = field(default_factory=list)
    trips: list[float] = field(default_factory=list)
    gross: float = 0.0
    trip: float = 0.0

    def on_open(self, ts: np.datetime64, price: float, is_last: bool, cost: float) -> None:
        if self.leaves is not None and ts >= self.leaves:
            self.order, self.leaves = 0.0, None
        if is_last:
            self.order = 0.0
        if self.order is not None:
            self.fill(ts, self.order, price, cost)
            self.order = None

    def on_close(self, known: np.datetime64, wanted: float | None) -> None:
        block = int((known - np.datetime64(0, "us")) // np.timedelta64(self.horizon, "m"))
        if wanted is not None and block != self.block:
            self.order, self.block = wanted, block
            self.leaves = known + np.timedelta64(self.horizon, "m")

    def fill(self, ts: np.datetime64, target: float, price: float, cost: float) -> None:
        earned = self.position * (price / self.entry - 1.0) if self.position else 0.0
        self.gross += earned
        self.trip += earned
        if np.sign(target) == np.sign(self.position):
            self.trip -= abs(target - self.position) * cost
        else:
            if self.position:
                self.trips.append(self.trip - abs(self.position) * cost)
            self.trip = -abs(target) * cost
        if target != self.position:
            self.fills.append((ts, target - self.position, price))
        self.position, self.entry = target, price


def live_through(
    market: Market, decided: Times, target: Float, horizon: int, cost: float
) -> Trader:
    trader = Trader(horizon)
    wanted = dict(zip(decided.tolist(), target.tolist()))
    for number, (ts, price) in enumerate(zip(market.ts, market.fill.tolist())):
        trader.on_open(ts, price, number == len(market.ts) - 1, cost)
        trader.on_close(ts + MINUTE, wanted.get(ts.item()))
    return trader


@st.composite
def situations(draw: st.DrawFn) -> tuple[Market, Times, Float, int]:
    """A market with gaps, and predictions on some of its bars."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    minutes = np.flatnonzero(rng.random(draw(st.integers(1, 150))) < draw(st.floats(0.3, 1.0)))
    ts = START + minutes * MINUTE
    price = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(ts))))
    decided = ts[rng.random(len(ts)) < draw(st.floats(0.05, 1.0))]
    sizes = draw(st.sampled_from(["sign", "class", "confidence"]))
    target = rng.choice([-1.0, 0.0, 1.0], len(decided), p=[0.4, 0.2, 0.4])
    if sizes == "sign":
        target = np.where(target == 0, 1.0, target)
    if sizes == "confidence":
        target = rng.uniform(-1, 1, len(decided))
    return Market(ts, price), decided, target, draw(st.sampled_from([1, 2, 5, 15]))


@settings(max_examples=150, deadline=None)
@given(situations())
def test_it_agrees_with_one_who_trades_bar_by_bar(
    situation: tuple[Market, Times, Float, int],
) -> None:
    """Every fill (time, size, price), every round trip and the profit are the same."""
    market, decided, target, horizon = situation
    fast = backtest(market, decided, target, horizon)
    slow = live_through(market, decided, target, horizon, cost=10 / 2e4)
    change = np.diff(fast.position, prepend=0.0)
    real = change != 0
    price_at = dict(zip(market.ts.tolist(), market.fill.tolist()))
    filled = [(ts, size, price_at[ts.item()]) for ts, size in zip(fast.ts[real], change[real])]
    assert [(ts, price) for ts, _, price in filled] == [(ts, price) for ts, _, price in slow.fills]
    np.testing.assert_allclose([f[1] for f in filled], [f[1] for f in slow.fills], atol=1e-15)
    np.testing.assert_allclose(fast.gross.sum(), slow.gross, atol=1e-12)
    np.testing.assert_allclose(fast.round_trips(10.0), slow.trips, atol=1e-12)
    np.testing.assert_allclose(fast.turnover, sum(abs(f[1]) for f in slow.fills), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(situations(), st.floats(0, 50))
def test_round_trips_and_days_share_out_the_same_profit(
    situation: tuple[Market, Times, Float, int], cost: float
) -> None:
    """Nothing is earned or paid outside a round trip, and each day compounds its segments."""
    market, decided, target, horizon = situation
    path = backtest(market, decided, target, horizon)
    paid = path.gross.sum() - path.turnover * cost / 2e4
    np.testing.assert_allclose(path.round_trips(cost).sum(), paid, atol=1e-10)
    day = np.datetime64("2024-03-01")
    np.testing.assert_allclose(
        path.daily(cost, day, day), [np.prod(1 + path.net(cost)) - 1], atol=1e-12
    )


def test_at_the_break_even_cost_the_profit_is_zero() -> None:
    """The summed profit is positive below that cost, nothing at it, negative above it."""
    market, decided = _trend()
    target = np.where(np.arange(len(decided)) % 3 == 0, -1.0, 1.0)
    path = backtest(market, decided, target, 5)
    cost = path.break_even_bps
    assert cost > 0
    assert abs(path.net(cost).sum()) < 1e-12
    assert path.net(cost / 2).sum() > 0 > path.net(2 * cost).sum()


def test_an_order_never_fills_at_a_price_that_was_known_when_it_was_decided() -> None:
    """Each fill opens at or after the close of the bar that decided it."""
    market, decided = _trend()
    path = backtest(market, decided[::7], np.ones(len(decided[::7])), 5)
    assert path.ts[0] == decided[0] + MINUTE
    doubled = Market(market.ts, np.where(market.ts <= decided[0], 2.0, 1.0) * market.fill)
    later = backtest(doubled, decided[::7], np.ones(len(decided[::7])), 5)
    np.testing.assert_array_equal(later.gross, path.gross)


def test_holding_one_side_trades_only_at_both_ends() -> None:
    """Where the prediction never changes, the position is kept and costs one round trip."""
    market, decided = _trend()
    path = backtest(market, decided, np.ones(len(decided)), 15)
    assert path.turnover == 2.0
    assert len(path.round_trips(10.0)) == 1
    held = market.fill[-1] / market.fill[1] - 1
    np.testing.assert_allclose(np.prod(1 + path.net(0.0)) - 1, held, rtol=1e-12)


def test_nothing_to_trade_gives_an_empty_path() -> None:
    """No bars, one bar or no predictions earn nothing and cost nothing."""
    market, decided = _trend()
    day = np.datetime64("2024-03-01")
    empty: list[Backtest] = [
        backtest(Market(market.ts[:0], market.fill[:0]), decided[:0], np.zeros(0), 5),
        backtest(Market(market.ts[:1], market.fill[:1]), decided[:1], np.ones(1), 5),
        backtest(market, decided[:0], np.zeros(0), 5),
    ]
    for path in empty:
        assert path.turnover == 0
        assert np.isnan(path.break_even_bps)
        assert path.daily(5.0, day, day).tolist() == [0.0]
        assert len(path.round_trips(5.0)) == 0


def test_sizes_follow_from_the_probabilities() -> None:
    """The more likely side, the predicted class, or the difference of both sides."""
    p = np.array([[0.2, 0.5, 0.3], [0.5, 0.3, 0.2], [0.3, 0.4, 0.3]])
    assert positions(p, "sign").tolist() == [1, -1, 0]
    assert positions(p, "class").tolist() == [0, -1, 0]
    np.testing.assert_allclose(positions(p, "confidence"), [0.1, -0.3, 0.0])


def _trend() -> tuple[Market, Times]:
    ts = START + np.arange(600) * MINUTE
    price = 100 * np.exp(0.0004 * np.arange(600) + 0.002 * np.sin(np.arange(600) / 9))
    return Market(ts, price), ts[:-1]
