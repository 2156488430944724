"""Missing minutes are asked for again: exactly those, ever more rarely, and none is forgotten."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.errors import SourceError, SourceRefused, SourceUnavailable
from crypto_nn.sources import Availability, BarSource, FilesConfig
from crypto_nn.sources.refill import Refill, RefillConfig
from crypto_nn.store import Lake
from crypto_nn.store.gap_repairs import Ask, Gap, histories, open_gaps, read_asks
from crypto_nn.store.raw import RawStore

SYMBOL, SOURCE, MONTH = "BTC-USDT", "exchange", "2024-01"
MINUTE, HOUR, DAY = (np.timedelta64(1, unit) for unit in ("m", "h", "D"))
START = np.datetime64("2024-01-10T10:00", "us")
SEEN = np.datetime64("2024-01-10T12:00", "us")
HOLE = (START, START + 90 * MINUTE)


def bars(start: np.datetime64, end: np.datetime64) -> Bars:
    ts = np.arange(start, end, MINUTE).astype("datetime64[us]")
    one = np.full(len(ts), 100.0)
    return Bars(SYMBOL, M1, ts, one, one, one, one, one)


class Exchange(BarSource):
    """Has the minutes that it is given, and notes what it is asked for."""

    name = "exchange"

    def __init__(self) -> None:
        self.has: list[tuple[np.datetime64, np.datetime64]] = []
        self.asked: list[tuple[np.datetime64, np.datetime64]] = []
        self.error: SourceError | None = None
        self.version: str | None = None

    def symbols(self) -> tuple[str, ...]:
        return (SYMBOL,)

    def available(self, symbol: str) -> Availability:
        return Availability(START, START + DAY, live=True)

    def state(self) -> str | None:
        return self.version

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        self.asked.append((start, end))
        for low, high in self.has:
            yield bars(max(low, start), min(high, end))
        if self.error is not None:
            raise self.error


class World:
    """A lake with one gap, an exchange, and a clock."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self.lake, self.raw = lake, RawStore(folder)
        self.exchange = Exchange()
        self.now: np.datetime64 = SEEN
        config = RefillConfig()
        self.refill = Refill(self.lake, self.raw, SOURCE, self.exchange, lambda: self.now, config)
        self.miss(HOLE)

    def miss(self, *holes: tuple[np.datetime64, np.datetime64]) -> None:
        """What the asset `bars` writes down of the month."""
        rows = [{"gap_start": start.item(), "gap_end": end.item(),
                 "minutes": int((end - start) / MINUTE)} for start, end in holes]  # fmt: skip
        schema = pa.schema([("gap_start", pa.timestamp("us")), ("gap_end", pa.timestamp("us")),
                            ("minutes", pa.int64())])  # fmt: skip
        table = pa.Table.from_pylist(rows, schema)
        self.lake.replace({"bar_gaps": table}, {"symbol": SYMBOL, "month": MONTH})

    def ask(self, after: np.timedelta64) -> list[Ask]:
        """What a run of the job does, so long after the gap was seen."""
        self.now = SEEN + after
        return self.refill.refill(SYMBOL)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    made = Lake(tmp_path_factory.mktemp("refill") / "lake")
    yield made
    made.close()


@pytest.fixture
def world(lake: Lake, tmp_path: Path) -> World:
    """One gap that has just been seen, in a lake without any other."""
    nothing = pa.table({"symbol": pa.array([], pa.string())})
    lake.replace({"gap_repairs": nothing}, {})
    made = World(lake, tmp_path)
    made.refill.see(SYMBOL)
    return made


def test_a_gap_is_asked_for_an_hour_a_day_a_week_and_a_month_later(world: World) -> None:
    """Looking every hour for two months asks four times, each time for exactly the gap."""
    asked = []
    for hours in (*range(1, 30), *range(30, 24 * 60, 12)):
        asked += [(hours, ask) for ask in world.ask(hours * HOUR)]
    assert [hours for hours, _ in asked] == [1, 24, 174, 726]
    assert {ask.outcome for _, ask in asked} == {"nothing"}
    assert world.exchange.asked == [HOLE] * 4
    (history,) = histories(open_gaps(world.lake), read_asks(world.lake))
    assert history.is_confirmed(RefillConfig().after)
    assert (history.times_asked, history.seen_at) == (4, SEEN)


def test_what_comes_is_stored_as_any_delivery_is(world: World) -> None:
    """The raw rows carry the time of the asking, and the ledger says how much came."""
    world.exchange.has = [(HOLE[0] + 30 * MINUTE, HOLE[1])]
    (ask,) = world.ask(HOUR)
    assert (ask.outcome, ask.found_minutes) == ("part", 60)
    rows = world.raw.read(SYMBOL, MONTH, SOURCE)
    assert rows.num_rows == 60
    assert set(rows["received_at"].to_numpy()) == {SEEN + HOUR}


def test_what_is_left_of_a_gap_keeps_its_history(world: World) -> None:
    """A gap that was filled in part is not new: the time since it was first seen runs on."""
    world.exchange.has = [(HOLE[0] + 30 * MINUTE, HOLE[1])]
    world.ask(HOUR)
    world.miss((HOLE[0], HOLE[0] + 30 * MINUTE))
    assert world.ask(2 * HOUR) == []
    (ask,) = world.ask(DAY)
    assert ask.gap == Gap(SYMBOL, HOLE[0], HOLE[0] + 30 * MINUTE)
    assert ask.outcome == "nothing"


def test_a_source_that_gives_up_loses_neither_what_it_gave_nor_the_ledger(world: World) -> None:
    """Its error is a line; it is asked again the next time; other gaps wait for that."""
    later = (HOLE[1] + HOUR, HOLE[1] + 2 * HOUR)
    world.miss(HOLE, later)
    world.refill.see(SYMBOL)
    world.exchange.has = [(HOLE[0], HOLE[0] + 10 * MINUTE)]
    world.exchange.error = SourceUnavailable("gave up after 5 attempts", SYMBOL, [HOLE])
    (ask,) = world.ask(HOUR)
    assert (ask.outcome, ask.found_minutes) == ("failed", 10)
    assert "gave up after 5 attempts" in (ask.detail or "")
    assert world.raw.read(SYMBOL, MONTH, SOURCE).num_rows == 10
    world.exchange.error = None
    assert {ask.gap.start for ask in world.ask(2 * HOUR)} == {HOLE[0], later[0]}


def test_a_refusal_is_written_down_and_then_raised(world: World) -> None:
    """A person has to see to a wrong key; the ledger tells that it was tried."""
    world.exchange.error = SourceRefused("the key in POLYGON_API_KEY is not accepted")
    with pytest.raises(SourceRefused, match="not accepted"):
        world.ask(HOUR)
    assert [ask.outcome for ask in read_asks(world.lake)] == ["seen", "failed"]


def test_a_source_that_knows_its_state_is_asked_once_for_each(world: World) -> None:
    """Files are read again when they have changed, at whatever time, and else not."""
    world.exchange.version = "a"
    assert [ask.outcome for ask in world.ask(0 * HOUR)] == ["nothing"]
    assert world.ask(40 * DAY) == []
    world.exchange.version = "b"
    world.exchange.has = [HOLE]
    assert [ask.outcome for ask in world.ask(41 * DAY)] == ["whole"]


def test_known_rows_are_not_found_again(world: World) -> None:
    """A minute whose row was put aside stays missing; that row is no news the second time."""
    world.exchange.has = [HOLE]
    assert [ask.found_minutes for ask in world.ask(HOUR)] == [90]
    assert [ask.found_minutes for ask in world.ask(DAY)] == [0]


def test_the_state_of_files_changes_with_any_of_them(tmp_path: Path) -> None:
    """Another size, another time or another file is another state; looking changes nothing."""
    row = "2024-01-01T00:00:00Z,1,1,1,1,1\n"
    path = tmp_path / "BTC-USDT.csv"
    path.write_text(f"ts,open,high,low,close,volume\n{row}")
    source = FilesConfig(paths=(str(tmp_path),)).open()
    states = [source.state(), source.state()]
    assert len(set(states)) == 1
    path.write_text(path.read_text() + row.replace("00:00:00", "00:01:00"))
    states.append(source.state())
    (tmp_path / "ETH-USDT.csv").write_text(f"ts,open,high,low,close,volume\n{row}")
    states.append(source.state())
    assert len(set(states)) == 3


@pytest.mark.parametrize("hours", [(), (0, 1), (24, 1), (1, 1)])
def test_a_rhythm_that_does_not_widen_is_refused(hours: tuple[float, ...]) -> None:
    """The error names what is due."""
    with pytest.raises(ValidationError, match=r"after_hours"):
        RefillConfig(after_hours=hours)
