"""What the contestants would have earned, day by day and cost by cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.backtest import Backtest, Market, backtest, positions
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.forecasts import Rows
from crypto_nn.benchmark.intervals import interval
from crypto_nn.features.panel import Panel
from crypto_nn.metrics import trading
from crypto_nn.metrics.significance import Interval

Float = NDArray[np.float64]
Days = NDArray[np.datetime64]


def market_of(panel: Panel, symbol: str) -> Market:
    """Orders fill at the close of the bar after the one that decided them: a whole bar of lag.

    The next open would be one minute kinder; the panel keeps closes alone.
    """
    rows = panel.slice_of(symbol)
    return Market(panel.ts_N[rows], panel.close_N[rows])


@dataclass(frozen=True, eq=False)
class Profits:
    """The traded paths of one contestant and seed at one horizon, one for each symbol.

    Attributes:
        paths: of each symbol.
        days: the test days, ascending; profits of other days (none were traded) are left out.
    """

    paths: tuple[Backtest, ...]
    days: Days

    def daily(self, cost_bps: float) -> Float:
        """Net return of each test day; of several symbols the mean, as with equal capital (D,)."""
        first, last = self.days[0], self.days[-1]
        place = (self.days - first).astype(np.int64)
        each = np.stack([p.daily(cost_bps, first, last)[place] for p in self.paths])
        mean: Float = each.mean(axis=0)
        return mean

    def round_trips(self, cost_bps: float) -> Float:
        """Net profit of each round trip of every symbol."""
        return np.concatenate([path.round_trips(cost_bps) for path in self.paths])

    @property
    def traded(self) -> float:
        """Units bought and sold in all."""
        return float(sum(path.turnover for path in self.paths))

    @property
    def break_even_bps(self) -> float:
        """The round-trip cost at which the summed profit of all symbols is zero."""
        gross = sum(float(path.gross.sum()) for path in self.paths)
        return 2e4 * gross / self.traded if self.traded else math.nan


def trade(
    panel: Panel, symbol: str, rows: Rows, p_RC: Float, horizon: int, config: BenchmarkConfig
) -> Backtest:
    """Trade one symbol's test rows at one horizon."""
    target = positions(p_RC, config.sizing)
    return backtest(market_of(panel, symbol), panel.ts_N[rows], target, horizon)


def trading_figures(
    runs: Sequence[Profits], config: BenchmarkConfig, num_trials: int
) -> dict[str, Interval]:
    """Trading figures by metric name, the mean over seeds; only Sharpe ratios have intervals."""
    num_days = len(runs[0].days) * len(runs[0].paths)
    figures = {
        "break_even_bps": _plain([run.break_even_bps for run in runs]),
        "turnover_per_day": _plain([run.traded / num_days for run in runs]),
        "round_trips": _plain([float(len(run.round_trips(0.0))) for run in runs]),
    }
    for cost in config.costs_bps:
        figures |= _figures_at(runs, cost, config)
    headline = [run.daily(config.headline_cost_bps) for run in runs]
    luck = luckiest_sharpe(num_trials, len(runs[0].days))
    figures["psr"] = _plain([trading.psr(daily) for daily in headline])
    figures["deflated_sharpe"] = _plain([trading.psr(daily, luck) for daily in headline])
    return figures


def _figures_at(
    runs: Sequence[Profits], cost: float, config: BenchmarkConfig
) -> dict[str, Interval]:
    days_SD = np.stack([run.daily(cost) for run in runs])
    trips = [run.round_trips(cost) for run in runs]
    sums_SDK = np.stack([days_SD, days_SD**2, np.ones_like(days_SD)], axis=2)
    sharpe = interval(sums_SDK, _annual_sharpe, config)
    estimate = float(np.mean([trading.sharpe(daily) for daily in days_SD]))
    unit = f"{cost:g}bp"
    return {
        f"sharpe_{unit}": Interval(estimate, sharpe.low, sharpe.high, config.level),
        f"sortino_{unit}": _plain([trading.sortino(daily) for daily in days_SD]),
        f"max_drawdown_{unit}": _plain([trading.max_drawdown(daily) for daily in days_SD]),
        f"return_{unit}": _plain([float(np.prod(1 + daily) - 1) for daily in days_SD]),
        f"win_rate_{unit}": _plain([trading.win_rate(profits) for profits in trips]),
        f"profit_factor_{unit}": _plain([trading.profit_factor(profits) for profits in trips]),
    }


def luckiest_sharpe(num_trials: int, num_days: int) -> float:
    """The best daily Sharpe ratio to expect of so many trials that have no skill at all.

    The expected maximum of normal draws (Bailey and López de Prado 2014) whose spread is that of
    a Sharpe ratio of zero over as many days, 1 / √(days - 1).
    """
    if num_trials < 2 or num_days < 2:
        return 0.0
    normal, gamma = NormalDist(), float(np.euler_gamma)
    first = normal.inv_cdf(1 - 1 / num_trials)
    second = normal.inv_cdf(1 - 1 / (num_trials * math.e))
    return ((1 - gamma) * first + gamma * second) / math.sqrt(num_days - 1)


def buy_and_hold(panel: Panel, days: Days) -> Float:
    """Daily return of holding every symbol, from close to close, on these days (D,)."""
    returns = []
    for symbol in panel.symbols:
        rows = panel.slice_of(symbol)
        day, close = panel.ts_N[rows].astype("datetime64[D]"), panel.close_N[rows]
        last = np.searchsorted(day, days, side="right") - 1
        before = np.searchsorted(day, days, side="left") - 1
        known = (last >= 0) & (before >= 0)
        values = np.zeros(len(days))
        values[known] = close[last[known]] / close[before[known]] - 1
        returns.append(values)
    mean: Float = np.stack(returns).mean(axis=0)
    return mean


def _annual_sharpe(sums: Float) -> Float:
    total, squares, count = sums[..., 0], sums[..., 1], sums[..., 2]
    mean = total / count
    variance = (squares / count - mean**2) * count / np.maximum(count - 1, 1)
    ratio = np.full(mean.shape, np.nan)
    np.divide(mean, np.sqrt(np.maximum(variance, 0)), out=ratio, where=variance > 1e-24)
    return ratio * math.sqrt(trading.DAYS_PER_YEAR)


def _plain(values: Sequence[float]) -> Interval:
    known = [value for value in values if not math.isnan(value)]
    return Interval(float(np.mean(known)) if known else math.nan, math.nan, math.nan)
