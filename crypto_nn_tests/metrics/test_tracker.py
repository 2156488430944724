"""The tracker gathers batches into the figures of all rows, per horizon."""

import numpy as np
import pytest

from crypto_nn.metrics import MetricsTracker, classification_figures
from crypto_nn.metrics import classification as one_by_one
from crypto_nn.metrics.calibration import ece

NAMED_IN_REQUIREMENTS = {
    "accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc", "log_loss_skill", "ece",
}  # fmt: skip


def batches() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([1, 1, 1], (400, 2)).astype(np.float32)
    classes = generator.integers(-1, 3, (400, 2)).astype(np.int8)
    return probabilities, classes


def test_batches_give_the_figures_of_all_known_rows() -> None:
    probabilities, classes = batches()
    prior = np.array([[0.3, 0.4, 0.3], [0.2, 0.5, 0.3]])
    tracker = MetricsTracker((5, 15), prior)
    for rows in np.array_split(np.arange(400), 7):
        tracker.update(probabilities[rows], classes[rows])
    for column, horizon in enumerate((5, 15)):
        known = classes[:, column] >= 0
        p, y = probabilities[known, column].astype(np.float64), classes[known, column]
        figures = tracker.compute()[horizon]
        assert figures == classification_figures(p, y, prior[column])
        assert set(figures) >= NAMED_IN_REQUIREMENTS
        assert figures["rows"] == known.sum()
        assert figures["mcc"] == one_by_one.mcc(p, y)
        assert figures["log_loss_skill"] == one_by_one.log_loss_skill(p, y, prior[column])
        assert figures["ece"] == tracker.reliability(horizon).ece == ece(p, y)
        assert tracker.confusion(horizon).sum() == known.sum()


def test_without_a_prior_skill_is_against_thirds() -> None:
    _, classes = batches()
    tracker = MetricsTracker((5, 15))
    tracker.update(np.full((400, 2, 3), 1 / 3), classes)
    assert tracker.compute()[5]["log_loss_skill"] == pytest.approx(0, abs=1e-12)


def test_a_tracker_that_was_reset_knows_nothing() -> None:
    tracker = MetricsTracker((5, 15))
    tracker.update(*batches())
    tracker.reset()
    assert tracker.compute()[15]["rows"] == 0
    assert np.isnan(tracker.compute()[15]["accuracy"])
    assert tracker.confusion(5).sum() == 0
