"""A stream answers once per closed bar as history does, and says when it cannot."""

import numpy as np
import pytest

from crypto_nn.bars import M1, M5, Bars
from crypto_nn.errors import BarsError, FeatureError
from crypto_nn.features import FeatureSet, default_feature_set
from crypto_nn.features.labels import LabelConfig, compute_labels
from crypto_nn.features.panel import Panel, Part
from crypto_nn.inference.answering import Answering
from crypto_nn.inference.batch import BatchInference
from crypto_nn.inference.ensemble import EnsembleInference
from crypto_nn.inference.streaming import State, StreamingInference
from crypto_nn_tests.indicators.made import walk
from crypto_nn_tests.inference.linear import linear

SHIPPED = default_feature_set()
QUICK = FeatureSet(tuple(one for one in SHIPPED.features if one.timeframe <= M5), SHIPPED.gaps)
BARS = walk(1_700)
SEED = 1_600


def version(seed: int = 0) -> Answering:
    return linear(QUICK.names, QUICK.fingerprint, seed=seed)


def opened(history: Bars) -> StreamingInference:
    return StreamingInference(version(), QUICK, history, complete=True)


def test_streaming_equals_batch() -> None:
    """Bar by bar and all at once say the same of every window, to 1e-6, known at its close."""
    part = Part.from_arrays(
        QUICK.compute(BARS, True), QUICK.names, compute_labels(BARS, LabelConfig()), BARS
    )
    panel = Panel.from_parts({BARS.symbol: part})
    both = EnsembleInference((version(0), version(1)))
    table = BatchInference(both, chunk=64).predict(panel).to_pandas()
    stream = StreamingInference(both, QUICK, BARS[:SEED], complete=True)
    answered = 0
    for bar in BARS[SEED:]:
        answer = stream.update(bar)
        if answer is None:
            continue
        rows = table[table["ts"] == bar.ts]
        np.testing.assert_allclose(answer.p_HC, rows[["p_down", "p_flat", "p_up"]], atol=1e-6)
        assert answer.epistemic_H is not None
        np.testing.assert_allclose(answer.epistemic_H, rows["epistemic"], atol=1e-6)
        assert answer.known_at == bar.ts + M1.step == rows["known_at"].iloc[0]
        answered += 1
    assert answered == len(BARS) - SEED


def test_a_gap_makes_it_stale_until_it_is_filled() -> None:
    """With a minute missing it gives no answer; filled in, it says what it would have said."""
    stream, whole = opened(BARS[:SEED]), opened(BARS[:SEED])
    assert stream.state is State.READY
    missing, after = BARS[SEED : SEED + 2]
    assert stream.update(after) is None
    assert (stream.state, stream.newest) == (State.STALE, None)
    whole.update(missing)
    due, found = whole.update(after), stream.revise(missing)
    assert due is not None
    assert found is not None
    np.testing.assert_array_equal(found.p_HC, due.p_HC)
    assert stream.state is State.READY


def test_it_warms_up_from_nothing() -> None:
    """Without history it is warming, which is not stale."""
    stream = opened(BARS[:0])
    assert stream.update(next(iter(BARS))) is None
    assert stream.state is State.WARMING


def test_duplicates_and_late_bars_change_nothing() -> None:
    """A bar that is not later than the last is refused, and the answer stands."""
    stream = opened(BARS[:SEED])
    before = stream.newest
    for late in BARS[SEED - 2 : SEED]:
        with pytest.raises(BarsError):
            stream.update(late)
    assert stream.newest is before
    assert stream.state is State.READY


def test_it_refuses_what_it_did_not_learn() -> None:
    """Another feature set, or another symbol, is refused before any bar."""
    with pytest.raises(FeatureError, match="learned from feature set"):
        StreamingInference(version(), FeatureSet(QUICK.features[:2]), BARS[:0])
    stranger = linear(QUICK.names, QUICK.fingerprint, symbols=("ETH-USDT",))
    with pytest.raises(FeatureError, match="has not learned BTC-USDT"):
        StreamingInference(stranger, QUICK, BARS[:0])
