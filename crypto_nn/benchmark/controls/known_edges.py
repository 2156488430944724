"""Markets with a known edge, through the whole benchmark: it must be measured as it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.controls.control import Control, Finding
from crypto_nn.benchmark.controls.learners import Learner
from crypto_nn.benchmark.controls.markets import Market, whole_market
from crypto_nn.benchmark.forecasts import Contestant, Forecast, Rows
from crypto_nn.benchmark.result import BenchmarkResult
from crypto_nn.benchmark.scores import Score
from crypto_nn.benchmark.walk_forward import run_benchmark
from crypto_nn.features.panel import Panel
from crypto_nn.features.scaling import RobustScaler
from crypto_nn.features.splits import Fold
from crypto_nn.models.baselines import Logistic, Prior
from crypto_nn.sources.synthetic import HORIZON, hit_rate, momentum_decay

EDGES = (0.50, 0.52, 0.55)
FLAT_SHARE = 1 / 3  # of rows, by the k of each fold
JUDGE = BenchmarkConfig(level=0.99)
EVERY_ROW = 10_000_000
DIRECTIONS = (
    "log_return_1", "log_return_2", "log_return_5", "log_return_15", "log_return_30",
    "ema_distance_20", "sma_distance_20",
)  # fmt: skip


def best_hit(edge: float, horizon: int) -> float:
    """How often the best possible forecast tells the side of a move that is not flat.

    The generator's momentum x and the move are jointly normal, with the correlation ρ that its
    `hit_rate` gives: sign(x) is right with probability ½ + arcsin(ρ)/π over all moves. Larger moves
    are told more often. Given a move of m standard deviations the probability is
    Φ(ρ|m| / √(1 - ρ²)), and this is averaged over the moves beyond the third that is flat.
    """
    from scipy.special import ndtr, ndtri

    rho = math.sin(math.pi * (hit_rate(edge, horizon) - 0.5))
    start = float(ndtri((1 + FLAT_SHARE) / 2))
    size_M = np.linspace(start, 10.0, 20_001)
    density_M = np.exp(-(size_M**2) / 2)
    told_M = ndtr(rho * size_M / math.sqrt(1 - rho**2))
    return float((told_M * density_M).sum() / density_M.sum())


@dataclass(frozen=True)
class BestRule:
    """The best rule there is, read off the generator: the sign of its momentum, from past bars."""

    edge: float
    name: str = "best rule"
    kind: Literal["baseline", "model"] = "model"
    seeded: bool = False
    window: int = 1

    @property
    def fingerprint(self) -> str:
        return str(self.edge)

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        side_R = np.sign(self._momentum(panel)[rows])
        p_RC = (1 + 0.1 * side_R[:, None] * np.array([-1.0, 0.0, 1.0])) / 3
        return Forecast(np.repeat(p_RC[:, None], len(panel.horizons), axis=1))

    def _momentum(self, panel: Panel) -> NDArray[np.float64]:
        """The weighted sum of past returns, each in units of its volatility (N,)."""
        from scipy.signal import lfilter

        parts = []
        for symbol in panel.symbols:
            rows = panel.slice_of(symbol)
            moves = np.diff(np.log(panel.close_N[rows]), prepend=np.nan) / panel.sigma_N[rows]
            parts.append(lfilter([1.0], [1.0, -momentum_decay(self.edge)], np.nan_to_num(moves)))
        return np.concatenate(parts)


class LearnedRule(Logistic):
    """A logistic regression that must find the rule by itself, in seven of the real features."""

    name = "learned rule"

    def inputs(self, panel: Panel, rows: Rows) -> NDArray[np.floating[Any]]:
        columns = np.array([panel.names.index(name) for name in DIRECTIONS])
        directions_RF: NDArray[np.float32] = panel.x_NF[rows[:, None], columns]
        return directions_RF

    def scaling(self, panel: Panel, rows: Rows) -> RobustScaler:
        return RobustScaler.fit(self.inputs(panel, rows))


def known_edge(edge: float, seed: int) -> Control:
    """A market of this edge with real features, labels and folds, through the whole benchmark.

    Both rules must be measured, 15 minutes ahead, as the generator has it: the 99 % interval of
    their direction hit holds the best possible one. Other horizons are told beside it.
    """
    rules: tuple[Contestant, ...] = (BestRule(edge), Learner(LearnedRule, "model", EVERY_ROW))
    result = measured(whole_market(edge, seed + round(1000 * edge)), rules)
    told = {(rule.name, h): _finding(result, rule.name, edge, h)
            for rule in rules for h in result.horizons}  # fmt: skip
    decides = tuple(one for (_, horizon), one in told.items() if horizon == HORIZON)
    beside = tuple(one for (_, horizon), one in told.items() if horizon != HORIZON)
    claim = f"an edge of {edge:.0%} is found as large as it is" if edge != 0.5 else (
        "where there is no edge, none is found")  # fmt: skip
    return Control(f"edge_of_{100 * edge:.0f}_percent_is_recovered", claim, decides, beside)


def measured(market: Market, rules: Sequence[Contestant]) -> BenchmarkResult:
    """The rules beside the class shares, by `run_benchmark` from end to end."""
    with TemporaryDirectory() as folder:
        return run_benchmark(
            market.panel,
            [market.fold],
            [Learner(Prior, most=EVERY_ROW), *rules],
            JUDGE,
            workdir=Path(folder),
        )


def _finding(result: BenchmarkResult, rule: str, edge: float, horizon: int) -> Finding:
    hit, due = _hit(result, rule, horizon), best_hit(edge, horizon)
    return Finding(
        f"{edge:.0%} market, hits of the {rule}, {horizon}m",
        f"{due:.2%}",
        hit.value,
        hit.low,
        hit.high,
        hit.low <= due <= hit.high,
        f"best there is among moves; {hit_rate(edge, horizon):.2%} with those that are flat",
    )


def _hit(result: BenchmarkResult, rule: str, horizon: int) -> Score:
    return next(
        score
        for score in result.scores
        if (score.model, score.horizon, score.metric) == (rule, horizon, "direction_hit")
        and score.name == "direction_hit"
        and (score.symbol, score.fold, score.seed) == (None, None, None)
    )
