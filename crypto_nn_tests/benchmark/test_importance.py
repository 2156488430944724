"""Importance finds the columns that the answers hang on, at the horizons where they do."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from crypto_nn.benchmark.config import BenchmarkConfig
from crypto_nn.benchmark.contestants import BaselineContestant
from crypto_nn.benchmark.forecasts import Forecast, Rows
from crypto_nn.benchmark.importance import (
    BaselineLearner,
    ImportanceConfig,
    Predict,
    dealt,
    feature_groups,
    group_importance,
    likenesses,
)
from crypto_nn.benchmark.walk_forward import Step
from crypto_nn.features.catalogue import default_feature_set
from crypto_nn.features.panel import Panel
from crypto_nn.features.splits import TEST, Fold
from crypto_nn_tests.benchmark.worlds import MINUTE, folds_of, world

QUICK = BenchmarkConfig(resamples=200, test_stride=7)
CHOSEN = ImportanceConfig(stride=7, repeats=1)
GROUPS = {"signal": ("signal",), "noise": ("noise",)}
FITTED = BaselineLearner(BaselineContestant("logistic"))


def test_the_planted_signal_is_found_and_noise_is_not(tmp_path: Path) -> None:
    """A fitted model leans on the signal at 5 minutes, and nowhere on the noise."""
    panel = world(edge=0.15)
    found, _ = group_importance(panel, folds_of(panel), [FITTED], GROUPS, QUICK, tmp_path, CHOSEN)
    increase = {(each.group, each.horizon): each.increase for each in found}
    assert increase["signal", 5].low > 0
    for horizon in panel.horizons:
        noise = increase["noise", horizon]
        assert noise.low <= 0 <= noise.high
        assert abs(noise.estimate) < 0.1 * increase["signal", 5].estimate


def test_in_a_market_without_an_edge_no_group_counts(tmp_path: Path) -> None:
    """There is nothing to lean on: dealing the columns makes the model no worse."""
    panel = world(edge=0.0, seed=1)
    found, _ = group_importance(panel, folds_of(panel), [FITTED], GROUPS, QUICK, tmp_path, CHOSEN)
    assert [each.group for each in found if each.increase.low > 0] == []


@dataclass(frozen=True)
class Formula:
    """Answers by a formula of the features: which column each horizon leans on is known."""

    columns: tuple[int, int, int]
    name: str = "formula"
    kind: Literal["baseline", "model"] = "model"
    seeded: bool = False
    window: int = 1

    @property
    def fingerprint(self) -> str:
        return f"formula {self.columns}"

    @property
    def contestant(self) -> "Formula":
        return self

    def fit_predict(
        self, panel: Panel, fold: Fold, seed: int, rows: Rows, folder: Path
    ) -> Forecast:
        raise AssertionError("importance asks for what was learned, not for a forecast")

    def learn(self, panel: Panel, fold: Fold, seed: int, folder: Path) -> Predict:
        def predict(asked: Panel, rows: Rows) -> np.ndarray:
            up_RH = 0.2 * np.tanh(asked.x_NF[rows][:, list(self.columns)].astype(np.float64))
            third = np.full_like(up_RH, 1 / 3)
            return np.stack([third - up_RH, third, third + up_RH], axis=2)

        return predict


def many(panel: Panel, columns: int) -> Panel:
    """The panel with more columns of noise, of which each decides the class at one horizon."""
    rng = np.random.default_rng(0)
    x_NF = rng.normal(size=(len(panel), columns)).astype(np.float32)
    names = tuple(f"c{number}" for number in range(columns))
    classes_NH = np.where(
        panel.classes_NH >= 0, np.digitize(x_NF[:, :3], [-0.5, 0.5]), panel.classes_NH
    )
    return replace(panel, x_NF=x_NF, names=names, classes_NH=classes_NH.astype(np.int8))


def test_horizons_that_lean_on_other_columns_are_told_apart(tmp_path: Path) -> None:
    """The gap is above 0 where each horizon has its own column, and not where all share one."""
    panel = many(world(edge=0.0), 8)
    groups = {name: (name,) for name in panel.names}
    config = QUICK.model_copy(update={"refit_k": False})
    gaps = {}
    for name, columns in (("own", (0, 1, 2)), ("shared", (0, 0, 0))):
        learner = Formula(columns, name)
        market = panel
        if name == "shared":
            market = replace(panel, classes_NH=panel.classes_NH[:, [0, 0, 0]])
        _, likeness = group_importance(
            market, folds_of(panel), [learner], groups, config, tmp_path, CHOSEN
        )
        assert [each.horizons for each in likeness] == [(5, 15), (5, 60), (15, 60), ()]
        gaps[name] = likeness[-1]
    assert gaps["shared"].gap.estimate == pytest.approx(0.0, abs=1e-9)
    assert gaps["own"].gap.low > 0
    assert gaps["own"].gap.p_value < 0.05


def by_day(worth_GH: np.ndarray, noise_H: np.ndarray, seed: int) -> np.ndarray:
    """Sums of 120 days around what groups are truly worth, with noise that horizons share."""
    rng = np.random.default_rng(seed)
    shape = (120, *worth_GH.shape)
    noise = (rng.normal(size=(*shape[:2], 1)) + rng.normal(size=shape)) * noise_H
    return np.concatenate([100 * (worth_GH + noise), np.full((*shape[:2], 1), 100.0)], axis=2)


def test_noise_alone_does_not_tell_horizons_apart() -> None:
    """One horizon is all noise, another none: the same truth is told apart no more than by chance,
    another truth nearly always."""
    base = np.exp(np.random.default_rng(0).normal(0, 1.2, 12))
    same = np.stack([base, base, base], axis=1)
    other = np.stack([base, np.roll(base, 4), np.roll(base, 8)], axis=1)
    told = {"same": 0, "other": 0}
    for seed in range(12):
        for name, worth, noise in (("same", same, [0.3, 4.0, 25.0]), ("other", other, [1, 2, 4])):
            sums = by_day(worth, np.array(noise), seed)
            *_, last = likenesses("m", (5, 15, 60), sums, BenchmarkConfig(resamples=100))
            told[name] += last.gap.low > 0
    assert told["same"] <= 2  # of 12 at 2.5 %: 3 or more have a chance of 0.3 %
    assert told["other"] >= 10


def test_dealing_moves_whole_days_and_nothing_else() -> None:
    """Each column goes round within the test by days: same minute, same inside, other columns."""
    panel = world(edge=0.1, symbols=2)
    start = panel.ts_N[0] + 5 * 1440 * MINUTE
    end = start + 10 * 1440 * MINUTE
    moved = dealt(panel, [0], 3 * 1440, start, end)
    np.testing.assert_array_equal(moved.x_NF[:, 1], panel.x_NF[:, 1])
    for symbol in panel.symbols:
        before = panel.x_NF[panel.slice_of(symbol), 0].reshape(-1, 1440)
        after = moved.x_NF[panel.slice_of(symbol), 0].reshape(-1, 1440)
        np.testing.assert_array_equal(after[:5], before[:5])
        np.testing.assert_array_equal(after[15:], before[15:])
        np.testing.assert_array_equal(after[5:15], np.roll(before[5:15], -3, axis=0))


def test_where_the_other_day_has_no_bar_there_is_no_value() -> None:
    """A hole moves along: its columns are NaN, so that no window with it is asked."""
    panel = world(edge=0.1)
    keep = np.ones(len(panel), dtype=np.bool_)
    keep[6 * 1440 + 100] = False
    holed = panel.take(keep)
    start = panel.ts_N[0] + 5 * 1440 * MINUTE
    moved = dealt(holed, [0], 1440, start, start + 10 * 1440 * MINUTE)
    missing = holed.ts_N[np.isnan(moved.x_NF[:, 0])]
    assert missing.tolist() == [(start + 100 * MINUTE).tolist()]


def test_a_second_run_learns_nothing_again(tmp_path: Path) -> None:
    """A fold that is done is found; other groups are another question."""
    panel = world(edge=0.1)
    steps: list[Step] = []
    for groups in (GROUPS, GROUPS, {"both": ("signal", "noise")}):
        group_importance(
            panel, folds_of(panel)[:1], [FITTED], groups, QUICK, tmp_path, CHOSEN, steps.append
        )
    assert [step.found for step in steps] == [False, True, False]


def test_the_groups_are_those_of_the_catalogue() -> None:
    """Every shipped column has one, slower bars by their timeframe, and others are one's own."""
    names = (*default_feature_set().names, "mine")
    groups = feature_groups(names)
    assert {name for members in groups.values() for name in members} == set(names)
    assert groups["own"] == ("mine",)
    assert all(name.endswith("_15m") for name in groups["slow 15m"])
    assert "slow" not in groups
    assert {"clock", "slow 5m", "slow 1h", "volatility"} <= set(groups)


def test_only_test_rows_are_dealt(tmp_path: Path) -> None:
    """What is learned from stays as it is: the learner sees the fold's own columns."""
    panel = world(edge=0.1)
    (fold,) = folds_of(panel)[:1]
    test = fold.role(TEST)
    moved = dealt(panel, [0, 1], 1440, test.start, test.end)
    before = panel.ts_N < test.start
    np.testing.assert_array_equal(moved.x_NF[before], panel.x_NF[before])
    assert (moved.x_NF[~before] != panel.x_NF[~before]).any()
