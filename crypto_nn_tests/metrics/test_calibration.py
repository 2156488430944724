"""Calibration: stated confidence and what came true."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from crypto_nn.metrics.calibration import ece, fit_temperature, reliability_curve, soften
from crypto_nn.metrics.classification import log_loss


def drawn(temperature: float, rows: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too sure by this temperature, and classes drawn from the true chances."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(rows, 3))
    chances = soften(logits, 1.0)
    classes = (generator.random((rows, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    return logits * temperature, classes


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 999), bins=st.integers(1, 20))
def test_ece_equals_a_loop_over_bins(seed: int, bins: int) -> None:
    generator = np.random.default_rng(seed)
    probabilities, classes = generator.dirichlet([1, 1, 1], 200), generator.integers(0, 3, 200)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == classes
    slow = 0.0
    for k in range(bins):
        inside = (confidence > k / bins) & (confidence <= (k + 1) / bins)
        if inside.any():
            slow += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert ece(probabilities, classes, bins) == pytest.approx(slow, abs=1e-12)


def test_true_chances_are_calibrated_and_sharpened_ones_are_not() -> None:
    logits, classes = drawn(1.0)
    assert ece(soften(logits, 1.0), classes) < 0.015
    assert ece(soften(logits, 0.3), classes) > 0.2
    curve = reliability_curve(soften(logits, 0.3), classes)
    used = curve.rows_K > 100
    assert (curve.confidence_K > curve.accuracy_K)[used].all()
    assert curve.rows_K.sum() == len(classes)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    logits, classes = drawn(temperature)
    assert fit_temperature(logits, classes) == pytest.approx(temperature, rel=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_the_temperature_is_the_one_of_least_surprise(seed: int) -> None:
    generator = np.random.default_rng(seed)
    logits, classes = generator.normal(size=(500, 3)) * 2, generator.integers(0, 3, 500)
    logits += np.eye(3)[classes]
    best = minimize_scalar(
        lambda t: log_loss(soften(logits, np.exp(t)), classes), bounds=(-4, 4), method="bounded"
    )
    found = fit_temperature(logits, classes)
    assert log_loss(soften(logits, found), classes) <= best.fun + 1e-12


def test_scaling_logits_scales_the_temperature() -> None:
    logits, classes = drawn(1.3, rows=2000)
    assert fit_temperature(logits * 2, classes) == pytest.approx(
        2 * fit_temperature(logits, classes)
    )
    assert fit_temperature(logits + 5, classes) == pytest.approx(fit_temperature(logits, classes))


def test_a_temperature_moves_no_argmax_and_rows_stay_chances() -> None:
    logits, _ = drawn(1.0, rows=500)
    for temperature in (0.01, 0.7, 100.0):
        chances = soften(logits, temperature)
        np.testing.assert_array_equal(chances.argmax(axis=1), logits.argmax(axis=1))
        np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_allclose(soften(np.array([[1e4, 0.0, -1e4]]), 1.0), [[1, 0, 0]])


def test_hopeless_logits_go_to_the_ends_of_the_scale() -> None:
    """Never right: as unsure as allowed. Always right: as sure as allowed. No rows: as it was."""
    logits = np.tile([2.0, 0.0, -2.0], (50, 1))
    assert fit_temperature(logits, np.full(50, 2)) == 100
    assert fit_temperature(logits, np.zeros(50, dtype=int)) == 0.01
    assert fit_temperature(np.empty((0, 3)), np.empty(0, dtype=int)) == 1
    assert np.isnan(ece(np.empty((0, 3)), np.empty(0, dtype=int)))
