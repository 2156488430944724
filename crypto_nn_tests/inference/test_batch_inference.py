"""Pieces of any size say what the version says of the whole."""

import numpy as np
import pytest

from crypto_nn.errors import FeatureError
from crypto_nn.inference import BatchInference, ModelInference
from crypto_nn.inference.torch_network import answering_of
from crypto_nn.training.version import train_version
from crypto_nn_tests.training.market import fold, panel
from crypto_nn_tests.training.test_version import RECIPE


def test_it_answers_as_the_stored_version() -> None:
    """The table has the probabilities of `ModelInference.predict`, to 1e-6, in any pieces."""
    market = panel(symbols=("AAA-USDT", "BBB-USDT"))
    inference = ModelInference(train_version(market, fold(), RECIPE).files)
    ends = market.window_ends(inference.reach)[::200]
    due = inference.predict(market, ends).reshape(-1, 3)
    for chunk in (7, 1_000):
        batch = BatchInference(answering_of(inference), chunk)
        found = batch.predict(market, ends).to_pandas()
        np.testing.assert_allclose(found[["p_down", "p_flat", "p_up"]], due, atol=1e-6)
        assert len(batch.times_ms) == -(-len(ends) // chunk)
        assert found["epistemic"].isna().all()
    assert BatchInference(answering_of(inference)).predict(market, ends[:0]).num_rows == 0
    with pytest.raises(FeatureError, match="not whole"):
        BatchInference(answering_of(inference)).predict(market, np.array([3]))
    low = BatchInference(answering_of(inference, bf16=True)).predict(market, ends).to_pandas()
    np.testing.assert_allclose(low[["p_down", "p_flat", "p_up"]], due, atol=0.02)
