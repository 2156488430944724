"""The benchmark cannot be fooled, does not fool, and loses nothing when it is killed."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.contestants import baselines
from crypto_nn.benchmark.forecasts import Forecast, Rows
from crypto_nn.benchmark.leaderboard import Standing, standings
from crypto_nn.benchmark.result import SCHEMA, BenchmarkResult
from crypto_nn.benchmark.rows import MINUTE, exams, permuted
from crypto_nn.benchmark.walk_forward import Step, run_benchmark
from crypto_nn.errors import ConfigError, ModelError
from crypto_nn.features.labels import classify
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TEST, TRAIN, Fold, rows_of
from crypto_nn.store.tables import TABLES
from crypto_nn_tests.benchmark.worlds import (
    PRIOR,
    SIGNAL,
    Told,
    altered_after,
    folds_of,
    world,
)

QUICK = BenchmarkConfig(resamples=100)
CHEAP = baselines(("majority", "persistence", "volatility"))


def by_name(result: BenchmarkResult, horizon: int) -> dict[str, Standing]:
    return {s.model: s for s in standings(result.table()) if s.horizon == horizon}


def forecasts_in(folder: Path) -> dict[str, pa.Table]:
    """What was said, by question; how long it took is left out."""
    files = sorted((folder / "forecasts").iterdir())
    return {file.name: pq.read_table(file).replace_schema_metadata(None) for file in files}


def test_a_known_edge_is_found_and_a_prior_is_not_better(tmp_path: Path) -> None:
    """Who sees the signal beats those who do not; who sees nothing beats nobody."""
    panel = world(edge=0.15)
    blind = Told("blind", "nothing")
    contestants = [*CHEAP, PRIOR, SIGNAL, blind]
    result = run_benchmark(panel, folds_of(panel), contestants, QUICK, workdir=tmp_path)
    verdicts = {(v.model, v.horizon): v.better for v in result.verdicts}
    assert [verdicts["signal", h] for h in (5, 15)] == [True, True]
    assert [verdicts["blind", h] for h in panel.horizons] == [False, False, False]
    five = by_name(result, 5)
    assert five["signal"]["direction_hit"].low > 0.55
    assert five["signal"]["break_even_bps"].estimate > 2
    assert five["signal"]["sharpe_0bp"].low > 0
    assert five["signal"]["sharpe_0bp"].estimate > five["signal"]["sharpe_5bp"].estimate


@pytest.mark.parametrize("seed", [1, 2])
def test_without_an_edge_nobody_is_better(seed: int, tmp_path: Path) -> None:
    """On a random walk no contestant is better than every baseline."""
    panel = world(edge=0.0, seed=seed)
    result = run_benchmark(panel, folds_of(panel), [*CHEAP, PRIOR, SIGNAL], QUICK, workdir=tmp_path)
    assert [verdict.better for verdict in result.verdicts] == [False] * 3


def test_with_permuted_labels_nobody_is_better(tmp_path: Path) -> None:
    """The control: the same market with an edge, its labels dealt to other days."""
    panel = world(edge=0.15)
    config = QUICK.model_copy(update={"permute_labels": True})
    result = run_benchmark(
        panel, folds_of(panel), [*CHEAP, PRIOR, SIGNAL], config, workdir=tmp_path
    )
    assert [verdict.better for verdict in result.verdicts] == [False] * 3


def test_one_who_reads_the_answers_finds_none(tmp_path: Path) -> None:
    """Labels that are known only in the test are blank: the cheat has its prior to offer."""
    panel = world(edge=0.15)
    cheat = Told("cheat", "answers")
    result = run_benchmark(panel, folds_of(panel), [PRIOR, cheat], QUICK, workdir=tmp_path)
    for horizon in panel.horizons:
        scores = by_name(result, horizon)
        assert scores["cheat"]["log_loss"] == scores["prior"]["log_loss"]


def test_what_comes_after_a_test_changes_none_of_its_forecasts(tmp_path: Path) -> None:
    """Other features, prices and labels after the first fold: the same bytes for that fold."""
    panel = world(edge=0.15)
    folds = folds_of(panel)
    contestants = [*baselines(), SIGNAL]
    for name, market in (("as_is", panel), ("altered", altered_after(panel, folds[0].end))):
        run_benchmark(market, folds[:1], contestants, QUICK, workdir=tmp_path / name)
    as_is, altered = forecasts_in(tmp_path / "as_is"), forecasts_in(tmp_path / "altered")
    assert len(as_is) == len(contestants)
    assert as_is == altered


def test_what_comes_after_a_row_changes_nothing_in_its_forecast(tmp_path: Path) -> None:
    """Alter the second half of a test: the forecasts of its first half stay the same bits."""
    panel = world(edge=0.15)
    fold = folds_of(panel)[0]
    test = fold.role(TEST)
    middle = test.start + (test.end - test.start) // 2
    altered = altered_after(panel, middle)
    rows = exams(panel, [fold], 1, 5)[0].rows
    early = rows[panel.ts_N[rows] + MINUTE <= middle]
    for contestant in [*baselines(), SIGNAL]:
        before = contestant.fit_predict(panel, fold, 0, early, tmp_path)
        after = contestant.fit_predict(altered, fold, 0, early, tmp_path)
        np.testing.assert_array_equal(before.probabilities_RHC, after.probabilities_RHC)


def test_a_second_run_asks_nobody_again(tmp_path: Path) -> None:
    """Everything is found, and the figures are the same; changed data are asked about anew."""
    panel = world(edge=0.1)
    told = Told("told")
    first = run_benchmark(panel, folds_of(panel), [PRIOR, told], QUICK, workdir=tmp_path)
    assert len(told.calls) == 2
    steps: list[Step] = []
    second = run_benchmark(panel, folds_of(panel), [PRIOR, told], QUICK, steps.append, tmp_path)
    assert len(told.calls) == 2
    assert [step.found for step in steps] == [True] * 4
    assert second.table() == first.table()
    other = replace(panel, x_NF=panel.x_NF + np.float32(1))
    run_benchmark(other, folds_of(panel), [PRIOR, told], QUICK, workdir=tmp_path)
    assert len(told.calls) == 4


class Interrupted(Told):
    """Is stopped in its second fold."""

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        if fold.number == 1:
            raise KeyboardInterrupt
        return super().fit_predict(panel, fold, seed, rows, folder)


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    """The folds that were done are kept; a torn file counts as not done."""
    panel = world(edge=0.1)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(panel, folds_of(panel), [Interrupted("told")], QUICK, workdir=tmp_path)
    told = Told("told")
    run_benchmark(panel, folds_of(panel), [told], QUICK, workdir=tmp_path)
    assert told.calls == [(1, 0)]
    torn = sorted((tmp_path / "forecasts").iterdir())[0]
    torn.write_bytes(torn.read_bytes()[:100])
    run_benchmark(panel, folds_of(panel), [told], QUICK, workdir=tmp_path)
    assert len(told.calls) == 2


def test_each_seed_is_asked_and_all_are_averaged(tmp_path: Path) -> None:
    """A figure over seeds is the mean of those of each; who needs no chance is asked once."""
    panel = world(edge=0.1)
    drawn, fixed = Told("drawn", seeded=True), Told("fixed")
    config = QUICK.model_copy(update={"seeds": (3, 4)})
    result = run_benchmark(
        panel, folds_of(panel)[:1], [PRIOR, drawn, fixed], config, False, tmp_path
    )
    assert sorted(drawn.calls) == [(0, 3), (0, 4)]
    assert fixed.calls == [(0, 3)]
    each = [s for s in result.scores if (s.model, s.metric, s.horizon) == ("drawn", "accuracy", 5)]
    per_seed = [score.value for score in each if score.seed is not None]
    pooled = next(score.value for score in each if score.seed is None)
    assert len(per_seed) == 2
    assert pooled == pytest.approx(np.mean(per_seed), abs=1e-12)


def test_test_rows_are_the_same_for_all_and_lie_on_the_stride(tmp_path: Path) -> None:
    """Whole windows of the longest contestant, all labels, every so many minutes of the clock."""
    panel = world(edge=0.1)
    folds = folds_of(panel)
    for exam in exams(panel, folds, 16, 15):
        test = exam.fold.role(TEST)
        ts = panel.ts_N[exam.rows]
        assert ((ts + MINUTE).astype("datetime64[m]").astype(np.int64) % 15 == 0).all()
        assert (panel.classes_NH[exam.rows] >= 0).all()
        assert ts.min() >= test.start
        assert panel.t1_NH[exam.rows].max() <= test.end
        assert panel.t1_NH[exam.known].max() <= test.start
        assert set(exam.rows) <= set(panel.window_ends(16))


def test_flat_is_a_third_of_the_training_rows_of_each_fold(tmp_path: Path) -> None:
    """Each fold has its own k, said in the result; fixed bands have none and stay as they are."""
    panel = world(edge=0.1)
    folds = folds_of(panel)
    result = run_benchmark(panel, folds, [PRIOR], QUICK, workdir=tmp_path)
    for fold, k_H in zip(folds, result.k_FH):
        rows = rows_of(fold, TRAIN, panel.ts_N, panel.t1_NH) & np.isfinite(panel.sigma_N)
        shares = (panel.classes_at(k_H)[rows] == 1).mean(axis=0)
        np.testing.assert_allclose(shares, 1 / 3, atol=0.002)
    banded = replace(panel, classes_NH=classify(panel.returns_NH, 1e-3))
    fixed = run_benchmark(banded, folds, [PRIOR], QUICK, workdir=tmp_path)
    assert fixed.k_FH == ((), ())


def test_permuting_deals_whole_days() -> None:
    """Each minute keeps its place in the day, each day its inside, and every label is dealt on."""
    panel = world(edge=0.1, symbols=2)
    dealt = permuted(panel, 3)
    for symbol in panel.symbols:
        rows = panel.slice_of(symbol)
        ours = panel.classes_NH[rows].reshape(-1, 1440, 3)
        theirs = dealt.classes_NH[rows].reshape(-1, 1440, 3)
        days = {day.tobytes() for day in ours}
        assert {day.tobytes() for day in theirs} == days
        assert (ours != theirs).any()
    np.testing.assert_array_equal(dealt.x_NF, panel.x_NF)


def test_the_table_is_the_one_that_the_lake_declares(tmp_path: Path) -> None:
    """Names and types of `benchmark_report`; what cannot be told is null, never NaN."""
    panel = world(edge=0.1)
    config = QUICK.model_copy(update={"min_days": 400})
    result = run_benchmark(panel, folds_of(panel), [PRIOR, SIGNAL], config, workdir=tmp_path)
    declared = [(column.name, column.arrow) for column in TABLES["benchmark_report"].columns]
    assert declared == [(field.name, field.type) for field in SCHEMA]
    table = result.to_arrow("BTC-USDT", "run", np.datetime64("2024-03-01"))
    assert all(not math.isnan(v) for v in table["value"].to_pylist() if v is not None)
    assert table["low"].null_count == len(table)
    assert [verdict.better for verdict in result.verdicts] == [None] * 3


def test_several_symbols_stand_together_and_alone(tmp_path: Path) -> None:
    """Rows add up, and a figure over all symbols lies between those of each."""
    panel = world(edge=0.15, symbols=2)
    result = run_benchmark(panel, folds_of(panel), [PRIOR, SIGNAL], QUICK, workdir=tmp_path)
    rows = {s.symbol: s for s in result.scores if _is(s, "rows")}
    assert rows[None].value == rows["BTC-USDT"].value + rows["ETH-USDT"].value
    accuracy = {s.symbol: s.value for s in result.scores if _is(s, "accuracy") and s.fold is None}
    each = [accuracy[symbol] for symbol in panel.symbols]
    assert min(each) <= accuracy[None] <= max(each)


def _is(score: object, metric: str) -> bool:
    key = ("model", "horizon", "metric", "seed")
    return tuple(getattr(score, name) for name in key) == ("signal", 5, metric, None)


class Broken(Told):
    """Gives what is no probability."""

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        return Forecast(np.full((len(rows), 3, 3), np.nan))


def test_who_gives_no_probabilities_is_named(tmp_path: Path) -> None:
    """NaN is refused with the contestant, fold and seed; nothing of it is kept."""
    panel = world(edge=0.1)
    with pytest.raises(ModelError, match=r"odd \(fold 0, seed 0\) gave no probability"):
        run_benchmark(panel, folds_of(panel), [Broken("odd")], QUICK, workdir=tmp_path)
    assert not (tmp_path / "forecasts").exists()


def test_questions_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    """No fold, two of one name, a fold without rows: said with what to do."""
    panel = world(edge=0.1)
    folds = folds_of(panel)
    with pytest.raises(ConfigError, match="no fold"):
        run_benchmark(panel, [], [PRIOR], QUICK, workdir=tmp_path)
    with pytest.raises(ConfigError, match="name"):
        run_benchmark(panel, folds, [PRIOR, PRIOR], QUICK, workdir=tmp_path)
    early = panel.between(panel.ts_N[0], folds[1].role(TEST).start)
    with pytest.raises(ConfigError, match=r"Fold 1 has .* to be judged on"):
        run_benchmark(early, folds[1:], [PRIOR], QUICK, workdir=tmp_path)
    with pytest.raises(ConfigError, match="there are majority"):
        baselines(("prophet",))
