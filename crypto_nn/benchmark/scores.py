"""From forecasts to figures: one row for each model, symbol, horizon and metric."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.day_sums import FIGURES, ROWS, day_sums
from crypto_nn.benchmark.forecasts import Rows
from crypto_nn.benchmark.intervals import interval, intervals
from crypto_nn.benchmark.profits import Profits, Told, follow, luckiest_sharpe, trading_figures
from crypto_nn.benchmark.tried import Trials
from crypto_nn.features.panel import Panel
from crypto_nn.metrics.classification import class_prior
from crypto_nn.metrics.significance import Interval, effective_n
from crypto_nn.metrics.trading import psr

Float = NDArray[np.float64]
DAY = "datetime64[D]"
REGIMES = ("calm", "normal", "wild")  # of volatility; see `regimes`
FOLD_FIGURES = ("accuracy", "log_loss_skill", "direction_hit")
PART_FIGURES = ("log_loss_skill",)
AGAINST_ZERO = ("log_loss_skill", "mcc", "sharpe", "gain")  # where a p-value against 0 says much
DEFLATED = "deflated_sharpe"


@dataclass(frozen=True)
class Score:
    """One figure with its interval; a None means: over all of them.

    Attributes:
        horizon: minutes ahead; 0 where all horizons are traded in one account.
        value, low, high: NaN where it cannot be told.
        symbol, fold, seed: of one symbol, fold or seed alone.
        period: of one month alone, such as "2024-03".
        regime: of one regime of volatility alone, one of `regimes.REGIMES`.
        p_value: two-sided, against 0; NaN where none was measured.
    """

    model: str
    horizon: int | None
    metric: str
    value: float
    low: float
    high: float
    symbol: str | None = None
    fold: int | None = None
    seed: int | None = None
    period: str | None = None
    regime: str | None = None
    p_value: float = math.nan

    @property
    def name(self) -> str:
        """The metric as the table has it, with its month or regime behind an @."""
        part = self.period or self.regime
        return f"{self.metric}@{part}" if part else self.metric


def null(value: float) -> float | None:
    """None where a figure cannot be told."""
    return None if math.isnan(value) else float(value)


@dataclass(frozen=True, eq=False)
class Answers:
    """The test rows of all folds, one after the other, and what came.

    Attributes:
        rows: positions in the panel, of each fold ascending.
        fold_R: which fold each row is of.
        classes_RH: what came, at the fold's k.
        prior_RHC: class shares of what could be learned from in the fold.
    """

    rows: Rows
    fold_R: NDArray[np.int64]
    classes_RH: NDArray[np.int64]
    prior_RHC: Float

    @classmethod
    def of_fold(cls, fold: int, panel: Panel, rows: Rows, known: Rows) -> "Answers":
        """The answers of one fold, from a panel with its classes."""
        prior_HC = np.stack([class_prior(column) for column in panel.classes_NH[known].T])
        classes_RH = panel.classes_NH[rows].astype(np.int64)
        prior_RHC = np.repeat(prior_HC[None], len(rows), axis=0)
        return cls(rows, np.full(len(rows), fold), classes_RH, prior_RHC)

    @classmethod
    def concat(cls, parts: Sequence["Answers"]) -> "Answers":
        """All folds together."""
        names = ("rows", "fold_R", "classes_RH", "prior_RHC")
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return cls(**columns)

    def days(self, panel: Panel) -> NDArray[np.datetime64]:
        """The UTC day of each row."""
        return panel.ts_N[self.rows].astype(DAY)


@dataclass(frozen=True, eq=False)
class Scope:
    """Some of the test rows: all, or those of one symbol."""

    symbol: str | None
    mask_R: NDArray[np.bool_]
    days: NDArray[np.datetime64]
    day_R: NDArray[np.int64]


def scopes(panel: Panel, answers: Answers) -> tuple[Scope, ...]:
    """All rows, and each symbol's where there are several."""
    day_R = answers.days(panel)
    everything = np.ones(len(answers.rows), dtype=np.bool_)
    found = [_scope(None, everything, day_R)]
    for number, symbol in enumerate(panel.symbols if len(panel.symbols) > 1 else ()):
        mask_R = panel.symbol_N[answers.rows] == number
        if mask_R.any():
            found.append(_scope(symbol, mask_R, day_R))
    return tuple(found)


def _scope(symbol: str | None, mask_R: NDArray[np.bool_], day_R: NDArray[Any]) -> Scope:
    days, numbers = np.unique(day_R[mask_R], return_inverse=True)
    return Scope(symbol, mask_R, days, numbers)


def sums_of(forecasts_SRHC: Sequence[Float], answers: Answers, scope: Scope, column: int) -> Float:
    """Day sums of each seed at one horizon (S, D, K)."""
    m = scope.mask_R
    return np.stack(
        [
            day_sums(
                p_RHC[m, column],
                answers.classes_RH[m, column],
                answers.prior_RHC[m, column],
                scope.day_R,
                len(scope.days),
            )
            for p_RHC in forecasts_SRHC
        ]
    )


def classification_scores(
    model: str, horizon: int, scope: Scope, sums_SDK: Float, config: BenchmarkConfig
) -> Iterator[Score]:
    """Every figure of `metrics` with its interval."""
    for metric, found in intervals(sums_SDK, FIGURES, config).items():
        yield _score(model, horizon, metric, found, scope.symbol)
    rows = int(scope.mask_R.sum())
    independent = effective_n(rows, horizon, config.test_stride)
    for metric, value in (
        ("rows", float(rows)),
        ("effective_n", independent),
        ("test_days", float(len(scope.days))),
    ):
        yield Score(model, horizon, metric, value, np.nan, np.nan, scope.symbol)


def fold_scores(
    model: str,
    horizon: int,
    column: int,
    forecasts: Mapping[int, Float],
    answers: Answers,
    config: BenchmarkConfig,
) -> Iterator[Score]:
    """The main figures of each fold and seed, to see whether they hold over time and by chance."""
    for fold in np.unique(answers.fold_R):
        m = answers.fold_R == fold
        for seed, p_RHC in forecasts.items():
            one_day = np.zeros(int(m.sum()), dtype=np.int64)
            sums = day_sums(
                p_RHC[m, column],
                answers.classes_RH[m, column],
                answers.prior_RHC[m, column],
                one_day,
                1,
            )
            for metric in FOLD_FIGURES:
                value = float(FIGURES[metric](sums[0]))
                yield Score(model, horizon, metric, value, np.nan, np.nan, None, int(fold), seed)


def sums_by_regime(
    forecasts_SRHC: Sequence[Float], answers: Answers, scope: Scope, column: int, regime_R: Rows
) -> Float:
    """Day sums of each seed at one horizon in each regime, the last of them unknown (S, G, D, K).

    Their sum over regimes is what `sums_of` gives.
    """
    m, days, groups = scope.mask_R, len(scope.days), len(REGIMES) + 1
    place_R = regime_R[m] * days + scope.day_R
    each = [
        day_sums(
            p_RHC[m, column],
            answers.classes_RH[m, column],
            answers.prior_RHC[m, column],
            place_R,
            groups * days,
        ).reshape(groups, days, -1)
        for p_RHC in forecasts_SRHC
    ]
    return np.stack(each)


def month_scores(
    model: str, horizon: int, days: NDArray[np.datetime64], sums_SDK: Float, config: BenchmarkConfig
) -> Iterator[Score]:
    """The main figure of each month of the test."""
    month_D = days.astype("datetime64[M]")
    for month in np.unique(month_D):
        for metric in PART_FIGURES:
            found = interval(sums_SDK[:, month_D == month], FIGURES[metric], config)
            yield replace(_score(model, horizon, metric, found, None), period=str(month))


def regime_scores(
    model: str, horizon: int, sums_SGDK: Float, config: BenchmarkConfig
) -> Iterator[Score]:
    """The main figure in each regime of volatility; days without a row of it do not count."""
    for number, regime in enumerate(REGIMES):
        sums_SDK = sums_SGDK[:, number]
        there_D = sums_SDK[0, :, ROWS] > 0
        for metric in PART_FIGURES:
            found = interval(sums_SDK[:, there_D], FIGURES[metric], config)
            yield replace(_score(model, horizon, metric, found, None), regime=regime)
        rows = float(sums_SDK[0, :, ROWS].sum())
        yield Score(model, horizon, "rows", rows, np.nan, np.nan, regime=regime)


def told_of(
    panel: Panel, answers: Answers, p_RHC: Float, column: int, symbols: Sequence[str]
) -> list[Told]:
    """What one contestant and seed said at one horizon, symbol by symbol, as trading takes it."""
    number_R = panel.symbol_N[answers.rows]
    masks = {symbol: number_R == panel.symbols.index(symbol) for symbol in symbols}
    return [(symbol, answers.rows[m], p_RHC[m, column]) for symbol, m in masks.items() if m.any()]


def profits_of(
    panel: Panel,
    answers: Answers,
    forecasts_SRHC: Sequence[Float],
    column: int,
    days: NDArray[np.datetime64],
    config: BenchmarkConfig,
) -> list[Profits]:
    """The traded paths of each seed at one horizon, of every symbol that has test rows."""
    horizon = panel.horizons[column]
    return [
        follow(panel, told_of(panel, answers, p, column, panel.symbols), horizon, days, config)
        for p in forecasts_SRHC
    ]


def profits_in(scope: Scope, runs: Sequence[Profits], symbols: Sequence[str]) -> list[Profits]:
    """Of paths of all symbols those in a scope, over its days."""
    if scope.symbol is None:
        return list(runs)
    place = slice(at := list(symbols).index(scope.symbol), at + 1)
    return [Profits(run.paths[place], scope.days, run.by_confidence[place]) for run in runs]


def trading_scores(
    model: str, horizon: int, symbol: str | None, runs: Sequence[Profits], config: BenchmarkConfig
) -> Iterator[Score]:
    """Every trading figure at every cost, but for the deflated Sharpe ratio (`deflated_score`)."""
    for metric, found in trading_figures(runs, config, 1).items():
        if metric != DEFLATED:
            yield _score(model, horizon, metric, found, symbol)


def deflated_score(
    model: str, horizon: int, symbol: str | None, days_SD: Float, trials: Trials
) -> Score:
    """The deflated Sharpe ratio, which can be told only when all trials are known.

    Args:
        days_SD: net daily returns of each seed.
    """
    luck = luckiest_sharpe(trials, days_SD.shape[1])
    known = [value for value in (psr(daily, luck) for daily in days_SD) if not math.isnan(value)]
    value = float(np.mean(known)) if known else math.nan
    return Score(model, horizon, DEFLATED, value, np.nan, np.nan, symbol)


def _score(model: str, horizon: int, metric: str, found: Interval, symbol: str | None) -> Score:
    return Score(
        model,
        horizon,
        metric,
        found.estimate,
        found.low,
        found.high,
        symbol,
        p_value=found.p_value if metric.startswith(AGAINST_ZERO) else math.nan,
    )
