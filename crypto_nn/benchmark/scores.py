"""From forecasts to figures: one row for each model, symbol, horizon and metric."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.day_sums import FIGURES, day_sums
from crypto_nn.benchmark.forecasts import Rows
from crypto_nn.benchmark.intervals import interval
from crypto_nn.benchmark.profits import Profits, trade, trading_figures
from crypto_nn.features.panel import Panel
from crypto_nn.metrics.classification import class_prior
from crypto_nn.metrics.significance import Interval, effective_n

Float = NDArray[np.float64]
DAY = "datetime64[D]"
FOLD_FIGURES = ("accuracy", "log_loss_skill", "direction_hit")


@dataclass(frozen=True)
class Score:
    """One figure with its interval; a None means: over all of them."""

    model: str
    horizon: int | None
    metric: str
    value: float
    low: float
    high: float
    symbol: str | None = None
    fold: int | None = None
    seed: int | None = None


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
    for metric, figure in FIGURES.items():
        yield _score(model, horizon, metric, interval(sums_SDK, figure, config), scope.symbol)
    rows = int(scope.mask_R.sum())
    independent = effective_n(rows, max(1, horizon // config.test_stride))
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


def profits_of(
    panel: Panel,
    answers: Answers,
    scope: Scope,
    forecasts_SRHC: Sequence[Float],
    column: int,
    config: BenchmarkConfig,
) -> list[Profits]:
    """The traded paths of each seed at one horizon, over the rows of a scope."""
    horizon = panel.horizons[column]
    symbols = [scope.symbol] if scope.symbol else list(panel.symbols)
    number_R = panel.symbol_N[answers.rows]
    runs = []
    for p_RHC in forecasts_SRHC:
        paths = []
        for symbol in symbols:
            mask_R = scope.mask_R & (number_R == panel.symbols.index(symbol))
            rows = answers.rows[mask_R]
            paths.append(trade(panel, symbol, rows, p_RHC[mask_R, column], horizon, config))
        runs.append(Profits(tuple(paths), scope.days))
    return runs


def trading_scores(
    model: str,
    horizon: int,
    scope: Scope,
    runs: Sequence[Profits],
    config: BenchmarkConfig,
    num_trials: int,
) -> Iterator[Score]:
    """Every trading figure at every cost."""
    for metric, found in trading_figures(runs, config, num_trials).items():
        yield _score(model, horizon, metric, found, scope.symbol)


def _score(model: str, horizon: int, metric: str, found: Interval, symbol: str | None) -> Score:
    return Score(model, horizon, metric, found.estimate, found.low, found.high, symbol)
