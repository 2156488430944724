"""Drift reports as sensors see them: each one once, oldest first, and those that wait."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import dagster as dg

from crypto_nn.monitoring.retraining import DriftedDay
from crypto_nn.store.lake import Lake

EVENTS_PER_TICK = 200


@dataclass(frozen=True)
class Cursor:
    """How far a sensor has read, and what it has read but not settled.

    Attributes:
        after: storage id of the last event that was read.
        held: days that the pause after a retraining holds back.
    """

    after: int = 0
    held: tuple[DriftedDay, ...] = ()

    @classmethod
    def of(cls, context: dg.SensorEvaluationContext) -> "Cursor":
        """The cursor of a sensor; from the start where it has none, or none that can be read.

        To read events again is harmless: a question that was answered keeps its row and its run.
        """
        if not context.cursor:
            return cls()
        try:
            found = json.loads(context.cursor)
            return cls(int(found["after"]), tuple(DriftedDay(**d) for d in found.get("held", ())))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            context.log.warning("Cursor %r cannot be read (%s).", context.cursor, error)
            return cls()

    def __str__(self) -> str:
        return json.dumps({"after": self.after, "held": [asdict(day) for day in self.held]})


@dataclass(frozen=True)
class NewReports:
    """The drift reports since the last tick.

    Attributes:
        days: oldest first; of two reports on one day and version the later.
        bad: what is wrong with those that cannot be used, one sentence each.
        after: storage id of the last event.
    """

    days: tuple[DriftedDay, ...]
    bad: tuple[str, ...]
    after: int


def new_reports(context: dg.SensorEvaluationContext, after: int) -> NewReports:
    """Drift reports behind an event, at most `EVENTS_PER_TICK`; the next tick reads on.

    `fetch_materializations` sees all events of a tick; an asset sensor would see only the newest.
    A report that cannot be used is passed over and told; it keeps no other back.
    """
    found = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey("drift_report"), after_storage_id=after),
        limit=EVENTS_PER_TICK,
        ascending=True,
    )
    days: dict[tuple[str, str, str], DriftedDay] = {}
    bad = []
    for record in found.records:
        after = max(after, record.storage_id)
        told = record.asset_materialization
        values = {k: v.value for k, v in told.metadata.items()} if told is not None else {}
        try:
            day = _day(values)
        except (KeyError, ValueError, TypeError) as error:
            what = f"{record.partition_key}: {type(error).__name__} {error}"
            bad.append(f"The drift report of event {record.storage_id} cannot be used ({what}).")
            context.log.warning(bad[-1])
        else:
            key = (day.symbol, day.day, day.model_version)
            days.pop(key, None)
            days[key] = day
    return NewReports(tuple(days.values()), tuple(bad), after)


def _day(told: Mapping[str, Any]) -> DriftedDay:
    """The decision that a report's metadata tell; errors where they do not."""
    if not isinstance(told["drifted"], bool):
        raise TypeError(f"drifted is {told['drifted']!r}")
    evidence = told.get("evidence")
    return DriftedDay(
        symbol=str(told["symbol"]),
        day=date.fromisoformat(str(told["day"])).isoformat(),
        model_version=str(told["model_version"]),
        drifted=told["drifted"],
        drift_score=float(told["drift_score"]),
        evidence=math.nan if evidence is None else float(evidence),
    )


def decided_days(lake: Lake, symbol: str) -> list[DriftedDay]:
    """The decisions on a symbol so far, the latest of a day last."""
    if not lake.has("drift_decisions"):
        return []
    there = lake.columns("drift_decisions")
    wanted = ("symbol", "day", "model_version", "drifted", "drift_score", "evidence", "made_at")
    columns = tuple(name for name in wanted if name in there)  # older lakes have no evidence
    rows = lake.read("drift_decisions", columns, {"symbol": symbol}).to_pylist()
    rows.sort(key=lambda row: str(row.get("made_at")))
    return [_stored(row) for row in rows]


def _stored(row: Mapping[str, Any]) -> DriftedDay:
    score, evidence = row["drift_score"], row.get("evidence")
    return DriftedDay(
        symbol=row["symbol"],
        day=row["day"],
        model_version=row["model_version"],
        drifted=bool(row["drifted"]),
        drift_score=math.nan if score is None else score,
        evidence=math.nan if evidence is None else evidence,
    )
