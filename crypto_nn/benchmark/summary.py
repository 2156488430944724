"""From all forecasts to scores, verdicts and curves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.combination import COMBINED, combined_runs
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.day_sums import (
    BIN_CONFIDENCE,
    BIN_RIGHT,
    BIN_ROWS,
    CELLS,
    WIDTH,
    log_loss_skill,
)
from crypto_nn.benchmark.forecasts import NUM_CLASSES
from crypto_nn.benchmark.leaderboard import GAIN
from crypto_nn.benchmark.ledger import Trial, sharpes_of, trial_scores, trials_of
from crypto_nn.benchmark.profits import (
    BreakEvenSurface,
    Profits,
    break_even_surface,
    buy_and_hold,
)
from crypto_nn.benchmark.regimes import regimes_of
from crypto_nn.benchmark.result import BenchmarkResult, Curves, Evidence, Provenance
from crypto_nn.benchmark.scores import (
    Score,
    classification_scores,
    deflated_score,
    fold_scores,
    month_scores,
    profits_in,
    profits_of,
    regime_scores,
    scopes,
    sums_by_regime,
    sums_of,
    told_of,
    trading_scores,
)
from crypto_nn.benchmark.tried import Trials
from crypto_nn.benchmark.verdict import Verdict, compare
from crypto_nn.metrics.calibration import ReliabilityCurve
from crypto_nn.metrics.overfitting import pbo

Float = NDArray[np.float64]
Runs = Sequence[Profits]
Place = tuple[str | None, int]  # a symbol, or None for all of them, and a horizon
EQUITY_DIGITS = 5
OF_THE_PROCESS = frozenset({"peak_memory_mb"})  # it held others before


def summarise(
    evidence: Evidence,
    config: BenchmarkConfig,
    provenance: Provenance,
    trials: Trials | None = None,
) -> BenchmarkResult:
    """Judge all contestants on what they said.

    Args:
        trials: what was tried before, for the deflated Sharpe ratio; `provenance.num_trials` of
            which nothing else is known where None. This run's own are counted on top.
    """
    panel = evidence.panel
    jury = _Jury(evidence, config)
    for name in evidence.kinds:
        jury.hear(name, evidence.probabilities(name))
    before = Trials(provenance.num_trials) if trials is None else trials
    known = before.joined(sharpes_of(jury.trials, provenance.universe))
    verdicts = jury.verdicts()
    days = jury.scopes[0].days
    return BenchmarkResult(
        config=config,
        provenance=replace(provenance, num_trials=known.count),
        kinds=evidence.kinds,
        symbols=panel.symbols,
        horizons=panel.horizons,
        folds=evidence.folds,
        k_FH=evidence.k_FH,
        scores=(
            *jury.scores,
            *jury.deflated(known),
            *trial_scores(jury.trials),
            *_gains(verdicts),
            *_facts(evidence),
        ),
        verdicts=tuple(verdict for verdict, symbol in verdicts if symbol is None),
        curves=jury.curves,
        days=days,
        buy_and_hold=_rounded(np.cumprod(1 + buy_and_hold(panel, days))),
        overfitting=jury.overfitting(),
        break_even=jury.break_even(),
    )


@dataclass(eq=False)
class _Jury:
    """Hears one contestant after the other, and forgets its forecasts: sums by day are enough."""

    evidence: Evidence
    config: BenchmarkConfig
    scores: list[Score] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    curves: dict[tuple[str, int], Curves] = field(default_factory=dict)
    sums: dict[Place, dict[str, Float]] = field(default_factory=dict)
    earned: dict[Place, dict[str, Float]] = field(default_factory=dict)
    gross: dict[int, dict[str, Float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        panel, answers = self.evidence.panel, self.evidence.answers
        self.scopes = scopes(panel, answers)
        self.regime_R = regimes_of(panel, self.evidence.folds, answers)

    def hear(self, name: str, by_seed: Mapping[int, Float]) -> None:
        """Score one contestant at every horizon, over all symbols and for each."""
        panel, answers = self.evidence.panel, self.evidence.answers
        forecasts, days = list(by_seed.values()), self.scopes[0].days
        runs_HS = []
        for column, horizon in enumerate(panel.horizons):
            self._predicted(name, by_seed, column, horizon)
            runs = profits_of(panel, answers, forecasts, column, days, self.config)
            self._traded(name, horizon, list(by_seed), runs)
            runs_HS.append(runs)
        if len(panel.horizons) > 1:
            self._traded(name, COMBINED, list(by_seed), combined_runs(runs_HS))

    def _predicted(
        self, name: str, by_seed: Mapping[int, Float], column: int, horizon: int
    ) -> None:
        answers, config = self.evidence.answers, self.config
        forecasts = list(by_seed.values())
        for scope in self.scopes:
            if scope.symbol is None:
                parts = sums_by_regime(forecasts, answers, scope, column, self.regime_R)
                sums = parts.sum(axis=1)
                self.scores += regime_scores(name, horizon, parts, config)
                self.scores += month_scores(name, horizon, scope.days, sums, config)
                self.scores += fold_scores(name, horizon, column, by_seed, answers, config)
            else:
                sums = sums_of(forecasts, answers, scope, column)
            self.sums.setdefault((scope.symbol, horizon), {})[name] = sums
            self.scores += classification_scores(name, horizon, scope, sums, config)

    def _traded(self, name: str, horizon: int, seeds: Sequence[int], runs: Runs) -> None:
        traded = [s for s in self.evidence.panel.symbols if s in self._symbols]
        for scope in self.scopes:
            own = profits_in(scope, runs, traded)
            self.scores += trading_scores(name, horizon, scope.symbol, own, self.config)
            daily_SD = np.stack([run.daily(self.config.headline_cost_bps) for run in own])
            self.earned.setdefault((scope.symbol, horizon), {})[name] = daily_SD
        if self.evidence.kinds[name] == "model":
            gross_D = np.mean([run.daily(0.0) for run in runs], axis=0)
            self.gross.setdefault(horizon, {})[name] = gross_D
        self.trials += trials_of(name, horizon, dict(zip(seeds, runs)), self.config)
        sums = self.sums.get((None, horizon), {}).get(name)
        self.curves[name, horizon] = _curves(sums, runs, self.config)

    @property
    def _symbols(self) -> set[str]:
        panel, rows = self.evidence.panel, self.evidence.answers.rows
        return {panel.symbols[number] for number in np.unique(panel.symbol_N[rows])}

    def deflated(self, trials: Trials) -> Iterator[Score]:
        """The deflated Sharpe ratio of everyone, now that all trials are known."""
        for (symbol, horizon), of in self.earned.items():
            for name, daily_SD in of.items():
                yield deflated_score(name, horizon, symbol, daily_SD, trials)

    def verdicts(self) -> list[tuple[Verdict, str | None]]:
        """Each model against each baseline, by horizon, over all symbols (None) and for each."""
        kinds = self.evidence.kinds
        found = []
        for horizon in self.evidence.panel.horizons:
            for scope in self.scopes:
                sums = self.sums[scope.symbol, horizon]
                baselines = {name: of for name, of in sums.items() if kinds[name] == "baseline"}
                found += [
                    (compare(name, horizon, of, baselines, self.config), scope.symbol)
                    for name, of in sums.items()
                    if kinds[name] == "model"
                ]
        return found

    def overfitting(self) -> dict[int, float]:
        """By horizon, how likely the choice of the model that earns most is mere luck.

        Before costs, which follow from turnover and not from luck; baselines are not chosen from.
        """
        return {
            horizon: pbo(np.column_stack(list(of.values()))).probability
            for horizon, of in self.gross.items()
            if len(of) > 1
        }

    def break_even(self) -> dict[int, tuple[str, BreakEvenSurface]]:
        """Of the model with the most skill at each horizon; of a baseline where none competes."""
        panel, answers = self.evidence.panel, self.evidence.answers
        models = [name for name, kind in self.evidence.kinds.items() if kind == "model"]
        found = {}
        for column, horizon in enumerate(panel.horizons):
            of = self.sums[None, horizon]
            skill = {name: log_loss_skill(of[name].sum(axis=(0, 1))) for name in models or of}
            best = max(skill, key=lambda name: float(skill[name]))
            p_RHC = next(iter(self.evidence.probabilities(best).values()))
            told = told_of(panel, answers, p_RHC, column, panel.symbols)
            found[horizon] = best, break_even_surface(panel, told, horizon, self.scopes[0].days)
        return found


def _gains(verdicts: Sequence[tuple[Verdict, str | None]]) -> Iterator[Score]:
    for verdict, symbol in verdicts:
        for baseline, gain in verdict.gains.items():
            yield Score(
                verdict.model,
                verdict.horizon,
                f"{GAIN}{baseline}",
                gain.estimate,
                gain.low,
                gain.high,
                symbol,
                p_value=gain.p_value,
            )


def _facts(evidence: Evidence) -> Iterator[Score]:
    for name in evidence.kinds:
        for metric, value in evidence.facts(name).items():
            if metric not in OF_THE_PROCESS:
                yield Score(name, None, metric, value, np.nan, np.nan)


def _curves(sums_SDK: Float | None, runs: Runs, config: BenchmarkConfig) -> Curves:
    total = np.zeros(WIDTH) if sums_SDK is None else sums_SDK.sum(axis=(0, 1))
    rows = total[BIN_ROWS]
    blank = np.full(len(rows), np.nan)
    reliability = ReliabilityCurve(
        np.divide(total[BIN_CONFIDENCE], rows, out=blank.copy(), where=rows > 0),
        np.divide(total[BIN_RIGHT], rows, out=blank.copy(), where=rows > 0),
        rows.astype(np.int64),
    )
    equity = {
        cost: _rounded(np.mean([np.cumprod(1 + run.daily(cost)) for run in runs], axis=0))
        for cost in config.costs_bps
    }
    return Curves(total[:CELLS].reshape(NUM_CLASSES, NUM_CLASSES), reliability, equity)


def _rounded(curve: NDArray[np.floating[Any]]) -> Float:
    """To a few significant digits: a curve is looked at, and its file stays small."""
    return np.array([float(f"{value:.{EQUITY_DIGITS}g}") for value in curve], dtype=np.float64)
