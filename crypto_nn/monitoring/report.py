"""What was found on one day: a row per column, and one decision."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from crypto_nn.monitoring.days import Kind
from crypto_nn.store.tables import TABLES

COMPARED = "compared"
NEW_VALUES = "new values"
WRONG_TYPE = "wrong type"
CLOCK = "clock"
IGNORED = "ignored"


@dataclass(frozen=True)
class ColumnDrift:
    """One column of one day against the days that the champion learned from.

    Attributes:
        kind, name: which column.
        statistic: distance of the day from the mean of all days (`statistics.distances`), 0 to 1;
            for performance the excess of the day's mean over the median day.
        effect: size of the move in standard deviations (`statistics.Effect`); beside the score
            the one figure that decides.
        ks, wasserstein, psi, chi_square, cramers_v: of the day against all reference rows
            together (`statistics.Effect`); they decide nothing. 0 for performance.
        p_value: adjusted for all columns; 1 where the column was not compared.
        score: statistic divided by its calibrated level-α quantile over all columns.
        drifted: score above the threshold and effect at or above its floor.
        verdict: "compared", "new values", or why the column was left out: "constant",
            "missing today", "too few values today", "too few reference days",
            "not in the reference", "not enough reference days" (of the whole kind), "wrong type"
            (`detector.DriftDetector`), "clock" (it tells the time and nothing else), "ignored"
            (`DriftConfig.ignore`).
    """

    kind: Kind
    name: str
    statistic: float = 0.0
    effect: float = 0.0
    ks: float = 0.0
    wasserstein: float = 0.0
    psi: float = 0.0
    chi_square: float = 0.0
    cramers_v: float = 0.0
    p_value: float = 1.0
    score: float = 0.0
    drifted: bool = False
    verdict: str = COMPARED

    @property
    def is_compared(self) -> bool:
        """Whether the column took part in the decision."""
        return self.verdict in (COMPARED, NEW_VALUES)


@dataclass(frozen=True)
class DriftReport:
    """Whether one day still looks like those that a model learned from.

    Attributes:
        symbol, day, model_version: what was compared with what.
        drift_score: the largest score of all columns; above 1 exactly where `p_value` ≤ `alpha`.
        p_value: of the whole report; 1 where nothing could be compared.
        threshold: the score above which a move is drift.
        drifted: a column's score is above the threshold and its effect not below the floor. So
            `drift_score` can be above it on a day that is not drifted: what moved, moved too
            little to matter.
        effect: effect of `worst_feature`.
        worst_feature: the column that decides: of those that drifted the one with the largest
            score; where none did the one whose score is `drift_score`; empty where none was
            compared. On a drifted day `drift_score` can be that of another column, one that moved
            too little; `reason` names both.
        reference_days: how many days today was ranked among (of the kind with the fewest).
        reason: one sentence that a person can read.
        alpha: nominal rate of false alarms per report, over all columns together.
        false_alarm_rate: how often a reference day itself would have alarmed against all others
            (NaN where nothing was compared).
        forward_alarm_rate: how often a day of the reference's later half would have alarmed
            against its earlier half: near alpha where the market stood still.
        power: chance of an alarm if one column alone moves by the named shift, such as "+0.5 sd".
        columns: one row for each column.
        made_at: when the report was made, naive UTC.
        alarms_per_year: the budget of alarms (`budget.BudgetState`).
        alarms_in_year: episodes of the symbol that began in the 365 days that end with the day,
            filled in by `budget.with_budget`.
        evidence: how much speaks for a worse champion by the outcomes it did not know (an
            e-value, `model_monitor`); 1 is nothing.
    """

    symbol: str
    day: str
    model_version: str
    drift_score: float
    p_value: float
    threshold: float
    drifted: bool
    effect: float
    worst_feature: str
    reference_days: int
    reason: str
    alpha: float
    false_alarm_rate: float
    forward_alarm_rate: float
    power: tuple[tuple[str, float], ...]
    columns: tuple[ColumnDrift, ...]
    made_at: np.datetime64
    alarms_per_year: int = 0
    alarms_in_year: int = 0
    evidence: float = 1.0

    @property
    def expected_alarms(self) -> float:
        """False alarms in 365 days at one report a day and the nominal rate."""
        return 365 * self.alpha

    @property
    def alarm_budget(self) -> str:
        """What the level means over a year, beside what was spent, in one sentence."""
        return (
            f"At the nominal {100 * self.alpha:g} % a report, {self.expected_alarms:.1f} false "
            f"alarms are due in a year of daily reports; {self.alarms_in_year} alarms began in "
            f"the last 365 days, of {self.alarms_per_year} that are told one by one."
        )

    def to_arrow(self) -> dict[str, pa.Table]:
        """The rows of the lake tables `drift_report` and `drift_decisions`."""
        shared = {
            "symbol": self.symbol,
            "day": self.day,
            "model_version": self.model_version,
            "made_at": self.made_at.astype("datetime64[us]").item(),
        }
        rows = [asdict(column) | shared for column in self.columns]
        decision = {field: getattr(self, field) for field in self.__dataclass_fields__} | shared
        decision["power"] = json.dumps(dict(self.power))
        decision["expected_alarms"] = self.expected_alarms
        return {
            "drift_report": _table("drift_report", rows),
            "drift_decisions": _table("drift_decisions", [decision]),
        }


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """These rows with the columns that the lake declares; what it has no column for is left."""
    schema = pa.schema([(column.name, column.arrow) for column in TABLES[name].columns])
    return pa.Table.from_pylist(rows, schema)
