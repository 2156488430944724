"""That data which should come in do not is told, of the platform and of each symbol."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.bars import M1, Bars
from crypto_nn.defs import freshness
from crypto_nn.defs.partitions import EXPERIMENT
from crypto_nn.defs.resources import Platform
from crypto_nn.experiments import Experiment, SymbolConfig

SYMBOL = "SYN-USDT"
MONTHS = ["2024-01", "2024-02"]
HOUR = np.timedelta64(1, "h")
NEWEST = np.datetime64("2024-02-10T10:00", "us")
LIVE = EXPERIMENT.changed(
    {f"symbols.{SYMBOL}": SymbolConfig(source="synthetic", first_month="2024-01")}
)


class At(Platform):
    """A platform at a time, with an experiment."""

    def now(self) -> np.datetime64:
        return NEWEST + np.timedelta64(_AFTER["hours"], "h")

    def experiment(self, overrides: object = None) -> Experiment:
        return LIVE


_AFTER = {"hours": 0}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One bar, which closed at `NEWEST`."""
    made = At(home=str(tmp_path_factory.mktemp("fresh")))
    one = np.ones(1)
    bar = Bars(SYMBOL, M1, np.array([NEWEST - M1.step]), one, one, one, one, one)
    table = bar.to_arrow().append_column("source", pa.array(["synthetic"]))
    made.lake.replace({"bars": table}, {"symbol": SYMBOL, "month": "2024-02"})
    yield made
    made.lake.close()


@pytest.mark.parametrize(("hours", "fresh"), [(0, True), (3, True), (4, False), (400, False)])
def test_a_live_symbol_whose_newest_bar_is_old_is_late(
    platform: Platform, hours: int, fresh: bool
) -> None:
    """It is judged by its newest bar, not by when something was last materialised."""
    _AFTER["hours"] = hours
    found = freshness.check(platform, {SYMBOL: MONTHS})
    assert found.passed == fresh
    assert found.metadata["live_symbols"].value == 1


def test_a_run_over_older_months_says_nothing_of_now(platform: Platform) -> None:
    """Repairing January is no reason to call February late."""
    _AFTER["hours"] = 400
    found = freshness.check(platform, {SYMBOL: ["2024-01"]})
    assert (found.passed, found.metadata["live_symbols"].value) == (True, 0)


def test_only_live_symbols_have_a_freshness_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """History does not age."""
    assert freshness.policy() is None
    monkeypatch.setattr(freshness, "EXPERIMENT", LIVE)
    assert freshness.policy() is not None
