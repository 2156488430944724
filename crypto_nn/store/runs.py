"""The record of every training that was started, whatever became of it: the table `runs`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from crypto_nn.store.lake import Lake
from crypto_nn.store.tables import TABLES

NAME = "runs"
RUNNING, COMPLETE, KNOWN, FAILED, STOPPED, KILLED = (
    "running",
    "complete",
    "known",
    "failed",
    "stopped",
    "killed",
)
Facts = dict[str, Any]
LONGEST_ERROR = 2_000


@contextmanager
def recorded(
    lake: Lake,
    universe: str,
    run: str,
    facts: Mapping[str, Any],
    now: Callable[[], np.datetime64],
) -> Iterator[Facts]:
    """Write a training down when it begins, and again when it ends, however it ends.

    What the block adds to the facts it is given (columns of `runs`) is written at the end. A row
    that still says `running` for this run or version was killed: it is marked so by the next one.

    Args:
        run: one row for each; a repeated run writes over its own.
        facts: what is known at the start.
        now: the clock, UTC.
    """
    known: Facts = {**facts, "universe": universe, "run": run, "started_at": now().item()}
    _mark_killed(lake, universe, run, known.get("version"))
    _write(lake, {**known, "state": RUNNING})
    try:
        yield known
    except BaseException as error:
        asked = isinstance(error, KeyboardInterrupt) or type(error).__name__ in (
            "TrainingInterrupted",
            "DagsterExecutionInterruptedError",
        )
        known["state"] = STOPPED if asked else FAILED
        known["error"] = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
        raise
    else:
        known.setdefault("state", COMPLETE)
    finally:
        _write(lake, {**known, "ended_at": now().item()})


def _mark_killed(lake: Lake, universe: str, run: str, version: str | None) -> None:
    if version is None or not lake.has(NAME):
        return
    where = {"universe": universe, "version": version, "state": RUNNING}
    rows = lake.read(NAME, where=where).to_pylist()
    for row in rows:
        if row["run"] != run:
            _write(lake, {**row, "state": KILLED})


def _write(lake: Lake, row: Mapping[str, Any]) -> None:
    spec = TABLES[NAME]
    schema = pa.schema([(column.name, column.arrow) for column in spec.columns])
    table = pa.Table.from_pylist([dict(row)], schema=schema)
    lake.replace({NAME: table}, {"universe": row["universe"], "run": row["run"]})
