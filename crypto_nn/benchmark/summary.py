"""From all forecasts to scores, verdicts and curves."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.day_sums import BIN_CONFIDENCE, BIN_RIGHT, BIN_ROWS, CELLS, log_loss
from crypto_nn.benchmark.forecasts import NUM_CLASSES
from crypto_nn.benchmark.leaderboard import GAIN
from crypto_nn.benchmark.profits import Profits, buy_and_hold
from crypto_nn.benchmark.result import BenchmarkResult, Curves, Evidence, Provenance
from crypto_nn.benchmark.scores import (
    Score,
    classification_scores,
    fold_scores,
    profits_of,
    scopes,
    sums_of,
    trading_scores,
)
from crypto_nn.benchmark.verdict import Verdict, compare
from crypto_nn.metrics.calibration import ReliabilityCurve

Float = NDArray[np.float64]


def summarise(
    evidence: Evidence, config: BenchmarkConfig, provenance: Provenance
) -> BenchmarkResult:
    """Judge all contestants on what they said."""
    panel, answers = evidence.panel, evidence.answers
    told = {name: evidence.probabilities(name) for name in evidence.kinds}
    scores: list[Score] = []
    verdicts: list[Verdict] = []
    curves: dict[tuple[str, int], Curves] = {}
    for scope in scopes(panel, answers):
        for column, horizon in enumerate(panel.horizons):
            sums: dict[str, Float] = {}
            for name, by_seed in told.items():
                forecasts = list(by_seed.values())
                sums[name] = sums_of(forecasts, answers, scope, column)
                runs = profits_of(panel, answers, scope, forecasts, column, config)
                scores += classification_scores(name, horizon, scope, sums[name], config)
                scores += trading_scores(name, horizon, scope, runs, config, provenance.num_trials)
                if scope.symbol is None:
                    scores += fold_scores(name, horizon, column, by_seed, answers, config)
                    curves[name, horizon] = _curves(sums[name], runs, config)
            found = _verdicts(horizon, sums, evidence.kinds, config)
            scores += _gains(found, scope.symbol)
            verdicts += found if scope.symbol is None else ()
    scores += _facts(evidence)
    days = scopes(panel, answers)[0].days
    return BenchmarkResult(
        config=config,
        provenance=provenance,
        kinds=evidence.kinds,
        symbols=panel.symbols,
        horizons=panel.horizons,
        folds=evidence.folds,
        k_FH=evidence.k_FH,
        scores=tuple(scores),
        verdicts=tuple(verdicts),
        curves=curves,
        days=days,
        buy_and_hold=np.asarray(np.cumprod(1 + buy_and_hold(panel, days)), dtype=np.float64),
    )


def _verdicts(
    horizon: int, sums: Mapping[str, Float], kinds: Mapping[str, str], config: BenchmarkConfig
) -> list[Verdict]:
    baselines = {name: of for name, of in sums.items() if kinds[name] == "baseline"}
    return [
        compare(name, horizon, of, baselines, config)
        for name, of in sums.items()
        if kinds[name] == "model"
    ]


def _gains(verdicts: Sequence[Verdict], symbol: str | None) -> Iterator[Score]:
    for verdict in verdicts:
        for baseline, gain in verdict.gains.items():
            metric = f"{GAIN}{baseline}"
            yield Score(
                verdict.model,
                verdict.horizon,
                metric,
                gain.estimate,
                gain.low,
                gain.high,
                symbol,
            )


def _facts(evidence: Evidence) -> Iterator[Score]:
    for name in evidence.kinds:
        for metric, value in evidence.facts(name).items():
            yield Score(name, None, metric, value, np.nan, np.nan)


def _curves(sums_SDK: Float, runs: Sequence[Profits], config: BenchmarkConfig) -> Curves:
    total = sums_SDK.sum(axis=(0, 1))
    assert np.isfinite(log_loss(total))
    rows = total[BIN_ROWS]
    blank = np.full(len(rows), np.nan)
    reliability = ReliabilityCurve(
        np.divide(total[BIN_CONFIDENCE], rows, out=blank.copy(), where=rows > 0),
        np.divide(total[BIN_RIGHT], rows, out=blank.copy(), where=rows > 0),
        rows.astype(np.int64),
    )
    equity = {
        cost: np.mean([np.cumprod(1 + run.daily(cost)) for run in runs], axis=0)
        for cost in config.costs_bps
    }
    return Curves(total[:CELLS].reshape(NUM_CLASSES, NUM_CLASSES), reliability, equity)
