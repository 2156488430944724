"""Answers of a version as what is watched: scores by the day, columns for drift, rows to store."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crypto_nn.metrics.classification import DOWN, UP, row_log_loss
from crypto_nn.monitoring.days import DayBlocks
from crypto_nn.monitoring.model_monitor import METRICS, DayScores, Value, Verdict
from crypto_nn.store.tables import TABLES

if TYPE_CHECKING:
    from crypto_nn.inference.out_of_sample import Answers


def scores_by_day(answers: "Answers") -> list[DayScores]:
    """How a version did on each day of which there are answers, oldest first."""
    found = []
    for day in np.unique(answers.day_R()):
        rows = answers.day_R() == day
        p_RHC, classes_RH = answers.p_RHC[rows], answers.classes_RH[rows]
        found.append(DayScores.of(day, answers.horizons, p_RHC, classes_RH))
    return found


def prediction_blocks(answers: "Answers") -> DayBlocks:
    """Per horizon the probabilities of down and up, and of the likeliest class."""
    p_RHC = answers.p_RHC
    columns, names = [], []
    for h, horizon in enumerate(answers.horizons):
        columns += [p_RHC[:, h, DOWN], p_RHC[:, h, UP], p_RHC[:, h].max(axis=1)]
        names += [f"{name}_{horizon}m" for name in ("p_down", "p_up", "confidence")]
    x_RF = np.column_stack(columns).astype(np.float32)
    return DayBlocks.from_rows(answers.ts_R, x_RF, names, "prediction")


def performance_blocks(answers: "Answers") -> DayBlocks:
    """Per horizon the log-loss of each row, in nats; NaN where the outcome is not known."""
    losses_RH = np.full(answers.classes_RH.shape, np.nan, dtype=np.float32)
    for h in range(len(answers.horizons)):
        known_R = answers.classes_RH[:, h] >= 0
        losses_RH[known_R, h] = row_log_loss(
            answers.p_RHC[known_R, h], answers.classes_RH[known_R, h]
        )
    names = [f"log_loss_{horizon}m" for horizon in answers.horizons]
    return DayBlocks.from_rows(answers.ts_R, losses_RH, names, "performance")


def to_arrow(
    verdict: Verdict | None, symbol: str, version: str, made_at: np.datetime64
) -> pa.Table:
    """The rows of the table `model_monitor` for one day; none without a verdict."""
    rows: list[dict[str, Any]] = []
    for row in verdict.rows if verdict else ():
        told = {name: _or_null(value) for name, value in vars(row).items()}
        assert verdict is not None
        day = str(verdict.day)
        rows.append(told | {"symbol": symbol, "day": day, "model_version": version})
        rows[-1]["made_at"] = made_at.astype("datetime64[us]").item()
    schema = pa.schema([(column.name, column.arrow) for column in TABLES["model_monitor"].columns])
    return pa.Table.from_pylist(rows, schema)


def from_rows(rows: Sequence[dict[str, Any]]) -> list[DayScores]:
    """The days that these rows of `model_monitor`, of one symbol and version, tell of."""
    by_day: dict[str, dict[tuple[str, int], Value]] = {}
    for row in rows:
        values = by_day.setdefault(row["day"], {})
        if row["metric"] in METRICS and row["value"] is not None:
            values[row["metric"], row["horizon"]] = Value(row["value"], row["rows"])
    return [DayScores(np.datetime64(day, "D"), values) for day, values in sorted(by_day.items())]


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value
