"""What a benchmark ends with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.forecasts import Forecast
from crypto_nn.benchmark.profits import BreakEvenSurface
from crypto_nn.benchmark.scores import Answers, Score, null
from crypto_nn.benchmark.verdict import Verdict
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import Fold
from crypto_nn.metrics.calibration import ReliabilityCurve

Float = NDArray[np.float64]
Days = NDArray[np.datetime64]
Kind = Literal["baseline", "model"]

SCHEMA = pa.schema(
    [
        ("universe", pa.string()),
        ("run", pa.string()),
        ("made_at", pa.timestamp("us")),
        ("fold", pa.int32()),
        ("seed", pa.int32()),
        ("model", pa.string()),
        ("symbol", pa.string()),
        ("horizon", pa.int32()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Provenance:
    """What one must know to believe a benchmark, and to make it again.

    Attributes:
        universe: the symbols' common name.
        venue: where the bars come from.
        label: the definition of the classes, in words.
        snapshot: the lake's snapshot that was read.
        code_version: of crypto_nn.
        command: what makes this report again.
        machine: what latencies were measured on.
        num_trials: everything ever tried on the universe, this benchmark's own trials included.
        made_at: when it was made, UTC.
        training: how networks learn, in words.
        hours: how long forecasting took one process after the other, in all sittings of a run that
            was interrupted.
        peak_memory_mb: the most memory that one process held.
    """

    universe: str = ""
    venue: str = ""
    label: str = ""
    snapshot: int | None = None
    code_version: str = ""
    command: str = ""
    machine: str = ""
    num_trials: int = 1
    made_at: np.datetime64 | None = None
    training: str = ""
    hours: float | None = None
    peak_memory_mb: float | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that figures are computed from.

    Attributes:
        panel: prices and times of the rows.
        folds: in order.
        k_FH: what counted as flat in each fold; empty tuples where the labels' own k was used.
        answers: what came.
        kinds: of each contestant, in the order of the report.
        forecasts: by contestant and seed, one for each fold.
    """

    panel: Panel
    folds: tuple[Fold, ...]
    k_FH: tuple[tuple[float, ...], ...]
    answers: Answers
    kinds: Mapping[str, Kind]
    forecasts: Mapping[str, Mapping[int, Sequence[Forecast]]]

    def probabilities(self, name: str) -> dict[int, Float]:
        """A contestant's probabilities for all test rows, by seed."""
        return {
            seed: np.concatenate([forecast.probabilities_RHC for forecast in per_fold])
            for seed, per_fold in self.forecasts[name].items()
        }

    def facts(self, name: str) -> dict[str, float]:
        """A contestant's own figures, the mean over folds and seeds."""
        found = [f.facts for per_fold in self.forecasts[name].values() for f in per_fold]
        keys = dict.fromkeys(key for facts in found for key in facts)
        return {key: float(np.mean([f[key] for f in found if key in f])) for key in keys}


@dataclass(frozen=True, eq=False)
class Curves:
    """What is drawn of one contestant at one horizon, over all symbols, folds and seeds.

    Attributes:
        confusion_CC: counts by true and predicted class; zeros, and an empty reliability, where all
            horizons are traded in one account, which predicts nothing of its own.
        reliability: stated confidence against hit rate.
        equity: by cost in bp, growth of 1 at the end of each test day, the mean over seeds, to
            five digits.
    """

    confusion_CC: Float
    reliability: ReliabilityCurve
    equity: Mapping[float, Float]


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """Scores, verdicts and curves, with what is needed to believe them.

    Attributes:
        kinds: baseline or model, by contestant.
        symbols, horizons, folds, k_FH: what was asked; see `Evidence`.
        days: test days.
        buy_and_hold: growth of 1 held in all symbols at the end of each test day.
        overfitting: by horizon, the probability that the contestant that earned most in one half
            of the days earned less than the median in the other (PBO).
        break_even: by horizon, a contestant and what costs leave of its surest predictions.
    """

    config: BenchmarkConfig
    provenance: Provenance
    kinds: Mapping[str, Kind]
    symbols: tuple[str, ...]
    horizons: tuple[int, ...]
    folds: tuple[Fold, ...]
    k_FH: tuple[tuple[float, ...], ...]
    scores: tuple[Score, ...]
    verdicts: tuple[Verdict, ...]
    curves: Mapping[tuple[str, int], Curves]
    days: Days
    buy_and_hold: Float
    overfitting: Mapping[int, float] = field(default_factory=dict)
    break_even: Mapping[int, tuple[str, BreakEvenSurface]] = field(default_factory=dict)

    def with_facts(self, facts: Mapping[str, Mapping[str, float]]) -> "BenchmarkResult":
        """With further figures of contestants themselves, by name; what is there already stays.

        Speed is measured at another window than a model was trained at, and `DLinear` then has
        another number of parameters: that of the training counts.
        """
        known = {(score.model, score.metric) for score in self.scores if score.horizon is None}
        more = [
            Score(model, None, metric, value, np.nan, np.nan)
            for model, of in facts.items()
            for metric, value in of.items()
            if model in self.kinds and (model, metric) not in known
        ]
        return replace(self, scores=(*self.scores, *more))

    def to_bytes(self) -> bytes:
        """The whole result as one file, from which the report is made again; see `result_file`."""
        from crypto_nn.benchmark.result_file import dump

        return dump(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "BenchmarkResult":
        """The result that `to_bytes` wrote.

        Raises:
            BenchmarkError: these bytes are no such file, or one of another version.
        """
        from crypto_nn.benchmark.result_file import load

        return load(raw)

    def to_arrow(self, universe: str, run: str, made_at: np.datetime64) -> pa.Table:
        """The rows of the table `benchmark_report`; what cannot be told is null.

        Figures of one month or one regime have it in their metric's name, such as
        `log_loss_skill@2024-03` and `log_loss_skill@wild`: a metric's plain name is over all.
        """
        rows = [
            {
                "universe": universe,
                "run": run,
                "made_at": made_at.astype("datetime64[us]").item(),
                "fold": score.fold,
                "seed": score.seed,
                "model": score.model,
                "symbol": score.symbol,
                "horizon": score.horizon,
                "metric": score.name,
                "value": null(score.value),
                "low": null(score.low),
                "high": null(score.high),
                "p_value": null(score.p_value),
            }
            for score in self.scores
        ]
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    def table(self) -> pa.Table:
        """The same rows, of no particular run; `leaderboard` and the report read them."""
        return self.to_arrow(self.provenance.universe, "", np.datetime64(0, "us"))
