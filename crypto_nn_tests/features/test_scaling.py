"""Laws of scaling: what is learnt from training rows, and that nothing odd breaks it."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.preprocessing import RobustScaler as SklearnScaler
from sklearn.utils.class_weight import compute_class_weight

from crypto_nn.errors import FeatureError
from crypto_nn.features.scaling import CHUNK_ROWS, RobustScaler, ScalingConfig, class_weights


def sample(rows: int = 5000, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (generator.standard_t(3, (rows, 4)) * [1, 1e-5, 1e4, 3] + [0, 1, -5e4, 7]).astype("f4")


def test_it_agrees_with_scikit_learn_within_the_clip() -> None:
    x = sample()
    expected = SklearnScaler().fit_transform(x.astype("f8")).clip(-10, 10)
    np.testing.assert_allclose(RobustScaler.fit(x).transform(x), expected, rtol=1e-6, atol=1e-6)


def test_only_the_rows_given_count() -> None:
    """As a mask, as positions or cut out before: the same statistics."""
    x = sample()
    mask = np.arange(len(x)) % 3 == 0
    cut = RobustScaler.fit(x[mask]).to_json()
    assert RobustScaler.fit(x, mask).to_json() == cut
    assert RobustScaler.fit(x, np.flatnonzero(mask)).to_json() == cut
    assert RobustScaler.fit(x).to_json() != cut


def test_one_row_is_scaled_to_the_same_bits_as_all() -> None:
    x = sample(CHUNK_ROWS + 10)
    scaler = RobustScaler.fit(x)
    scaled = scaler.transform(x)
    assert scaled.dtype == np.float32
    for row in (0, CHUNK_ROWS - 1, CHUNK_ROWS, len(x) - 1):
        np.testing.assert_array_equal(scaler.transform(x[row]), scaled[row])
    np.testing.assert_array_equal(scaler.transform(x.copy(), out=x), scaled)
    assert scaler.transform(x, out=x) is x


def test_nulls_are_left_out_of_the_fit_and_stay_null() -> None:
    x = sample()
    holes = x.copy()
    holes[::5] = np.nan
    holes[1::50, 2] = np.inf
    scaler = RobustScaler.fit(holes)
    column = holes[:, 2][np.isfinite(holes[:, 2])]
    assert scaler.center_F[2] == np.median(column.astype("f8"))
    scaled = scaler.transform(holes)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(holes))


def test_features_that_hardly_vary_are_safe() -> None:
    """Constant: 0 everywhere. Mostly constant: the standard deviation. All null: null."""
    x = np.zeros((1000, 4), dtype=np.float32)
    x[:, 0] = 0.1
    x[:10, 1] = 5
    x[:, 2] = np.nan
    x[:, 3] = 1e30
    scaler = RobustScaler.fit(x)
    scaled = scaler.transform(x)
    assert (scaled[:, [0, 3]] == 0).all()
    assert scaler.scale_F[1] == x[:, 1].astype("f8").std()
    assert np.isnan(scaled[:, 2]).all()


@settings(max_examples=100, deadline=None)
@given(x=arrays.arrays(np.float32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_scaled_values_are_within_the_clip_whatever_comes(x: np.ndarray) -> None:
    scaler = RobustScaler.fit(x, config=ScalingConfig(clip=4))
    scaled = scaler.transform(x)
    assert (np.abs(scaled[np.isfinite(x)]) <= 4).all()
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(x))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000))
def test_text_gives_back_the_same_scaler_to_the_bit(seed: int) -> None:
    scaler = RobustScaler.fit(sample(50, seed) / 3, config=ScalingConfig(clip=0.1 + seed))
    back = RobustScaler.from_json(scaler.to_json())
    assert back.center_F.tobytes() == scaler.center_F.tobytes()
    assert back.scale_F.tobytes() == scaler.scale_F.tobytes()
    assert back.clip == scaler.clip
    assert set(json.loads(scaler.to_json())) == {"center", "scale", "clip"}


def test_order_of_rows_does_not_matter() -> None:
    x = sample()
    shuffled = np.random.default_rng(0).permutation(x)
    assert RobustScaler.fit(shuffled).to_json() == RobustScaler.fit(x).to_json()


def test_another_number_of_features_is_refused() -> None:
    with pytest.raises(FeatureError, match="3 features were given to a scaler fitted on 4"):
        RobustScaler.fit(sample()).transform(sample()[:, :3])


def test_class_weights_agree_with_scikit_learn() -> None:
    classes = np.random.default_rng(0).choice(3, (1000, 2), p=[0.2, 0.7, 0.1]).astype(np.int8)
    weights = [
        compute_class_weight("balanced", classes=np.arange(3), y=column) for column in classes.T
    ]
    expected = np.array(weights, dtype=np.float64)
    np.testing.assert_allclose(class_weights(classes), expected, rtol=1e-12)


def test_unknown_classes_do_not_count_and_absent_ones_weigh_one() -> None:
    classes = np.array([[0, -1], [0, -1], [2, -1], [-1, -1]], dtype=np.int8)
    np.testing.assert_allclose(class_weights(classes), np.array([[0.5, 1.0, 1.0], [1.0, 1.0, 1.0]]))
