"""Months and regimes: parts of the test rows, which together are all of them."""

from dataclasses import replace

import numpy as np
import pytest

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.regimes import UNKNOWN, regimes_of
from crypto_nn.benchmark.scores import (
    REGIMES,
    Answers,
    month_scores,
    regime_scores,
    scopes,
    sums_by_regime,
    sums_of,
)
from crypto_nn.features.splits import TEST, TRAIN
from crypto_nn.metrics.classification import log_loss_skill
from crypto_nn_tests.benchmark.made import result
from crypto_nn_tests.benchmark.worlds import folds_of, world

CONFIG = BenchmarkConfig(resamples=100, min_days=5)
PANEL = world(symbols=2)
FOLDS = folds_of(PANEL)


def exam() -> tuple[Answers, np.ndarray]:
    """Test rows of every fold, and what a contestant without a clue said of them."""
    rng = np.random.default_rng(0)
    parts = []
    for fold in FOLDS:
        test, known = fold.role(TEST), fold.role(TRAIN)
        rows = np.flatnonzero((PANEL.ts_N >= test.start) & (PANEL.ts_N < test.end))[::60]
        rows = rows[(PANEL.classes_NH[rows] >= 0).all(axis=1)]
        learned = np.flatnonzero((PANEL.ts_N >= known.start) & (PANEL.ts_N < known.end))
        learned = learned[(PANEL.classes_NH[learned] >= 0).all(axis=1)]
        parts.append(Answers.of_fold(fold.number, PANEL, rows, learned))
    answers = Answers.concat(parts)
    return answers, rng.dirichlet([4, 4, 4], size=answers.classes_RH.shape)


def test_regimes_and_months_are_the_figures_of_their_rows() -> None:
    """Each part's skill is that of its own rows alone, counted by another code."""
    answers, p_RHC = exam()
    scope = scopes(PANEL, answers)[0]
    regime_R = regimes_of(PANEL, FOLDS, answers)
    parts = sums_by_regime([p_RHC], answers, scope, 1, regime_R)
    month_R = answers.days(PANEL).astype("datetime64[M]")
    found = {s.name: s.value for s in regime_scores("x", 15, parts, CONFIG)}
    whole = sums_of([p_RHC], answers, scope, 1)
    found |= {s.name: s.value for s in month_scores("x", 15, scope.days, whole, CONFIG)}
    masks = {name: regime_R == number for number, name in enumerate(REGIMES)}
    masks |= {str(month): month_R == month for month in np.unique(month_R)}
    assert len(masks) == 5
    for name, m in masks.items():
        told, came = p_RHC[m, 1], answers.classes_RH[m, 1]
        due = log_loss_skill(told, came, answers.prior_RHC[m, 1])
        assert found[f"log_loss_skill@{name}"] == pytest.approx(due, abs=1e-12)
    np.testing.assert_allclose(parts.sum(axis=1), whole, rtol=1e-12, atol=1e-9)
    assert [found[f"rows@{r}"] for r in REGIMES] == [(regime_R == n).sum() for n in range(3)]


def test_regimes_are_terciles_of_what_was_learned_from() -> None:
    """Of each symbol and fold; what comes later cannot move the bounds."""
    answers, _ = exam()
    sigma_N = np.where(PANEL.symbol_N == 0, 1.0, 50.0) * np.exp(np.sin(np.arange(len(PANEL)) / 999))
    panel = replace(PANEL, sigma_N=sigma_N)
    regime_R = regimes_of(panel, FOLDS, answers)
    for fold in FOLDS:
        known = fold.role(TRAIN)
        for number in (0, 1):
            train = (panel.ts_N >= known.start) & (panel.ts_N < known.end)
            low, high = np.quantile(sigma_N[train & (panel.symbol_N == number)], [1 / 3, 2 / 3])
            here = (answers.fold_R == fold.number) & (panel.symbol_N[answers.rows] == number)
            sigma = sigma_N[answers.rows[here]]
            due = (sigma >= low).astype(int) + (sigma >= high)
            np.testing.assert_array_equal(regime_R[here], due)
    first = FOLDS[0].role(TEST).start
    wild = replace(panel, sigma_N=np.where(panel.ts_N >= first, 9.0, sigma_N))
    of_first = answers.fold_R == FOLDS[0].number
    assert set(
        regimes_of(wild, FOLDS, answers)[of_first & (panel.symbol_N[answers.rows] == 0)]
    ) == {2}


def test_a_row_without_volatility_is_of_no_regime() -> None:
    """It counts as unknown, and the report's shares leave it out."""
    answers, _ = exam()
    panel = replace(PANEL, sigma_N=np.full(len(PANEL), np.nan))
    assert set(regimes_of(panel, FOLDS, answers)) == {UNKNOWN}


def test_a_plain_metric_is_one_row_for_each_contestant_and_horizon() -> None:
    """What the README asks of the table: no month, regime, fold, seed or symbol comes between."""
    rows = [
        (row["model"], row["horizon"])
        for row in result().table().to_pylist()
        if row["metric"] == "log_loss_skill"
        and row["fold"] is None and row["symbol"] is None and row["seed"] is None
    ]  # fmt: skip
    assert sorted(rows) == sorted((name, h) for name in result().kinds for h in (5, 15, 60))


def test_the_table_has_months_regimes_and_p_values() -> None:
    """Months and regimes under names of their own; a p-value below 5 % where 0 is excluded."""
    rows = result().table().to_pylist()
    names = {row["metric"] for row in rows}
    assert {"log_loss_skill@2024-01", "log_loss_skill@calm", "log_loss_skill@wild"} <= names
    told = [row for row in rows if row["p_value"] is not None]
    assert {"gain_over_majority", "log_loss_skill", "mcc", "sharpe_10bp"} <= {
        r["metric"] for r in told
    }
    assert "accuracy" not in {row["metric"] for row in told}
    for row in told:
        excluded = row["low"] > 0 or row["high"] < 0
        assert (row["p_value"] < 0.05) == excluded, row


def test_horizons_are_traded_together_too() -> None:
    """One account over all horizons has trading figures, and no predictions of its own."""
    rows = [row for row in result().table().to_pylist() if row["horizon"] == 0]
    metrics = {row["metric"] for row in rows if row["model"] == "seer"}
    assert {"sharpe_10bp", "deflated_sharpe", "break_even_bps"} <= metrics
    assert not {"accuracy", "log_loss_skill"} & metrics
