"""What is missing, put aside and corrected is told as it is, and as it was known at a time."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.quality import QualityConfig, inspect
from crypto_nn.sources.refill import RefillConfig
from crypto_nn.store import Lake
from crypto_nn.store.gap_repairs import Ask, Gap, write_asks
from crypto_nn.store.gaps import GapReport, report_gaps
from crypto_nn.store.lineage import Made, content_of
from crypto_nn.store.raw import RawStore

SYMBOL, SOURCE, MONTH = "BTC-USDT", "exchange", "2024-01"
MINUTE, HOUR, DAY = (np.timedelta64(1, unit) for unit in ("m", "h", "D"))
FIRST, LAST = np.datetime64("2024-01-10", "us"), np.datetime64("2024-01-13", "us")
HOLE = (FIRST + 10 * HOUR, FIRST + 12 * HOUR)
SMALL = (FIRST + 40 * HOUR, FIRST + 40 * HOUR + 3 * MINUTE)
AFTER = RefillConfig().after


def bars(start: np.datetime64, end: np.datetime64, price: float = 100.0) -> Bars:
    ts = np.arange(start, end, MINUTE).astype("datetime64[us]")
    one = np.full(len(ts), price)
    return Bars(SYMBOL, M1, ts, one, one, one, one, one)


class World:
    """Three days of which two stretches are missing at first."""

    def __init__(self, folder: Path) -> None:
        self.lake, self.raw = Lake(folder / "lake"), RawStore(folder / "raw")
        for start, end in ((FIRST, HOLE[0]), (HOLE[1], SMALL[0]), (SMALL[1], LAST)):
            self.receive(bars(start, end), LAST + HOUR)
        self.make()

    def receive(self, delivery: Bars, at: np.datetime64) -> None:
        self.raw.append(SOURCE, SYMBOL, MONTH, delivery, at)

    def make(self) -> None:
        """What the asset `bars` does."""
        found = inspect(self.raw.read(SYMBOL, MONTH, SOURCE), QualityConfig(), FIRST, LAST)
        table = found.accepted.to_arrow()
        table = table.append_column("source", pa.array([SOURCE] * len(table), pa.string()))
        due = {"due": f"{FIRST.astype('M8[m]')} {LAST.astype('M8[m]')}"}
        content = content_of(found.accepted)
        made = Made("bars", SYMBOL, MONTH, due, {}, content, np.datetime64("2024-02-01", "us"))
        self.lake.replace(
            {"bars": table, "quarantined_bars": found.quarantined, "bar_gaps": found.gaps,
             "partition_inputs": made.to_arrow()},
            {"symbol": SYMBOL, "month": MONTH},
            own={"partition_inputs": made.partition},
        )  # fmt: skip

    def report(self, as_of: np.datetime64 | None = None) -> GapReport:
        return report_gaps(self.lake, self.raw, {SYMBOL: SOURCE}, AFTER, as_of=as_of)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.lake.close()


def spans(report: GapReport, state: str) -> list[tuple[np.datetime64, np.datetime64]]:
    return [(row.gap_start, row.gap_end) for row in report.rows if row.state == state]


def test_gaps_are_told_with_what_was_done_about_them(world: World) -> None:
    """Open until the source has said for the last time that it has nothing, refilled once there."""
    (big, small), seen = (Gap(SYMBOL, *HOLE), Gap(SYMBOL, *SMALL)), LAST + HOUR
    assert spans(world.report(), "open") == [HOLE, SMALL]
    assert [row.times_asked for row in world.report().rows] == [0, 0]

    write_asks(world.lake, [Ask(gap, seen, SOURCE, "seen") for gap in (big, small)])
    write_asks(world.lake, [Ask(gap, seen + HOUR, SOURCE, "nothing") for gap in (big, small)])
    write_asks(world.lake, [Ask(small, seen + 31 * DAY, SOURCE, "nothing")])
    report = world.report()
    assert (spans(report, "open"), spans(report, "confirmed")) == ([HOLE], [SMALL])
    assert [row.times_asked for row in report.rows] == [1, 2]
    assert report.rows[1].last_asked == seen + 31 * DAY

    world.receive(bars(HOLE[0] + 30 * MINUTE, HOLE[1]), seen + 2 * DAY)
    world.make()
    report = world.report()
    assert spans(report, "open") == [(HOLE[0], HOLE[0] + 30 * MINUTE)]
    assert spans(report, "refilled") == [(HOLE[0] + 30 * MINUTE, HOLE[1])]


def test_the_summary_counts_what_there_is(world: World) -> None:
    """Coverage, rows put aside by reason, corrected minutes: against counts made by hand."""
    correction = bars(FIRST, FIRST + 5 * MINUTE, 101.0)
    world.receive(correction, LAST + 2 * DAY)
    world.receive(replace(correction, low=np.full(5, 105.0)), LAST + 3 * DAY)
    world.make()
    (summary,) = world.report().summaries
    assert summary.bars == 3 * 1440 - 123
    assert summary.missing_minutes == 123
    assert summary.coverage == pytest.approx(1 - 123 / (3 * 1440))
    assert (summary.first, summary.last) == (FIRST, LAST - MINUTE)
    assert dict(summary.quarantined) == {"superseded": 5, "high_below_low": 5}
    assert summary.revised_minutes == 5
    assert summary.newest_revision == LAST + 3 * DAY


def test_the_picture_is_made_of_the_same_minutes(world: World) -> None:
    """Per hour: what is due, what is there, what was put aside, what was corrected."""
    world.receive(bars(FIRST, FIRST + 5 * MINUTE, 101.0), LAST + 2 * DAY)
    world.make()
    (hours,) = world.report().hours
    assert hours.start == FIRST.astype("datetime64[h]")
    assert hours.due.tolist() == [60] * 72
    expected = np.full(72, 60)
    expected[10:12], expected[40] = 0, 57
    assert hours.there.tolist() == expected.tolist()
    assert hours.revised.tolist() == [5] + [0] * 71
    assert hours.quarantined.tolist() == [5] + [0] * 71


def test_the_past_is_told_as_it_was_known_then(world: World) -> None:
    """Before a late delivery its minutes were missing, and a correction was not yet one."""
    before = world.report(LAST + 2 * HOUR)
    write_asks(world.lake, [Ask(Gap(SYMBOL, *HOLE), LAST + 3 * HOUR, SOURCE, "seen")])
    world.receive(bars(*HOLE), LAST + DAY)
    world.receive(bars(FIRST, FIRST + 5 * MINUTE, 101.0), LAST + 2 * DAY)
    world.make()
    then = world.report(LAST + 2 * HOUR)
    assert then.rows == before.rows
    assert then.summaries == before.summaries
    assert spans(then, "open") == [HOLE, SMALL]
    now, at_the_end = world.report(), world.report(LAST + 2 * DAY)
    assert spans(now, "open") == [SMALL]
    assert now.summaries == at_the_end.summaries
    assert now.rows == at_the_end.rows


def test_what_had_not_been_received_counts_as_missing(world: World) -> None:
    """Half an hour before the first delivery nothing was known; no later minute was due yet."""
    report = world.report(LAST - HOUR)
    assert spans(report, "open") == [(FIRST, LAST - HOUR)]
    assert report.summaries[0].bars == 0
    assert world.report(FIRST - DAY).rows == ()
    assert world.report(FIRST - DAY).summaries[0].coverage is None


def test_a_lake_without_bars_has_no_gaps(tmp_path: Path) -> None:
    """Nothing stored is a normal state, not an error."""
    lake = Lake(tmp_path / "lake")
    report = report_gaps(lake, RawStore(tmp_path / "raw"), {SYMBOL: SOURCE}, AFTER)
    assert report.rows == ()
    gaps, (summary,) = report.tables()
    assert (gaps, summary["bars"], summary["coverage"]) == ([], "0", "")
    lake.close()


def test_rows_to_print_hold_plain_words(world: World) -> None:
    """Times without a T, shares never rounded up to whole, nothing for what never was."""
    gaps, (summary,) = world.report().tables()
    assert gaps[0] == {
        "symbol": SYMBOL, "from": "2024-01-10 10:00", "until": "2024-01-10 12:00",
        "minutes": 120, "asked": 0, "last asked": "", "state": "open",
    }  # fmt: skip
    assert summary == {
        "symbol": SYMBOL, "days": "2024-01-10 to 2024-01-12", "bars": "4,197",
        "coverage": "97.1527 %", "missing": "123 in 2 gaps", "put aside": "none",
        "corrected": "none",
    }  # fmt: skip
