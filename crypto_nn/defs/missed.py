"""What of a champion's days and months is missing: drift reports and predictions.

The schedules `daily_watch` and `daily_predictions` and the sensor `fill_missing_partitions` all ask
through `ask`: each partition is asked for once, the newest first, a few at a time, and ever more
rarely while it fails.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import numpy as np
from dagster._utils.schedules import get_latest_completed_cron_tick
from numpy.typing import NDArray

from crypto_nn.bars.calendar import TS, month_bounds
from crypto_nn.defs.claims import unclaimed
from crypto_nn.defs.repairs import ACTIVE, ASKED_AT, STUCK, asked_at, busy_symbols, may_try
from crypto_nn.defs.resources import Platform
from crypto_nn.experiments import Experiment
from crypto_nn.features.labels import MINUTE
from crypto_nn.store.lineage import Made, read_ledger

MISSED = "missed"
"""The tag that names the partition that a run makes up for."""

JOBS = {"drift_report": "watch", "predictions": "predict"}
BESIDES = 6  # runs that may wait at once, beside one for each symbol
GRACE = np.timedelta64(10, "m")  # a schedule's own time: until then the sensor leaves it alone
DAY = np.timedelta64(1, "D")
_FAILED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_ENDED = [*_FAILED, dg.DagsterRunStatus.SUCCESS]
_HOPELESS = 5  # when so many runs in a row have failed, one at a time is tried
_LOOKED_AT = 2000  # newest failed runs that are counted
_DAYS: dict[tuple[str, str, str, str], tuple[NDArray[np.datetime64], np.datetime64]] = {}


@dataclass(frozen=True)
class Missing:
    """A partition that is due and not there.

    Attributes:
        asset: drift_report or predictions.
        symbol: whose.
        time: its day or month.
        since: it is missing since then (µs, UTC): earlier attempts were for what came before.
        what: names what it would be made of, where the same partition can be missing again.
    """

    asset: str
    symbol: str
    time: str
    since: np.datetime64
    what: str = ""

    @property
    def key(self) -> dg.MultiPartitionKey:
        """Its partition key."""
        dimension = "day" if self.asset == "drift_report" else "month"
        return dg.MultiPartitionKey({"symbol": self.symbol, dimension: self.time})

    @property
    def newest_first(self) -> tuple[int, str]:
        """To sort by: a month stands before its days."""
        whole = self.time if len(self.time) > len("2024-01") else f"{self.time}-32"
        return -int(whole.replace("-", "")), self.asset

    def request(self, after: str, now: np.datetime64) -> dg.RunRequest:
        """The run that makes it.

        Args:
            after: the id of the last run that failed; "" at the first attempt.
            now: when it is asked for.
        """
        named = [JOBS[self.asset], self.symbol, self.time, self.what, after[:8]]
        return dg.RunRequest(
            run_key="-".join(part for part in named if part),
            job_name=JOBS[self.asset],
            partition_key=self.key,
            tags={
                "symbol": self.symbol,
                MISSED: f"{self.asset}:{self.key}",
                ASKED_AT: str(now),
            },
        )


@dataclass(frozen=True)
class Answered:
    """A symbol whose universe has a champion.

    Attributes:
        symbol: which.
        version: the champion.
        learned_until: the first instant after what it was trained on; None where not on record.
        months: by month, how its features came about.
    """

    symbol: str
    version: str
    learned_until: np.datetime64 | None
    months: dict[str, Made]


def ask(
    platform: Platform,
    instance: dg.DagsterInstance,
    experiment: Experiment,
    who: str,
    assets: Sequence[str] = tuple(JOBS),
    without: Collection[str] = (),
) -> list[dg.RunRequest]:
    """The runs to launch now for what is missing, newest first.

    Args:
        experiment: whose symbols have partitions.
        who: the schedule or sensor that asks.
        assets: which of drift_report and predictions.
        without: symbols that are left alone this time.
    """
    now = platform.now()
    busy = busy_symbols(instance, now) | set(without)
    symbols = [s for s in _answered(platform, experiment) if s.symbol not in busy]
    grace = GRACE if who == "fill_missing_partitions" else np.timedelta64(0, "m")
    missing: list[Missing] = []
    if "drift_report" in assets:
        missing += _days(platform, instance, experiment, symbols, now - grace)
    if "predictions" in assets:
        missing += _months(instance, experiment, symbols, now - grace)
    missing.sort(key=lambda one: one.newest_first)
    found = _allowed(instance, missing, len(experiment.symbols) + BESIDES, now)
    return list(unclaimed(instance, who, found, now))


def _answered(platform: Platform, experiment: Experiment) -> list[Answered]:
    from crypto_nn.inference.registry import champion_of

    lake, months = platform.lake, dict[str, dict[str, Made]]()
    for (asset, symbol, month), made in read_ledger(lake).items():
        if asset == "features" and symbol in experiment.symbols:
            months.setdefault(symbol, {})[month] = made
    ends = {}
    if months and lake.has("checkpoints"):
        found = lake.read("checkpoints", ("version", "train_end")).to_pylist()
        ends = {row["version"]: row["train_end"] for row in found if row["train_end"]}
    answered = []
    for symbol, made_of in months.items():
        champion = champion_of(platform.models, experiment.universe_of(symbol))
        if champion is not None:
            end = ends.get(champion.version)
            until = None if end is None else np.datetime64(end, "us")
            answered.append(Answered(symbol, champion.version, until, made_of))
    return answered


def _days(
    platform: Platform,
    instance: dg.DagsterInstance,
    experiment: Experiment,
    symbols: Sequence[Answered],
    now: np.datetime64,
) -> Iterator[Missing]:
    """Whole days with bars since the champion's training that have no report, once they are due.

    A day is due at the first time of `automation.watch` after its end.
    """
    done = instance.get_materialized_partitions(dg.AssetKey("drift_report")) if symbols else set()
    last = last_time(experiment.automation.watch, now).astype("datetime64[D]")
    back = experiment.automation.drift_catch_up_days * DAY
    for one in symbols:
        newest = max(one.months)
        whole, _ = _whole_days(platform, one, newest)
        until = min(last, max([*whole, month_bounds(newest)[0].astype("datetime64[D]") - 1]) + 1)
        first = np.datetime64(experiment.symbol(one.symbol).first_month, "D")
        if one.learned_until is not None:
            first = max(first, (one.learned_until + DAY - MINUTE).astype("datetime64[D]"))
        for month in one.months:
            start, end = (time.astype("datetime64[D]") for time in month_bounds(month))
            if end <= max(first, until - back) or start >= until:
                continue
            for day in _whole_days(platform, one, month)[0]:
                missing = Missing("drift_report", one.symbol, str(day), day.astype(TS))
                if max(first, until - back) <= day < until and str(missing.key) not in done:
                    yield missing


def _whole_days(
    platform: Platform, one: Answered, month: str
) -> tuple[NDArray[np.datetime64], np.datetime64]:
    """The days of a month that have bars and are over, and when its newest bar closed.

    Read once for each time that the month's features were made.
    """
    made_at = str(one.months[month].made_at)
    key = (str(platform.lake.root), one.symbol, month, made_at)
    if key not in _DAYS:
        where = {"symbol": one.symbol, "month": month}
        ts_N = platform.lake.read("features", ("ts",), where)["ts"].to_numpy().astype(TS)
        for old in [k for k in _DAYS if k[:3] == key[:3]]:
            del _DAYS[old]
        closed = ts_N[-1] + MINUTE if len(ts_N) else month_bounds(month)[0]
        _DAYS[key] = np.unique(ts_N.astype("datetime64[D]")), closed
    days, closed = _DAYS[key]
    if month == max(one.months):  # what came later shows that a day is over
        days = days[(days + 1).astype(TS) <= closed]
    return days, closed


def _months(
    instance: dg.DagsterInstance,
    experiment: Experiment,
    symbols: Sequence[Answered],
    now: np.datetime64,
) -> Iterator[Missing]:
    """Months since the champion's training whose predictions lack something.

    That is a month without any; and at each time of `automation.predict` one whose predictions
    are another version's, or whose features were made anew since.
    """
    last = last_time(experiment.automation.predict, now)
    wanted = {
        f"{month}|{one.symbol}": (one, month)
        for one in symbols
        for month in one.months
        if one.learned_until is None or month_bounds(month)[1] > one.learned_until
    }
    made = _predicted(instance, list(wanted))
    for key, (one, month) in wanted.items():
        if key not in made:
            yield Missing("predictions", one.symbol, month, np.datetime64(0, "us"))
            continue
        at, version = made[key]
        changed = version not in (None, one.version) or one.months[month].made_at > at
        if changed and at < last:
            yield Missing("predictions", one.symbol, month, at, str(last))


def _predicted(
    instance: dg.DagsterInstance, keys: Sequence[str]
) -> dict[str, tuple[np.datetime64, str | None]]:
    """When predictions of these partitions were last made, and by which version."""
    asset, kind = dg.AssetKey("predictions"), dg.DagsterEventType.ASSET_MATERIALIZATION
    places = instance.get_latest_storage_id_by_partition(asset, kind, set(keys)) if keys else {}
    if not places:
        return {}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset, storage_ids=list(places.values())), limit=len(places)
    ).records
    made: dict[str, tuple[np.datetime64, str | None]] = {}
    for record in records:
        told = record.asset_materialization
        versions = told.metadata["versions"].value if told and "versions" in told.metadata else {}
        key = record.partition_key or ""
        at = datetime.fromtimestamp(record.timestamp, UTC).replace(tzinfo=None)
        version = versions.get(key.partition("|")[2]) if isinstance(versions, Mapping) else None
        made[key] = np.datetime64(at, "us"), version if isinstance(version, str) else None
    return made


def _allowed(
    instance: dg.DagsterInstance, missing: Sequence[Missing], at_once: int, now: np.datetime64
) -> Iterator[dg.RunRequest]:
    """Those that nobody makes now and whose pause is over, until so many wait."""
    if not missing:
        return
    records = instance.get_run_records(dg.RunsFilter(statuses=ACTIVE), limit=1000)
    active = [each for each in records if now - asked_at(each) < STUCK]
    taken = {name for each in active for name in _names(each)}
    room = at_once - sum(MISSED in each.dagster_run.tags for each in active)
    rooms = dict.fromkeys({one.asset for one in missing}, room)
    failed: dict[str, list[dg.RunRecord]] = {}
    for asset in rooms:
        job = JOBS[asset]
        ended = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=_ENDED), limit=5)
        if len(ended) == _HOPELESS and all(r.dagster_run.status in _FAILED for r in ended):
            rooms[asset] = min(room, 1)
        tried = dg.RunsFilter(job_name=job, statuses=_FAILED)
        for each in instance.get_run_records(tried, limit=_LOOKED_AT):
            for name in _names(each):
                failed.setdefault(name, []).append(each)
    for one in missing:
        name = f"{one.asset}:{one.key}"
        tries = [each for each in failed.get(name, []) if asked_at(each) >= one.since]
        if name in taken or not may_try([asked_at(each) for each in tries], now):
            continue
        if room > 0 and rooms[one.asset] > 0:
            room, rooms[one.asset] = room - 1, rooms[one.asset] - 1
            yield one.request(max(tries, key=asked_at).dagster_run.run_id if tries else "", now)


def _names(record: dg.RunRecord) -> set[str]:
    """The partitions that a run makes, as in `MISSED`: also one that a person has launched."""
    tags = record.dagster_run.tags
    told = {tags[MISSED]} if MISSED in tags else set()
    partition = tags.get("dagster/partition")
    asset = {job: asset for asset, job in JOBS.items()}.get(record.dagster_run.job_name)
    return told | ({f"{asset}:{partition}"} if asset and partition else set())


def last_time(cron: str, now: np.datetime64) -> np.datetime64:
    """The last time that a cron line names, at or before now (naive UTC)."""
    at = now.astype("datetime64[us]").item().replace(tzinfo=UTC)
    found = get_latest_completed_cron_tick(cron, at, "UTC")
    return np.datetime64(found.astimezone(UTC).replace(tzinfo=None), "us")
