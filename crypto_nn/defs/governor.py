"""What starts a retraining: one path for drift, nights and people, and one row for each answer."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, timedelta

import dagster as dg
import numpy as np

from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.repairs import ACTIVE, STUCK
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import ConfigError, LakeError
from crypto_nn.monitoring.retraining import (
    YEAR,
    DriftedDay,
    RetrainingRun,
    due_threshold,
    episode_of,
    should_retrain,
)
from crypto_nn.monitoring.retraining_decisions import Decided, on_drift, on_night, on_run, record
from crypto_nn.store.lake import Lake

JOB = "retrain"
LAKE_SECONDS = 20.0  # a sensor's answer is waited for 60 s; who cannot write is asked again
NEVER_LAUNCHED = np.timedelta64(24, "h")  # Dagster does not resume older ticks
FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class Retrainings:
    """What has been retrained of a universe in a year.

    Attributes:
        runs: those that drift started, and any other that is on its way.
        failed: how many of an episode have failed, by its key: the next one needs another run key.
    """

    runs: tuple[RetrainingRun, ...]
    failed: Counter[str]

    @classmethod
    def of(cls, instance: dg.DagsterInstance, universe: str, now: np.datetime64) -> "Retrainings":
        """As Dagster has recorded them."""
        tags = {"dagster/partition": universe}
        since = (now - YEAR).astype("datetime64[us]").item().replace(tzinfo=UTC)
        started = instance.get_run_records(
            dg.RunsFilter(
                job_name=JOB,
                tags={**tags, "reason": "drift"},
                created_after=since - timedelta(days=1),
            )
        )
        active = instance.get_run_records(
            dg.RunsFilter(job_name=JOB, tags=tags, statuses=ACTIVE), limit=200
        )
        records = {each.dagster_run.run_id: each for each in (*active, *started)}
        runs, failed = [], Counter[str]()
        for each in records.values():
            run, again = _run(each, now)
            runs.append(run)
            failed[run.run_key] += again
        return cls(tuple(run for run in runs if run.run_key or run.active), failed)


def _run(record: dg.RunRecord, now: np.datetime64) -> tuple[RetrainingRun, bool]:
    """A run, and whether another of its episode needs a run key of its own.

    A run that was created and not launched is none to wait for: who asks for its run key again
    has Dagster launch it.
    """
    run = record.dagster_run
    started = np.datetime64(record.create_timestamp.replace(tzinfo=None), "us")
    lost = bool(now - started >= NEVER_LAUNCHED) and run.status == dg.DagsterRunStatus.NOT_STARTED
    running = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)
    dead = bool(now - started >= STUCK) and run.status in running
    broken = run.status in FAILED or dead
    episode = run.tags.get("drift_episode", "")
    active = run.status in ACTIVE and not lost and not dead
    return RetrainingRun(episode, started, active, failed=broken or lost), broken


@dataclass(frozen=True)
class Answer:
    """The answer to a drift report, and whether only the pause keeps it back."""

    decided: Decided
    waits: bool = False


def answer(
    platform: Platform,
    instance: dg.DagsterInstance,
    day: DriftedDay,
    history: Sequence[DriftedDay],
    asked: Sequence[Decided],
) -> Answer:
    """Whether a drift report starts a retraining of its universe.

    Args:
        history: decisions on the symbol so far.
        asked: what was decided in the same tick, of which there are no runs yet.
    """
    config, now = EXPERIMENT.retraining, platform.now()
    try:
        universe = EXPERIMENT.universe_of(day.symbol)
    except ConfigError:
        reason = f"The YAML has no symbol {day.symbol} (any more)."
        return Answer(on_drift(day.symbol, day, reason, now))
    known = Retrainings.of(instance, universe, now)
    here = [
        RetrainingRun(each.episode, now, active=True)
        for each in asked
        if each.retrain and each.universe == universe
    ]
    found = should_retrain(day, history, (*known.runs, *here), config, now)
    episode = episode_of(day, history, config)
    decided = on_drift(
        universe,
        day,
        found.reason,
        now,
        due_threshold(day, config, EXPERIMENT.drift.threshold),
        episode.key if episode else "",
        known.failed[found.run_key] if found.run_key else 0,
        found.retrain,
    )
    return Answer(decided, found.waits)


def request(decided: Decided) -> dg.RunRequest:
    """The run that an answer asks for."""
    day = decided.day
    drift = (
        {
            "drift_day": day.day,
            "drift_score": f"{day.drift_score:.3f}",
            "drift_episode": decided.episode,
        }
        if day
        else {}
    )
    return dg.RunRequest(
        run_key=decided.run_key,
        partition_key=decided.universe,
        tags=decided.tags() | drift,
    )


@contextmanager
def brief_lake(platform: Platform) -> Iterator[Lake]:
    """The lake for the time of a tick, whose writer does not wait long for others."""
    lake = platform.lake
    if lake.catalogue.wait_seconds <= LAKE_SECONDS:
        yield lake
        return
    brief = Lake(lake.root, lake.catalogue.uri, lake.specs, LAKE_SECONDS)
    try:
        yield brief
    finally:
        brief.close()


def has_run(context: dg.SensorEvaluationContext) -> Callable[[str], bool]:
    """Whether a decision is among the tags of a run."""
    return lambda decision: _ran(context.instance, decision)


def _ran(instance: dg.DagsterInstance, decision: str) -> bool:
    return instance.get_runs_count(dg.RunsFilter(tags={"decision": decision})) > 0


def nightly(
    platform: Platform, context: dg.ScheduleEvaluationContext, night: str
) -> list[dg.RunRequest]:
    """One run for every active universe, each with its row.

    A lake that cannot be written to does not cost the night: the run writes the row itself.
    """
    now = platform.now()
    asked = [on_night(universe, night, now) for universe in EXPERIMENT.active_universes]
    try:
        with brief_lake(platform) as lake:
            record(lake, asked, lambda decision: _ran(context.instance, decision))
    except LakeError as error:
        context.log.warning("The runs will write their decisions down themselves: %s", error)
    return [request(each) for each in asked]


def note_decision(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """Write down why this run retrains, unless that was done when it was asked for.

    A run that no sensor or schedule asked for was started by a person: it gets a decision of its
    own, in the table and in its tags.
    """
    tags, universe, now = context.run.tags, context.partition_key, platform.now()
    decision = tags.get("decision", "")
    if decision.startswith("nightly:"):
        asked = on_night(universe, decision.rpartition(":")[2], now)
    elif decision:
        return
    else:
        asked = on_run(universe, context.run.run_id, now)
        missing = {name: value for name, value in asked.tags().items() if name not in tags}
        context.instance.add_run_tags(context.run.run_id, missing)
    record(platform.lake, [asked], lambda key: _ran(context.instance, key))
