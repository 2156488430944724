"""A search as rows of the tables `tuning_study` and `trials`."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from crypto_nn.store.tables import TRIALS, TUNING_STUDY, TableSpec
from crypto_nn.tuning.result import TrialResult, TuningResult, to_json

Facts = Mapping[str, Any]


def study_rows(result: TuningResult, facts: Facts) -> pa.Table:
    """The one row of a study; `facts` are universe, study, model, snapshot, time."""
    job, best = result.job, result.best
    row = {
        "objective": "multi" if job.is_multi else "single",
        "asked": job.asked,
        "complete": len(result.complete),
        "pruned": len(result.in_state("pruned")),
        "failed": len(result.in_state("failed")),
        "waiting": result.open,
        "best_trial": best.number if best else None,
        "best_value": best.values[0] if best else None,
        "best_version": best.version if best else None,
        "params": to_json(dict(best.params)) if best else None,
        "space": to_json({name: range_.model_dump(exclude_defaults=True, mode="json")
                          for name, range_ in job.ranges.items()}),
        "importance": to_json(dict(result.importance)),
        "front": to_json([trial.number for trial in result.front]) if job.is_multi else None,
        **facts,
    }  # fmt: skip
    return _table(TUNING_STUDY, [row])


def trial_rows(result: TuningResult, facts: Facts) -> pa.Table:
    """One row per trial that has ended for good; `facts` are universe, study, model."""
    return _table(TRIALS, [_row(trial, facts) for trial in result.trials])


def _row(trial: TrialResult, facts: Facts) -> dict[str, Any]:
    return {
        **facts,
        "number": trial.number,
        "state": trial.state,
        "params": to_json(dict(trial.params)),
        "value": trial.values[0] if trial.values else None,
        "skill": to_json(dict(trial.skill)) if trial.skill else None,
        "sharpe": trial.sharpe,
        "latency_p99_ms": trial.p99_ms,
        "version": trial.version,
        "started_at": trial.started_at,
        "ended_at": trial.ended_at,
        "seed": trial.seed,
        "error": trial.error,
    }


def _table(spec: TableSpec, rows: list[dict[str, Any]]) -> pa.Table:
    schema = pa.schema([(column.name, column.arrow) for column in spec.columns])
    return pa.Table.from_pylist(rows, schema=schema)
