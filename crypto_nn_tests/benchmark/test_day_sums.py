"""The benchmark's figures, summed by day, are scikit-learn's over all rows, to 1e-12."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.benchmark.day_sums import CELLS, FIGURES, day_sums
from crypto_nn_tests.metrics.test_classification import quiet_mcc

LABELS = [0, 1, 2]
MACRO = {"average": "macro", "zero_division": 0}
PEER: dict[str, Callable[..., float]] = {
    "accuracy": lambda y, said, p: reference.accuracy_score(y, said),
    "balanced_accuracy": lambda y, said, p: reference.balanced_accuracy_score(y, said),
    "mcc": lambda y, said, p: quiet_mcc(y, said),
    "precision": lambda y, said, p: reference.precision_score(y, said, **MACRO),
    "recall": lambda y, said, p: reference.recall_score(y, said, **MACRO),
    "f1": lambda y, said, p: reference.f1_score(y, said, **MACRO),
    "log_loss": lambda y, said, p: reference.log_loss(y, p, labels=LABELS),
    "brier": lambda y, said, p: reference.brier_score_loss(y, p, labels=LABELS),
    "log_loss_skill": lambda y, said, p: reference.d2_log_loss_score(y, p, labels=LABELS),
}
NO_PEER = {"majority", "ece", "direction_hit"}  # compared with `metrics` in test_scores


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 300), st.integers(1, 12))
def test_every_figure_is_scikit_learns(seed: int, rows: int, days: int) -> None:
    """Whatever the rows and days: sums of sums lose nothing."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3) * rng.choice([0.5, 2, 30]), rows)
    y = rng.choice(3, rows, p=rng.dirichlet(np.ones(3) * 3))
    shares = np.tile(np.bincount(y, minlength=3) / rows, (rows, 1))
    sums = day_sums(p, y, shares, rng.integers(0, days, rows), days).sum(axis=0)
    said = p.argmax(axis=1)
    for name, peer in PEER.items():
        if name == "log_loss_skill" and len(set(y)) == 1:
            continue  # nothing to be surprised by: scikit-learn divides by 0
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "y_pred contains classes not in y_true")
            expected = peer(y, said, p)
        np.testing.assert_allclose(
            FIGURES[name](sums), expected, rtol=1e-12, atol=1e-12, err_msg=name
        )
    confusion = reference.confusion_matrix(y, said, labels=LABELS)
    np.testing.assert_array_equal(sums[:CELLS].reshape(3, 3), confusion)


def test_every_figure_has_a_peer_or_is_known_to_have_none() -> None:
    assert set(FIGURES) == set(PEER) | NO_PEER


@pytest.mark.parametrize("stretch", [1, 1000])
def test_a_year_of_rows_is_as_exact_as_a_day(stretch: int) -> None:
    """158,000 rows over 547 days: the same twelve digits."""
    rng = np.random.default_rng(0)
    rows = 158 * stretch
    p, y = rng.dirichlet(np.ones(3) * 20, rows), rng.integers(0, 3, rows)
    sums = day_sums(p, y, np.full((rows, 3), 1 / 3), np.arange(rows) % 547, 547).sum(axis=0)
    expected = reference.log_loss(y, p, labels=LABELS)
    assert float(FIGURES["log_loss"](sums)) == pytest.approx(expected, rel=1e-12)
    expected = reference.matthews_corrcoef(y, p.argmax(axis=1))
    assert float(FIGURES["mcc"](sums)) == pytest.approx(expected, abs=1e-12)
