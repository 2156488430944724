"""What the asset `drift_report` leaves behind, and what the daemon does with a sensor's answer."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from operator import methodcaller
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.definitions import defs
from crypto_nn.defs.governor import LAKE_SECONDS
from crypto_nn.defs.resources import Platform
from crypto_nn.monitoring.ledger import LakeLedger
from crypto_nn.store.lake import Lake
from crypto_nn.store.replacement import OnePart
from crypto_nn.store.tables import TABLES

DEFS = defs()
AT = np.datetime64("2024-03-01T02:00", "us").item()
EMPTY = {
    "drift_decisions": "DELETE FROM lake.main.drift_decisions",
    "retraining_decisions": "DELETE FROM lake.main.retraining_decisions",
    "alerts": "DELETE FROM lake.main.alerts",
}
TOLD = ("symbol", "day", "model_version", "drift_score", "drifted", "evidence")


def one_lake(home: Path, patch: pytest.MonkeyPatch, lake: Lake | None = None) -> Platform:
    """A platform whose copies, of which Dagster makes one for each tick, share a connection, also
    with the ledger of alerts."""
    lake = lake or Lake(home / "lake", wait_seconds=LAKE_SECONDS)
    patch.setattr(Platform, "lake", property(lambda _: lake))
    patch.setattr(LakeLedger, "lake", lake)
    return Platform(home=str(home))


def empty(lake: Lake) -> None:
    """Take out every row that a test of drift leaves, so that the next one may have the lake."""
    lake.catalogue.wait_seconds = LAKE_SECONDS
    written = lake.tables()
    for name, delete in EMPTY.items():
        if name in written:
            lake.catalogue.write(methodcaller("execute", delete))


def row(
    day: str,
    score: float,
    version: str = "v1",
    symbol: str = "SYN-USDT",
    evidence: float | None = None,
) -> dict[str, Any]:
    """A row of `drift_decisions`."""
    drifted = score > 1
    found = {
        "symbol": symbol, "day": day, "model_version": version, "drift_score": score,
        "p_value": 0.01 if drifted else 0.6, "threshold": 1.0, "drifted": drifted, "effect": 0.5,
        "reference_days": 60, "worst_feature": "rsi_14", "made_at": AT,
    }  # fmt: skip
    return found if evidence is None else found | {"evidence": evidence}


def store(platform: Platform, rows: Sequence[dict[str, Any]]) -> None:
    """Decisions in the lake, in one transaction."""
    schema = pa.schema([(c.name, c.arrow) for c in TABLES["drift_decisions"].columns])
    platform.lake.replace_all(
        [
            OnePart(
                {"symbol": each["symbol"], "day": each["day"]},
                {"drift_decisions": pa.Table.from_pylist([each], schema)},
            )
            for each in rows
        ]
    )


def tell(instance: dg.DagsterInstance, told: dict[str, Any]) -> None:
    """The event of a decision."""
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "drift_report",
            partition=f"{told['day']}|{told['symbol']}",
            metadata={name: told[name] for name in TOLD if name in told},
        )
    )


def report(
    instance: dg.DagsterInstance,
    platform: Platform,
    day: str,
    score: float,
    version: str = "v1",
    evidence: float | None = None,
) -> None:
    """What the asset `drift_report` leaves behind: a decision in the lake and an event."""
    made = row(day, score, version, evidence=evidence)
    store(platform, [made])
    tell(instance, made)


def tick(
    sensor: dg.SensorDefinition,
    instance: dg.DagsterInstance,
    platform: Platform,
    cursor: str | None = None,
) -> dg.SensorResult:
    """One evaluation, as the daemon makes it."""
    with a_tick(instance, platform, cursor) as context:
        result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def a_tick(
    instance: dg.DagsterInstance, platform: Platform, cursor: str | None
) -> AbstractContextManager[dg.SensorEvaluationContext]:
    """What a sensor is given."""
    return dg.build_sensor_context(
        instance, cursor, definitions=DEFS, resources={"platform": platform}
    )


def launched(
    instance: dg.DagsterInstance,
    request: dg.RunRequest,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
) -> dg.DagsterRun:
    """What the daemon does with a request: a run with its tags."""
    job = DEFS.resolve_job_def("retrain")
    key = {
        "dagster/run_key": request.run_key or "",
        "dagster/partition": request.partition_key or "",
    }
    return instance.create_run_for_job(job, tags={**request.tags, **key}, status=status)


def decisions(platform: Platform) -> dict[str, dict[str, Any]]:
    """The table `retraining_decisions`, by decision; no decision may be there twice."""
    rows = platform.lake.read("retraining_decisions").to_pylist()
    found = {each["decision"]: each for each in rows}
    assert len(found) == len(rows)
    return found
