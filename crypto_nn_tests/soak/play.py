"""Playing a scenario: the platform is set up in a home of its own, and lives through its days."""

import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from crypto_nn_tests.soak.post import MailServer
from crypto_nn_tests.soak.scenario import DAY, HOUR, START, SYMBOL, Scenario, settings

WAKES = (6, 57)
"""Minutes of a day at which the daemon looks at what is due: between them nothing is."""
NOON = 12 * 60 + 6
"""Every third day it looks at noon too, when there is nothing but what was missed."""
SUNDAY_WAKES = (41, 76)


class LawBroken(AssertionError):
    """Something that must hold at every moment does not."""


@dataclass
class Outcome:
    """How a soak ended.

    Attributes:
        digest: SHA-256 of the trace.
        until: when it ended (virtual time).
        wall_s, cpu_s: how long it took.
        rows: of each table of the lake.
        megabytes: disk space by folder.
        champions: who answered, in turn.
        letters: mails that came.
    """

    digest: str
    until: np.datetime64
    counts: Any
    wall_s: float
    cpu_s: float
    rows: dict[str, int]
    megabytes: dict[str, float]
    champions: list[str]
    letters: int
    alerts: Counter[tuple[str, str]] = field(default_factory=Counter)
    retrainings: Counter[tuple[str, str]] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


def prepare(scenario: Scenario, home: Path, mail: MailServer, dsn: str) -> dict[str, str]:
    """Write the YAML and Dagster's own; the environment that puts them in force."""
    (home / "dagster_home").mkdir(parents=True)
    chosen = settings(scenario.market, {"urls": [mail.url]}, scenario.days)
    (home / "crypto_nn.yaml").write_text(yaml.safe_dump(chosen, sort_keys=False))
    shipped = Path(__file__).parents[2] / "data" / "dagster_home" / "dagster.yaml"
    dagster = yaml.safe_load(shipped.read_text())
    dagster["run_launcher"] = {
        "module": "crypto_nn_tests.soak.launcher", "class": "StageLauncher"
    }  # fmt: skip
    dagster["compute_logs"] = {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
    for group in ("sensors", "schedules"):
        dagster[group] = {"use_threads": False}
    (home / "dagster_home" / "dagster.yaml").write_text(yaml.safe_dump(dagster))
    return {
        "CRYPTO_NN_CONFIG": str(home / "crypto_nn.yaml"),
        "CRYPTO_NN_HOME": str(home / "data"),
        "CRYPTO_NN_DATABASE": dsn,
        "DAGSTER_HOME": str(home / "dagster_home"),
        "DO_NOT_TRACK": "1",
    }


class Soak:
    """One soak. Nothing of Dagster or of the assets may be imported before it is made."""

    def __init__(self, scenario: Scenario, home: Path, mail: MailServer, cluster: Any) -> None:
        from crypto_nn.bars import M1
        from crypto_nn.defs import resources
        from crypto_nn.experiments import Experiment
        from crypto_nn.sources import SyntheticConfig
        from crypto_nn_tests.soak import location
        from crypto_nn_tests.soak.doom import virtual_now
        from crypto_nn_tests.soak.haste import hasten
        from crypto_nn_tests.soak.stage import Stage
        from crypto_nn_tests.soak.trace import Trace
        from crypto_nn_tests.soak.venue import Venue

        hasten()
        location.defs.get_repository_def()
        self.scenario, self.home, self.mail, self.cluster = scenario, home, mail, cluster
        self.experiment = Experiment.load(home / "crypto_nn.yaml")
        source = SyntheticConfig.model_validate(scenario.market).open()
        list(source.fetch(SYMBOL, M1, START, START + DAY))  # all children have it from now on
        self.venue = Venue(source, scenario, virtual_now)
        venue = self.venue
        setattr(resources, "open_source", lambda config, clock=None: venue)  # noqa: B010 - for mypy
        self.trace = Trace(home / "trace.jsonl")
        self.stage = Stage(scenario, home, self.trace)
        self.stage.after_run = self._after_run
        self.refreshed: np.datetime64 = START
        self.predicted: np.datetime64 | None = None
        self.champion_at: list[tuple[np.datetime64, str]] = []
        self._database_up, self._began, self._stamped = True, time.monotonic(), time.time()
        self._seen: Any = None

    def play(self, until_day: int | None = None, tell: Any = print) -> Outcome:
        """All days, one after the other; then everything is looked at once more.

        Raises:
            LawBroken: with the seed, the day and what is wrong.
        """
        self._tend(START - np.timedelta64(5, "m"))  # the schedules' time runs from now on
        last = min(self.scenario.days, until_day or self.scenario.days)
        for day in range(last):
            for at in _wakes(day):
                self._tend(at)
            self._judge(START + (day + 1) * DAY, everything=day + 1 == last)
            if (day + 1) % 10 == 0 or day + 1 == last or day < 5:
                tell(self._progress(day + 1))
        self.stage.stop()
        return self._outcome()

    def _tend(self, at: np.datetime64) -> None:
        """Make the world what the scenario says, and wake the daemon, unless the machine is off."""
        now = at if at > self.stage.now else self.stage.now
        self._world(now)
        if self.scenario.active("machine_off", now):
            if self.stage.is_on:
                self.trace.add(now, "machine off")
                self.stage.counts.kills["machine switched off"] += 1
            self.stage.stop()
            return
        self.stage.wake(now)

    def _world(self, now: np.datetime64) -> None:
        """Mail and database, up or down."""
        mail = not self.scenario.active("dead_mail", now)
        if mail != self.mail.is_up:
            self.mail.turn(mail)
            self.trace.add(now, "mail up" if mail else "mail down")
        database = not self.scenario.active("dead_database", now)
        if self.cluster is not None and database != self._database_up:
            (self.cluster.start if database else self.cluster.kill)()
            self._database_up = database
            self.trace.add(now, "database up" if database else "database down")

    def _after_run(self, job: str, outcome: str) -> None:
        from crypto_nn_tests.soak.champion import answering

        now, before = self.stage.now, self.champion_at[-1][1] if self.champion_at else ""
        if outcome == "SUCCESS" and job == "refresh_bars":
            self.refreshed = now
        if outcome == "SUCCESS" and job == "predict":
            self.predicted = now
        version = answering(self.home, SYMBOL)
        if before and not version:
            raise LawBroken(f"seed {self.scenario.seed}, {now}: after {before} nobody answers")
        if version and version != before:
            self.champion_at.append((now, version))
            self.trace.add(now, "champion", version)

    def _judge(self, now: np.datetime64, everything: bool) -> None:
        """Look at the stores at the end of a day; note them in the trace; hold them to the laws."""
        from crypto_nn_tests.soak import looking
        from crypto_nn_tests.soak.laws import CALM_HOURS, Situation, broken
        from crypto_nn_tests.soak.stage import age_files

        age_files(self.home / "data", now, self._stamped)
        calm = self.scenario.calm(now, CALM_HOURS) and self.stage.at_peace(now, CALM_HOURS)
        seen = self.stage.child(looking.look, self.home, now, everything, calm)
        self._seen = seen
        at = Situation(
            scenario=self.scenario, venue=self.venue, now=now,
            calm=calm,
            refreshed=self.refreshed, predicted=self.predicted,
            reach=self.experiment.model.config().reach(self.experiment.training.window),
            letters=self.mail.letters(), deaths=sum(self.stage.counts.kills.values()),
            killed=self.stage.killed,
            cooldown=round(self.experiment.retraining.cooldown_hours) * HOUR,
            budget=self.experiment.retraining.max_per_year,
            alarms=self.experiment.drift.alarms_per_year,
            champion_at=self.champion_at,
        )  # fmt: skip
        self._note(now, seen)
        since = np.datetime64("2029-11-01", "us") if everything else None
        wrong = list(broken(seen, at, since))
        if self.cluster is not None and self._database_up and at.calm:
            from crypto_nn_tests.soak.mirrored import differences

            wrong += self.stage.child(differences, self.cluster.dsn(), now)
        if wrong:
            day = int((now - START) / DAY)
            shown = "\n  ".join(self.stage.nameless(text) for text in wrong[:12])
            raise LawBroken(
                f"seed {self.scenario.seed}, day {day} ({now}), {'calm' if at.calm else 'not calm'}"
                f":\n  {shown}\nThe home is {self.home}; play it again with --seed "
                f"{self.scenario.seed} --days {self.scenario.days} --until-day {day}."
            )

    def _note(self, now: np.datetime64, seen: Any) -> None:
        bars = ("ts", "open", "high", "low", "close", "volume")
        predictions = ("ts", "horizon", "model_version", "p_down", "p_flat", "p_up")
        decisions = ("symbol", "day", "model_version", "drift_score", "drifted")
        self.trace.add(now, "bars", seen.digest("bars", bars))
        self.trace.add(now, "predictions", seen.digest("predictions", predictions))
        self.trace.add(now, "drift", seen.digest("drift_decisions", decisions))
        rows = seen.tables["alerts"].to_pylist() if "alerts" in seen.tables else []
        keys = sorted(self.stage.nameless(f"{row['key']} {row['state']}") for row in rows)
        self.trace.add(now, "alerts", *keys[-20:], len(keys))

    def _progress(self, day: int) -> str:
        counts = self.stage.counts
        return (
            f"day {day}: {sum(counts.runs.values())} runs, {sum(counts.kills.values())} kills, "
            f"{len(self.champion_at)} champions, {time.monotonic() - self._began:.0f} s, "
            f"{counts.shares()}, "
            f"trace {self.trace.digest[:12]}"
        )

    def _outcome(self) -> Outcome:
        seen, own = self._seen, resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        alerts = seen.tables["alerts"].to_pylist() if "alerts" in seen.tables else []
        decided = seen.tables.get("drift_decisions")
        rows = decided.to_pylist() if decided is not None else []
        retrain = [run for run in seen.runs if run["job"] == "retrain"]
        return Outcome(
            digest=self.trace.digest, until=self.stage.now, counts=self.stage.counts,
            wall_s=time.monotonic() - self._began,
            cpu_s=sum(u.ru_utime + u.ru_stime for u in (own, children)),
            rows=seen.counts, megabytes=seen.megabytes,
            champions=[version for _, version in self.champion_at],
            letters=len(self.mail.letters()),
            alerts=Counter((row["kind"], row["state"]) for row in alerts),
            retrainings=Counter(
                (run["tags"].get("reason", "unknown"), run["status"]) for run in retrain
            ),
            decisions=Counter("drifted" if row["drifted"] else "calm" for row in rows),
            faults=Counter(fault.kind for fault in self.scenario.faults),
        )  # fmt: skip


def _wakes(day: int) -> Iterator[np.datetime64]:
    start = START + day * DAY
    extra: tuple[int, ...] = SUNDAY_WAKES if day % 7 == 0 else ()  # the soak begins on a Sunday
    extra += (NOON,) if day % 3 == 1 else ()
    for minute in sorted((*WAKES, *extra)):
        yield start + np.timedelta64(minute, "m")


def open_world(open_: ExitStack, with_database: bool) -> tuple[MailServer, Any, str]:
    """The mail server, and Postgres with its tables, or None; both end with the stack."""
    mail = MailServer()
    open_.callback(mail.close)
    if not with_database:
        return mail, None, ""
    from crypto_nn.store.database import migrate
    from crypto_nn_tests.store.database.servers import Cluster

    cluster = Cluster()
    open_.callback(cluster.close)
    migrate(cluster.dsn())
    return mail, cluster, cluster.dsn()
