"""What a series of returns was worth, and how much of it may be luck.

Returns are simple net returns per period (0.01 is 1 %), most often of UTC days. A figure that
the series cannot give (too short, never moving) is NaN.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from crypto_nn.bars import Float

DAYS_PER_YEAR = 365.0  # crypto trades every day
NORMAL = NormalDist()


def sharpe(returns_T: ArrayLike, periods_per_year: float = DAYS_PER_YEAR) -> float:
    """Mean over standard deviation of returns, by the year (Sharpe 1994, no riskless rate)."""
    return _sharpe_per_period(_array(returns_T)) * math.sqrt(periods_per_year)


def sortino(returns_T: ArrayLike, periods_per_year: float = DAYS_PER_YEAR) -> float:
    """As Sharpe, but only losses are risk: the root mean square of min(r, 0) (Sortino 1994)."""
    returns = _array(returns_T)
    downside = math.sqrt(np.mean(np.minimum(returns, 0) ** 2)) if len(returns) else 0.0
    return float(returns.mean() / downside * math.sqrt(periods_per_year)) if downside else np.nan


def equity(returns_T: ArrayLike) -> Float:
    """What 1 has become after each period when gains are kept invested, from 1 on (T + 1,)."""
    grown: Float = np.concatenate([[1.0], np.cumprod(1 + _array(returns_T))])
    return grown


def max_drawdown(returns_T: ArrayLike) -> float:
    """The deepest fall from a high of the equity, as a negative share (−0.2 is 20 % down)."""
    curve = equity(returns_T)
    return float((curve / np.maximum.accumulate(curve)).min() - 1)


def annual_return(returns_T: ArrayLike, periods_per_year: float = DAYS_PER_YEAR) -> float:
    """Compound growth by the year; −1 where everything was lost."""
    returns = _array(returns_T)
    if not len(returns):
        return np.nan
    final = float(equity(returns)[-1])
    if final <= 0:
        return -1.0
    growth = math.log(final) * periods_per_year / len(returns)
    return math.expm1(growth) if growth < 700 else np.inf


def calmar(returns_T: ArrayLike, periods_per_year: float = DAYS_PER_YEAR) -> float:
    """Annual return over the size of the deepest drawdown (Young 1991)."""
    deepest = max_drawdown(returns_T)
    return annual_return(returns_T, periods_per_year) / -deepest if deepest else np.nan


def win_rate(returns_T: ArrayLike) -> float:
    """Of the periods (or trades) that made or lost something, the share that made."""
    returns = _array(returns_T)
    moved = np.count_nonzero(returns)
    return float((returns > 0).sum() / moved) if moved else np.nan


def profit_factor(returns_T: ArrayLike) -> float:
    """Sum of gains over sum of losses; infinite without a loss."""
    returns = _array(returns_T)
    gains, losses = returns[returns > 0].sum(), -returns[returns < 0].sum()
    if losses:
        return float(gains / losses)
    return np.inf if gains else np.nan


def turnover(positions_T: ArrayLike) -> float:
    """Mean change of position per period, entering from 0: 2 for a flip from +1 to −1."""
    positions = _array(positions_T)
    return _traded(positions) / len(positions) if len(positions) else np.nan


def break_even_cost_bps(gross_returns_T: ArrayLike, positions_T: ArrayLike) -> float:
    """The cost of a round trip, in basis points, at which nothing is left of the gross return.

    A round trip is a change of position by 2 in all (in and out); the last exit is not counted.
    """
    round_trips = _traded(_array(positions_T)) / 2
    return float(_array(gross_returns_T).sum() / round_trips * 1e4) if round_trips else np.nan


def psr(returns_T: ArrayLike, benchmark_sharpe: float = 0.0) -> float:
    """Probability that the true Sharpe ratio exceeds `benchmark_sharpe` (per period, not annual).

    Counts in length, skew and fat tails (Bailey and López de Prado 2012).
    """
    returns = _array(returns_T)
    ratio, error = _sharpe_per_period(returns), _sharpe_error(returns)
    if math.isnan(error) or not error:
        return np.nan
    return NORMAL.cdf((ratio - benchmark_sharpe) * math.sqrt(len(returns) - 1) / error)


def expected_best(count: int, spread: float) -> float:
    """The largest of `count` normal draws around 0 to expect, for a standard deviation `spread`.

    Of Sharpe ratios: the best that so many trials without any skill show by luck alone (Bailey
    and López de Prado 2014); 0 for a single trial.
    """
    if count < 2:
        return 0.0
    gamma = float(np.euler_gamma)
    first, second = NORMAL.inv_cdf(1 / count), NORMAL.inv_cdf(1 / (count * math.e))
    return -spread * ((1 - gamma) * first + gamma * second)


def expected_best_sharpe(trial_sharpes: ArrayLike) -> float:
    """The best Sharpe ratio to expect of these trials by luck alone, per period.

    `expected_best` of their number and the spread of their Sharpe ratios; 0 for a single trial.
    """
    trials = _array(trial_sharpes)
    n = len(trials)
    return expected_best(n, float(trials.std(ddof=1))) if n > 1 else 0.0


def deflated_sharpe(returns_T: ArrayLike, trial_sharpes: ArrayLike) -> float:
    """Probability that the Sharpe ratio is not just the best of many trials.

    `trial_sharpes` are the per-period ratios of everything that was ever tried, this one with
    them (Bailey and López de Prado 2014).
    """
    return psr(returns_T, expected_best_sharpe(trial_sharpes))


def min_track_record(
    returns_T: ArrayLike, benchmark_sharpe: float = 0.0, level: float = 0.95
) -> float:
    """Periods needed until `psr` reaches `level`, if returns go on like these.

    Infinite where the ratio is not above the benchmark (Bailey and López de Prado 2012).
    """
    returns = _array(returns_T)
    ratio, error = _sharpe_per_period(returns), _sharpe_error(returns)
    if math.isnan(error):
        return np.nan
    if ratio <= benchmark_sharpe:
        return np.inf
    return 1 + (error * NORMAL.inv_cdf(level) / (ratio - benchmark_sharpe)) ** 2


@dataclass(frozen=True)
class TradingMetrics:
    """Every figure of one net return series, for a table or a card.

    Ratios are annual, drawdown and win rate shares, `min_track_record` periods; turnover and
    break-even cost are NaN where positions were not given.
    """

    periods: int
    annual_return: float
    sharpe: float
    sortino: float
    max_drawdown: float
    calmar: float
    win_rate: float
    profit_factor: float
    turnover: float
    break_even_cost_bps: float
    psr: float
    deflated_sharpe: float
    min_track_record: float

    @classmethod
    def of(
        cls,
        returns_T: ArrayLike,
        periods_per_year: float = DAYS_PER_YEAR,
        trial_sharpes: Sequence[float] = (),
        traded: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> "TradingMetrics":
        """All figures; `traded` is (gross returns, positions) by the bar, for the cost figures."""
        return cls(
            periods=len(_array(returns_T)),
            annual_return=annual_return(returns_T, periods_per_year),
            sharpe=sharpe(returns_T, periods_per_year),
            sortino=sortino(returns_T, periods_per_year),
            max_drawdown=max_drawdown(returns_T),
            calmar=calmar(returns_T, periods_per_year),
            win_rate=win_rate(returns_T),
            profit_factor=profit_factor(returns_T),
            turnover=turnover(traded[1]) if traded else np.nan,
            break_even_cost_bps=break_even_cost_bps(*traded) if traded else np.nan,
            psr=psr(returns_T),
            deflated_sharpe=deflated_sharpe(returns_T, trial_sharpes),
            min_track_record=min_track_record(returns_T),
        )

    def to_dict(self) -> dict[str, float]:
        """Name and value of each figure."""
        return asdict(self)


def _array(values: ArrayLike) -> Float:
    return np.asarray(values, dtype=np.float64)


def _traded(positions_T: Float) -> float:
    return float(np.abs(np.diff(positions_T, prepend=0.0)).sum())


def _sharpe_per_period(returns_T: Float) -> float:
    if len(returns_T) < 2:
        return np.nan
    spread = returns_T.std(ddof=1)
    # Equal returns differ in their last bits only: no spread, no ratio.
    if spread <= 1e-12 * np.abs(returns_T).max():
        return np.nan
    return float(returns_T.mean() / spread)


def _sharpe_error(returns_T: Float) -> float:
    """√n standard error of the per-period Sharpe ratio under skew and fat tails (Mertens 2002)."""
    ratio = _sharpe_per_period(returns_T)
    if math.isnan(ratio):
        return np.nan
    z_T = (returns_T - returns_T.mean()) / returns_T.std()
    skew, kurtosis = float((z_T**3).mean()), float((z_T**4).mean())
    return math.sqrt(max(0.0, 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2))
