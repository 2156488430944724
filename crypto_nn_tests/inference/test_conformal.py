"""Sets hold the class as often as stated where rows are exchangeable."""

import numpy as np
import pytest
from numpy.typing import NDArray

from crypto_nn.errors import ModelError
from crypto_nn.inference.conformal import Conformal, Method


def made(rows: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities, and classes that are drawn from others: the model is wrong."""
    rng = np.random.default_rng(seed)
    p_RHC = rng.dirichlet((1.0, 2.0, 1.0), (rows, 2))
    truth = 0.5 * p_RHC + 0.5 / 3
    classes = (rng.random((rows, 2, 1)) > truth.cumsum(-1)).sum(-1).clip(0, 2)
    return p_RHC, classes


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("level", [0.6, 0.9])
def test_coverage_is_as_stated(method: Method, level: float) -> None:
    """On rows of the same kind the sets hold the class as stated, though the model is wrong."""
    fitted = Conformal.fit(*made(4_000, 0), level, method)
    found = fitted.coverage(*made(4_000, 1))
    assert (found.measured_H > level - 0.03).all()
    assert ((found.mean_size_H >= 1) & (found.mean_size_H <= 3)).all()


def test_too_few_rows_promise_nothing() -> None:
    """With fewer known rows than the level needs each set has all classes."""
    p_RHC, classes_RH = made(5, 0)
    assert Conformal.fit(p_RHC, classes_RH, 0.9).sets(p_RHC).all()
    unknown = np.full_like(classes_RH, -1)
    found = Conformal.fit(p_RHC, unknown).coverage(p_RHC, unknown)
    assert np.isnan(found.measured_H).all()


def test_wrong_input_is_refused() -> None:
    """Levels, shapes and values that cannot be are named."""
    p_RHC, classes_RH = made(20, 0)
    for level in (0.0, 1.0):
        with pytest.raises(ModelError, match="level"):
            Conformal.fit(p_RHC, classes_RH, level)
    with pytest.raises(ModelError, match="shape"):
        Conformal.fit(p_RHC, classes_RH[:3])
    with pytest.raises(ModelError, match="finite"):
        Conformal.fit(np.full_like(p_RHC, np.nan), classes_RH)
