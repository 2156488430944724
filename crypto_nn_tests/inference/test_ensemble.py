"""Members are averaged; what they disagree about can only lower confidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_nn.errors import FeatureError, ModelError
from crypto_nn.features.live_windows import Window
from crypto_nn.inference.ensemble import EnsembleInference, disagreement
from crypto_nn_tests.inference.linear import linear

NAMES = ("a", "b")
NOW = np.datetime64("2024-01-01", "us")


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_disagreement_never_raises_confidence(seed: int, members: int) -> None:
    """The mean's confidence is at most the members' mean; disagreement lies in [0, ln 3]."""
    p_MBHC = np.random.default_rng(seed).dirichlet((0.4, 0.4, 0.4), (members, 3, 2))
    assert (p_MBHC.mean(0).max(-1) <= p_MBHC.max(-1).mean(0) + 1e-12).all()
    found = disagreement(p_MBHC)
    assert ((found >= 0) & (found <= np.log(3) + 1e-12)).all()
    assert disagreement(np.stack([p_MBHC[0]] * members)).max() < 1e-12


def test_the_answer_is_the_mean_over_the_longest_reach() -> None:
    """Members that look back less far see the end of the same window."""
    short, long = linear(NAMES, "f", window=4), linear(NAMES, "f", window=9, seed=1)
    both = EnsembleInference((short, long))
    x_TF = np.random.default_rng(0).standard_normal((both.reach, 2)).astype(np.float32)
    said = both.opinion(("BTC-USDT",), (Window(NOW, x_TF),))
    one = short.probabilities(("BTC-USDT",), (Window(NOW, x_TF[-4:]),))
    other = long.probabilities(("BTC-USDT",), (Window(NOW, x_TF),))
    np.testing.assert_allclose(said.p_BHC, (one + other) / 2, rtol=1e-12)
    assert said.epistemic_BH is not None
    assert EnsembleInference((long,)).opinion(("BTC-USDT",), (Window(NOW, x_TF),)).p_BHC is not None


def test_members_must_have_learned_the_same_task() -> None:
    """Other horizons, features or symbols, one version twice, and none at all are refused."""
    first = linear(NAMES, "f")
    with pytest.raises(ModelError, match="horizons"):
        EnsembleInference((first, linear(NAMES, "f", seed=1, horizons=(5, 60))))
    with pytest.raises(FeatureError, match="feature sets"):
        EnsembleInference((first, linear(NAMES, "g", seed=1)))
    with pytest.raises(ModelError, match="No symbol"):
        EnsembleInference((first, linear(NAMES, "f", seed=1, symbols=("X-USDT",))))
    with pytest.raises(ModelError, match="twice"):
        EnsembleInference((first, first))
    with pytest.raises(ModelError, match="no versions"):
        EnsembleInference(())
