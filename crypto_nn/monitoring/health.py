"""How the platform does right now: what is fresh, what drifts, who answers, what failed."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import numpy as np

from crypto_nn.errors import CryptoNNError, LakeError
from crypto_nn.inference.registry import champion_of
from crypto_nn.monitoring.alert import FIRING, RESOLVED, Alert
from crypto_nn.monitoring.alerts import Alerts
from crypto_nn.monitoring.dead_man import DAEMON, MONITOR, Heartbeat, Heartbeats
from crypto_nn.monitoring.lake_reader import LakeReader
from crypto_nn.monitoring.ledger import open_of
from crypto_nn.monitoring.spool import spools_in
from crypto_nn.store.catalogue import Connection
from crypto_nn.store.models import ModelStore

Row = dict[str, Any]
Found = TypeVar("Found")
_MINUTE = np.timedelta64(60, "s")


@dataclass(frozen=True)
class Watched:
    """What is looked at.

    Attributes:
        home: where everything is kept.
        catalogue: of the lake; None for the file in it.
        symbols: the symbols, and whether their bars still come in.
        universes: those that should have a champion.
        late_s: how old the newest bar of a live symbol may be, in seconds.
        next_retraining: when the next one is decided on, in words.
    """

    home: Path
    catalogue: str | None
    symbols: Mapping[str, bool]
    universes: Sequence[str]
    late_s: float
    next_retraining: str = ""


@dataclass(frozen=True)
class Newest:
    """The end of the newest row of a table for a symbol, naive UTC."""

    table: str
    symbol: str
    until: np.datetime64


@dataclass(frozen=True)
class Answers:
    """The version that answers for a universe, since when (naive UTC)."""

    universe: str
    version: str
    since: np.datetime64


@dataclass(frozen=True)
class Way:
    """A channel of alerts: how many wait, failures in a row, how many were given up."""

    name: str
    used: bool
    waiting: int
    failures: int
    dropped: int


@dataclass(frozen=True)
class Snapshot:
    """How the platform did at a moment.

    Attributes:
        at: when it was looked at, naive UTC.
        up: whether the lake could be read, with all its tables that are looked at.
        errors: what could not be looked at: where, and the kind of error.
        newest: the newest rows of bars, live_bars and features by symbol.
        drift: the last row of `drift_decisions` of each symbol.
        evidence: the last row of the family of `model_monitor` of each symbol.
        metrics: the last rows of `model_metrics` by universe, symbol and horizon.
        champions: who answers.
        shadows: the last rows of `shadow_scores` of each universe.
        decisions: counts of `retraining_decisions` by universe, trigger and whether to retrain.
        last_decisions: the last one of each universe.
        trained: the last training that ended, by universe.
        runs: trainings started in the last day, by state.
        alerts: open ones, oldest first.
        channels: the ways to a person.
        heartbeats: the last signs of life.
        disk_free, disk_size: bytes of the disk below the home.
        seconds: how long it took to look.
    """

    at: np.datetime64
    up: bool = False
    errors: tuple[str, ...] = ()
    newest: tuple[Newest, ...] = ()
    drift: tuple[Row, ...] = ()
    evidence: tuple[Row, ...] = ()
    metrics: tuple[Row, ...] = ()
    champions: tuple[Answers, ...] = ()
    shadows: tuple[Row, ...] = ()
    decisions: tuple[Row, ...] = ()
    last_decisions: tuple[Row, ...] = ()
    trained: tuple[Row, ...] = ()
    runs: tuple[Row, ...] = ()
    alerts: tuple[Alert, ...] = ()
    channels: tuple[Way, ...] = ()
    heartbeats: Mapping[str, Heartbeat] = field(default_factory=dict)
    disk_free: int = 0
    disk_size: int = 0
    seconds: float = 0.0


def collect(
    watched: Watched, alerts: Alerts, now: np.datetime64, reader: LakeReader | None = None
) -> Snapshot:
    """Look at everything once; the lake is opened to read only, and none is made.

    `reader` keeps the lake open for the next look.

    What cannot be read is named in `errors`, and everything else is there.
    """
    began, errors = time.monotonic(), list[str]()
    found = replace(
        Snapshot(now),
        champions=_tried(errors, "champions", lambda: _champions(watched), ()),
        channels=_tried(errors, "spools", lambda: _channels(alerts), ()),
        heartbeats=_heartbeats(watched.home),
    )
    unreadable = _tried(errors, "spools", alerts.num_unreadable, 0)
    if unreadable:
        errors.append(f"spools: {unreadable} files cannot be read (the log names them)")
    free, size = _tried(errors, "disk", lambda: _disk(watched.home), (0, 0))
    rows: dict[str, tuple[Row, ...]] = {}
    newest: tuple[Newest, ...] = ()
    others = len(errors)
    try:
        with (reader or LakeReader(watched.home / "lake", watched.catalogue)).open() as connection:
            there = _tables(connection)
            newest = _tried(errors, "bars", lambda: _newest(connection, there), ())
            for name, (table, sql) in _QUERIES.items():
                if table in there:
                    rows[name] = _tried(errors, table, _query(connection, sql, now), ())
    except (duckdb.Error, CryptoNNError, OSError) as error:
        said = str(error).split(". ")[0] if isinstance(error, LakeError) else type(error).__name__
        errors.append(f"lake: {said}")
    if reader and len(errors) > others:
        reader.close()
    up, told = len(errors) == others, rows.pop("alerts", ())
    nothing: tuple[Alert, ...] = ()
    opened_alerts = _tried(errors, "spools", lambda: _open(told, alerts), nothing)
    named = {f.name for f in fields(Snapshot)}
    return replace(
        found,
        up=up,
        errors=tuple(errors),
        newest=newest,
        alerts=opened_alerts,
        disk_free=free,
        disk_size=size,
        seconds=time.monotonic() - began,
        **{name: value for name, value in rows.items() if name in named},  # type: ignore[arg-type]
    )


# Of each the whole rows: columns that a table lacks, or has more, do no harm.
_QUERIES: Mapping[str, tuple[str, str]] = {
    "drift": (
        "drift_decisions",
        "SELECT * FROM lake.main.drift_decisions QUALIFY 1 ="
        " row_number() OVER (PARTITION BY symbol ORDER BY day DESC, made_at DESC) ORDER BY symbol",
    ),
    "evidence": (
        "model_monitor",
        "SELECT * FROM lake.main.model_monitor WHERE metric = 'all' QUALIFY 1 ="
        " row_number() OVER (PARTITION BY symbol ORDER BY day DESC, made_at DESC) ORDER BY symbol",
    ),
    "metrics": (
        "model_metrics",
        "SELECT * FROM lake.main.model_metrics QUALIFY 1 = row_number() OVER"
        " (PARTITION BY universe, symbol, horizon ORDER BY timestamp DESC)"
        " ORDER BY universe, symbol, horizon",
    ),
    "shadows": (
        "shadow_scores",
        "SELECT * FROM lake.main.shadow_scores QUALIFY 1 = row_number() OVER"
        " (PARTITION BY universe, champion, shadow ORDER BY day DESC, made_at DESC)"
        " AND day = max(day) OVER (PARTITION BY universe) ORDER BY universe, shadow",
    ),
    "decisions": (
        "retraining_decisions",
        "SELECT universe, trigger, retrain, count(*) AS rows FROM lake.main.retraining_decisions"
        " GROUP BY ALL ORDER BY ALL",
    ),
    "last_decisions": (
        "retraining_decisions",
        "SELECT * FROM lake.main.retraining_decisions QUALIFY 1 ="
        " row_number() OVER (PARTITION BY universe ORDER BY made_at DESC) ORDER BY universe",
    ),
    "trained": (
        "checkpoints",
        "SELECT universe, version, trained_at FROM lake.main.checkpoints QUALIFY 1 ="
        " row_number() OVER (PARTITION BY universe ORDER BY trained_at DESC) ORDER BY universe",
    ),
    "runs": (
        "runs",
        "SELECT state, count(*) AS rows FROM lake.main.runs"
        " WHERE started_at >= $now - INTERVAL 1 DAY GROUP BY ALL ORDER BY ALL",
    ),
    "alerts": ("alerts", "SELECT * FROM lake.main.alerts ORDER BY made_at"),
}
_NEWEST = {
    "bars": "SELECT symbol, max(ts) FROM lake.main.bars WHERE (symbol, month) IN"
    " (SELECT (symbol, max(month)) FROM lake.main.bars GROUP BY symbol) GROUP BY symbol",
    "features": "SELECT symbol, max(ts) FROM lake.main.features WHERE (symbol, month) IN"
    " (SELECT (symbol, max(month)) FROM lake.main.features GROUP BY symbol) GROUP BY symbol",
    "live_bars": "SELECT symbol, max(ts) FROM lake.main.live_bars GROUP BY symbol",
}


def age_s(then: np.datetime64, now: np.datetime64) -> float:
    """Seconds between two times; negative where `then` is still to come."""
    return float((now - then) / np.timedelta64(1, "s"))


def _tables(connection: Connection) -> frozenset[str]:
    sql = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'"
    return frozenset(row[0] for row in connection.execute(sql).fetchall())


def _newest(connection: Connection, there: frozenset[str]) -> tuple[Newest, ...]:
    return tuple(
        Newest(table, symbol, np.datetime64(ts, "us") + _MINUTE)
        for table, sql in _NEWEST.items()
        if table in there
        for symbol, ts in sorted(connection.execute(sql).fetchall())
    )


def _query(connection: Connection, sql: str, now: np.datetime64) -> Callable[[], tuple[Row, ...]]:
    values = {"now": now.astype("datetime64[us]").item()} if "$now" in sql else {}
    return lambda: tuple(connection.execute(sql, values).to_arrow_table().to_pylist())


def _open(rows: Sequence[Row], alerts: Alerts) -> tuple[Alert, ...]:
    """Open alerts: those of the table, and those on the way to it."""
    pending = alerts.pending()
    found = {alert.key: alert for alert in open_of(rows)}
    found |= {key: alert for (key, state), alert in pending.items() if state == FIRING}
    return tuple(alert for key, alert in found.items() if (key, RESOLVED) not in pending)


def _champions(watched: Watched) -> tuple[Answers, ...]:
    models = ModelStore(watched.home / "models")
    found = [champion_of(models, universe) for universe in watched.universes]
    return tuple(
        Answers(one.universe, one.version, np.datetime64(one.at.removesuffix("Z"), "us"))
        for one in found
        if one is not None
    )


def _channels(alerts: Alerts) -> tuple[Way, ...]:
    used = {channel.name for channel in alerts.channels}
    spools = spools_in(alerts.spool, alerts.config.spool_limit)
    ways = []
    for name in sorted({*used, *spools}):
        spool = spools.get(name)
        waiting = len(spool.waiting()) if spool else 0
        condition = spool.condition() if spool else None
        if name in used or waiting:
            failures, dropped = (condition.failures, condition.dropped) if condition else (0, 0)
            ways.append(Way(name, name in used, waiting, failures, dropped))
    return tuple(ways)


def _heartbeats(home: Path) -> dict[str, Heartbeat]:
    beats = Heartbeats(home)
    found = {name: beats.last(name) for name in (DAEMON, MONITOR)}
    return {name: beat for name, beat in found.items() if beat is not None}


def _disk(home: Path) -> tuple[int, int]:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    usage = shutil.disk_usage(there)
    return usage.free, usage.total


def _tried(errors: list[str], where: str, look: Callable[[], Found], otherwise: Found) -> Found:
    """What there is; where it cannot be read, the place and the kind of error are noted."""
    try:
        return look()
    except (duckdb.Error, CryptoNNError, OSError, ValueError, KeyError) as error:
        errors.append(f"{where}: {type(error).__name__}")
        return otherwise
