"""From forecasts to trading figures: against pandas, against the settings, and within bounds."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_nn.benchmark.backtest import Float, positions
from crypto_nn.benchmark.combination import combined_runs
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.profits import (
    Profits,
    Told,
    break_even_surface,
    follow,
    market_of,
    trading_figures,
)
from crypto_nn.benchmark.tried import Trials
from crypto_nn.features.panel import Panel
from crypto_nn_tests.benchmark.worlds import MINUTE, world

CONFIG = BenchmarkConfig(resamples=100)
COSTS = CONFIG.costs_bps


@pytest.fixture(scope="module")
def panel() -> Panel:
    return world(edge=0.1, days=15, symbols=2)


def told(panel: Panel, seed: int = 0, stride: int = 5) -> list[Told]:
    """Forecasts that know a little, of each symbol's rows but for the third and fourth day."""
    rng = np.random.default_rng(seed)
    said: list[Told] = []
    for symbol in panel.symbols:
        part = panel.slice_of(symbol)
        rows = np.arange(part.start, part.stop)
        day = (rows - part.start) // 1440
        rows = rows[(day != 2) & (day != 3)][::stride]
        p_RC = rng.dirichlet(np.ones(3) * 20, len(rows))
        p_RC[:, 2] += 0.05 * (panel.x_NF[rows, 0] > 0)
        said.append((symbol, rows, p_RC / p_RC.sum(axis=1, keepdims=True)))
    return said


def days_of(panel: Panel, said: list[Told]) -> np.ndarray:
    return np.unique(np.concatenate([panel.ts_N[of[1]] for of in said]).astype("datetime64[D]"))


def run(panel: Panel, horizon: int, seed: int = 0) -> Profits:
    said = told(panel, seed)
    return follow(panel, said, horizon, days_of(panel, said), CONFIG)


def by_pandas(run: Profits, cost: float) -> pd.Series:
    """Daily net returns from fills alone, with pandas: growth of each stretch, grouped by day."""
    each = []
    for path in run.paths:
        fills = pd.DataFrame({"position": path.position, "price": path.price}, path.ts)
        change = fills["price"].shift(-1) / fills["price"] - 1
        traded = fills["position"].diff().fillna(fills["position"])
        growth = 1 + fills["position"] * change.fillna(0) - traded.abs() * cost / 2e4
        day = pd.DatetimeIndex(path.ts - np.timedelta64(1, "us")).floor("D")
        due = pd.DatetimeIndex(run.days)
        day = due[due.searchsorted(day, side="right") - 1]
        each.append(growth.groupby(day).prod().reindex(due, fill_value=1.0) - 1)
    mean: pd.Series = pd.concat(each, axis=1).mean(axis=1)
    return mean


@pytest.mark.parametrize("horizon", [5, 60])
def test_ratios_are_those_of_pandas(panel: Panel, horizon: int) -> None:
    """Return, Sharpe, Sortino, Calmar and drawdown, all the way from forecasts, to 1e-12."""
    found = run(panel, horizon)
    figures = trading_figures([found], CONFIG, 1)
    for cost in COSTS:
        r = by_pandas(found, cost)
        equity = pd.concat([pd.Series([1.0]), (1 + r).cumprod()], ignore_index=True)
        fallen = (equity / equity.cummax() - 1).min()
        annual = equity.iloc[-1] ** (365 / len(r)) - 1
        due = {
            "return": equity.iloc[-1] - 1,
            "sharpe": r.mean() / r.std() * math.sqrt(365),
            "sortino": r.mean() / math.sqrt((r.clip(upper=0) ** 2).mean()) * math.sqrt(365),
            "max_drawdown": fallen,
            "calmar": annual / -fallen,
        }
        for name, value in due.items():
            estimate = figures[f"{name}_{cost:g}bp"].estimate
            np.testing.assert_allclose(estimate, value, rtol=1e-12, atol=1e-12, err_msg=name)


def test_round_trips_are_counted_and_their_sizes_told(panel: Panel) -> None:
    """Win rate and mean gain and loss give the mean profit, and it is the summed profit again."""
    found = run(panel, 15)
    figures = {name: of.estimate for name, of in trading_figures([found], CONFIG, 1).items()}
    for cost in COSTS:
        won, gain, loss = (
            figures[f"{name}_{cost:g}bp"] for name in ("win_rate", "mean_gain_bps", "mean_loss_bps")
        )
        mean = won * gain + (1 - won) * loss
        profit = sum(path.gross.sum() - path.turnover * cost / 2e4 for path in found.paths)
        assert mean * figures["round_trips"] == pytest.approx(1e4 * profit, rel=1e-9)
        assert loss < 0 < gain
    full_days = len(found.days) * len(found.paths)
    assert figures["turnover_per_day"] * full_days == pytest.approx(2 * figures["round_trips"])


def test_an_exit_on_a_day_without_predictions_is_paid_for(panel: Panel) -> None:
    """Days that are left out lie between test days; the last position before them leaves there."""
    found = run(panel, 60)
    assert len(found.days) == 13
    for path in found.paths:
        away = ~np.isin((path.ts - MINUTE).astype("datetime64[D]"), found.days)
        assert path.traded[away].sum() > 0
        alone = Profits((path,), found.days)
        for cost in COSTS:
            np.testing.assert_allclose(
                np.prod(1 + alone.daily(cost)), np.prod(1 + path.net(cost)), rtol=1e-12
            )
            late = path.on_days(cost, found.days[5:])  # what came before counts on the first
            np.testing.assert_allclose(np.prod(1 + late), np.prod(1 + path.net(cost)), rtol=1e-12)


def test_confidence_is_reported_beside_the_sizes_asked_for(panel: Panel) -> None:
    """The same figures as when sizes by confidence are asked for, for less turnover."""
    said = told(panel)
    asked = BenchmarkConfig(resamples=100, sizing="confidence")
    beside = trading_figures([run(panel, 15)], CONFIG, 1)
    alone = trading_figures([follow(panel, said, 15, days_of(panel, said), asked)], asked, 1)
    for name, other in {
        "sharpe_confidence_10bp": "sharpe_10bp",
        "return_confidence_10bp": "return_10bp",
        "turnover_confidence_per_day": "turnover_per_day",
        "break_even_confidence_bps": "break_even_bps",
    }.items():
        due = alone[other]
        for found in (beside[name], alone[name]):
            assert (found.estimate, str(found.low)) == (due.estimate, str(due.low))
    assert beside["turnover_confidence_per_day"].estimate < beside["turnover_per_day"].estimate / 2


def test_without_positions_by_confidence_their_figures_are_left_out(panel: Panel) -> None:
    """Nothing is made up for runs that were traded at one size only."""
    found = run(panel, 15)
    bare = trading_figures([Profits(found.paths, found.days)], CONFIG, 1)
    whole = trading_figures([found], CONFIG, 1)
    assert {name for name in whole if name not in bare} == {n for n in whole if "confidence" in n}


def test_figures_are_the_mean_over_seeds(panel: Panel) -> None:
    """Also those of the combination of all horizons."""
    runs_HS = [[run(panel, horizon, seed) for seed in (0, 1)] for horizon in (5, 15)]
    for runs in (*runs_HS, combined_runs(runs_HS)):
        both = trading_figures(runs, CONFIG, 1)
        each = [trading_figures([one], CONFIG, 1) for one in runs]
        for name, found in both.items():
            values = [figures[name].estimate for figures in each]
            np.testing.assert_allclose(found.estimate, np.mean(values), rtol=1e-9, err_msg=name)


def test_more_trials_lower_the_deflated_sharpe_alone(panel: Panel) -> None:
    """A number of trials or all that is known of them; nothing else depends on either."""
    runs = [run(panel, 60)]
    one, many = (trading_figures(runs, CONFIG, count) for count in (1, 1000))
    wide = trading_figures(runs, CONFIG, Trials(1000, 3.0))
    assert one["deflated_sharpe"] == one["psr"]
    estimates = [each["deflated_sharpe"].estimate for each in (one, many, wide)]
    assert estimates == sorted(estimates, reverse=True)
    same = trading_figures(runs, CONFIG, Trials(1000))
    for name, found in many.items():
        assert same[name].estimate == found.estimate
        assert name == "deflated_sharpe" or one[name].estimate == found.estimate


@st.composite
def opinions(draw: st.DrawFn) -> Float:
    """Probabilities of several models for the same rows (M, R, 3)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.dirichlet(np.ones(3) * draw(st.sampled_from([0.05, 1.0, 50.0])), (4, 30))


@given(opinions(), st.floats(0, 1))
def test_doubt_never_makes_a_position_larger(p_MRC: Float, doubt: float) -> None:
    """Neither that of one model (nearer to a third each) nor that of several that disagree."""
    each_MR = np.stack([positions(p_RC, "confidence") for p_RC in p_MRC])
    assert np.abs(each_MR).max() <= 1
    assert (np.abs(each_MR) <= 1 - p_MRC[:, :, 1] + 1e-12).all()
    together_R = positions(p_MRC.mean(axis=0), "confidence")
    assert (np.abs(together_R) <= np.abs(each_MR).mean(axis=0) + 1e-12).all()
    doubted_R = positions((1 - doubt) * p_MRC[0] + doubt / 3, "confidence")
    assert (np.abs(doubted_R) <= np.abs(each_MR[0]) + 1e-12).all()
    assert (doubted_R * each_MR[0] >= -1e-15).all()


def test_the_break_even_surface_is_what_following_the_surest_earns(panel: Panel) -> None:
    """Following all is the plain backtest; of each share the figures are those of a slow look."""
    said = told(panel)
    days = days_of(panel, said)
    surface = break_even_surface(panel, said, 15, days, costs_bps=(0, 5, 20), shares=(1, 0.5, 0.1))
    plain = follow(panel, said, 15, days, CONFIG)
    assert surface.names == ["all", "surest 50 %", "surest 10 %"]
    np.testing.assert_allclose(surface.break_even_bps_Q[0], plain.break_even_bps)
    assert surface.round_trips_Q[0] == len(plain.round_trips(0.0))
    np.testing.assert_allclose(surface.net_bps_QK[0, 1], 1e4 * plain.round_trips(5).mean())
    sure = np.concatenate([np.abs(p[:, 2] - p[:, 0]) for _, _, p in said])
    for least, share in zip(surface.surer_than_Q, surface.shares_Q):
        assert (sure >= least).mean() == pytest.approx(share, abs=0.01)
    assert (np.diff(surface.net_bps_QK, axis=1) < 0).all()
    assert (np.diff(surface.annual_return_QK, axis=1) < 0).all()
    trips = surface.round_trips_Q[:, None]
    paid = surface.net_bps_QK[:, :1] - np.array([0, 5, 20])  # a full round trip costs the cost
    np.testing.assert_allclose(surface.net_bps_QK * trips, paid * trips, rtol=1e-9)


def test_orders_fill_at_the_close_of_the_bar_after(panel: Panel) -> None:
    """The panel's prices are closes: a whole bar lies between a prediction and its fill."""
    said = told(panel)
    path = follow(panel, said, 5, days_of(panel, said), CONFIG).paths[1]
    market, rows = market_of(panel, said[1][0]), said[1][1]
    assert path.ts[0] == panel.ts_N[rows[0]] + MINUTE
    assert path.price[0] == panel.close_N[rows[0] + 1] == market.fill[rows[0] + 1 - rows[0]]
