"""The trial ledger: every strategy that was ever judged, so that luck can be counted.

A trial is one contestant, horizon and seed, traded over all test days and symbols. Its key is a
hash of that and of the ratio that came out: a run that is judged again adds nothing, and one whose
settings, data or code have changed is another trial. Rows are never changed or removed.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.profits import Profits
from crypto_nn.benchmark.scores import Score
from crypto_nn.benchmark.tried import LEDGER, in_errors
from crypto_nn.metrics import trading
from crypto_nn.store.lake import Lake
from crypto_nn.store.tables import TRIAL_LEDGER

if TYPE_CHECKING:
    from crypto_nn.benchmark.result import BenchmarkResult

NET, GROSS = "daily_sharpe", "gross_daily_sharpe"  # metrics of a Score
SCHEMA = pa.schema([(column.name, column.arrow) for column in TRIAL_LEDGER.columns])


@dataclass(frozen=True)
class Trial:
    """One strategy that was judged.

    Attributes:
        model, horizon, seed: what was traded; horizon 0 is all horizons combined.
        first_day, last_day, days: the test days, and their number.
        net: daily Sharpe ratio at the headline cost; NaN where it never traded.
        gross: the same before costs. Costs move a ratio by the turnover and not by luck, so this
            is the one whose spread tells how far luck reaches.
    """

    model: str
    horizon: int
    seed: int
    first_day: str
    last_day: str
    days: int
    net: float
    gross: float

    def key(self, universe: str) -> str:
        """What tells this trial from every other."""
        told = (universe, self.model, self.horizon, self.seed, self.first_day, self.last_day)
        text = "|".join(map(str, (*told, self.days, f"{self.gross:.6g}")))
        return hashlib.sha256(text.encode()).hexdigest()


def trials_of(
    model: str, horizon: int, runs: Mapping[int, Profits], config: BenchmarkConfig
) -> list[Trial]:
    """The trials of one contestant at one horizon, from its traded paths by seed."""
    return [
        Trial(
            model,
            horizon,
            seed,
            str(run.days[0]),
            str(run.days[-1]),
            len(run.days),
            trading.sharpe(run.daily(config.headline_cost_bps), 1),
            trading.sharpe(run.daily(0.0), 1),
        )
        for seed, run in runs.items()
    ]


def sharpes_of(trials: Iterable[Trial], universe: str) -> dict[str, float]:
    """What `Trials.joined` takes: ratios before costs in standard errors, by key."""
    return {trial.key(universe): in_errors(trial.gross, trial.days) for trial in trials}


def trial_scores(trials: Iterable[Trial]) -> Iterator[Score]:
    """Trials as scores of single seeds, from which `ledger_rows` reads them again."""
    for trial in trials:
        for metric, value in ((NET, trial.net), (GROSS, trial.gross)):
            yield Score(trial.model, trial.horizon, metric, value, np.nan, np.nan, seed=trial.seed)


def ledger_rows(
    result: "BenchmarkResult", universe: str, made_at: np.datetime64, source: str = "benchmark"
) -> pa.Table:
    """A result's trials as rows of `trial_ledger`; none of a control run with permuted labels."""
    if result.config.permute_labels:
        return SCHEMA.empty_table()
    cost = result.config.headline_cost_bps
    rows = [
        {
            "universe": universe,
            "key": trial.key(universe),
            "made_at": made_at.astype("datetime64[us]").item(),
            "source": source,
            "model": trial.model,
            "horizon": trial.horizon,
            "seed": trial.seed,
            "first_day": trial.first_day,
            "last_day": trial.last_day,
            "days": trial.days,
            "cost_bps": cost,
            "daily_sharpe": _null(trial.net),
            "gross_daily_sharpe": _null(trial.gross),
        }
        for trial in _trials_in(result)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def record(lake: Lake, rows: pa.Table) -> int:
    """Add the trials that the ledger does not hold yet; returns how many these were.

    Two that write at once may both add a key; whoever reads counts each key once (`tried`).
    """
    known: set[str] = set()
    if lake.has(LEDGER):
        universes = sorted(set(rows["universe"].to_pylist()))
        known = set(lake.read(LEDGER, ("key",), {"universe": universes})["key"].to_pylist())
    new = []
    for place, key in enumerate(rows["key"].to_pylist()):
        if key not in known:
            known.add(key)
            new.append(place)
    if new:
        lake.append(LEDGER, rows.take(new))
    return len(new)


def _trials_in(result: "BenchmarkResult") -> list[Trial]:
    found: dict[tuple[str, int, int], dict[str, float]] = {}
    for score in result.scores:
        if score.metric in (NET, GROSS) and score.seed is not None and score.horizon is not None:
            each = found.setdefault((score.model, score.horizon, score.seed), {})
            each[score.metric] = score.value
    days = (str(result.days[0]), str(result.days[-1]), len(result.days)) if found else ("", "", 0)
    return [Trial(*key, *days, of[NET], of[GROSS]) for key, of in found.items()]


def _null(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
