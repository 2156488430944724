"""The leaderboard: read from the table `benchmark_report`, so that anyone can make it again."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from crypto_nn.benchmark.verdict import Verdict
from crypto_nn.benchmark.words import number, percent
from crypto_nn.metrics.significance import Interval

GAIN = "gain_over_"
COMBINED = 0  # the horizon of an account that follows all of them
NONE = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Standing:
    """One contestant at one horizon: every figure by name, over all folds and seeds."""

    model: str
    horizon: int
    figures: Mapping[str, Interval]

    def __getitem__(self, metric: str) -> Interval:
        return self.figures.get(metric, NONE)

    @property
    def is_baseline(self) -> bool:
        """Whether it is there to be beaten: nobody measured its gains (nor the combination's)."""
        return not self.verdict.gains

    @property
    def verdict(self) -> Verdict:
        """Whether it is better than every baseline."""
        gains = {
            name.removeprefix(GAIN): gain
            for name, gain in self.figures.items()
            if name.startswith(GAIN)
        }
        return Verdict(self.model, self.horizon, gains)


def standings(report: pa.Table, symbol: str | None = None) -> list[Standing]:
    """Everyone's figures over all folds and seeds, by horizon, the best log-loss skill first.

    Args:
        report: rows of `benchmark_report`; of several runs the newest counts.
        symbol: one symbol's figures; those over all symbols where None.
    """
    rows = report.to_pylist()
    newest = max((row["made_at"] for row in rows), default=None)
    figures: dict[tuple[str, int], dict[str, Interval]] = {}
    for row in rows:
        over_all = row["fold"] is None and row["seed"] is None and row["symbol"] == symbol
        if row["made_at"] == newest and over_all and row["horizon"] is not None:
            value, low, high = (_number(row[name]) for name in ("value", "low", "high"))
            found = Interval(value, low, high, p_value=_number(row.get("p_value")))
            figures.setdefault((row["model"], row["horizon"]), {})[row["metric"]] = found
    everyone = [Standing(model, horizon, of) for (model, horizon), of in figures.items()]
    return sorted(everyone, key=_place)


def leaderboard(report: pa.Table, cost_bps: float = 10.0) -> list[dict[str, str]]:
    """The standings as text, ready to be printed: one row for each contestant and horizon."""
    return [
        {
            "horizon": f"{standing.horizon}m",
            "model": standing.model,
            "accuracy": percent(standing["accuracy"].estimate),
            "majority": percent(standing["majority"].estimate),
            "MCC": number(standing["mcc"].estimate, 3),
            "log-loss skill": percent(standing["log_loss_skill"], 2, sign=True),
            "direction": percent(standing["direction_hit"].estimate),
            f"Sharpe {cost_bps:g}bp": number(standing[f"sharpe_{cost_bps:g}bp"].estimate, 1),
            "verdict": standing.verdict.text,
        }
        for standing in standings(report)
        if standing.horizon != COMBINED
    ]


def facts(report: pa.Table) -> dict[str, dict[str, float]]:
    """What contestants are, by name: parameters, seconds to train, latencies."""
    found: dict[str, dict[str, float]] = {}
    for row in report.to_pylist():
        if row["horizon"] is None and row["value"] is not None:
            found.setdefault(row["model"], {})[row["metric"]] = row["value"]
    return found


def fold_figures(report: pa.Table, metric: str) -> dict[tuple[str, int], dict[int, float]]:
    """By contestant and horizon, a figure of each fold; the mean over seeds."""
    found: dict[tuple[str, int], dict[int, list[float]]] = {}
    for row in report.to_pylist():
        if row["metric"] == metric and row["fold"] is not None and row["value"] is not None:
            folds = found.setdefault((row["model"], row["horizon"]), {})
            folds.setdefault(row["fold"], []).append(row["value"])
    return {
        key: {fold: sum(values) / len(values) for fold, values in folds.items()}
        for key, folds in found.items()
    }


def best(everyone: Sequence[Standing], horizon: int) -> Standing | None:
    """The model with the most log-loss skill at a horizon; a baseline where no model is there."""
    there = [standing for standing in everyone if standing.horizon == horizon]
    models = [standing for standing in there if not standing.is_baseline]
    return next(iter(models or there), None)


def _place(standing: Standing) -> tuple[int, float, str]:
    skill = standing["log_loss_skill"].estimate
    return standing.horizon, math.inf if math.isnan(skill) else -skill, standing.model


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
