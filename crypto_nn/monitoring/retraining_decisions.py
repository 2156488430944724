"""The table `retraining_decisions`: every question whether to retrain, and what was answered."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from crypto_nn.monitoring.retraining import DriftedDay
from crypto_nn.store.lake import Lake
from crypto_nn.store.replacement import OnePart
from crypto_nn.store.tables import TABLES

NAME = "retraining_decisions"
LONGEST_REASON = 120  # of what a tag holds

Trigger = Literal["drift", "nightly", "manual"]


@dataclass(frozen=True)
class Decided:
    """One question whether to retrain a universe, and the answer: a row of the table.

    Attributes:
        subject: what the trigger asked about: a symbol's day and version, a night, or a run.
        attempt: how many runs that drift started for the same episode have failed before.
        day: the day that was compared, where drift asked.
        threshold: the drift score that was due, where drift asked.
        episode: the episode that the day belongs to; empty where none.
        run_key: of the run that is asked for; None where none is.
        made_at: naive UTC.
    """

    universe: str
    trigger: Trigger
    subject: str
    retrain: bool
    reason: str
    made_at: np.datetime64
    run_key: str | None = None
    day: DriftedDay | None = None
    threshold: float | None = None
    episode: str = ""
    attempt: int = 0

    @property
    def key(self) -> str:
        """Names the question: the same question has one row, however often it is asked."""
        again = f":{self.attempt}" if self.attempt else ""
        return f"{self.trigger}:{self.universe}:{self.subject}{again}"

    def tags(self) -> dict[str, str]:
        """What a run that it starts carries."""
        return {
            "reason": self.trigger,
            "universe": self.universe,
            "decision": self.key,
            "decision_reason": self.reason[:LONGEST_REASON],
        }

    def to_row(self) -> dict[str, Any]:
        """The row of the table."""
        day = self.day
        return {
            "universe": self.universe,
            "decision": self.key,
            "trigger": self.trigger,
            "symbol": day.symbol if day else None,
            "day": day.day if day else None,
            "model_version": day.model_version if day else None,
            "drift_score": _known(day.drift_score) if day else None,
            "threshold": self.threshold,
            "evidence": _known(day.evidence) if day else None,
            "episode": self.episode or None,
            "retrain": self.retrain,
            "reason": self.reason,
            "run_key": self.run_key,
            "made_at": self.made_at.astype("datetime64[us]").item(),
        }


def on_drift(
    universe: str,
    day: DriftedDay,
    reason: str,
    made_at: np.datetime64,
    threshold: float | None = None,
    episode: str = "",
    attempt: int = 0,
    retrain: bool = False,
) -> Decided:
    """The answer to a drift report; its question is the day, as compared with a version."""
    subject = f"{day.symbol}:{day.day}:{day.model_version}"
    run_key = f"{episode}:{attempt}" if retrain else None
    return Decided(
        universe, "drift", subject, retrain, reason, made_at, run_key,
        day, threshold, episode, attempt,
    )  # fmt: skip


def on_night(universe: str, night: str, made_at: np.datetime64) -> Decided:
    """The answer to a night (YYYY-MM-DD): every active universe retrains."""
    reason = f"{universe} is retrained every night; this is {night}."
    run_key = f"nightly-{night}-{universe}"
    return Decided(universe, "nightly", night, True, reason, made_at, run_key)


def on_run(universe: str, run_id: str, made_at: np.datetime64) -> Decided:
    """The record of a run that a person started, of which the platform learns as it executes."""
    reason = f"Run {run_id[:8]} was started by hand."
    return Decided(universe, "manual", run_id, True, reason, made_at)


def record(lake: Lake, asked: Sequence[Decided], ran: Callable[[str], bool]) -> int:
    """Write answers down, in one transaction; returns how many rows were new or other than before.

    A question that was asked before has its row replaced, so that the table holds the newest
    answer, with one exception: the answer that started a run stays, since what is asked later
    about the same day ("the episode has had its retraining") is only a consequence of it. A row
    that only says that a run was asked for, of which there is none, is no such answer: the
    process was killed in between.

    Args:
        lake: holds the table.
        asked: of two with one key the later counts.
        ran: whether there is a run that carries this decision in its tags.

    Raises:
        LakeError: nothing was written.
    """
    newest = {each.key: each for each in asked}
    if not newest:
        return 0
    stored = _stored(lake, list(newest))
    changed = [
        each for key, each in newest.items() if _replaces(each, stored.get(key), ran)
    ]  # fmt: skip
    schema = pa.schema([(column.name, column.arrow) for column in TABLES[NAME].columns])
    parts = [
        OnePart(
            {"universe": each.universe, "decision": each.key},
            {NAME: pa.Table.from_pylist([each.to_row()], schema)},
        )
        for each in changed
    ]
    if parts:
        lake.replace_all(parts)
    return len(parts)


def _replaces(new: Decided, old: dict[str, Any] | None, ran: Callable[[str], bool]) -> bool:
    if old is None:
        return True
    if {**new.to_row(), "made_at": None} == {**old, "made_at": None}:
        return False  # as it was told before
    return new.retrain or not old["retrain"] or not ran(new.key)


def _stored(lake: Lake, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    if not lake.has(NAME):
        return {}
    columns = tuple(column.name for column in TABLES[NAME].columns)
    rows = lake.read(NAME, columns, {"decision": keys}).to_pylist()
    return {row["decision"]: row for row in rows}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
