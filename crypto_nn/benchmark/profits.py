"""What the contestants would have earned, day by day and cost by cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.backtest import Backtest, Market, backtest, positions
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.forecasts import Rows
from crypto_nn.benchmark.intervals import interval
from crypto_nn.benchmark.tried import Trials
from crypto_nn.features.panel import Panel
from crypto_nn.metrics import trading
from crypto_nn.metrics.significance import Interval

Float = NDArray[np.float64]
Days = NDArray[np.datetime64]
Told = tuple[str, Rows, Float]
"""A symbol, its test rows in the panel (ascending), and their probabilities (R, 3)."""
SHARES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)


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
        paths: of each symbol, at the size that the settings ask for.
        days: the test days, ascending; no day is traded that is not among them.
        by_confidence: the same predictions held at p(up) - p(down); empty where not traded so.
    """

    paths: tuple[Backtest, ...]
    days: Days
    by_confidence: tuple[Backtest, ...] = ()

    @property
    def confident(self) -> "Profits":
        """The same predictions, each held as large as it was sure."""
        return Profits(self.by_confidence, self.days)

    def daily(self, cost_bps: float) -> Float:
        """Net return of each test day (D,).

        Of several symbols it is the mean: each begins every day with the same capital, and what
        one has earned is shared among all at midnight. That sharing is free.
        """
        each = np.stack([path.on_days(cost_bps, self.days) for path in self.paths])
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
    def turnover_per_day(self) -> float:
        """Units bought and sold in a day and symbol; a round trip of a full position is 2."""
        return self.traded / (len(self.days) * len(self.paths))

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


def follow(
    panel: Panel, told: Sequence[Told], horizon: int, days: Days, config: BenchmarkConfig
) -> Profits:
    """Trade what one contestant and seed said of each symbol, at both sizes."""
    paths = tuple(trade(panel, *of, horizon, config) for of in told)
    if config.sizing == "confidence":
        return Profits(paths, days, paths)
    by_size = config.model_copy(update={"sizing": "confidence"})
    confident = tuple(trade(panel, *of, horizon, by_size) for of in told)
    return Profits(paths, days, confident)


def trading_figures(
    runs: Sequence[Profits], config: BenchmarkConfig, trials: int | Trials
) -> dict[str, Interval]:
    """Trading figures by metric name, the mean over seeds; only Sharpe ratios have intervals.

    Args:
        runs: one for each seed, of the same symbols and days.
        trials: what luck had to choose from, for `deflated_sharpe`; a bare number is that of
            trials of which nothing else is known.
    """
    figures = {
        "break_even_bps": _plain([run.break_even_bps for run in runs]),
        "turnover_per_day": _plain([run.turnover_per_day for run in runs]),
        "round_trips": _plain([float(len(run.round_trips(0.0))) for run in runs]),
    }
    for cost in config.costs_bps:
        figures |= _figures_at(runs, cost, config)
    headline = [run.daily(config.headline_cost_bps) for run in runs]
    luck = luckiest_sharpe(trials, len(runs[0].days))
    figures["psr"] = _plain([trading.psr(daily) for daily in headline])
    figures["deflated_sharpe"] = _plain([trading.psr(daily, luck) for daily in headline])
    days_needed = [trading.min_track_record(daily, level=config.level) for daily in headline]
    figures["min_track_record_days"] = _plain(days_needed)
    if all(run.by_confidence for run in runs):
        figures |= _figures_by_confidence([run.confident for run in runs], config)
    return figures


def _figures_at(
    runs: Sequence[Profits], cost: float, config: BenchmarkConfig
) -> dict[str, Interval]:
    """What is left at one cost; gains and losses are those of single round trips, in bp."""
    days_SD = np.stack([run.daily(cost) for run in runs])
    trips = [run.round_trips(cost) for run in runs]
    unit = f"{cost:g}bp"
    return {
        f"sharpe_{unit}": _sharpe(days_SD, config),
        f"sortino_{unit}": _plain([trading.sortino(daily) for daily in days_SD]),
        f"calmar_{unit}": _plain([trading.calmar(daily) for daily in days_SD]),
        f"max_drawdown_{unit}": _plain([trading.max_drawdown(daily) for daily in days_SD]),
        f"return_{unit}": _plain([float(np.prod(1 + daily) - 1) for daily in days_SD]),
        f"win_rate_{unit}": _plain([trading.win_rate(profits) for profits in trips]),
        f"profit_factor_{unit}": _plain([trading.profit_factor(profits) for profits in trips]),
        f"mean_gain_bps_{unit}": _plain([_mean_bps(of[of > 0]) for of in trips]),
        f"mean_loss_bps_{unit}": _plain([_mean_bps(of[of < 0]) for of in trips]),
    }


def _figures_by_confidence(runs: Sequence[Profits], config: BenchmarkConfig) -> dict[str, Interval]:
    """The same predictions held at p(up) - p(down), at the headline cost."""
    cost = config.headline_cost_bps
    days_SD = np.stack([run.daily(cost) for run in runs])
    returns = [float(np.prod(1 + daily) - 1) for daily in days_SD]
    return {
        f"sharpe_confidence_{cost:g}bp": _sharpe(days_SD, config),
        f"return_confidence_{cost:g}bp": _plain(returns),
        "turnover_confidence_per_day": _plain([run.turnover_per_day for run in runs]),
        "break_even_confidence_bps": _plain([run.break_even_bps for run in runs]),
    }


def luckiest_sharpe(trials: int | Trials, num_days: int) -> float:
    """The best daily Sharpe ratio to expect of so many trials that have no skill at all."""
    return (Trials(trials) if isinstance(trials, int) else trials).luck(num_days)


@dataclass(frozen=True, eq=False)
class BreakEvenSurface:
    """What is left of a round trip by cost, and by how sure a prediction must be to be followed.

    Attributes:
        costs_bps_K: round-trip costs.
        shares_Q: which share of the predictions is followed, the surest.
        surer_than_Q: the least |p(up) - p(down)| that is followed. It is a quantile of these same
            predictions, which nobody knew beforehand: the surface describes, it is no rule.
        round_trips_Q: how many there were.
        break_even_bps_Q: the cost at which nothing is left; NaN where nothing was traded.
        net_bps_QK: mean net profit of a round trip, in basis points of a full position.
        annual_return_QK: compounded net return by the year.
    """

    costs_bps_K: Float
    shares_Q: Float
    surer_than_Q: Float
    round_trips_Q: NDArray[np.int64]
    break_even_bps_Q: Float
    net_bps_QK: Float
    annual_return_QK: Float

    @property
    def names(self) -> list[str]:
        """Who is followed, in words."""
        return ["all" if share == 1 else f"surest {100 * share:g} %" for share in self.shares_Q]


def break_even_surface(
    panel: Panel,
    told: Sequence[Told],
    horizon: int,
    days: Days,
    costs_bps: Sequence[float] = (0, 1, 2, 3, 5, 7.5, 10, 15, 20),
    shares: Sequence[float] = SHARES,
) -> BreakEvenSurface:
    """Follow only the surest predictions of a contestant and seed, and see what costs leave.

    A prediction that is not followed closes the position. Sides are held in full size.
    """
    tilts = [positions(p_RC, "confidence") for _, _, p_RC in told]
    sure = np.abs(np.concatenate(tilts)) if tilts else np.zeros(0)
    surer_than_Q = np.array([np.quantile(sure, 1 - share) if len(sure) else 0 for share in shares])
    rows = []
    for least in surer_than_Q:
        sides = [np.sign(tilt) * (np.abs(tilt) >= least) for tilt in tilts]
        paths = [
            backtest(market_of(panel, symbol), panel.ts_N[of], side, horizon)
            for (symbol, of, _), side in zip(told, sides)
        ]
        rows.append(Profits(tuple(paths), days))
    return BreakEvenSurface(
        np.array(costs_bps, dtype=np.float64),
        np.array(shares, dtype=np.float64),
        surer_than_Q,
        np.array([len(row.round_trips(0)) for row in rows], dtype=np.int64),
        np.array([row.break_even_bps for row in rows]),
        np.array([[_mean_bps(row.round_trips(cost)) for cost in costs_bps] for row in rows]),
        np.array([[trading.annual_return(row.daily(cost)) for cost in costs_bps] for row in rows]),
    )


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


def _sharpe(days_SD: Float, config: BenchmarkConfig) -> Interval:
    sums_SDK = np.stack([days_SD, days_SD**2, np.ones_like(days_SD)], axis=2)
    found = interval(sums_SDK, _annual_sharpe, config)
    return replace(found, estimate=float(np.mean([trading.sharpe(daily) for daily in days_SD])))


def _annual_sharpe(sums: Float) -> Float:
    total, squares, count = sums[..., 0], sums[..., 1], sums[..., 2]
    mean = total / count
    variance = (squares / count - mean**2) * count / np.maximum(count - 1, 1)
    ratio = np.full(mean.shape, np.nan)
    np.divide(mean, np.sqrt(np.maximum(variance, 0)), out=ratio, where=variance > 1e-24)
    return ratio * math.sqrt(trading.DAYS_PER_YEAR)


def _mean_bps(profits: Float) -> float:
    return float(1e4 * profits.mean()) if len(profits) else math.nan


def _plain(values: Sequence[float]) -> Interval:
    known = [value for value in values if not math.isnan(value)]
    return Interval(float(np.mean(known)) if known else math.nan, math.nan, math.nan)
