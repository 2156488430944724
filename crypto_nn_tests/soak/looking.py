"""What is in the stores: read at the end of a virtual day, in a process that may open them."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import time_machine

from crypto_nn.bars.calendar import TS, month_bounds, month_of, shift_month
from crypto_nn.defs.resources import Platform
from crypto_nn.store.lake import Lake
from crypto_nn_tests.soak.doom import seconds
from crypto_nn_tests.soak.scenario import SYMBOL

Rows = dict[str, Any]
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING,
]  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """The stores at one moment.

    Attributes:
        tables: by name the rows of the months (or all of them) that are looked at.
        pointer: the events of the champion's pointer, oldest first.
        versions: the trained versions that there are.
        runs: of each run its job, status, tags and times, oldest first.
        leftovers: temporary files of writers that were killed.
        megabytes: disk space, by folder of the home.
        counts: rows of every table.
    """

    tables: dict[str, pa.Table]
    pointer: list[Rows]
    versions: frozenset[str]
    runs: list[Rows]
    leftovers: tuple[str, ...]
    megabytes: dict[str, float]
    counts: dict[str, int] = field(default_factory=dict)

    def digest(self, name: str, columns: Sequence[str]) -> str:
        """A short hash of columns of a table, bit by bit, whatever the order of its rows."""
        table = self.tables.get(name)
        if table is None:
            return ""
        keys = [(column, "ascending") for column in columns if column in ("ts", "horizon", "day")]
        table = table.select(list(columns)).sort_by(keys)
        whole = hashlib.sha256()
        for column in table.columns:
            if pa.types.is_string(column.type):
                whole.update(json.dumps(column.to_pylist()).encode())
            else:
                whole.update(column.to_numpy().tobytes())
        return whole.hexdigest()[:16]


MONTHLY = ("bars", "quarantined_bars", "bar_gaps", "features", "labels", "predictions")
WHOLE = ("drift_decisions", "alerts", "champion_history", "retraining_decisions", "checkpoints",
         "skew_ledger", "model_monitor")  # fmt: skip


def look(pipe: Connection, home: Path, now: np.datetime64, everything: bool, values: bool) -> None:
    """Send a `Seen`; of the tables by month this month and the one before, or all of them.

    Args:
        values: whether the values of features are read too, and not only their times.
    """
    with time_machine.travel(seconds(now), tick=False):
        pipe.send(_seen(Platform(), home, now, everything, values))


def _seen(
    platform: Platform, home: Path, now: np.datetime64, everything: bool, values: bool
) -> Seen:
    lake = platform.lake
    this = month_of(now)
    months = None if everything else [shift_month(this, -1), this]
    tables = {name: _monthly(lake, name, months, values) for name in MONTHLY if lake.has(name)}
    tables |= {name: lake.read(name) for name in WHOLE if lake.has(name)}
    pointer = platform.models.pointer(f"champion-{SYMBOL}") or {"events": []}
    models = platform.models
    versions = frozenset(v for name in models.names() for v in models.versions(name))
    sizes = {
        name: _megabytes(home / name)
        for name in ("data/lake", "data/raw_bars", "data/models", "data/reports", "dagster_home")
    }
    with dg.DagsterInstance.get() as instance:
        runs = list(_runs(instance, everything))
    counts = {name: lake.count(name) for name in lake.tables()}
    return Seen(tables, pointer["events"], versions, runs, tuple(_leftovers(home / "data")),
                sizes, counts)  # fmt: skip


def _monthly(lake: Lake, name: str, months: list[str] | None, values: bool) -> pa.Table:
    columns: tuple[str, ...] = lake.columns(name)
    where: dict[str, Any] = {"symbol": SYMBOL} | ({"month": months} if months else {})
    if name == "features" and values:
        columns = tuple(column for column in columns if column not in ("symbol", "month"))
    elif name in ("features", "labels"):
        columns = ("ts",)
    return lake.read(name, columns, where)


def _runs(instance: dg.DagsterInstance, everything: bool) -> Iterator[Rows]:
    """The newest runs, and all retrainings; or all."""
    found = [*instance.get_run_records(limit=None if everything else 200)]
    if not everything:
        known = {record.dagster_run.run_id for record in found}
        older = instance.get_run_records(dg.RunsFilter(job_name="retrain"))
        found += [record for record in older if record.dagster_run.run_id not in known]
    for record in reversed(found):
        run = record.dagster_run
        yield {
            "id": run.run_id,
            "job": run.job_name,
            "status": run.status.value,
            "tags": dict(run.tags),
            "at": np.datetime64(record.create_timestamp.replace(tzinfo=None), "us"),
        }


def _leftovers(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            if name.endswith(".tmp"):
                yield os.path.join(folder, name)


def _megabytes(root: Path) -> float:
    total = 0
    for folder, _, files in os.walk(root):
        for name in files:
            total += os.lstat(os.path.join(folder, name)).st_size
    return round(total / 2**20, 1)


def month_start(now: np.datetime64) -> np.datetime64:
    """Where the month before begins: from there on tables are looked at."""
    return month_bounds(shift_month(month_of(now), -1))[0].astype(TS)
