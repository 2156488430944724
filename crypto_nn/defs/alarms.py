"""What tells a person that something failed, that it works again, and that the watcher is gone."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import numpy as np

from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.resources import Platform
from crypto_nn.monitoring.alerts import Alert, Alerts
from crypto_nn.monitoring.dead_man import DAEMON, Heartbeats, watch_other

_SENSORS_ON = (
    dg.DefaultSensorStatus.RUNNING
    if EXPERIMENT.automation.enabled
    else dg.DefaultSensorStatus.STOPPED
)
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_ENDS_LOOKED_AT = 50  # successes of a job since it failed, newest first


@dataclass(frozen=True)
class Subject:
    """What a run was to make: a job, and its partitions.

    Attributes:
        job: the job's name.
        first, last: keys of its partitions, equal where it is one; empty where it has none.
    """

    job: str
    first: str = ""
    last: str = ""

    @classmethod
    def of(cls, run: dg.DagsterRun) -> "Subject":
        """What a run was to make."""
        only = run.tags.get("dagster/partition", "")
        first, last = (run.tags.get(tag, only) for tag in _RANGE)
        return cls(run.job_name, first, last)

    @property
    def partitions(self) -> str:
        """The partitions in words; empty where it has none."""
        return self.first if self.first == self.last else f"{self.first} … {self.last}"

    @property
    def prefix(self) -> str:
        """How the keys of its episodes begin."""
        return f"failure:{self.job}:{self.partitions}:"

    def covers(self, other: "Subject") -> bool:
        """Whether the end of what the other was to make is among what this was to make.

        Keys are `time|symbol`, or the name of a universe.
        """
        first, last, due = (key.partition("|") for key in (self.first, self.last, other.last))
        same = self.job == other.job and first[2] == last[2] == due[2]
        return same and first[0] <= due[0] <= last[0]


@dg.run_failure_sensor(minimum_interval_seconds=30, default_status=_SENSORS_ON)
def alert_on_failure(context: dg.RunFailureSensorContext, platform: Platform) -> None:
    """Tell a person that a run has failed, once until the same has succeeded."""
    run, alerts, now = context.dagster_run, platform.alerts, platform.now()
    subject = Subject.of(run)
    _resolve_mended(context.instance, alerts, now)
    if any(alert.key.startswith(subject.prefix) for alert in alerts.open("failure")):
        return
    if _succeeded_since(context.instance, subject, run.run_id, now):
        return  # told late: it has been made good already
    of = f" of {subject.partitions}" if subject.partitions else ""
    alerts.tell(
        Alert(
            kind="failure",
            key=f"{subject.prefix}{run.run_id}",
            title=f"Run of {run.job_name}{of} failed",
            message=f"{_reason(context)} Run {run.run_id}: look at it in "
            "the UI (Runs), mend the cause, and re-execute it from there. Further failures of "
            "the same are not told until it succeeds.",
            at=now,
        )
    )


@dg.sensor(minimum_interval_seconds=60, default_status=_SENSORS_ON)
def dead_man_switch(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SkipReason:
    """Give a sign of life, watch that of `crypto-nn monitor`, and look after open alerts.

    What has succeeded since it failed is resolved, and what waits in the spools is tried again.
    """
    alerts, now = platform.alerts, platform.now()
    found = watch_other(Heartbeats(Path(platform.home)), DAEMON, alerts, now)
    resolved = _resolve_mended(context.instance, alerts, now)
    delivered = alerts.tend()
    waiting = sum(alerts.waiting().values())
    return dg.SkipReason(
        f"{found} {resolved} failures resolved, {delivered} alerts delivered, {waiting} waiting."
    )


def _resolve_mended(instance: dg.DagsterInstance, alerts: Alerts, now: np.datetime64) -> int:
    """Resolve failures whose job has succeeded since, for the same partitions."""
    resolved = 0
    for alert in alerts.open("failure"):
        subject, run_id = _subject_of(alert)
        good = _succeeded_since(instance, subject, run_id, alert.at) if subject else ""
        if subject and good:
            of = f" of {subject.partitions}" if subject.partitions else ""
            title, message = f"{subject.job}{of} works again", f"Run {good} succeeded."
            resolved += alerts.resolve(alert.key, title, message, now).new
    return resolved


def _subject_of(alert: Alert) -> tuple[Subject | None, str]:
    """What failed, and the id of the run, by the key of an alert."""
    parts = alert.key.split(":")
    if len(parts) < 4:
        return None, parts[-1]  # of an older release
    first, _, last = ":".join(parts[2:-1]).partition(" … ")
    return Subject(parts[1], first, last or first), parts[-1]


def _succeeded_since(
    instance: dg.DagsterInstance, subject: Subject, run_id: str, told_at: np.datetime64
) -> str:
    """The id of a run that has made the same since a run failed; empty where none has.

    Of a failed run that is gone from Dagster's memory counts when it was told.
    """
    failed = instance.get_run_record_by_id(run_id)
    seconds = failed.end_time if failed else None
    if seconds is None:
        seconds = told_at.astype("datetime64[us]").astype(np.int64) / 1e6
    records = instance.get_run_records(
        dg.RunsFilter(
            job_name=subject.job,
            statuses=[dg.DagsterRunStatus.SUCCESS],
            updated_after=datetime.fromtimestamp(seconds - 1, UTC),
        ),
        limit=_ENDS_LOOKED_AT,
    )
    for record in records:
        ended = record.end_time
        if (
            ended is not None
            and ended >= seconds
            and Subject.of(record.dagster_run).covers(subject)
        ):
            return record.dagster_run.run_id
    return ""


def _reason(context: dg.RunFailureSensorContext) -> str:
    """The first line of the error of the first step that failed, else of the run."""
    message = context.failure_event.message or ""
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None:  # the innermost is the user's own; the outer ones are Dagster's
            message, error = error.message or message, error.cause
        break
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    line = lines[0][:500] if lines else "It gave no reason."
    return line if line.endswith((".", "!", "?", ":")) else f"{line}."
