"""One seed, from its scenario to what is wrong with it."""

import asyncio
import hashlib
import logging
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from crypto_nn.bars import Bars
from crypto_nn_tests.exchange import KEY
from crypto_nn_tests.exchange.virtual import VirtualClock, virtual_world
from crypto_nn_tests.torture.checks import check_all
from crypto_nn_tests.torture.lake_records import LakeRecords
from crypto_nn_tests.torture.machine import Machine, Parts
from crypto_nn_tests.torture.records import MemoryRecords, Records
from crypto_nn_tests.torture.scenario import START, Scenario, scenario
from crypto_nn_tests.torture.world import World

WHOLE_EVERY = 20


@dataclass(frozen=True)
class Outcome:
    """What became of a seed.

    Attributes:
        scenario: what was played.
        trace: all that happened, in order.
        wrong: what must not be; empty where all is well.
    """

    scenario: Scenario
    trace: list[tuple[Any, ...]]
    wrong: list[str]

    @property
    def digest(self) -> str:
        """Changes with anything in the trace."""
        return hashlib.sha256(repr(self.trace).encode()).hexdigest()[:16]


class Verdict(NamedTuple):
    """A seed, and what is wrong with it."""

    seed: int
    wrong: list[str]


def judge(seed: int, times: int = 1) -> Verdict:
    """Play a seed so many times, each of which must give the same trace; in any process."""
    outcomes = [run(seed) for _ in range(times)]
    parted = [difference(outcomes[0], other) for other in outcomes[1:]]
    return Verdict(seed, [*outcomes[0].wrong, *filter(None, parted)])


def difference(first: Outcome, second: Outcome) -> str:
    """Where two traces of a seed part; empty where they do not."""
    for one, other in zip(first.trace, second.trace):
        if one != other:
            return f"the same seed gave two traces: {one} and {other}"
    if len(first.trace) != len(second.trace):
        return f"the same seed gave {len(first.trace)} events, then {len(second.trace)}"
    return ""


def run(
    seed: int,
    parts: Parts | None = None,
    minutes: int | None = None,
    in_lake: bool | None = None,
) -> Outcome:
    """Play the scenario of a seed against the machine, and check all that must be true.

    Args:
        parts: what is tested; as it ships where not given.
        minutes: of trading; as the seed says where not given.
        in_lake: whether rows are kept by the real recorder in a real lake, and folded; by default
            for every `WHOLE_EVERY`-th seed.
    """
    played = scenario(seed, minutes)
    random.seed(seed)  # the WebSocket library's own waits
    with _own_home() as home, _ears() as ears, virtual_world() as loop:
        world = World(played, loop, KEY)
        clock = VirtualClock(loop, np.datetime64(START, "us"), played.wrong_s)
        whole = seed % WHOLE_EVERY == 0 if in_lake is None else in_lake
        records: Records = LakeRecords(home, clock) if whole else MemoryRecords()
        machine = Machine(played, world, clock, records, parts or Parts())
        try:
            refreshed = loop.run_until_complete(_play(world, machine))
            wrong = check_all(world, machine, refreshed)
        finally:
            records.close()
    wrong += ears.wrong
    return Outcome(played, world.trace, wrong)


async def _play(world: World, machine: Machine) -> dict[str, Bars]:
    await world.exchange.start()
    playing = asyncio.ensure_future(world.play())
    living = asyncio.ensure_future(machine.live())
    await asyncio.wait({playing, living}, return_when=asyncio.FIRST_COMPLETED)
    await playing  # a machine that ended early is found by the checks
    living.cancel()
    (ended,) = await asyncio.gather(living, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended
    await machine.records.stop(crash=False)
    refreshed = await machine.refresh()
    await world.stop()
    return refreshed


class _Ears(logging.Handler):
    """Hears every log record, and whether it tells the key."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.wrong: list[str] = []
        self._format = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        if KEY in self._format.format(record):
            self.wrong.append(f"{record.name} logged the key at {record.levelname}")
        if record.levelno >= logging.ERROR:
            self.wrong.append(f"{record.name}: {self._format.format(record)}")


@contextmanager
def _ears() -> Iterator[_Ears]:
    ears, root = _Ears(), logging.getLogger()
    level = root.level
    root.addHandler(ears)
    root.setLevel(logging.INFO)
    try:
        yield ears
    finally:
        root.removeHandler(ears)
        root.setLevel(level)


@contextmanager
def _own_home() -> Iterator[Path]:
    """A home and a key of its own, as the environment of one process."""
    with tempfile.TemporaryDirectory(prefix="torture_") as home:
        wanted = {"CRYPTO_NN_HOME": home, "POLYGON_API_KEY": KEY}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield Path(home)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
