"""`refresh_bars` folds what came in live into raw bars and bars, and loses none of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.bars.calendar import TS
from crypto_nn.defs.automation import month_key
from crypto_nn.defs.bars import BY_HAND, bars, raw_bars
from crypto_nn.defs.io_managers import LakeIOManager, ParquetIOManager
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import SourceRefused, SourceUnavailable
from crypto_nn.sources import Availability, BarSource
from crypto_nn.sources.realtime import Delivery
from crypto_nn.store.live import LiveBars
from crypto_nn_tests.store.test_live import closes as by_minute

SYMBOL, SOURCE, MONTH = "SYN-USDT", "synthetic", "2024-01"
JANUARY = np.datetime64("2024-01-01", "us")
FAR = np.datetime64("2100-01-01", "us")
MINUTE = M1.step


def some(values: dict[int, float]) -> Bars:
    """Bars by minute of January."""
    ts = JANUARY + np.array(list(values)) * MINUTE
    price = np.array(list(values.values()), dtype=float)
    return Bars(SYMBOL, M1, ts.astype(TS), price, price * 1.1, price * 0.9, price, price)


@dataclass
class Venue(BarSource):
    """Has these bars, in pieces, and raises what it is told to after them."""

    pieces: list[dict[int, float]] = field(default_factory=list)
    error: Exception | None = None
    asked: int = 0
    name = "venue"

    def symbols(self) -> tuple[str, ...]:
        return (SYMBOL,)

    def available(self, symbol: str) -> Availability:
        return Availability(JANUARY, FAR, live=True)

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        self.asked += 1
        yield from map(some, self.pieces)
        if self.error:
            raise self.error


@dataclass
class World:
    """A platform of its own, with a venue and a clock that tests hold."""

    platform: Platform
    venue: Venue
    live: LiveBars
    minute: int = 60

    def say(self, values: dict[int, float], at: float, origin: str = "stream") -> None:
        """Record a delivery, received at that minute."""
        received_at = JANUARY + np.timedelta64(round(at * 60e6), "us")
        self.live.append(SOURCE, [Delivery(some(values), received_at, origin)])  # type: ignore[arg-type]

    def make(self, *assets: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
        """Materialise assets of January."""
        self.minute += 1
        lake, raw = LakeIOManager(platform=self.platform), ParquetIOManager(platform=self.platform)
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                [raw_bars, bars],
                selection=list(assets) or None,
                partition_key=month_key(SYMBOL, MONTH),
                resources={"platform": self.platform, "lake": lake, "raw_parquet": raw},
                instance=instance,
                tags={BY_HAND: "true"},  # whoever waits is told at once
            )

    def now(self) -> dict[int, float]:
        return by_minute(self.live.now(SYMBOL, JANUARY, FAR))

    def bars(self) -> dict[int, float]:
        return by_minute(Bars.from_arrow(self.platform.lake.read("bars"), SYMBOL))

    def raw(self) -> list[tuple[int, float, float]]:
        """Minute, close and minute of receipt of every raw row."""
        rows = self.platform.raw.read(SYMBOL, MONTH, SOURCE)
        minutes = ((rows[name].to_numpy() - JANUARY) / MINUTE for name in ("ts", "received_at"))
        ts, received_at = (column.tolist() for column in minutes)
        return list(zip(map(int, ts), rows["close"].to_pylist(), received_at))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    platform = Platform(home=str(tmp_path))
    made = World(platform, Venue(), LiveBars(platform.lake))
    monkeypatch.setattr(Platform, "source_of", lambda self, symbol: (SOURCE, made.venue))
    monkeypatch.setattr(Platform, "now", lambda self: JANUARY + made.minute * MINUTE)
    yield made
    platform.lake.close()


def test_live_rows_become_raw_bars_and_bars_with_their_own_times_of_receipt(world: World) -> None:
    """Versions of a minute are kept in order; the newest sane one is the bar; all checks hold."""
    world.say({0: 1.0, 1: 1.0}, 2)
    world.say({2: 3.0, 0: 1.5}, 3.5)
    world.say({0: -1.0, 1: 1.0}, 4)
    seen = world.now()
    result = world.make()
    assert seen == world.now() == world.bars() == {0: 1.5, 1: 1.0, 2: 3.0}
    assert world.live.read().num_rows == 0
    assert world.raw() == [(0, 1.0, 2), (0, 1.5, 3.5), (0, -1.0, 4), (1, 1.0, 2), (2, 3.0, 3.5)]
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks["nothing_was_lost"]
    assert checks["bars_are_clean"]
    before = world.platform.raw.digest(SOURCE, SYMBOL, MONTH)
    world.make()
    assert world.platform.raw.digest(SOURCE, SYMBOL, MONTH) == before
    assert world.bars() == seen


def test_what_the_source_says_when_it_is_asked_is_newer_than_what_came_live(world: World) -> None:
    world.venue.pieces = [{0: 1.0, 1: 1.0}]
    world.make()
    world.say({1: 2.0, 2: 2.0}, 62)
    assert world.now() == {0: 1.0, 1: 2.0, 2: 2.0}
    world.venue.pieces = [{0: 1.0, 1: 3.0}]
    world.make()
    assert world.bars() == world.now() == {0: 1.0, 1: 3.0, 2: 2.0}


def test_live_rows_outlive_a_crash_between_the_raw_file_and_the_bars(world: World) -> None:
    """And what comes in between stays live: it is not in the bars."""
    world.say({0: 1.0, 1: 1.0}, 2)
    world.make(raw_bars)
    assert world.live.read().num_rows == 2
    assert world.now() == {0: 1.0, 1: 1.0}
    world.say({1: 2.0, 2: 2.0}, 3)
    world.make(bars)
    assert world.bars() == {0: 1.0, 1: 1.0}
    assert world.live.read()["close"].to_pylist() == [2.0, 2.0]
    assert world.now() == {0: 1.0, 1: 2.0, 2: 2.0}
    world.make()
    assert world.bars() == {0: 1.0, 1: 2.0, 2: 2.0}
    assert len(world.raw()) == 4
    assert world.live.read().num_rows == 0


def test_a_source_that_gives_up_has_stored_what_it_gave_and_names_what_is_missing(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = [(JANUARY + 2 * MINUTE, JANUARY + 60 * MINUTE)]
    world.say({5: 5.0}, 7)
    world.venue.pieces = [{0: 1.0}, {1: 1.0}]
    world.venue.error = SourceUnavailable("venue does not answer", SYMBOL, missing)
    with pytest.raises(SourceUnavailable, match="does not answer") as caught:
        world.make()
    assert caught.value.missing == tuple(missing)
    assert [row[:2] for row in world.raw()] == [(0, 1.0), (1, 1.0), (5, 5.0)]
    assert world.now() == {5: 5.0}
    assert f"missing is {missing[0][0]} to {missing[0][1]}" in capfd.readouterr().err
    world.venue.pieces, world.venue.error = [{2: 1.0}], None
    world.make()
    assert world.now() == world.bars() == {0: 1.0, 1: 1.0, 2: 1.0, 5: 5.0}
    assert world.live.read().num_rows == 0


def test_a_source_that_refuses_fails_the_run_at_once(world: World) -> None:
    world.say({5: 5.0}, 7)
    world.venue.pieces, world.venue.error = [{0: 1.0}], SourceRefused("the key is wrong")
    with pytest.raises(SourceRefused, match="the key is wrong"):
        world.make()
    assert world.venue.asked == 1
    assert [row[:2] for row in world.raw()] == [(5, 5.0)]
    assert world.now() == {5: 5.0}


def test_live_rows_of_a_month_that_is_over_go_without_making_it_anew(world: World) -> None:
    """They say what its bars say already; others make the month stale, and are folded."""
    world.venue.pieces = [{0: 1.0, 1: 1.0}]
    world.minute = 32 * 1440
    world.make()
    snapshot = world.platform.lake.read("bars")
    world.say({1: 1.0}, 32 * 1440 + 1)
    world.make(bars)
    assert world.live.read().num_rows == 0
    assert world.platform.lake.read("bars").equals(snapshot)
    world.say({1: 2.0}, 32 * 1440 + 2)
    world.make(bars)
    assert world.live.read().num_rows == 1
    assert world.now() == {0: 1.0, 1: 2.0}
    world.make()
    assert world.live.read().num_rows == 0
