"""Every kind of label goes all the way: folds, training, the benchmark; and what cost means."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from crypto_nn.bars import M1, Bars
from crypto_nn.benchmark.backtest import Market, backtest
from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.walk_forward import run_benchmark
from crypto_nn.features.labels import UNKNOWN, LabelConfig, compute_labels
from crypto_nn.features.panel import Panel, Part
from crypto_nn.features.splits import TRAIN, rows_of
from crypto_nn.models import MODELS
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.preparation import prepare
from crypto_nn.training.record import Recipe
from crypto_nn_tests.benchmark.worlds import MINUTE, PRIOR, START, folds_of

KINDS = {
    "volatility": LabelConfig(),
    "fixed": LabelConfig(kind="fixed"),
    "cost": LabelConfig(kind="cost", bps=5),
    "triple barrier": LabelConfig(kind="triple_barrier"),
    "triple barrier by range": LabelConfig(kind="triple_barrier", touch="range"),
}
_each_kind = pytest.mark.parametrize("labels", KINDS.values(), ids=KINDS)
QUICK = BenchmarkConfig(resamples=100)


@cache
def market() -> Bars:
    """37 days of bars with wicks; a minute is missing now and then."""
    rng = np.random.default_rng(4)
    n = 37 * 1440
    close = 100 * np.exp(np.cumsum(5e-4 * rng.normal(size=n)))
    opens = np.append(close[:1], close[:-1])
    high = np.maximum(opens, close) * np.exp(np.abs(rng.normal(0, 3e-4, n)))
    low = np.minimum(opens, close) * np.exp(-np.abs(rng.normal(0, 3e-4, n)))
    ts = START + np.arange(n) * MINUTE
    bars = Bars("BTC-USDT", M1, ts, opens, high, low, close, np.ones(n))
    return bars.take(np.delete(np.arange(n), rng.choice(n, 20, replace=False)))


def panel_of(labels: LabelConfig) -> Panel:
    """The market with two columns of noise and these labels."""
    bars = market()
    x_NF = np.random.default_rng(5).normal(size=(len(bars), 2))
    found = compute_labels(bars, labels, complete=True)
    return Panel.from_parts({bars.symbol: Part.from_arrays(x_NF, ("one", "other"), found, bars)})


@_each_kind
def test_only_volatility_labels_have_a_k_that_is_refitted(
    labels: LabelConfig, tmp_path: Path
) -> None:
    """Training and benchmark leave the classes of all other kinds as they are in the table."""
    panel = panel_of(labels)
    (*_, fold) = folds_of(panel)
    recipe = Recipe(
        "LSTMPricePredictor",
        MODELS["LSTMPricePredictor"].presets["small"],
        TrainConfig(window=16),
        labels,
    )
    prepared = prepare(panel, fold, recipe)
    prior = replace(PRIOR, window=recipe.train.window)
    result = run_benchmark(panel, [fold], [prior], QUICK, workdir=tmp_path)
    if labels.kind == "volatility":
        assert prepared.k is not None
        np.testing.assert_allclose(prepared.k, result.k_FH[0])
        return
    assert prepared.k is None
    assert result.k_FH == ((),)
    np.testing.assert_array_equal(prepared.classes_NH, prepared.panel.classes_NH)


@_each_kind
def test_no_training_row_has_a_label_that_ends_after_its_part(labels: LabelConfig) -> None:
    """Purged by each label's own end, also where that comes before the horizon's."""
    panel = panel_of(labels)
    for fold in folds_of(panel):
        rows = rows_of(fold, TRAIN, panel.ts_N, panel.t1_NH)
        assert rows.sum() > 8000
        assert panel.t1_NH[rows].max() <= fold.role(TRAIN).end


@pytest.mark.parametrize("bps", [2.0, 12.0])
def test_cost_labels_say_which_round_trip_earns_more_than_it_costs(bps: float) -> None:
    """Up: bought at this close and sold at that one pays for itself; down: the other way round."""
    bars = market()[:4000]
    labels = compute_labels(bars, LabelConfig(kind="cost", bps=bps, horizons=(15,)), complete=True)
    closes = Market(bars.ts + MINUTE, bars.close)  # orders fill at the very close of the decision
    seen = set()
    for row in range(100, 3000, 7):
        label = labels.classes_NH[row, 0]
        if label == UNKNOWN:
            continue
        for side, pays in ((1.0, label == 2), (-1.0, label == 0)):
            trip = backtest(closes, bars.ts[row : row + 1], np.array([side]), 15)
            assert (trip.net(bps).sum() > 1e-15) == pays
            seen.add((side, bool(pays)))
    assert len(seen) == 4


def test_labels_of_a_path_are_not_taken_for_volatility_labels(tmp_path: Path) -> None:
    """Their scores separate the classes too; what tells them apart is when they were known."""
    panel = panel_of(KINDS["triple barrier"])
    fold = folds_of(panel)[-1]
    to_the_end = panel.ts_N[:, None] + (np.array(panel.horizons) + 1) * MINUTE
    ends_alike = replace(panel, t1_NH=np.where(np.isnat(panel.t1_NH), panel.t1_NH, to_the_end))
    assert run_benchmark(ends_alike, [fold], [PRIOR], QUICK, workdir=tmp_path / "a").k_FH != ((),)
    assert run_benchmark(panel, [fold], [PRIOR], QUICK, workdir=tmp_path / "b").k_FH == ((),)
