"""Laws of the panel: rows of one time belong together, and windows are whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.bars import Bars
from crypto_nn.errors import FeatureError
from crypto_nn.features.labels import LabelConfig, classify, compute_labels
from crypto_nn.features.panel import Panel, Part
from crypto_nn_tests.features.walks import MINUTE, walk

NAMES = ("one", "two")
CONFIG = LabelConfig()


def part(bars: Bars, seed: int = 0, nulls: float = 0.0, config: LabelConfig = CONFIG) -> Part:
    generator = np.random.default_rng(seed)
    x_NF = generator.normal(size=(len(bars), 2)).astype(np.float32)
    x_NF[generator.random(len(bars)) < nulls, 1] = np.nan
    return Part.from_arrays(x_NF, NAMES, compute_labels(bars, config, complete=True), bars)


def panel_of(seed: int = 0, missing: float = 0.0, nulls: float = 0.0) -> Panel:
    generator = np.random.default_rng(seed)
    lone = np.flatnonzero(generator.random(600) < missing)
    first, second = walk(600, seed=seed, missing=lone), walk(400, seed=seed + 1)
    return Panel.from_parts({"BTC-USDT": part(first, 1, nulls), "ETH-USDT": part(second, 2, nulls)})


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    window=st.sampled_from([1, 2, 7, 30, 500]),
    missing=st.sampled_from([0.0, 0.02]),
    nulls=st.sampled_from([0.0, 0.03]),
)
def test_windows_are_of_one_symbol_unbroken_and_whole(
    seed: int, window: int, missing: float, nulls: float
) -> None:
    """The positions equal those found by looking at every window."""
    panel = panel_of(seed, missing, nulls)
    slow = []
    for end in range(window - 1, len(panel)):
        rows = slice(end - window + 1, end + 1)
        steps = np.diff(panel.ts_N[rows])
        one_symbol = panel.symbol_N[rows.start] == panel.symbol_N[end]
        if one_symbol and (steps == MINUTE).all() and np.isfinite(panel.x_NF[rows]).all():
            slow.append(end)
    ends = panel.window_ends(window)
    np.testing.assert_array_equal(ends, slow)
    assert ends.dtype == np.int64


def test_a_window_never_spans_two_symbols_though_their_minutes_follow() -> None:
    """The second symbol begins a minute after the first ends."""
    first, second = walk(50), walk(50, start="2024-01-01T00:50")
    panel = Panel.from_parts({"BTC-USDT": part(first), "ETH-USDT": part(second)})
    expected = [*range(9, 50), *range(59, 100)]
    np.testing.assert_array_equal(panel.window_ends(10), expected)


def test_rows_are_joined_by_time() -> None:
    """Features, labels and bars that cover different times meet where all have a row."""
    bars = walk(600)
    whole = part(bars)
    joined = Panel.from_parts(
        {
            "BTC-USDT": Part(
                whole.features.slice(10),
                whole.labels.take(slice(0, 580)),
                bars.take(np.delete(np.arange(600), [50, 51])),
            )
        }
    )
    rows = np.delete(np.arange(10, 580), [40, 41])
    np.testing.assert_array_equal(joined.ts_N, bars.ts[rows])
    np.testing.assert_array_equal(joined.x_NF[:, 0], whole.features["one"].to_numpy()[rows])
    np.testing.assert_array_equal(joined.close_N, bars.close[rows])
    np.testing.assert_array_equal(joined.scores_NH, whole.labels.scores_NH[rows])
    np.testing.assert_array_equal(joined.t1_NH, whole.labels.t1_NH[rows])


def test_symbols_are_stacked_in_order_with_their_own_rows() -> None:
    panel = panel_of(missing=0.02)
    second = walk(400, seed=1)
    of_second = panel.take(panel.slice_of("ETH-USDT"))
    np.testing.assert_array_equal(of_second.close_N, second.close)
    np.testing.assert_array_equal(of_second.ts_N, second.ts)
    assert panel.symbols == ("BTC-USDT", "ETH-USDT")
    assert panel.horizons == (5, 15, 60)
    assert str(panel.x_NF.dtype) == "float32"
    assert str(panel.symbol_N.dtype) == "int16"
    assert (np.diff(panel.symbol_N) >= 0).all()
    with pytest.raises(FeatureError, match="no XRP-USDT; it has BTC-USDT, ETH-USDT"):
        panel.slice_of("XRP-USDT")


def test_rows_without_labels_are_kept_and_marked() -> None:
    panel = panel_of()
    assert len(panel) == 1000
    last = panel.classes_NH[panel.slice_of("BTC-USDT")][-5:]
    assert (last == -1).all()
    np.testing.assert_array_equal(panel.classes_NH == -1, np.isnan(panel.scores_NH))
    np.testing.assert_array_equal(panel.classes_at(0.37), panel.classes_NH)
    k = np.array([0.2, 0.3, 0.4])
    np.testing.assert_array_equal(panel.classes_at(k), classify(panel.scores_NH, k))


@settings(max_examples=30, deadline=None)
@given(lo=st.integers(-50, 650), length=st.integers(0, 650))
def test_a_stretch_of_time_holds_the_rows_of_every_symbol_in_it(lo: int, length: int) -> None:
    panel = panel_of(missing=0.02)
    start = np.datetime64("2024-01-01", "us") + lo * MINUTE
    end = start + length * MINUTE
    inside = (panel.ts_N >= start) & (panel.ts_N < end)
    cut = panel.between(start, end)
    np.testing.assert_array_equal(cut.close_N, panel.close_N[inside])
    np.testing.assert_array_equal(cut.symbol_N, panel.symbol_N[inside])


def test_a_slice_copies_nothing() -> None:
    panel = panel_of()
    assert np.shares_memory(panel.take(slice(10, 20)).x_NF, panel.x_NF)
    one = panel.take(panel.slice_of("BTC-USDT"))
    assert np.shares_memory(one.between(one.ts_N[5], one.ts_N[50]).x_NF, panel.x_NF)


def test_parts_that_do_not_fit_together_are_refused() -> None:
    bars = walk(300)
    good = part(bars)
    labels = compute_labels(bars, CONFIG, True)
    other = Part.from_arrays(np.zeros((300, 2)), ("one", "three"), labels, bars)
    with pytest.raises(FeatureError, match=r"different features \(three, two\)"):
        Panel.from_parts({"BTC-USDT": good, "ETH-USDT": other})
    swapped = Part.from_arrays(np.zeros((300, 2)), ("two", "one"), labels, bars)
    with pytest.raises(FeatureError, match="their order"):
        Panel.from_parts({"BTC-USDT": good, "ETH-USDT": swapped})
    short = part(bars, config=LabelConfig(horizons=(5,)))
    with pytest.raises(FeatureError, match=r"labels for \(5,\) minutes"):
        Panel.from_parts({"BTC-USDT": good, "ETH-USDT": short})
    with pytest.raises(FeatureError, match="at least one"):
        Panel.from_parts({})


def test_an_empty_panel_has_no_windows() -> None:
    panel = Panel.from_parts({"BTC-USDT": part(Bars.empty("BTC-USDT"))})
    assert len(panel) == len(panel.window_ends(5)) == 0
    assert len(panel.between(np.datetime64("2024-01-01"), np.datetime64("2024-02-01"))) == 0
