"""Laws of labels: what they mean, that gaps stay gaps, and that no bit depends on the cutting."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from crypto_nn.bars import M5, Bars
from crypto_nn.bars.calendar import month_slices
from crypto_nn.errors import BarsError
from crypto_nn.features.labels import (
    DOWN,
    FLAT,
    UNKNOWN,
    UP,
    LabelConfig,
    Labels,
    class_balance,
    classify,
    compute_labels,
    ewma_sigma,
    fit_k,
    forward_returns,
)
from crypto_nn_tests.features.walks import MINUTE, assert_same, month_alone, walk, with_close

CONFIG = LabelConfig()


def some_missing(minutes: int, seed: int) -> NDArray[np.int64]:
    generator = np.random.default_rng(seed)
    lone = generator.choice(minutes, minutes // 50, replace=False)
    start = int(generator.integers(0, minutes - 200))
    return np.union1d(lone, np.arange(start, start + 150))


@pytest.mark.parametrize("seed", range(3))
def test_returns_equal_a_lookup_by_time(seed: int) -> None:
    """The forward return is that of the bar stamped ts + h, and null where there is none."""
    bars = walk(3000, seed=seed, missing=some_missing(3000, seed))
    close_at = dict(zip(bars.ts.tolist(), bars.close))
    for horizon in (1, 5, 60):
        slow = [
            np.log(close_at.get((ts + horizon * MINUTE).item(), np.nan) / close)
            for ts, close in zip(bars.ts, bars.close)
        ]
        np.testing.assert_array_equal(forward_returns(bars, horizon), slow)


@pytest.mark.parametrize("seed", range(3))
def test_sigma_equals_pandas_over_returns_of_one_minute(seed: int) -> None:
    """Sigma is pandas' EWMA of squared returns, with those over gaps left out."""
    bars = walk(3000, seed=seed, missing=some_missing(3000, seed))
    returns = pd.Series(np.log(bars.close)).diff()
    whole = pd.Series(bars.ts).diff() == pd.Timedelta("1min")
    squares = returns[whole] ** 2
    slow = np.sqrt(squares.ewm(span=120).mean())[squares.expanding().count() >= 50]
    expected = slow.reindex(range(len(bars))).ffill()
    np.testing.assert_allclose(ewma_sigma(bars, 120, 50), expected, rtol=1e-12)


def test_scores_are_returns_in_expected_sizes() -> None:
    labels = compute_labels(walk(2000), CONFIG, complete=True)
    for column, horizon in enumerate(CONFIG.horizons):
        expected = labels.returns_NH[:, column] / (labels.sigma * np.sqrt(horizon))
        np.testing.assert_allclose(labels.scores_NH[:, column], expected, rtol=1e-14)
    np.testing.assert_array_equal(labels.classes_NH, classify(labels.scores_NH, 0.37))


def test_a_label_is_known_when_its_last_bar_has_closed_and_not_before() -> None:
    """With bars closed at t1 the label is there; with one bar less it is null."""
    bars = walk(1000)
    whole = compute_labels(bars, CONFIG, complete=True)
    row = 700
    for column, horizon in enumerate(CONFIG.horizons):
        closes_NH = bars.ts + MINUTE
        seen = bars.take(closes_NH <= whole.t1_NH[row, column])
        assert compute_labels(seen, CONFIG, True).classes_NH[row, column] != UNKNOWN
        assert compute_labels(seen[:-1], CONFIG, True).classes_NH[row, column] == UNKNOWN
        assert whole.t1_NH[row, column] - whole.t0[row] == horizon * MINUTE


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(200, 2900), seed=st.integers(0, 99))
def test_what_comes_after_t1_changes_no_label(cut: int, seed: int) -> None:
    """Perturbing every bar from a cut on leaves what was known by then as it is."""
    bars = walk(3000, seed=seed, missing=some_missing(3000, seed))
    cut = min(cut, len(bars) - 1)
    factor = np.random.default_rng(seed).uniform(0.5, 2, len(bars))
    factor[:cut] = 1
    before = compute_labels(bars, CONFIG, complete=True)
    after = compute_labels(with_close(bars, bars.close * factor), CONFIG, complete=True)
    np.testing.assert_array_equal(before.sigma[:cut], after.sigma[:cut])
    settled = before.t1_NH <= bars.ts[cut]
    np.testing.assert_array_equal(before.scores_NH[settled], after.scores_NH[settled])
    np.testing.assert_array_equal(before.classes_NH[settled], after.classes_NH[settled])
    assert (before.returns_NH[cut:] != after.returns_NH[cut:]).any()


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(1, 2999), seed=st.integers(0, 99))
def test_a_prefix_of_the_bars_gives_a_prefix_of_the_labels(cut: int, seed: int) -> None:
    bars = walk(3000, seed=seed, missing=some_missing(3000, seed))[:cut]
    whole = compute_labels(walk(3000, seed=seed, missing=some_missing(3000, seed)), CONFIG, True)
    part = compute_labels(bars, CONFIG, complete=True)
    np.testing.assert_array_equal(part.sigma, whole.sigma[: len(part)])
    known = part.classes_NH != UNKNOWN
    np.testing.assert_array_equal(part.scores_NH[known], whole.scores_NH[: len(part)][known])


@pytest.mark.parametrize("hole", [0, 1439, 43_200, 44_639, 89_000])
def test_a_month_alone_has_the_same_bits_as_in_the_whole_history(hole: int) -> None:
    """Whatever is missing, also at the anchor or over the turn of the month."""
    missing = np.union1d(some_missing(120_000, hole), np.arange(hole, hole + 100))
    bars = walk(120_000, start="2023-12-31", seed=hole, missing=missing)
    whole = compute_labels(bars, CONFIG)
    for month, rows in list(month_slices(bars.ts))[1:]:
        assert_same(month_alone(bars, month, CONFIG), whole.take(rows))
    assert np.isnan(whole.sigma[: np.searchsorted(bars.ts, np.datetime64("2024-01-01"))]).all()
    assert (whole.classes_NH[-40_000:] != UNKNOWN).mean() > 0.9


def test_an_outage_over_the_anchors_day_is_the_same_alone_and_in_the_whole() -> None:
    """No bar in the anchor's day means null in both, and a complete history mends both."""
    missing = np.arange(30 * 1440, 31 * 1440)
    bars = walk(45 * 1440, missing=missing)
    february = slice(30 * 1440, None)
    whole = compute_labels(bars, CONFIG)
    assert np.isnan(whole.sigma[february]).all()
    assert_same(month_alone(bars, "2024-02", CONFIG), whole.take(february))
    mended = compute_labels(bars, CONFIG, complete=True)
    needed = bars.between(*CONFIG.bars_needed("2024-02"))
    assert np.isfinite(mended.sigma[february][200:]).all()
    assert_same(compute_labels(needed, CONFIG, complete=True), mended.take(february))


def test_the_first_month_of_a_complete_history_is_null_in_warm_up_only() -> None:
    bars = walk(1000)
    assert np.isnan(compute_labels(bars, CONFIG).sigma).all()
    complete = compute_labels(bars, CONFIG, complete=True)
    np.testing.assert_array_equal(np.isnan(complete.sigma), np.arange(1000) < CONFIG.warm_up)


def test_doubled_prices_have_the_same_labels() -> None:
    bars = walk(2000)
    doubled = with_close(bars, bars.close * 2)
    assert_same(compute_labels(bars, CONFIG, True), compute_labels(doubled, CONFIG, True))


def test_upside_down_prices_swap_up_and_down() -> None:
    bars = walk(2000)
    labels = compute_labels(bars, CONFIG, True)
    turned = compute_labels(with_close(bars, 1 / bars.close), CONFIG, True)
    np.testing.assert_allclose(turned.scores_NH, -labels.scores_NH, rtol=1e-6, atol=1e-9)
    sides = np.array([UP, FLAT, DOWN, UNKNOWN], dtype=np.int8)  # −1 picks the last
    agree = turned.classes_NH == sides[labels.classes_NH]
    assert agree.mean() > 0.999  # a score on the band itself may fall to either side


def test_a_market_that_stands_still_is_flat_and_its_first_move_has_no_score() -> None:
    bars = walk(400)
    close = np.full(400, 100.0)
    close[300:] = 101.0
    labels = compute_labels(with_close(bars, close), CONFIG, complete=True)
    assert (labels.scores_NH[150:240] == 0).all()
    assert (labels.classes_NH[150:240] == FLAT).all()
    leap = labels.scores_NH[296, 0], labels.classes_NH[296, 0], labels.returns_NH[296, 0]
    assert np.isnan(leap[0])
    assert leap[1] == UNKNOWN
    assert leap[2] == np.log(1.01)


def test_fixed_bands_compare_log_returns_and_cost_bands_gains() -> None:
    bars = walk(4000, step=1e-3)
    fixed = compute_labels(bars, LabelConfig(kind="fixed", bps=20), complete=True)
    cost = compute_labels(bars, LabelConfig(kind="cost", bps=20), complete=True)
    known = ~np.isnan(fixed.returns_NH)
    moves = fixed.returns_NH[known]
    np.testing.assert_array_equal(fixed.classes_NH[known] == UP, moves > 0.002)
    np.testing.assert_array_equal(fixed.classes_NH[known] == FLAT, np.abs(moves) <= 0.002)
    gains = np.exp(moves) - 1
    np.testing.assert_array_equal(cost.classes_NH[known] == DOWN, gains < -0.002)
    np.testing.assert_array_equal(fixed.scores_NH, cost.scores_NH)


def test_flat_holds_its_edges_and_unknown_stays_unknown() -> None:
    scores = np.array([[-0.5, -0.37, 0.0, 0.37, np.nextafter(0.37, 1), np.nan]]).T
    np.testing.assert_array_equal(classify(scores, 0.37)[:, 0], [0, 1, 1, 1, 2, -1])
    np.testing.assert_array_equal(classify(np.tile(scores, 2), [0.37, 0.6])[:, 1], [1] * 5 + [-1])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), scale=st.floats(0.01, 100))
def test_fitted_k_makes_a_third_flat(seed: int, scale: float) -> None:
    scores = np.random.default_rng(seed).standard_t(3, size=(3000, 2)) * [1, scale]
    scores[::7] = np.nan
    k = fit_k(scores)
    classes = classify(scores, k)
    for column in range(2):
        known = classes[:, column][classes[:, column] >= 0]
        assert abs((known == FLAT).mean() - 1 / 3) < 1e-3
    np.testing.assert_allclose(fit_k(scores * 2), k * 2, rtol=1e-12)


def test_k_of_a_horizon_without_scores_is_nan() -> None:
    assert np.isnan(fit_k(np.full((5, 1), np.nan))).all()


def test_arrow_gives_back_the_same_labels_with_nulls_for_unknown() -> None:
    labels = compute_labels(walk(500), CONFIG, complete=True)
    table = labels.to_arrow()
    wider = table.append_column("symbol", [["BTC-USDT"] * len(table)])
    assert_same(Labels.from_arrow(wider), labels)
    assert Labels.from_arrow(wider).horizons == (5, 15, 60)
    assert table["class_60m"].null_count == table["score_60m"].null_count == 120 + 60
    assert table["t1_60m"].null_count == 0


def test_horizons_that_a_table_only_has_columns_for_are_left_out() -> None:
    """The lake declares 5, 15 and 60; who asks for 5 and 30 gets those, and not two empty ones."""
    labels = compute_labels(walk(500), LabelConfig(horizons=(5, 30)), complete=True)
    table = labels.to_arrow()
    for field in compute_labels(walk(500), CONFIG).to_arrow().schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    assert_same(Labels.from_arrow(table), labels)
    assert Labels.from_arrow(table).horizons == (5, 30)
    assert Labels.from_arrow(table[:0]).horizons == (5, 15, 30, 60)


def test_no_bars_have_no_labels() -> None:
    labels = compute_labels(Bars.empty("BTC-USDT"), CONFIG)
    assert len(labels) == len(Labels.from_arrow(labels.to_arrow())) == 0
    assert labels.classes_NH.shape == (0, 3)


def test_bars_of_another_timeframe_or_unclean_are_refused() -> None:
    bars = walk(100)
    with pytest.raises(BarsError, match="1m bars"):
        compute_labels(Bars.empty("BTC-USDT", M5), CONFIG)
    with pytest.raises(BarsError, match="must ascend"):
        compute_labels(bars.take(np.arange(100)[::-1]), CONFIG)


@pytest.mark.parametrize("horizons", [(), (15, 5), (5, 5), (0, 5), (5, 2000)])
def test_horizons_ascend_within_a_day(horizons: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="ascending"):
        LabelConfig(horizons=horizons)


@pytest.mark.parametrize("span", [2, 120, 3600])
def test_history_beyond_memory_weighs_less_than_a_billionth(span: int) -> None:
    config = LabelConfig(span=span, warm_up=1)
    decay = 1 - 2 / (span + 1)
    assert decay**config.memory <= 1e-9 < decay ** (config.memory - 1)
    assert config.anchor("2024-03") <= np.datetime64("2024-03-01") - config.memory * MINUTE
    assert config.memory <= 28 * 1440


def test_balance_counts_each_class_by_day_and_month() -> None:
    labels = compute_labels(walk(3 * 1440, start="2024-01-30"), CONFIG, complete=True)
    for unit, periods in (("day", 3), ("month", 2)):
        table = class_balance(labels, unit).to_pandas()  # type: ignore[arg-type]
        assert len(table) == periods * 3
        np.testing.assert_allclose(table[["down", "flat", "up"]].sum(axis=1), 1)
        assert table.rows.sum() == (labels.classes_NH != UNKNOWN).sum()
    first = table[(table.period == "2024-01") & (table.horizon == 5)].iloc[0]
    of_january = labels.classes_NH[:2880, 0]
    assert first["up"] == (of_january == UP).sum() / (of_january >= 0).sum()
