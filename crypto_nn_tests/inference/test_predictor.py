"""A stored version answers as the one that was trained, and refuses what it did not learn from."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crypto_nn.errors import FeatureError, ModelError
from crypto_nn.features.panel import Panel
from crypto_nn.inference.latency import measure_latency
from crypto_nn.inference.predictor import ModelInference
from crypto_nn.metrics.classification import log_loss
from crypto_nn.store.models import ModelStore
from crypto_nn.training import TrainedVersion
from crypto_nn.training.preparation import prepare
from crypto_nn.training.version import train_version
from crypto_nn_tests.training.market import fold, panel
from crypto_nn_tests.training.test_version import RECIPE

SYMBOLS = ("AAA-USDT", "BBB-USDT")


@pytest.fixture(scope="module")
def market() -> Panel:
    return panel(symbols=SYMBOLS)


@pytest.fixture(scope="module")
def trained(market: Panel) -> TrainedVersion:
    return train_version(market, fold(), RECIPE)


@pytest.fixture(scope="module")
def inference(trained: TrainedVersion, tmp_path_factory: pytest.TempPathFactory) -> ModelInference:
    store = ModelStore(tmp_path_factory.mktemp("models"))
    store.save(trained.model, trained.version, trained.files)
    return ModelInference.load(store, trained.version, "features-1")


def test_answers_are_probabilities(inference: ModelInference, market: Panel) -> None:
    """Each window gets three shares per horizon that sum to one, as float64."""
    ends = market.window_ends(inference.reach)[::50]
    p_RHC = inference.predict(market, ends)
    assert p_RHC.shape == (len(ends), 2, 3)
    assert p_RHC.dtype == np.float64
    assert (p_RHC > 0).all()
    np.testing.assert_allclose(p_RHC.sum(axis=-1), 1.0, rtol=1e-12)


def test_it_is_the_model_that_was_trained(
    inference: ModelInference, market: Panel, trained: TrainedVersion
) -> None:
    """Reloaded from the store, it reproduces its own validation loss and scores."""
    assert inference.validation_loss(market) == pytest.approx(trained.validation_loss, abs=1e-6)
    prepared = prepare(market, fold(), RECIPE)
    rows = prepared.ends["validation"]
    rows = rows[np.linspace(0, len(rows) - 1, 300).astype(int)]
    p_RHC = inference.predict(prepared.panel, rows)
    found = log_loss(p_RHC[:, 0], prepared.classes_NH[rows, 0])
    assert found == pytest.approx(trained.metrics["log_loss_5m"], abs=1e-6)


def test_batch_size_does_not_matter(inference: ModelInference, market: Panel) -> None:
    """One at a time and all at once agree to 1e-6."""
    ends = market.window_ends(inference.reach)[500:540]
    one_by_one = inference.predict(market, ends, batch_size=1)
    np.testing.assert_allclose(one_by_one, inference.predict(market, ends), atol=1e-6)


def test_the_rest_of_the_panel_does_not_matter(inference: ModelInference, market: Panel) -> None:
    """The window alone decides: a panel cut to it gives the same bits, whatever comes after."""
    row = 1_234
    whole = inference.predict(market, np.array([row]))
    cut = market.take(slice(row - inference.reach + 1, row + 1))
    np.testing.assert_array_equal(whole, inference.predict(cut, np.array([len(cut) - 1])))


def test_symbols_are_known_by_name(inference: ModelInference, market: Panel) -> None:
    """A panel that holds one symbol, or both in another order, changes no answer."""
    rows = market.slice_of("BBB-USDT")
    ends = np.array([rows.start + 700])
    alone = replace(
        market.take(rows), symbols=("BBB-USDT",), symbol_N=np.zeros(rows.stop - rows.start, "i2")
    )
    np.testing.assert_array_equal(
        inference.predict(market, ends), inference.predict(alone, ends - rows.start)
    )


def test_asking_changes_nothing(inference: ModelInference, market: Panel) -> None:
    """Asked twice, it gives the same bits; torch's random state and threads are left alone."""
    ends = market.window_ends(inference.reach)[:100]
    before = torch.get_rng_state(), torch.get_num_threads()
    np.testing.assert_array_equal(inference.predict(market, ends), inference.predict(market, ends))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == torch.get_num_threads()
    assert not inference.network.training


def test_no_windows_give_no_answers(inference: ModelInference, market: Panel) -> None:
    """Nothing asked, nothing answered, in the right shape."""
    assert inference.predict(market, np.empty(0, dtype=np.int64)).shape == (0, 2, 3)


def test_another_feature_set_is_refused(
    inference: ModelInference, market: Panel, trained: TrainedVersion, tmp_path: Path
) -> None:
    """Features of other names, order or fingerprint are answered with an error."""
    ends = market.window_ends(inference.reach)[:1]
    with pytest.raises(FeatureError, match="difference is noise_b, volume"):
        inference.predict(replace(market, names=(*market.names[:3], "volume")), ends)
    with pytest.raises(FeatureError, match="their order"):
        inference.predict(replace(market, names=market.names[::-1]), ends)
    store = ModelStore(tmp_path)
    store.save(trained.model, trained.version, trained.files)
    with pytest.raises(FeatureError, match=r"feature set 'features-1'.*'features-2'"):
        ModelInference.load(store, trained.version, "features-2")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_windows_with_a_hole_are_refused(
    inference: ModelInference, market: Panel, bad: float
) -> None:
    """A value that is no number anywhere in a window, or a missing minute, is an error."""
    x_NF = market.x_NF.copy()
    x_NF[1_000, 2] = bad
    spoiled = replace(market, x_NF=x_NF)
    assert inference.predict(spoiled, np.array([999, 1_000 + inference.reach])).shape[0] == 2
    for row in (1_000, 1_000 + inference.reach - 1):
        with pytest.raises(FeatureError, match=r"1 of 1 windows have no unbroken run"):
            inference.predict(spoiled, np.array([row]))
    gap = market.take(np.delete(np.arange(2_000), 1_000))
    with pytest.raises(FeatureError, match="no unbroken run"):
        inference.predict(gap, np.array([1_003]))


@pytest.mark.parametrize("row", [-1, 10**6])
def test_rows_outside_the_panel_are_refused(
    inference: ModelInference, market: Panel, row: int
) -> None:
    """A row that is not there is an error, never the row counted from the end."""
    with pytest.raises(FeatureError, match=f"ends at row {row}"):
        inference.predict(market, np.array([500, row]))


def test_a_symbol_that_was_not_learned_is_refused(inference: ModelInference, market: Panel) -> None:
    """It answers for what it knows, and says what that is."""
    stranger = replace(market, symbols=("AAA-USDT", "CCC-USDT"))
    second = market.slice_of("BBB-USDT").start + 500
    with pytest.raises(FeatureError, match="has not learned CCC-USDT"):
        inference.predict(stranger, np.array([second]))
    assert len(inference.predict(stranger, np.array([500]))) == 1


def test_a_damaged_version_is_never_loaded(trained: TrainedVersion, tmp_path: Path) -> None:
    """One wrong bit in the weights is noticed before any of them is used."""
    store = ModelStore(tmp_path)
    path = store.save(trained.model, trained.version, trained.files) / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        ModelInference.load(store, trained.version)


def test_files_of_another_make_are_refused(trained: TrainedVersion) -> None:
    """Missing files, a later format and weights of another shape each say what is wrong."""
    files = dict(trained.files)
    with pytest.raises(ModelError, match=r"config\.json is not among"):
        ModelInference({"model.safetensors": files["model.safetensors"]})
    config = json.loads(files["config.json"])
    with pytest.raises(ModelError, match="format 99"):
        ModelInference(files | {"config.json": json.dumps(config | {"format": 99}).encode()})
    config["feature_names"].append("extra")
    with pytest.raises(ModelError, match="do not fit LSTMPricePredictor"):
        ModelInference(files | {"config.json": json.dumps(config).encode()})


def test_latency_is_told_for_each_batch_size(inference: ModelInference) -> None:
    """Statistics are in order and belong together."""
    for found, batch_size in zip(measure_latency(inference, (1, 4), repeats=5), (1, 4)):
        assert found.batch_size == batch_size
        assert found.window == inference.inputs.window
        assert 0 < found.p50_ms <= found.p90_ms <= found.p99_ms
        assert found.windows_per_second == pytest.approx(batch_size / found.mean_ms * 1e3)
