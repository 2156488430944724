"""Classification metrics agree with scikit-learn and keep the laws of their kind."""

from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crypto_nn.metrics import classification as ours

Probabilities = NDArray[np.float64]
Classes = NDArray[np.int8]
Metric = Callable[[Probabilities, Classes], float]


def quiet_mcc(classes: Classes, told: Classes) -> float:
    """scikit-learn's, which warns where a single class is there and told."""
    if len({*classes.tolist(), *told.tolist()}) == 1:
        return 0.0
    return float(reference.matthews_corrcoef(classes, told))


ON_CLASSES: dict[str, tuple[Metric, Callable[..., float]]] = {
    "accuracy": (ours.accuracy, reference.accuracy_score),
    "balanced_accuracy": (ours.balanced_accuracy, reference.balanced_accuracy_score),
    "mcc": (ours.mcc, quiet_mcc),
    "precision": (
        ours.precision,
        lambda y, p: reference.precision_score(y, p, average="macro", zero_division=0),
    ),
    "recall": (
        ours.recall,
        lambda y, p: reference.recall_score(y, p, average="macro", zero_division=0),
    ),
    "f1": (ours.f1, lambda y, p: reference.f1_score(y, p, average="macro", zero_division=0)),
}
ON_PROBABILITIES: dict[str, Metric] = {
    "log_loss": ours.log_loss,
    "brier": ours.brier,
    "minus_skill": lambda p, y: -ours.log_loss_skill(p, y, [0.3, 0.4, 0.3]),
}
BETTER_IS_MORE: dict[str, Metric] = {
    **{name: pair[0] for name, pair in ON_CLASSES.items()},
    "direction_hit_rate": ours.direction_hit_rate,
}


def sample(seed: int, rows: int = 300) -> tuple[Probabilities, Classes]:
    generator = np.random.default_rng(seed)
    classes = generator.choice(3, rows, p=[0.3, 0.5, 0.2]).astype(np.int8)
    logits = generator.normal(size=(rows, 3)) + np.eye(3)[classes]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), classes


@pytest.mark.parametrize("name", ON_CLASSES)
@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_scikit_learn(name: str, seed: int) -> None:
    probabilities, classes = sample(seed)
    metric, oracle = ON_CLASSES[name]
    expected = oracle(classes, probabilities.argmax(axis=1))
    assert metric(probabilities, classes) == pytest.approx(expected, abs=1e-12)
    assert metric(probabilities.argmax(axis=1), classes) == metric(probabilities, classes)


@pytest.mark.parametrize("name", sorted(set(ON_CLASSES) - {"balanced_accuracy"}))
@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12))
def test_it_agrees_with_scikit_learn_where_classes_are_missing(
    name: str, pairs: list[tuple[int, int]]
) -> None:
    told, classes = np.array(pairs).T
    metric, oracle = ON_CLASSES[name]
    assert metric(told, classes) == pytest.approx(oracle(classes, told), abs=1e-12)


def test_balanced_accuracy_leaves_out_classes_that_do_not_occur() -> None:
    told, classes = np.array([0, 0, 2, 1]), np.array([0, 0, 0, 1])
    assert ours.balanced_accuracy(told, classes) == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_log_loss_brier_and_confusion_agree_with_scikit_learn(seed: int) -> None:
    probabilities, classes = sample(seed)
    probabilities[:3] = np.eye(3)  # certain, and some of it wrong
    labels = [0, 1, 2]
    expected = reference.log_loss(classes, probabilities, labels=labels)
    assert ours.log_loss(probabilities, classes) == pytest.approx(expected, abs=1e-12)
    expected = reference.brier_score_loss(classes, probabilities, labels=labels)
    assert ours.brier(probabilities, classes) == pytest.approx(expected, abs=1e-12)
    np.testing.assert_array_equal(
        ours.confusion_matrix(probabilities, classes),
        reference.confusion_matrix(classes, probabilities.argmax(axis=1), labels=labels),
    )


@pytest.mark.parametrize("name", [*ON_CLASSES, *ON_PROBABILITIES, "direction_hit_rate"])
def test_order_of_rows_does_not_matter(name: str) -> None:
    probabilities, classes = sample(0)
    order = np.random.default_rng(1).permutation(len(classes))
    metric = {**BETTER_IS_MORE, **ON_PROBABILITIES}[name]
    shuffled = metric(probabilities[order], classes[order])
    assert shuffled == pytest.approx(metric(probabilities, classes), abs=1e-12)


@pytest.mark.parametrize("name", [*ON_CLASSES, *ON_PROBABILITIES, "direction_hit_rate"])
def test_every_row_twice_changes_nothing(name: str) -> None:
    probabilities, classes = sample(0)
    metric = {**BETTER_IS_MORE, **ON_PROBABILITIES}[name]
    twice = metric(np.concatenate([probabilities] * 2), np.concatenate([classes] * 2))
    assert twice == pytest.approx(metric(probabilities, classes), abs=1e-12)


@pytest.mark.parametrize("name", [*ON_CLASSES, *ON_PROBABILITIES, "direction_hit_rate"])
def test_swapping_the_names_of_up_and_down_changes_nothing(name: str) -> None:
    probabilities, classes = sample(0)
    metric = {**BETTER_IS_MORE, **ON_PROBABILITIES}[name]
    mirrored = metric(probabilities[:, ::-1], (2 - classes).astype(np.int8))
    assert mirrored == pytest.approx(metric(probabilities, classes), abs=1e-12)


@pytest.mark.parametrize("name", BETTER_IS_MORE)
def test_perfect_is_one_and_beats_the_model(name: str) -> None:
    probabilities, classes = sample(0)
    perfect = BETTER_IS_MORE[name](np.eye(3)[classes], classes)
    assert perfect == pytest.approx(1, abs=1e-12)
    assert BETTER_IS_MORE[name](probabilities, classes) < perfect


@pytest.mark.parametrize("name", ON_PROBABILITIES)
def test_perfect_beats_a_third_each_beats_wrong(name: str) -> None:
    _, classes = sample(0)
    perfect, thirds = np.eye(3)[classes], np.full((len(classes), 3), 1 / 3)
    wrong = np.eye(3)[(classes + 1) % 3]
    values = [ON_PROBABILITIES[name](p, classes) for p in (perfect, thirds, wrong)]
    assert values == sorted(values)
    assert np.isfinite(values).all()


CHANCE = {"balanced_accuracy": 1 / 3, "mcc": 0.0, "recall": 1 / 3, "direction_hit_rate": 0.5}


@pytest.mark.parametrize("name", CHANCE)
@pytest.mark.parametrize("share_flat", [1 / 3, 0.8])
def test_a_guess_that_does_not_look_scores_chance(name: str, share_flat: float) -> None:
    """However unbalanced the classes are, which is why these figures come first."""
    generator = np.random.default_rng(0)
    side = (1 - share_flat) / 2
    classes = generator.choice(3, 60_000, p=[side, share_flat, side]).astype(np.int8)
    guess = generator.dirichlet([1, 1, 1], 60_000)
    assert BETTER_IS_MORE[name](guess, classes) == pytest.approx(CHANCE[name], abs=0.012)


def test_a_constant_answer_has_the_majoritys_accuracy_and_no_more() -> None:
    _, classes = sample(0)
    always_flat = np.ones(len(classes), dtype=np.int64)
    assert ours.accuracy(always_flat, classes) == ours.majority_share(classes)
    assert ours.mcc(always_flat, classes) == 0
    assert ours.balanced_accuracy(always_flat, classes) == pytest.approx(1 / 3)


def test_skill_is_zero_for_the_prior_one_for_certainty_and_negative_for_overconfidence() -> None:
    probabilities, classes = sample(0)
    prior = ours.class_prior(classes)
    rows = np.broadcast_to(prior, probabilities.shape)
    assert ours.log_loss_skill(rows, classes, prior) == pytest.approx(0, abs=1e-12)
    assert ours.log_loss_skill(np.eye(3)[classes], classes, prior) == pytest.approx(1, abs=1e-12)
    assert ours.log_loss_skill(probabilities[::-1] ** 5, classes, prior) < 0
    np.testing.assert_allclose(prior, np.bincount(classes) / len(classes))
    np.testing.assert_array_equal(ours.class_prior(np.array([-1, 0, 2, -1])), [0.5, 0, 0.5])


def test_float32_rows_keep_a_finite_loss() -> None:
    certain = np.eye(3, dtype=np.float32)
    assert np.isfinite(ours.log_loss(certain, np.array([1, 2, 0])))
    assert ours.log_loss(certain, np.array([1, 2, 0])) > 15


def test_a_tie_between_the_sides_is_half_a_hit_and_flat_moves_do_not_count() -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8]])
    assert ours.direction_hit_rate(probabilities, np.array([2, 2, 1])) == 0.75
    assert ours.direction_hit_rate(probabilities, np.array([0, 0, 1])) == 0.25


@pytest.mark.parametrize("name", [*ON_CLASSES, *ON_PROBABILITIES, "direction_hit_rate"])
def test_no_rows_give_nan(name: str) -> None:
    metric = {**BETTER_IS_MORE, **ON_PROBABILITIES}[name]
    assert np.isnan(metric(np.empty((0, 3)), np.empty(0, dtype=np.int8)))
    assert np.isnan(ours.majority_share(np.empty(0, dtype=np.int8)))
