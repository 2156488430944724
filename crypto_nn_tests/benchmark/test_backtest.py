"""The vectorised backtest against a slow one that lives through the bars one by one."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.benchmark.backtest import MINUTE, Backtest, Float, Market, Times, backtest, positions
from crypto_nn.benchmark.combination import combined
from crypto_nn.benchmark.profits import Profits
from crypto_nn_tests.benchmark.account import Account, live_through

START = np.datetime64("2024-02-29T23:00", "us")


@dataclass(frozen=True, eq=False)
class Situation:
    """Markets with gaps, and what is wanted of each at each horizon, on some of its bars."""

    markets: list[Market]
    decided: list[dict[int, Times]]
    target: list[dict[int, Float]]
    days: Times

    def fast(self, horizon: int) -> Profits:
        """All symbols at one horizon, vectorised."""
        paths = [
            backtest(market, decided[horizon], target[horizon], horizon)
            for market, decided, target in zip(self.markets, self.decided, self.target)
        ]
        return Profits(tuple(paths), self.days)

    def slow(self, symbol: int, horizons: list[int], cost_bps: float) -> Account:
        """One symbol at one horizon or several, bar by bar."""
        market = self.markets[symbol]
        wanted = {
            h: dict(zip(self.decided[symbol][h].tolist(), self.target[symbol][h].tolist()))
            for h in horizons
        }
        return live_through(
            list(zip(market.ts.tolist(), market.fill.tolist())), wanted, cost_bps / 2e4
        )


def wishes(rng: np.random.Generator, sizing: str, count: int) -> Float:
    """Positions of a sizing, made up."""
    if sizing == "confidence":
        return rng.uniform(-1, 1, count)
    return rng.choice([-1.0, 1.0] if sizing == "sign" else [-1.0, 0.0, 1.0], count)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Up to three symbols; bars are missing here and there, and now and then a day or two."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    horizons = draw(st.sampled_from([[1], [5], [15], [5, 15], [2, 5, 15]]))
    sizing = draw(st.sampled_from(["sign", "class", "confidence"]))
    there, spoken = draw(st.floats(0.3, 1.0)), draw(st.floats(0.05, 1.0))
    count, found = (
        draw(st.sampled_from([0, 1, 2, 30, 150, 400])),
        Situation([], [], [], np.zeros(0, "datetime64[D]")),
    )
    for _ in range(draw(st.integers(1, 3))):
        steps = np.where(rng.random(count) < 0.01, rng.integers(1, 2880, count), 1)
        minutes = np.cumsum(steps)[rng.random(count) < there]
        ts = START + minutes * MINUTE
        decided = {h: ts[rng.random(len(ts)) < spoken] for h in horizons}
        price = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(ts))))
        found.markets.append(Market(ts, price))
        found.decided.append(decided)
        found.target.append({h: wishes(rng, sizing, len(of)) for h, of in decided.items()})
    said = [of for decided in found.decided for of in decided.values()]
    days = np.unique(np.concatenate([*said, [START]]).astype("datetime64[D]"))
    return replace(found, days=days)


def check_same(fast: Backtest, slow: Account, cost_bps: float) -> None:
    """Every fill (time, size, price), every round trip and the turnover."""
    change = np.diff(fast.position, prepend=0.0)
    real = change != 0
    times, sizes, prices = zip(*slow.fills) if slow.fills else ((), (), ())
    assert (fast.ts[real].tolist(), fast.price[real].tolist()) == (list(times), list(prices))
    np.testing.assert_allclose(change[real], sizes, atol=1e-15)
    np.testing.assert_allclose(fast.round_trips(cost_bps), slow.trips, atol=1e-12)
    np.testing.assert_allclose(fast.turnover, sum(map(abs, sizes)), atol=1e-12)


def check_days(fast: Profits, slow: list[Account], cost_bps: float) -> None:
    """The capital that is shared out equally every morning, day by day."""
    days, capital, curve = fast.days.tolist(), 1.0, []
    growth = [account.by_day(days) for account in slow]
    for today in zip(*growth):
        capital = sum(capital / len(slow) * factor for factor in today)
        curve.append(capital)
    np.testing.assert_allclose(np.cumprod(1 + fast.daily(cost_bps)), curve, rtol=1e-11)


@settings(max_examples=150, deadline=None)
@given(situations(), st.sampled_from([0.0, 2.0, 10.0, 20.0]))
def test_it_agrees_with_one_who_trades_bar_by_bar(situation: Situation, cost: float) -> None:
    """Each horizon alone: fills, round trips, and what equal capital in all symbols became."""
    symbols = range(len(situation.markets))
    for horizon in situation.decided[0]:
        fast = situation.fast(horizon)
        slow = [situation.slow(symbol, [horizon], cost) for symbol in symbols]
        for path, account in zip(fast.paths, slow):
            check_same(path, account, cost)
        check_days(fast, slow, cost)


@settings(max_examples=100, deadline=None)
@given(situations(), st.sampled_from([0.0, 2.0, 10.0, 20.0]))
def test_one_account_for_all_horizons_agrees_too(situation: Situation, cost: float) -> None:
    """Its books hold the mean of what the horizons want, and pay for the difference only."""
    horizons = list(situation.decided[0])
    fast = combined([situation.fast(horizon) for horizon in horizons])
    slow = [situation.slow(symbol, horizons, cost) for symbol in range(len(situation.markets))]
    for path, account in zip(fast.paths, slow):
        check_same(path, account, cost)
        assert np.abs(path.position).max(initial=0) <= 1
    check_days(fast, slow, cost)


@settings(max_examples=50, deadline=None)
@given(situations(), st.floats(0, 50))
def test_round_trips_and_days_share_out_the_same_profit(situation: Situation, cost: float) -> None:
    """Nothing is earned or paid outside a round trip, and each day compounds its segments."""
    for path in situation.fast(next(iter(situation.decided[0]))).paths:
        paid = path.gross.sum() - path.turnover * cost / 2e4
        np.testing.assert_allclose(path.round_trips(cost).sum(), paid, atol=1e-10)
        total = np.prod(1 + path.on_days(cost, situation.days))
        np.testing.assert_allclose(total, np.prod(1 + path.net(cost)), rtol=1e-11)


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
    day = np.datetime64("2024-02-29")
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
