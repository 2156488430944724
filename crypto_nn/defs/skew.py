"""Is what was predicted what bars and version say? The ledger of predictions worked out again."""

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import dagster as dg
import pyarrow as pa
from pydantic import Field

from crypto_nn.bars.calendar import day_bounds
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.resources import Platform
from crypto_nn.defs.skew_month import Day, SkewMonth, until_of
from crypto_nn.defs.window_bars import ASSET, VERSION, rests_until
from crypto_nn.monitoring.alerts import Alert
from crypto_nn.store.day_prints import BATCH, SERVED, DayPrint, day_prints
from crypto_nn.store.lineage import Made, digest, read_ledger
from crypto_nn.store.replacement import OnePart
from crypto_nn.store.tables import SKEW_LEDGER

if TYPE_CHECKING:
    pass

LEDGER = SKEW_LEDGER.name
MAX_DAYS = 200
"""So many days of symbols are worked out again in one run, the newest first; the rest next time."""
TOLERANCE = 1e-6
SHOWN = 20
KEY = "skew:"
"""What the keys of its alerts begin with."""


class SkewSettings(dg.Config):
    """How much one run looks at."""

    max_days: int = Field(default=MAX_DAYS, ge=1, description="Days worked out again in one run.")
    tolerance: float = Field(
        default=TOLERANCE, gt=0, description="A larger difference of a probability is skew."
    )


@dg.asset_check(
    asset=ASSET,
    description="Predictions worked out again from bars, by the version that made them, are those "
    "that are stored; see the table skew_ledger.",
)
def predictions_equal_recomputed(
    context: dg.AssetCheckExecutionContext, platform: Platform, config: SkewSettings
) -> dg.AssetCheckResult:
    """Work out again what is not in the ledger or has changed; fail while any day is skewed."""
    due = list(days_due(platform))
    now = due[: config.max_days]
    context.log.info("%d days of predictions are due, %d are looked at", len(due), len(now))
    for line in check_days(platform, now, config.tolerance):
        context.log.info(line)
    _tell(platform)
    return _verdict(platform, len(now), len(due) - len(now))


def days_due(platform: Platform) -> list[Day]:
    """The days of predictions that are not in the ledger as they are stored now, newest first."""
    known = _known(platform)
    found = []
    for source in (BATCH, SERVED):
        for one in _stored(platform, source):
            if known.get((one.symbol, one.day, source)) != one.checked_of:
                found.append(one)
    return sorted(found, key=lambda one: (one.day, one.symbol, one.source), reverse=True)


def check_days(
    platform: Platform, days: Sequence[Day], tolerance: float = TOLERANCE
) -> Iterator[str]:
    """Write these days into the ledger, a symbol's month in one transaction; yields what was found.

    What is written stays written if the run dies.
    """

    def place(one: Day) -> tuple[str, str, str]:
        return (one.month, one.symbol, one.source)

    for (month, symbol, source), group in groupby(sorted(days, key=place, reverse=True), place):
        listed = list(group)
        rows = list(SkewMonth(platform, symbol, month, source, listed, tolerance).rows())
        odd = sorted({row["verdict"] for row in rows} - {"equal"})
        if odd and _changed(platform, source, listed):
            yield f"{symbol} {month} {source}: predicted anew meanwhile, left for the next run"
            continue
        schema = pa.schema([(column.name, column.arrow) for column in SKEW_LEDGER.columns])
        parts = [
            OnePart(
                {"symbol": symbol, "day": one.day, "source": source},
                {LEDGER: pa.Table.from_pylist([r for r in rows if r["day"] == one.day], schema)},
            )
            for one in listed
        ]
        platform.lake.replace_all(parts)
        yield f"{symbol} {month} {source}: {len(listed)} days, {', '.join(odd) or 'all equal'}"


def _changed(platform: Platform, source: str, days: Collection[Day]) -> bool:
    """Whether predictions of these days are others than they were when it was looked what is due.

    Rows of one run and the record of another would not fit together.
    """
    now = {(one.symbol, one.day): one.checked_of for one in _stored(platform, source)}
    return any(now.get((one.symbol, one.day)) != one.checked_of for one in days)


def _known(platform: Platform) -> dict[tuple[str, str, str], dict[str, str]]:
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    if platform.lake.has(LEDGER):
        columns = ("symbol", "day", "source", "model_version", "checked_of")
        for row in platform.lake.read(LEDGER, columns).to_pylist():
            day = found.setdefault((row["symbol"], row["day"], row["source"]), {})
            day[row["model_version"]] = row["checked_of"]
    return found


def _stored(platform: Platform, source: str) -> Iterator[Day]:
    """Every day of which predictions are stored, or on record to have been made."""
    made = {}
    if source == BATCH:
        ledger = read_ledger(platform.lake).values()
        made = {(one.symbol, one.month): one for one in ledger if one.asset == ASSET}
    days: dict[tuple[str, str], list[DayPrint]] = {
        (one.symbol, day): [] for one in made.values() for day in _days_of(one)
    }
    for each in day_prints(platform.lake, source):
        days.setdefault((each.symbol, each.day), []).append(each)
    for (symbol, day), prints in days.items():
        record = made.get((symbol, day[:7]))
        rests = "" if record is None else _rests(record, day)
        hashes = {each.version: f"{each.rows} {each.print}" for each in prints}
        if not hashes and record is not None:
            hashes = {record.made_of[VERSION]: "nothing is stored"}
        checked_of = {name: digest([text, rests])[:16] for name, text in hashes.items()}
        yield Day(symbol, day, source, checked_of, record)


def _rests(record: Made, day: str) -> str:
    """What a day's predictions are on record to rest on; later days of its month do not count."""
    until = min(until_of(record), day_bounds(day)[1])
    return f"{rests_until(record.rests_on, day)} {until}"


def _days_of(record: Made) -> list[str]:
    """The days of a month of which there were bars when it was predicted."""
    return [day for day in record.rests_on if day.startswith(record.month)]


def _tell(platform: Platform) -> None:
    """Tell a person of days that are skewed, once, and once that they no longer are."""
    rows = platform.lake.read(LEDGER).to_pylist() if platform.lake.has(LEDGER) else []
    skewed = [row for row in rows if row["verdict"] == "skew"]
    hashes = sorted(row["checked_of"] for row in skewed)
    key, alerts, now = f"{KEY}{digest(hashes)[:16]}", platform.alerts, platform.now()
    for told in alerts.open("data"):
        if told.key.startswith(KEY) and (told.key != key or not skewed):
            text = "The days of predictions that were told then are not skewed any more, or others."
            alerts.resolve(told.key, "Predictions were worked out again", text, now)
    if skewed:
        worst = max(skewed, key=lambda row: row["day"])
        text = (
            f"{len(skewed)} days of predictions are not what bars and version say. The newest: "
            f"{worst['symbol']} on {worst['day']}, {worst['source']}: {worst['note']}."
        )
        alerts.tell(Alert("data", key, "Predictions are skewed", text, now))


def _verdict(platform: Platform, checked: int, left: int) -> dg.AssetCheckResult:
    """What the whole ledger says."""
    from crypto_nn.inference.skew import EQUAL, SKEW

    rows = platform.lake.read(LEDGER).to_pylist() if platform.lake.has(LEDGER) else []
    skewed = [row for row in rows if row["verdict"] == SKEW]
    odd = [row for row in rows if row["verdict"] != EQUAL]
    odd.sort(key=lambda row: (row["verdict"] == SKEW, row["day"]), reverse=True)
    compared = [row["largest_difference"] for row in rows if row["verdict"] in (EQUAL, SKEW)]
    largest = max((value for value in compared if value is not None), default=0.0)
    counted = {name: sum(row["verdict"] == name for row in rows) for name in
               sorted({row["verdict"] for row in rows})}  # fmt: skip
    names = ("symbol", "day", "source", "model_version", "verdict", "largest_difference", "note")
    shown = [dg.TableRecord({name: str(row[name]) for name in names}) for row in odd[:SHOWN]]
    return dg.AssetCheckResult(
        passed=not skewed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(skewed)} of {len(rows)} days of predictions are skewed.",
        metadata={
            "days_worked_out_again": checked,
            "days_left_for_next_time": left,
            "largest_difference": dg.MetadataValue.float(largest),
            "predictions_compared": sum(row["rows"] for row in rows),
            "predictions_missing": sum(row["missing"] for row in rows),
            "verdicts": dg.MetadataValue.json(counted),
            **({"days": dg.MetadataValue.table(shown)} if shown else {}),
        },
    )


CHECK_SKEW = dg.define_asset_job(
    "check_skew",
    selection=dg.AssetSelection.checks(predictions_equal_recomputed),
    description="Work out again what was predicted, from bars, and compare.",
)

daily_skew = dg.ScheduleDefinition(
    name="daily_skew",
    job=CHECK_SKEW,
    cron_schedule=EXPERIMENT.automation.skew,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING
    if EXPERIMENT.automation.enabled
    else dg.DefaultScheduleStatus.STOPPED,
)
