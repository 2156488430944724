"""What is held on an answer: nothing without an edge, no more for doubt, nothing past a cap."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crypto_nn.bars import M1
from crypto_nn.errors import ConfigError
from crypto_nn.inference.signals import (
    Signal,
    SignalConfig,
    is_killed,
    kelly_sizes,
    limited,
    minute_volatility,
    signal_of,
)
from crypto_nn_tests.indicators.made import walk

HORIZONS = (5, 15, 60)
VOLATILITY = 2e-3
FREE = SignalConfig(cost_bps=0, allow_short=True, least_size=0)
AT = np.datetime64("2024-03-01T00:01", "us")
shares = st.lists(st.floats(0.01, 1.0), min_size=9, max_size=9)
unsure = st.lists(st.floats(0.0, 1.1), min_size=3, max_size=3)


@dataclass(frozen=True, eq=False)
class Said:
    """An answer."""

    p_HC: NDArray[np.float64]
    epistemic_H: NDArray[np.float64] | None = None
    symbol: str = "BTC-USDT"
    known_at: np.datetime64 = AT
    version: str = "v1"
    horizons: tuple[int, ...] = HORIZONS


def said(weights: list[float], epistemic: list[float] | None = None) -> Said:
    p_HC = np.array(weights).reshape(3, 3)
    p_HC = p_HC / p_HC.sum(axis=1, keepdims=True)
    return Said(p_HC, None if epistemic is None else np.array(epistemic))


def tilted(p_up: float) -> Said:
    return said([1 - p_up - 0.2, 0.2, p_up] * 3)


def test_equal_chances_are_no_position() -> None:
    signal = signal_of(said([1.0] * 9), VOLATILITY, FREE)
    assert (signal.direction, signal.size, signal.horizon) == (0, 0.0, 0)
    assert signal.reason == "no edge after costs"


def test_an_edge_that_costs_eat_is_no_position() -> None:
    """The edge of 60 minutes is 0.04 of 0.8 sd, 5 bps: a round trip of 4 is left over, of 6 not."""
    answer = tilted(0.42)
    assert signal_of(answer, VOLATILITY, FREE.model_copy(update={"cost_bps": 4.0})).direction == 1
    assert signal_of(answer, VOLATILITY, FREE.model_copy(update={"cost_bps": 6.0})).direction == 0


@given(shares)
def test_a_size_is_kellys_by_hand(weights: list[float]) -> None:
    """Mean over variance, by plain arithmetic per horizon."""
    answer = said(weights)
    config = FREE.model_copy(update={"cost_bps": 3.0})
    due = []
    for (down, _, up), minutes in zip(answer.p_HC, HORIZONS, strict=True):
        edge = (up - down) * 0.8 * VOLATILITY * minutes**0.5
        left = max(abs(edge) - 0.0003, 0)
        due.append(0.25 * (left if edge > 0 else -left) / (VOLATILITY**2 * minutes))
    np.testing.assert_allclose(kelly_sizes(answer.p_HC, HORIZONS, VOLATILITY, config), due)


@given(shares, unsure, st.integers(0, 2), st.floats(0, 1), st.floats(0, 60))
def test_uncertainty_never_raises_a_size(
    weights: list[float], epistemic: list[float], which: int, more: float, age: float
) -> None:
    """Nor does it turn one round; and a size that nobody disputed is the largest."""
    config = FREE.model_copy(update={"most_epistemic": 1.0})
    further = list(epistemic)
    further[which] += more
    sizes = [
        signal_of(said(weights, each), VOLATILITY, config, age).size
        for each in (None, epistemic, further)
    ]
    assert abs(sizes[0]) >= abs(sizes[1]) >= abs(sizes[2])
    assert all(size * sizes[0] >= 0 for size in sizes)


@given(shares, st.floats(1e-5, 0.1), st.floats(0, 30))
def test_no_size_is_past_a_cap(weights: list[float], volatility: float, cost: float) -> None:
    config = SignalConfig(cost_bps=cost, allow_short=True)
    signal = signal_of(said(weights), volatility, config)
    assert abs(signal.size) <= config.most_size
    yearly = abs(signal.size) * volatility * (365 * 24 * 60) ** 0.5
    assert yearly <= config.target_volatility * (1 + 1e-12)
    assert signal.direction == np.sign(signal.size)


@given(shares)
def test_down_is_up_in_the_mirror(weights: list[float]) -> None:
    answer = said(weights)
    other = replace(answer, p_HC=answer.p_HC[:, ::-1])
    one, two = (signal_of(each, VOLATILITY, FREE) for each in (answer, other))
    assert (one.size, one.horizon) == (-two.size, two.horizon)


def test_a_horizon_that_disagrees_makes_the_size_smaller() -> None:
    """By what it would hold itself, and by the share in which the others prevail."""
    wide = FREE.model_copy(update={"target_volatility": 10.0, "most_size": 1.0, "kelly": 0.001})
    up, down = [0.3, 0.2, 0.5], [0.35, 0.3, 0.35]
    all_up = signal_of(said(up * 3), VOLATILITY, wide).size
    two_up = signal_of(said(up * 2 + down), VOLATILITY, wide).size
    one_down = signal_of(said(up * 2 + up[::-1]), VOLATILITY, wide).size
    assert all_up > two_up > one_down > 0


def test_an_answer_fades_and_is_gone_at_its_longest_horizon() -> None:
    wide = FREE.model_copy(update={"target_volatility": 10.0, "most_size": 1.0, "kelly": 0.001})
    sizes = [signal_of(tilted(0.5), VOLATILITY, wide, age).size for age in (0, 1, 5, 59, 60)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-2] > 0 == sizes[-1]


@pytest.mark.parametrize("volatility", [float("nan"), 0.0, -1.0, float("inf")])
def test_without_volatility_nothing_is_held(volatility: float) -> None:
    assert signal_of(tilted(0.7), volatility, FREE).size == 0


def test_uncertainty_that_is_no_number_holds_nothing() -> None:
    answer = replace(tilted(0.7), epistemic_H=np.array([0.0, np.nan, 0.0]))
    assert signal_of(answer, VOLATILITY, FREE).reason == "too uncertain"


def test_spot_is_never_short() -> None:
    assert signal_of(tilted(0.1), VOLATILITY, SignalConfig()).reason == "short not allowed"


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 0.9])
def test_probabilities_that_are_none_are_refused(wrong: float) -> None:
    answer = tilted(0.5)
    answer.p_HC[1, 2] = wrong
    with pytest.raises(ConfigError, match="sum to 1"):
        signal_of(answer, VOLATILITY, FREE)


def test_volatility_is_known_of_whole_minutes_only() -> None:
    bars = walk(100)
    returns = np.diff(np.log(bars.close[-61:]))
    np.testing.assert_allclose(minute_volatility(bars, 60), np.sqrt((returns**2).mean()))
    assert np.isnan(minute_volatility(bars[:60], 60))
    assert np.isnan(minute_volatility(bars.take(np.delete(np.arange(100), 70)), 60))


def test_the_account_has_limits_that_no_answer_passes(tmp_path: Path) -> None:
    """Exposure is cut in proportion; a drawdown and the kill switch hold nothing."""
    each = Signal("BTC-USDT", AT, "v1", 1, 0.5, 0.5, 60, "kelly")
    four = (each, replace(each, direction=-1, size=-0.5), each, each.flat("stale"))
    assert [one.size for one in limited(four, FREE)] == pytest.approx([1 / 3, -1 / 3, 1 / 3, 0])
    assert limited(four[:2], FREE) == four[:2]
    for drawdown in (0.1, 0.5, float("nan")):
        assert {one.reason for one in limited(four, FREE, drawdown)} == {"drawdown stop"}
    switch = tmp_path / "kill_switch"
    assert not is_killed(switch)
    switch.touch()
    assert is_killed(switch)
    assert is_killed(switch / "below_a_file")
    stopped = limited(four, FREE, killed=is_killed(switch))
    assert {(one.size, one.direction, one.reason) for one in stopped} == {(0.0, 0, "kill switch")}


def test_a_row_names_the_minute_that_was_seen() -> None:
    """`ts` is the open of the bar whose close was known."""
    row = signal_of(tilted(0.7), VOLATILITY, FREE).row()
    assert (row["ts"], row["month"]) == (AT - M1.step, "2024-03")


def signals_and_prices() -> tuple[list[Signal], "pd.Series[float]"]:
    """Answers that tilt to and fro every quarter of an hour, on the opens of a walk."""
    bars = walk(300, seed=5)
    config = SignalConfig(cost_bps=2, allow_short=True, most_size=0.4)
    said_at = [
        signal_of(
            replace(tilted(0.4 + 0.3 * np.sin(row / 30)), known_at=bars.ts[row]),
            minute_volatility(bars[:row], 60),
            config,
        )
        for row in range(90, 300, 15)
    ]
    return said_at, pd.Series(bars.open, pd.DatetimeIndex(bars.ts))


def account(sizes: dict[pd.Timestamp, float], price: "pd.Series[float]", cost_bps: float) -> float:
    """By hand: coins and cash, each order for its share of what there is at the open."""
    cash, coins = 1e6, 0.0
    for at, paid in zip(pd.DatetimeIndex(price.index), price, strict=True):
        if at in sizes:
            wanted = sizes[at] * (cash + coins * paid) / paid
            cash -= (wanted - coins) * paid + abs(wanted - coins) * paid * cost_bps / 2e4
            coins = wanted
    return cash + coins * float(price.iloc[-1])


def test_bt_trades_the_signals() -> None:
    """bt holds what the signals say from the first open after they were known."""
    import bt  # half a second, for these tests alone

    signals, price = signals_and_prices()
    sizes = {pd.Timestamp(each.known_at): each.size for each in signals}
    assert len(set(np.sign(list(sizes.values())))) >= 2  # it is not always on one side
    target = pd.DataFrame({"coin": pd.Series(sizes)})
    plan = bt.Strategy("signals", [bt.algos.WeighTarget(target), bt.algos.Rebalance()])
    test = bt.Backtest(
        plan,
        price.to_frame("coin"),
        initial_capital=1e6,
        integer_positions=False,
        commissions=lambda quantity, paid: 0.0,
        progress_bar=False,
    )
    test.run()
    np.testing.assert_allclose(test.strategy.values.iloc[-1], account(sizes, price, 0), rtol=1e-9)


def test_backtrader_trades_the_signals() -> None:
    """An engine that goes bar by bar: an order on the close of a bar fills at the next open."""
    backtrader: Any = pytest.importorskip("backtrader", reason="backtrader is not installed")
    signals, price = signals_and_prices()
    sizes = {pd.Timestamp(each.known_at): each.size for each in signals}

    class Follow(backtrader.Strategy):  # type: ignore[misc]
        def next(self) -> None:
            closed = pd.Timestamp(self.data.datetime.datetime(0)) + pd.Timedelta(minutes=1)
            if closed in sizes:
                self.order_target_percent(target=sizes[closed])

    bars = pd.DataFrame({"open": price, "close": price.shift(-1).ffill()})
    bars["high"], bars["low"] = bars.max(axis=1), bars.min(axis=1)
    bars["volume"] = 1.0
    engine = backtrader.Cerebro(stdstats=False)
    engine.adddata(
        backtrader.feeds.PandasData(dataname=bars, timeframe=backtrader.TimeFrame.Minutes)
    )
    engine.addstrategy(Follow)
    engine.broker.setcash(1e12)  # it trades whole coins
    engine.broker.setcommission(0.0001)
    engine.run()
    due = account(sizes, price, 2.0) / 1e6
    np.testing.assert_allclose(engine.broker.getvalue() / 1e12, due, rtol=1e-7)
