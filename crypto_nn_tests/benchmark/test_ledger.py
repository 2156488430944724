"""Every strategy ever judged counts once, whoever judges it how often."""

import math
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.ledger import (
    SCHEMA,
    Trial,
    ledger_rows,
    record,
    sharpes_of,
    trial_scores,
    trials_of,
)
from crypto_nn.benchmark.tried import LEDGER, Trials, tried
from crypto_nn.metrics import trading
from crypto_nn.store.lake import Lake

NOW, LATER = np.datetime64("2025-01-01T00:00"), np.datetime64("2025-01-02T00:00")
DAYS = np.arange("2024-01-01", "2024-02-10", dtype="datetime64[D]")
CONFIG = BenchmarkConfig()


@dataclass(frozen=True)
class Paid:
    """As much of `Profits` as a trial is made of: one round trip a day, or none."""

    gross_D: np.ndarray
    days: np.ndarray = field(default_factory=lambda: DAYS)

    def daily(self, cost_bps: float) -> np.ndarray:
        return self.gross_D - cost_bps / 1e4 * (self.gross_D != 0)


def path(seed: int) -> Any:
    return Paid(np.random.default_rng(seed).normal(0.001, 0.01, len(DAYS)))


def trials(models: int = 2) -> list[Trial]:
    """Of some models at two horizons, two seeds each."""
    return [
        trial
        for model in range(models)
        for horizon in (5, 15)
        for trial in trials_of(
            f"m{model}", horizon, {s: path(100 * model + horizon + s) for s in (0, 1)}, CONFIG
        )
    ]


def result(of: list[Trial], **config: Any) -> Any:
    """As much of a `BenchmarkResult` as the ledger reads."""
    return SimpleNamespace(
        scores=tuple(trial_scores(of)), days=DAYS, config=BenchmarkConfig(**config)
    )


def rows(of: list[Trial], universe: str = "U", made_at: np.datetime64 = NOW) -> pa.Table:
    return ledger_rows(result(of), universe, made_at)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """One lake for all tests: each has a universe of its own."""
    return Lake(tmp_path_factory.mktemp("ledger") / "lake")


@pytest.fixture
def universe(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def test_a_trial_has_the_ratios_of_its_days_before_and_after_costs() -> None:
    (trial,) = trials_of("m", 5, {3: path(1)}, CONFIG)
    assert (trial.seed, trial.first_day, trial.last_day, trial.days) == (
        3, "2024-01-01", "2024-02-09", 40,
    )  # fmt: skip
    gross = path(1).gross_D
    assert trial.gross == pytest.approx(trading.sharpe(gross, 1), rel=1e-12)
    assert trial.net == pytest.approx(trading.sharpe(gross - 10 / 1e4, 1), rel=1e-12)


def test_rows_are_read_back_from_a_results_scores() -> None:
    """One row for each model, horizon and seed, with the ratios as they were."""
    found = rows(trials())
    assert found.schema == SCHEMA
    assert found.num_rows == len(trials()) == 8
    assert found["daily_sharpe"].to_pylist() == [trial.net for trial in trials()]
    assert found["key"].to_pylist() == [trial.key("U") for trial in trials()]
    assert set(found["cost_bps"].to_pylist()) == {10.0}


def test_what_is_judged_again_is_not_counted_again(lake: Lake, universe: str) -> None:
    """The same run adds nothing; another model, setting, seed or universe does."""
    where = {"universe": universe}
    assert tried(lake, universe).count == 0
    assert record(lake, rows(trials(), universe)) == 8
    first = lake.read(LEDGER, where=where)
    assert record(lake, rows(trials(), universe, LATER)) == 0
    assert lake.read(LEDGER, where=where).equals(first), "a row is never changed"
    assert record(lake, rows(trials(3), universe, LATER)) == 4
    changed = [replace(trial, gross=trial.gross + 0.01) for trial in trials()]
    assert record(lake, rows(changed, universe, LATER)) == 8
    assert tried(lake, universe).count == lake.count(LEDGER, where) == 20
    assert record(lake, rows(trials(), "another")) == 8
    assert tried(lake, universe).count == 20


def test_two_that_write_at_once_count_once(lake: Lake, universe: str) -> None:
    twice = pa.concat_tables([rows(trials(), universe)] * 2)
    lake.append(LEDGER, twice)
    assert lake.count(LEDGER, {"universe": universe}) == 16
    assert tried(lake, universe).count == 8
    assert record(lake, pa.concat_tables([rows(trials(3), universe)] * 2)) == 4


def test_a_control_run_is_no_trial() -> None:
    """Nobody would trade on labels that were shuffled."""
    assert ledger_rows(result(trials(), permute_labels=True), "U", NOW).num_rows == 0
    assert ledger_rows(result([]), "U", NOW).equals(SCHEMA.empty_table())


def test_one_that_never_traded_is_a_trial_without_a_ratio(lake: Lake, universe: str) -> None:
    """It counts, and tells nothing about how far luck reaches."""
    never: Any = Paid(np.zeros(len(DAYS)))
    idle = trials_of("idle", 5, {0: never}, CONFIG)
    assert math.isnan(idle[0].gross)
    assert record(lake, rows([*trials(), *idle], universe)) == 9
    written = lake.read(LEDGER, where={"universe": universe})
    assert written["gross_daily_sharpe"].to_pylist().count(None) == 1
    found, without = tried(lake, universe), Trials.of(sharpes_of(trials(), universe))
    assert found.count == without.count + 1
    assert found.spread == pytest.approx(without.spread, rel=1e-12)


def test_a_run_deflates_alike_before_and_after_it_is_written_down(
    lake: Lake, universe: str
) -> None:
    """Its own trials are among those that luck had to choose from, once."""
    record(lake, rows(trials(1), universe))
    own = sharpes_of(trials(4), universe)
    before = tried(lake, universe).joined(own)
    record(lake, rows(trials(4), universe))
    after = tried(lake, universe).joined(own)
    assert before.count == after.count == 16
    assert before.luck(40) == pytest.approx(after.luck(40), rel=1e-12)
    assert before.luck(40) > Trials.of(sharpes_of(trials(1), universe)).luck(40)


def test_versions_and_searches_count_beside_the_ledger(lake: Lake, universe: str) -> None:
    """Trained versions are not in the ledger: of them only the number is known."""
    versions = {"universe": [universe, universe, "another"], "version": ["a", "b", "c"]}
    lake.append("checkpoints", pa.table(versions))
    record(lake, rows(trials(), universe))
    found = tried(lake, universe)
    assert found.count == 10
    assert len(found.sharpes) == 8


def test_the_spread_is_measured_where_five_are_known() -> None:
    """In standard errors, so that short and long tests can be compared; before, luck's own."""
    some = {str(i): float(i) for i in range(5)}
    assert Trials.of(dict(list(some.items())[:4])).spread is None
    assert Trials.of(some).spread == pytest.approx(np.std(range(5), ddof=1))
    assert Trials.of(some, 3).count == 8
    rng = np.random.default_rng(0)
    mixed = [
        Trial("m", 5, seed, "a", "b", days, 0.0, rng.normal() / math.sqrt(days - 1))
        for days in (20, 2000)
        for seed in range(500)
    ]
    found = Trials.of(sharpes_of(mixed, "U"))
    assert found.spread == pytest.approx(1, abs=0.1)
    assert found.luck(500) == pytest.approx(Trials(1000).luck(500), rel=0.1)


def test_more_trials_and_fewer_days_are_more_luck() -> None:
    assert Trials().luck(100) == Trials(0).luck(100) == Trials(9).luck(1) == 0
    assert 0 < Trials(10).luck(100) < Trials(1000).luck(100) < Trials(1000).luck(10)
    assert Trials(10, 2.0).luck(100) == pytest.approx(2 * Trials(10).luck(100))
