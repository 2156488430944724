"""What must hold at the end of every virtual day, and at the end of the soak."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars, Times
from crypto_nn.bars.calendar import TS
from crypto_nn_tests.soak.looking import UNFINISHED, Seen, month_start
from crypto_nn_tests.soak.post import Letter
from crypto_nn_tests.soak.scenario import DAY, HOUR, SYMBOL, Scenario
from crypto_nn_tests.soak.venue import WRONG, Venue

CALM_HOURS = 50
"""So long after the last trouble all must be as if there had been none: two refreshes."""
BEYOND, MONTHS_OF_A_YEAR = "beyond-budget", 13
MINUTE = np.timedelta64(60_000_000, "us")


@dataclass
class Situation:
    """What the laws are about.

    Attributes:
        now: the end of the day.
        calm: whether nothing has gone wrong for `CALM_HOURS`.
        refreshed: when bars were last refreshed.
        predicted: when the last prediction that succeeded was started.
        reach: minutes that the model looks back.
        letters: what the mail server took.
        deaths: how many processes were killed so far: each may double one letter.
        killed: ids of runs that were killed.
        cooldown: least time between two retrainings for drift.
        budget: most of them in a year.
        alarms: most episodes of drift that are told one by one in a year.
        champion_at: who answered at each moment that was looked at, in order.
    """

    scenario: Scenario
    venue: Venue
    now: np.datetime64
    calm: bool
    refreshed: np.datetime64
    predicted: np.datetime64 | None
    reach: int
    letters: tuple[Letter, ...]
    deaths: int
    killed: set[str]
    cooldown: np.timedelta64
    budget: int
    alarms: int
    champion_at: list[tuple[np.datetime64, str]] = field(default_factory=list)


def broken(seen: Seen, at: Situation, since: np.datetime64 | None = None) -> Iterator[str]:
    """Every law that is broken, in words.

    Args:
        since: from when on the monthly tables were read; two months back by default.
    """
    since = month_start(at.now) if since is None else since
    yield from _bars(seen, at, since)
    yield from _derived(seen)
    yield from _predictions(seen, at, since)
    yield from _champion(seen, at)
    yield from _alerts(seen, at)
    yield from _drift(seen, at)
    yield from _alarms(seen, at)
    yield from _retrainings(seen, at)
    yield from _runs(seen, at)


def _ts(table: pa.Table | None, name: str = "ts") -> Times:
    return np.empty(0, dtype=TS) if table is None else table[name].to_numpy().astype(TS)


def _twice(ts: Times, what: str) -> Iterator[str]:
    found, counts = np.unique(ts, return_counts=True)
    if (counts > 1).any():
        first = found[counts > 1][0]
        yield f"{(counts > 1).sum()} {what} are there more than once, such as {first}"


def _bars(seen: Seen, at: Situation, since: np.datetime64) -> Iterator[str]:
    """No bar is lost, doubled or invented; what is missing is a gap."""
    table = seen.tables.get("bars")
    ts = _ts(table)
    twice = list(_twice(ts, "bars"))
    yield from twice
    if table is None or twice:
        return
    market = Bars.concat([Bars.empty(SYMBOL), *at.venue.source.fetch(SYMBOL, M1, since, at.now)])
    place = np.searchsorted(market.ts, ts)
    known = (place < len(market)) & (market.ts[np.minimum(place, len(market) - 1)] == ts)
    if not known.all():
        yield f"{(~known).sum()} bars were never traded, such as {ts[~known][0]}"
        return
    close, due = table["close"].to_numpy(), market.close[place]
    wrong = ~np.isclose(close, due, rtol=1e-12) & ~np.isclose(close, due * WRONG, rtol=1e-12)
    if wrong.any():
        yield f"{wrong.sum()} bars have a price that nobody told, such as {ts[wrong][0]}"
    if at.calm:
        yield from _complete(seen, at, market, ts, close)


def _complete(
    seen: Seen, at: Situation, market: Bars, ts: Times, close: NDArray[np.float64]
) -> Iterator[str]:
    """After some quiet hours the bars are exactly those that the venue has."""
    told = at.venue.told(market, at.refreshed)
    aside = _aside(seen)
    lost = np.setdiff1d(told.ts, np.concatenate([ts, aside]))
    if len(lost):
        yield f"{len(lost)} bars are lost, such as {lost[0]}, with bars refreshed at {at.refreshed}"
        return
    kept = told.take(np.isin(told.ts, ts))
    stale = ~np.isclose(close[np.isin(ts, kept.ts)], kept.close, rtol=1e-12)
    if stale.any():
        yield f"{stale.sum()} bars were corrected and are not, such as {kept.ts[stale][0]}"
    gaps = seen.tables["bar_gaps"]
    for start, end in zip(_ts(gaps, "gap_start"), _ts(gaps, "gap_end")):
        inside = ts[(ts >= start) & (ts < end)]
        if len(inside):
            yield f"the gap from {start} to {end} has {len(inside)} bars"


def _aside(seen: Seen) -> Times:
    """Minutes whose bar was put aside; not those of which only an older version was."""
    table = seen.tables.get("quarantined_bars")
    return _ts(None if table is None else table.filter(pc.field("reason") != "superseded"))


def _derived(seen: Seen) -> Iterator[str]:
    """Features and labels are once for each bar."""
    if "features" in seen.tables:
        yield from _twice(_ts(seen.tables["features"]), "rows of features")
    if "labels" in seen.tables:
        yield from _twice(_ts(seen.tables["labels"]), "rows of labels")


def _predictions(seen: Seen, at: Situation, since: np.datetime64) -> Iterator[str]:
    """No prediction is lost or doubled, and each is by a version that there is."""
    table = seen.tables.get("predictions")
    if table is None:
        return
    horizons = np.unique(table["horizon"].to_numpy())
    unknown = set(table["model_version"].unique().to_pylist()) - seen.versions
    if unknown:
        yield f"predictions are by {', '.join(sorted(unknown))}, which is no version"
    for horizon in horizons:
        ts = _ts(table.filter(pc.equal(table["horizon"], horizon)))
        yield from _twice(ts, f"predictions {horizon} minutes ahead")
        if at.calm and at.predicted is not None:
            due = _windows(seen, at.reach)
            due = due[due < at.predicted.astype("datetime64[D]")]
            first = _ts(table).min()
            lost = np.setdiff1d(due[due >= first], ts)
            if len(lost):
                yield f"{len(lost)} predictions {horizon} minutes ahead are lost, such as {lost[0]}"


def _windows(seen: Seen, reach: int) -> Times:
    """The minutes at which a window of features ends that has neither hole nor null."""
    features = seen.tables["features"].sort_by("ts")
    ts = _ts(features)
    good = np.ones(len(ts), dtype=bool)
    for name in features.column_names:
        if name != "ts":
            column = features[name]
            good &= np.isfinite(column.to_numpy())
    follows = np.zeros(len(ts), dtype=bool)
    follows[1:] = np.diff(ts) == MINUTE
    run, length = np.zeros(len(ts), dtype=np.int64), 0
    for row, (is_good, is_next) in enumerate(zip(good, follows)):
        length = (length + 1 if is_next else 1) if is_good else 0
        run[row] = length
    ends: Times = ts[run >= reach]
    return ends


def _champion(seen: Seen, at: Situation) -> Iterator[str]:
    """One version answers at every moment: the pointer, and its history, say which."""
    line: list[str] = []
    for event in seen.pointer:
        if event["action"] == "promote":
            line.append(event["version"])
        elif event["action"] == "rollback":
            del line[-1:]
            if line[-1:] != [event["version"]]:
                yield f"a rollback went to {event['version']} and not to {line[-1:]}"
    if line and line[-1] not in seen.versions:
        yield f"the champion {line[-1]} is no version"
    if at.champion_at and line and at.champion_at[-1][1] != line[-1]:
        yield f"{at.champion_at[-1][1]} answered last, and {line[-1]} by its history"
    times = [event["at"] for event in seen.pointer]
    if times != sorted(times):
        yield "the champion's history is not in the order of time"
    if at.calm and "champion_history" in seen.tables:
        rows = seen.tables["champion_history"].num_rows
        if rows != len(seen.pointer):
            yield f"champion_history has {rows} rows, and the pointer {len(seen.pointer)} events"


def _alerts(seen: Seen, at: Situation) -> Iterator[str]:
    """Each episode is told once, and reaches the person; its end only after its beginning."""
    if "alerts" not in seen.tables:
        return
    rows = seen.tables["alerts"].to_pylist()
    told = Counter((row["key"], row["state"]) for row in rows)
    for (key, state), count in told.items():
        if count > 1:
            yield f"the alert {key} ({state}) is in the ledger {count} times"
        if state == "resolved" and (key, "firing") not in told:
            yield f"the alert {key} is resolved and was never told"
    came = Counter((letter.key, letter.state) for letter in at.letters)
    again = sum(count - 1 for count in came.values())
    if again > at.deaths:
        yield f"{again} letters came more than once, and only {at.deaths} processes died"
    if at.calm:
        missing = [f"{key} ({state})" for key, state in told if (key, state) not in came]
        if missing:
            yield f"{len(missing)} alerts never came, such as {missing[0]}"
        unknown = [key for key in came if key not in told]
        if unknown:
            yield f"{len(unknown)} letters are about nothing on record, such as {unknown[0]}"


def _over(seen: Seen, at: Situation) -> np.datetime64:
    """The first day that is not over: a later bar tells an outage at its end from late bars."""
    ts = _ts(seen.tables.get("bars"))
    ends = min(at.refreshed, ts.max() + M1.step) if len(ts) else at.refreshed
    return ends.astype("datetime64[D]")


def _drift(seen: Seen, at: Situation) -> Iterator[str]:
    """Each day is compared once, none is left out, and alarms keep to their budget."""
    if "drift_decisions" not in seen.tables:
        return
    decisions = seen.tables["drift_decisions"].to_pylist()
    days = Counter(row["day"] for row in decisions)
    for day, count in days.items():
        if count > 1:
            yield f"the drift of {day} was decided {count} times"
    if at.calm and days:
        first = np.datetime64(min(days), "D")
        due = np.arange(first, _over(seen, at))
        left = [str(day) for day in due if str(day) not in days]
        if left:
            yield f"{len(left)} days have no drift report, such as {left[0]}"


def _alarms(seen: Seen, at: Situation) -> Iterator[str]:
    """In any year so many episodes of drift are told one by one, and others once a month."""
    if "alerts" not in seen.tables:
        return
    rows = seen.tables["alerts"].to_pylist()
    told = [row for row in rows if row["state"] == "firing" and row["key"].startswith("drift:")]
    for grouped, allowed in ((False, at.alarms), (True, MONTHS_OF_A_YEAR)):
        times = [_us(row["made_at"]) for row in told if (BEYOND in row["key"]) == grouped]
        for first in times:
            count = sum(first <= each < first + 365 * DAY for each in times)
            if count > allowed:
                yield f"{count} alarms of drift in a year from {first}; {allowed} are allowed"
                return


def _us(at: datetime) -> np.datetime64:
    return np.datetime64(at, "us")


def _retrainings(seen: Seen, at: Situation) -> Iterator[str]:
    """What drift starts keeps to its pause and to its budget."""
    started = sorted(
        run["at"]
        for run in seen.runs
        if run["job"] == "retrain" and run["tags"].get("reason") == "drift"
        and run["status"] == "SUCCESS"
    )  # fmt: skip
    for before, after in pairwise(started):
        if after - before < at.cooldown:
            yield f"drift retrained at {before} and again at {after}, before the pause was over"
    for first in started:
        count = sum(first <= each < first + 365 * DAY for each in started)
        if count > at.budget:
            yield f"drift retrained {count} times in a year from {first}; {at.budget} are allowed"


def _runs(seen: Seen, at: Situation) -> Iterator[str]:
    """What was killed is found and told; nothing stays as if it were running."""
    names = {status.value for status in UNFINISHED}
    for run in seen.runs:
        if run["status"] in names and (at.calm or at.now - run["at"] > 24 * HOUR):
            yield f"a run of {run['job']} of {run['at']} is {run['status']} at {at.now}"
        if run["id"] in at.killed and run["status"] == "SUCCESS":
            yield f"a run of {run['job']} of {run['at']} was killed and counts as done"
    if at.calm:
        left = seen.leftovers
        if len(left) > at.deaths:
            yield f"{len(left)} temporary files are left, such as {left[0]}"
