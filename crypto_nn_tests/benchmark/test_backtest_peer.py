"""The backtest beside bt (github.com/pmorissette/bt), which knows nothing of this repository.

bt is given the same prices and the wishes laid out on the bars by pandas, one bar late; it sends
its own orders, keeps its own books in coins and cash, and charges its own fees.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crypto_nn.benchmark.backtest import MINUTE, Backtest, Market, backtest
from crypto_nn.benchmark.combination import combine
from crypto_nn.benchmark.profits import Profits

BARS = 480
HORIZONS = (5, 15, 60)
CASH = 1e6


@dataclass(frozen=True, eq=False)
class World:
    """A day from before midnight on, and what is wanted at each bar and horizon."""

    price: pd.Series
    wanted: pd.DataFrame

    @property
    def market(self) -> Market:
        return Market(self.price.index.to_numpy("datetime64[us]"), self.price.to_numpy())

    def ours(self, horizon: int) -> Backtest:
        """The vectorised backtest."""
        said = self.wanted[horizon].iloc[:-1]
        decided = said.index.to_numpy("datetime64[us]")
        return backtest(self.market, decided, said.to_numpy(), horizon)

    def weights(self, horizon: int) -> pd.Series:
        """By pandas: the wish of the bar that ends a block, filled in the bar after; last, out."""
        ends = pd.DatetimeIndex(self.price.index.to_numpy("datetime64[us]") + MINUTE)
        starts_block = (ends.hour * 60 + ends.minute) % horizon == 0
        starts_block[0] = True
        weights = self.wanted[horizon].where(starts_block).shift(1)
        weights.iloc[-1] = 0.0
        return weights


def world(sizing: str, seed: int = 3) -> World:
    rng = np.random.default_rng(seed)
    bars = pd.date_range("2024-02-29 22:00", periods=BARS, freq="min")
    price = pd.Series(100 * np.exp(np.cumsum(rng.normal(0, 0.0005, BARS))), bars)
    wishes: dict[int, Any] = {
        h: rng.uniform(-1, 1, BARS)
        if sizing == "confidence"
        else rng.choice([-1.0, 0.0, 1.0] if sizing == "class" else [-1.0, 1.0], BARS)
        for h in HORIZONS
    }
    return World(price, pd.DataFrame(wishes, bars))


def peer(price: pd.Series, weights: pd.Series, cost_bps: float) -> Any:
    """bt's own account, that rebalances to the weight wherever there is one."""
    import bt  # half a second, for these tests alone

    target = weights.dropna().to_frame("coin")
    plan = bt.Strategy("peer", [bt.algos.WeighTarget(target), bt.algos.Rebalance()])
    test = bt.Backtest(
        plan,
        price.to_frame("coin"),
        initial_capital=CASH,
        integer_positions=False,
        commissions=lambda quantity, paid: abs(quantity) * paid * cost_bps / 2e4,
        progress_bar=False,
    )
    test.run()
    return test


@pytest.mark.parametrize("sizing", ["sign", "class", "confidence"])
def test_without_costs_the_capital_is_the_same_after_every_fill(sizing: str) -> None:
    """Each horizon: the same coins are held at every bar, and the equity is the same."""
    there = world(sizing)
    for horizon in HORIZONS:
        ours = there.ours(horizon)
        theirs = peer(there.price, there.weights(horizon), 0.0)
        _check_equity(ours, theirs)
        held = theirs.positions["coin"].loc[there.price.index]
        coins = pd.Series(ours.position * _capital(ours) / ours.price, ours.ts)
        due = coins.reindex(held.index).ffill().fillna(0.0)  # nothing changes between our fills
        np.testing.assert_allclose(held, due, rtol=1e-11, atol=1e-7)


@pytest.mark.parametrize("sizing", ["sign", "confidence"])
def test_one_account_for_all_horizons_is_the_same_too(sizing: str) -> None:
    """bt is given the mean of the horizons' weights."""
    there = world(sizing)
    each = pd.concat([there.weights(horizon) for horizon in HORIZONS], axis=1)
    mean = each.ffill().fillna(0.0).mean(axis=1).where(each.notna().any(axis=1))
    ours = combine([there.ours(horizon) for horizon in HORIZONS])
    _check_equity(ours, peer(there.price, mean, 0.0))


@pytest.mark.parametrize("cost", [2.0, 20.0])
@pytest.mark.parametrize("sizing", ["sign", "confidence"])
def test_with_costs_the_difference_is_how_fees_are_charged(sizing: str, cost: float) -> None:
    """bt pays the fee out of the amount that it orders, and for the coins that change hands.

    We pay for the change of the position: a holding that drifted from its size since it was
    opened is topped up for free. Books that charge as bt does agree with bt to rounding; ours
    differ from them by less than a hundredth of the fees.
    """
    there = world(sizing)
    for horizon in HORIZONS:
        ours = there.ours(horizon)
        theirs = peer(there.price, there.weights(horizon), cost).strategy.values.iloc[-1] / CASH
        np.testing.assert_allclose(_charged_like_the_peer(ours, cost / 2e4), theirs, rtol=1e-10)
        free, paid = (np.log1p(ours.net(each)).sum() for each in (0.0, cost))
        assert abs(np.log(theirs) - paid) < 0.01 * (free - paid)


def _charged_like_the_peer(path: Backtest, fee: float) -> float:
    cash, coins = 1.0, 0.0
    for position, price in zip(path.position.tolist(), path.price.tolist()):
        order = position * (cash + coins * price) - coins * price
        bought = -coins if position == 0 else order / (price * (1 + np.sign(order) * fee))
        coins += bought
        cash -= bought * price + abs(bought) * price * fee
    return cash


def test_ratios_are_those_of_pandas_from_the_peers_equity() -> None:
    """Sharpe ratio, deepest drawdown and return of days, from fills to figure, to 1e-12."""
    from crypto_nn.metrics import trading

    rng = np.random.default_rng(5)
    bars = pd.date_range("2024-02-29", periods=4 * 1440, freq="min")
    price = pd.Series(100 * np.exp(np.cumsum(rng.normal(0, 0.001, len(bars)))), bars)
    wanted = pd.DataFrame({720: rng.choice([-1.0, 1.0], len(bars))}, bars)
    there = World(price, wanted)
    path = there.ours(720)
    days = np.arange(np.datetime64("2024-02-29"), np.datetime64("2024-03-04"))
    daily = Profits((path,), days).daily(0.0)
    values = peer(there.price, there.weights(720), 0.0).strategy.values.reindex(bars)
    ends = values[path.ts].set_axis(path.ts)  # what each segment begins with
    begun = pd.DatetimeIndex(path.ts - np.timedelta64(1, "us")).normalize()
    firsts = ends.groupby(begun).first()
    theirs = (np.append(firsts.to_numpy()[1:], ends.iloc[-1]) / firsts).to_numpy() - 1
    returns = pd.Series(theirs)
    np.testing.assert_allclose(daily, theirs, atol=1e-12)
    sharpe = returns.mean() / returns.std() * np.sqrt(365)
    equity = pd.concat([pd.Series([1.0]), (1 + returns).cumprod()])
    np.testing.assert_allclose(trading.sharpe(daily), sharpe, rtol=1e-12, atol=1e-12)
    fallen = (equity / equity.cummax() - 1).min()
    np.testing.assert_allclose(trading.max_drawdown(daily), fallen, atol=1e-12)


def _check_equity(ours: Backtest, theirs: Any) -> None:
    reached = theirs.strategy.values.loc[pd.DatetimeIndex(ours.ts)].to_numpy()
    np.testing.assert_allclose(reached, _capital(ours), rtol=1e-11)


def _capital(path: Backtest) -> Any:
    """What the account is worth at each fill, without costs."""
    return CASH * np.concatenate([[1.0], np.cumprod(1 + path.net(0.0))[:-1]])
