"""Baselines are what they say: simple, and fitted on training rows only."""

import os
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from crypto_nn.errors import ModelError
from crypto_nn.features.labels import classify
from crypto_nn.features.panel import Panel
from crypto_nn.models.baselines import (
    BASELINES,
    Classifier,
    LightGBM,
    Logistic,
    Majority,
    Persistence,
    Prior,
    VolatilityOnly,
    last_sign,
    thin,
)
from crypto_nn_tests.training.market import panel

TRAIN = np.arange(130, 2_500)
LATER = np.arange(2_600, 4_000)


@pytest.fixture(scope="module")
def noise() -> Panel:
    return panel(days=3)


def labelled(market: Panel, scores_NH: NDArray[np.float64]) -> Panel:
    return replace(market, scores_NH=scores_NH, classes_NH=classify(scores_NH, 0.4))


@pytest.mark.parametrize("name", BASELINES)
def test_answers_are_probabilities(name: str, noise: Panel) -> None:
    """Each row and horizon gets three shares, none negative, that sum to one."""
    p_RHC = BASELINES[name]().fit(noise, TRAIN).predict(noise, LATER)
    assert p_RHC.shape == (len(LATER), 2, 3)
    assert (p_RHC >= 0).all()
    np.testing.assert_allclose(p_RHC.sum(axis=-1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("name", BASELINES)
def test_the_future_is_not_seen(name: str, noise: Panel) -> None:
    """Bars and labels after the last row that is asked for change nothing."""
    rows = LATER[:200]
    x_NF, close_N = noise.x_NF.copy(), noise.close_N.copy()
    classes_NH = noise.classes_NH.copy()
    x_NF[rows[-1] + 1 :] *= -3
    close_N[rows[-1] + 1 :] *= 7
    classes_NH[TRAIN[-1] + 1 :] = 0
    other = replace(noise, x_NF=x_NF, close_N=close_N, classes_NH=classes_NH)
    here, there = (BASELINES[name]().fit(p, TRAIN).predict(p, rows) for p in (noise, other))
    np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("name", ["majority", "prior", "persistence"])
def test_unknown_labels_teach_nothing(name: str, noise: Panel) -> None:
    """A row whose class is not known may as well not be there."""
    classes_NH = noise.classes_NH.copy()
    classes_NH[TRAIN[::2]] = -1
    half = replace(noise, classes_NH=classes_NH)
    with_unknown = BASELINES[name]().fit(half, TRAIN)
    without = BASELINES[name]().fit(noise, TRAIN[1::2])
    np.testing.assert_array_equal(with_unknown.predict(noise, LATER), without.predict(noise, LATER))


@pytest.mark.parametrize("name", BASELINES)
def test_a_market_of_one_class_is_no_harm(name: str, noise: Panel) -> None:
    """Trained on nothing but flat, or on no label at all, a baseline still gives probabilities."""
    classes_NH = np.ones_like(noise.classes_NH)
    classes_NH[:, 1] = -1
    still = replace(noise, classes_NH=classes_NH)
    p_RHC = BASELINES[name]().fit(still, TRAIN).predict(still, LATER)
    assert (p_RHC[:, 0].argmax(axis=-1) == 1).all()
    np.testing.assert_allclose(p_RHC[:, 1], 1 / 3)


def test_majority_is_right_as_often_as_the_commonest_class_comes() -> None:
    """On its own training rows, the accuracy of `majority` is the majority's share."""
    market = panel(days=2)
    scores_NH = np.random.default_rng(0).normal(0.3, 1.0, market.scores_NH.shape)
    market = labelled(market, scores_NH)
    rows = np.arange(100, 2_000)
    told_RH = Majority().fit(market, rows).predict(market, rows).argmax(axis=-1)
    for column in range(2):
        classes_R = market.classes_NH[rows, column]
        share = np.bincount(classes_R).max() / len(rows)
        assert (told_RH[:, column] == classes_R).mean() == share


def test_majority_is_as_sure_as_its_class_was_common() -> None:
    """The commonest class at its share, the others at half of the rest each."""
    market = panel(days=2)
    rows = np.arange(130, 2_000)
    prior_HC = Prior().fit(market, rows).predict(market, rows[:1])[0]
    p_HC = Majority().fit(market, rows).predict(market, rows[:1])[0]
    for column in range(2):
        most = prior_HC[column].argmax()
        assert p_HC[column, most] == prior_HC[column, most]
        others = np.delete(p_HC[column], most)
        np.testing.assert_allclose(others, (1 - prior_HC[column, most]) / 2, rtol=1e-12)


def test_prior_says_the_shares_of_training() -> None:
    """Its probabilities are the class shares, to within one observation."""
    market = panel(days=2)
    rows = np.arange(130, 2_000)
    p_HC = Prior().fit(market, rows).predict(market, rows[:1])[0]
    for column in range(2):
        shares = np.bincount(market.classes_NH[rows, column], minlength=3) / len(rows)
        np.testing.assert_allclose(p_HC[column], shares, atol=1 / len(rows))


def test_persistence_finds_a_market_that_repeats_its_last_sign(noise: Panel) -> None:
    """Where the class is the last move's sign, it says so with certainty."""
    scores_NH = np.column_stack([last_sign(noise, np.arange(len(noise)), h) for h in (5, 15)])
    market = labelled(noise, scores_NH.astype(float))
    told_RH = Persistence().fit(market, TRAIN).predict(market, LATER).argmax(axis=-1)
    np.testing.assert_array_equal(told_RH, market.classes_NH[LATER])


def test_last_sign_agrees_with_a_slow_look_at_the_closes(noise: Panel) -> None:
    """The last move is from the bar exactly h minutes earlier, and none where it is missing."""
    gappy = noise.take(np.delete(np.arange(500), [100, 101, 102, 250]))
    rows = np.arange(len(gappy))
    by_time = dict(zip(gappy.ts_N.tolist(), gappy.close_N.tolist()))
    for minutes in (1, 5, 15):
        due = []
        for row in rows:
            then = (gappy.ts_N[row] - np.timedelta64(minutes, "m")).item()
            due.append(np.sign(gappy.close_N[row] - by_time.get(then, gappy.close_N[row])))
        found = last_sign(gappy, rows, minutes)
        # A gap may hide a bar that is there by time but not by position; only then may they differ.
        near_gap = [abs(row - gap) <= minutes + 4 for row in rows for gap in (100, 247)]
        near = np.array(near_gap).reshape(len(rows), 2).any(axis=1)
        np.testing.assert_array_equal(found[~near], np.array(due)[~near])
        assert (np.isin(found[near], [0, 1, -1])).all()


def test_symbols_do_not_share_a_last_move() -> None:
    """The first bars of a symbol have no move from the last bars of another."""
    market = panel(days=1, symbols=("AAA-USDT", "BBB-USDT"))
    first = market.slice_of("BBB-USDT").start
    assert last_sign(market, np.array([first, first + 4]), 5).tolist() == [0, 0]


def test_logistic_finds_a_planted_signal(noise: Panel) -> None:
    """A class that hangs on a feature of the same bar is told far better than by chance."""
    scores_NH = np.repeat(noise.x_NF[:, 2:3].astype(float), 2, axis=1)
    market = labelled(noise, scores_NH)
    told_RH = Logistic().fit(market, TRAIN).predict(market, LATER).argmax(axis=-1)
    assert (told_RH == market.classes_NH[LATER]).mean() > 0.7


def test_lightgbm_finds_what_no_straight_line_can(noise: Panel) -> None:
    """A class that hangs on the signs of two features together is told by trees alone."""
    x_N, y_N = np.nan_to_num(noise.x_NF[:, 2:4].astype(float)).T
    market = labelled(noise, np.repeat((np.abs(x_N) - np.abs(y_N))[:, None], 2, axis=1))
    classes_RH = market.classes_NH[LATER]
    right = {
        baseline.name: (baseline().fit(market, TRAIN).predict(market, LATER).argmax(axis=-1))
        == classes_RH
        for baseline in (Logistic, LightGBM)
    }
    assert right["lightgbm"].mean() > right["logistic"].mean() + 0.2


@pytest.mark.parametrize("baseline", [Logistic, LightGBM])
def test_rows_without_a_label_or_features_teach_nothing(
    baseline: type[Classifier], noise: Panel
) -> None:
    """Where every second row says the opposite and its class is unknown, the others are learned."""
    scores_NH = np.repeat(noise.x_NF[:, 2:3].astype(float), 2, axis=1)
    market = labelled(noise, scores_NH)
    x_NF, classes_NH = market.x_NF.copy(), market.classes_NH.copy()
    x_NF[::2] *= -1
    classes_NH[::2] = -1
    x_NF[1::20] = np.nan
    taught = replace(market, x_NF=x_NF, classes_NH=classes_NH)
    p_RHC = baseline().fit(taught, TRAIN).predict(market, LATER)
    assert (p_RHC.argmax(axis=-1) == market.classes_NH[LATER]).mean() > 0.6


def test_lightgbm_fits_to_the_same_bits(noise: Panel) -> None:
    """Fitted twice on the same rows, it answers with the same bits, and leaves no thread behind."""
    first = LightGBM().fit(noise, TRAIN).predict(noise, LATER)
    threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
    again = LightGBM().fit(noise, TRAIN).predict(noise, LATER)
    np.testing.assert_array_equal(first, again)
    if threads:
        assert len(os.listdir("/proc/self/task")) <= threads


def test_volatility_control_does_not_see_direction(noise: Panel) -> None:
    """Turn every move of the market around: the control answers the same."""
    control = VolatilityOnly().fit(noise, TRAIN)
    turned = replace(noise, close_N=1 / noise.close_N, x_NF=-noise.x_NF)
    np.testing.assert_allclose(
        control.predict(noise, LATER), control.predict(turned, LATER), rtol=1e-9
    )


def test_no_complete_row_is_an_error(noise: Panel) -> None:
    """Features that are all null are refused with what is missing."""
    empty = replace(noise, x_NF=np.full_like(noise.x_NF, np.nan))
    with pytest.raises(ModelError, match="no row with complete features"):
        Logistic().fit(empty, TRAIN)


def test_thinning_keeps_order_and_ends() -> None:
    """A subsample is even, ordered, within its size, and holds the first and the last row."""
    rows = np.arange(10, 1_000)
    few = thin(rows, 50)
    assert len(few) == 50
    assert few[0] == 10
    assert few[-1] == 999
    assert (np.diff(few) > 0).all()
    assert thin(rows, 5_000) is rows
