"""Laws of the triple barrier: what is met first, when that is known, and what a hole hides."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crypto_nn.bars import M1, Bars
from crypto_nn.bars.calendar import month_slices
from crypto_nn.features import labels_barriers
from crypto_nn.features.labels import (
    DOWN,
    FLAT,
    UNKNOWN,
    UP,
    LabelConfig,
    Labels,
    compute_labels,
)
from crypto_nn.features.labels_barriers import Touch, Touches, first_touches
from crypto_nn.features.labels_in_time import untimely
from crypto_nn.features.panel import Panel, Part
from crypto_nn.features.splits import TRAIN, Reach, SplitConfig, rows_of, walk_forward
from crypto_nn_tests.features.walks import MINUTE, assert_same, month_alone, walk
from crypto_nn_tests.market import BTC, needs_market, real_bars

TOUCHES: tuple[Touch, ...] = ("close", "range")
KINDS = [
    LabelConfig(),
    LabelConfig(kind="fixed"),
    LabelConfig(kind="cost"),
    *(LabelConfig(kind="triple_barrier", touch=touch) for touch in TOUCHES),
]
_each_kind = pytest.mark.parametrize("config", KINDS, ids=lambda c: f"{c.kind}-{c.touch}")
_each_touch = pytest.mark.parametrize("touch", TOUCHES)


def _on_real_bars(test: Any) -> Any:
    for mark in needs_market:
        test = mark(test)
    return test


def ranged(bars: Bars, seed: int = 0, size: float = 5e-4) -> Bars:
    """The same closes with opens that jump and wicks on both sides, some long ones on both."""
    rng = np.random.default_rng(seed)
    n = len(bars)
    jumps = np.where(rng.random(n) < 0.7, 0.0, rng.normal(0, size, n))
    opens = np.append(bars.close[:1], bars.close[:-1]) * np.exp(jumps)
    wicks = np.abs(rng.normal(0, size, (2, n))) * np.where(rng.random(n) < 0.05, 8, 1)
    high = np.maximum(opens, bars.close) * np.exp(wicks[0])
    low = np.minimum(opens, bars.close) * np.exp(-wicks[1])
    return replace(bars, open=opens, high=high, low=low)


def slow_touches(bars: Bars, half_width_N: NDArray[Any], horizon: int, touch: Touch) -> Touches:
    """The same by following each path on its own, minute by minute of the clock."""
    row_at = {ts: row for row, ts in enumerate(bars.ts.tolist())}
    side, end = np.zeros(len(bars), dtype=np.int8), np.full(len(bars), -1)
    returns = np.full(len(bars), np.nan)
    for i, half in enumerate(half_width_N):
        start = bars.close[i]
        upper, lower = start * np.exp(half), start * np.exp(-half)
        for minute in range(1, horizon + 1):
            j = row_at.get((bars.ts[i] + minute * MINUTE).item())
            if j is None or np.isnan(half):
                break
            high = bars.close[j] if touch == "close" else bars.high[j]
            low = bars.close[j] if touch == "close" else bars.low[j]
            if high > upper or low < lower:
                if half == 0:
                    break
                up = high > upper
                if high > upper and low < lower:
                    up = bars.open[j] > start
                    if bars.open[j] == start:
                        up = bars.close[j] < start
                end[i], side[i] = j, 1 if up else -1
                returns[i] = np.log(bars.close[j] / start)
                if touch == "range":
                    opened = np.log(bars.open[j] / start)
                    returns[i] = max(opened, half) if up else min(opened, -half)
                break
            if minute == horizon:
                end[i], returns[i] = j, np.log(bars.close[j] / start)
    return Touches(side, end, returns)


def check_same(found: Touches, due: Touches) -> None:
    """Both are the same to the bit."""
    np.testing.assert_array_equal(found.end_N, due.end_N)
    np.testing.assert_array_equal(found.side_N, due.side_N)
    np.testing.assert_array_equal(found.returns_N, due.returns_N)


def widths(bars: Bars, horizon: int, width: float = 0.7) -> NDArray[np.float64]:
    sigma = compute_labels(bars, LabelConfig(), complete=True).sigma
    return width * sigma * np.sqrt(horizon)


@_each_touch
@pytest.mark.parametrize("horizon", [1, 5, 60])
def test_touches_equal_following_each_path(touch: Touch, horizon: int) -> None:
    """Over lone holes and an outage; each side, both at once, and jumps over a barrier occur."""
    rng = np.random.default_rng(horizon)
    missing = np.union1d(rng.choice(4000, 12, replace=False), np.arange(1500, 1620))
    bars = ranged(walk(4000, seed=horizon, missing=missing), horizon)
    half_N = widths(bars, horizon)
    found = first_touches(bars, half_N, horizon, touch)
    check_same(found, slow_touches(bars, half_N, horizon, touch))
    known = found.end_N >= 0
    assert {-1, 0, 1} == set(found.side_N[known].tolist())
    if touch == "range":
        at, rows = found.end_N[known], np.flatnonzero(known)
        beyond_both = (bars.high[at] > bars.close[rows] * np.exp(half_N[rows])) & (
            bars.low[at] < bars.close[rows] * np.exp(-half_N[rows])
        )
        jumped = np.abs(found.returns_N[rows]) > half_N[rows] * (1 + 1e-12)
        assert beyond_both.sum() > 10
        assert jumped.sum() > 10


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_touches_equal_following_each_path_of_any_bars(data: st.DataObject) -> None:
    """Few price levels, so that prices meet barriers exactly; any scale, holes, widths, blocks."""
    n = data.draw(st.integers(1, 90))
    scale = data.draw(st.sampled_from([1e-8, 1.0, 1e8]))
    levels = np.array(data.draw(st.lists(st.integers(98, 102), min_size=n, max_size=n))) * scale
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    opens = np.append(levels[:1], levels[:-1])
    high = np.maximum(opens, levels) + scale * rng.integers(0, 3, n)
    low = np.minimum(opens, levels) - scale * rng.integers(0, 3, n)
    minutes = np.cumsum(rng.choice([1, 1, 1, 1, 1, 1, 1, 1, 2, 9], n))
    ts = np.datetime64("2024-01-01", "us") + minutes * MINUTE
    bars = Bars("BTC-USDT", M1, ts, opens, high, low, levels, np.ones(n)).check_clean()
    log_steps = np.log(np.array([100, 101, 102]) / 100)
    half_N = rng.choice([0.0, *log_steps, 0.015, np.nan], n)
    horizon = data.draw(st.sampled_from([1, 2, 3, 7, 8, 33, 120]))
    touch = data.draw(st.sampled_from(TOUCHES))
    due = slow_touches(bars, half_N, horizon, touch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels_barriers, "BLOCK_ROWS", data.draw(st.sampled_from([1, 7, 65_536])))
        check_same(first_touches(bars, half_N, horizon, touch), due)


@_each_touch
@_on_real_bars
def test_touches_equal_following_each_path_of_real_bars(touch: Touch) -> None:
    """BTC around the outage of 24 March 2023, and the holes of a thin venue."""
    btc = real_bars(BTC)
    near = np.datetime64("2023-03-24T12:40")
    outage = btc.between(near - 700 * MINUTE, near + 700 * MINUTE)
    thin = real_bars("venues/BTCEUR_1m_kraken.parquet", rows=3000)
    for bars in (outage, thin):
        for horizon in (5, 60):
            half_N = widths(bars, horizon)
            found = first_touches(bars, half_N, horizon, touch)
            check_same(found, slow_touches(bars, half_N, horizon, touch))


@_each_touch
def test_scores_say_which_barrier_was_met(touch: Touch) -> None:
    """Up is a score of at least the width, down of at most its negative, flat lies between."""
    config = LabelConfig(kind="triple_barrier", touch=touch)
    labels = compute_labels(ranged(walk(5000)), config, complete=True)
    scores, width = labels.scores_NH, config.width
    assert scores[labels.classes_NH == UP].min() >= width * (1 - 1e-12)
    assert scores[labels.classes_NH == DOWN].max() <= -width * (1 - 1e-12)
    assert np.abs(scores[labels.classes_NH == FLAT]).max() <= width * (1 + 1e-12)
    known = labels.classes_NH != UNKNOWN
    np.testing.assert_array_equal(known, ~np.isnat(labels.t1_NH))
    np.testing.assert_array_equal(known, np.isfinite(scores))
    longest = (np.array(config.horizons) + 1) * MINUTE
    latest_NH = labels.ts[:, None] + longest
    assert (labels.t1_NH[known] <= latest_NH[known]).all()
    flat = labels.classes_NH == FLAT
    np.testing.assert_array_equal(labels.t1_NH[flat], latest_NH[flat])


@_each_kind
def test_labels_are_known_at_t1_and_not_a_bar_earlier(config: LabelConfig) -> None:
    """With the bars that have closed at t1 the label is the same; with one less it is unknown."""
    bars = ranged(walk(900, missing=np.array([500, 640, 641, 642])))
    whole = compute_labels(bars, config, complete=True)
    rng = np.random.default_rng(0)
    rows, columns = np.nonzero(whole.classes_NH != UNKNOWN)
    for pick in rng.choice(len(rows), 40, replace=False):
        row, column = rows[pick], columns[pick]
        seen = bars.take(bars.ts + MINUTE <= whole.t1_NH[row, column])
        then = compute_labels(seen, config, complete=True)
        for name in ("returns_NH", "scores_NH", "t1_NH", "classes_NH"):
            ours, theirs = (getattr(each, name)[row, column] for each in (then, whole))
            np.testing.assert_equal(ours, theirs, err_msg=name)
        earlier = compute_labels(seen[:-1], config, complete=True)
        assert earlier.classes_NH[row, column] == UNKNOWN
        assert np.isnan(earlier.returns_NH[row, column])


@_each_kind
@settings(max_examples=10, deadline=None)
@given(cut=st.integers(1, 2999), seed=st.integers(0, 99))
def test_no_label_is_untimely(config: LabelConfig, cut: int, seed: int) -> None:
    """Wherever the world ends, all that is known by then is the same, and nothing else is told."""
    missing = np.random.default_rng(seed).choice(3000, 30, replace=False)
    bars = ranged(walk(3000, seed=seed, missing=missing), seed)
    end = bars.ts[0] + cut * MINUTE
    assert not untimely(lambda b: compute_labels(b, config, complete=True), bars, end).any()


def _told_early(labels: Labels) -> Labels:
    return replace(labels, t1_NH=labels.t1_NH - MINUTE)


def _told_from_beyond(labels: Labels) -> Labels:
    sigma = np.full(len(labels), np.nanmean(labels.sigma)) if len(labels) else labels.sigma
    return replace(labels, sigma=sigma)


def _moved_on(labels: Labels) -> Labels:
    """Where a label is not known yet, the one before it is told."""
    classes_NH = labels.classes_NH.copy()
    classes_NH[1:] = np.where(classes_NH[1:] == UNKNOWN, classes_NH[:-1], classes_NH[1:])
    return replace(labels, classes_NH=classes_NH)


@_each_kind
@pytest.mark.parametrize("fault", [_told_early, _told_from_beyond, _moved_on])
def test_untimely_labels_are_found(config: LabelConfig, fault: Any) -> None:
    """A t1 that is too early, a value from after it, and a label before its time."""
    bars = ranged(walk(2000))
    end = bars.ts[1500]

    def planted(bars: Bars) -> Labels:
        return fault(compute_labels(bars, config, complete=True))

    wrong_NH = untimely(planted, bars, end)
    assert wrong_NH.any()
    assert not wrong_NH[bars.ts + MINUTE > end].any()


@_each_touch
@pytest.mark.parametrize("hole", [0, 43_200, 44_620])
def test_a_month_alone_has_the_same_bits_as_in_the_whole_history(touch: Touch, hole: int) -> None:
    """Whatever is missing, also over the turn of the month, across which paths are followed."""
    config = LabelConfig(kind="triple_barrier", touch=touch, horizons=(5, 60, 1440))
    lone = np.random.default_rng(hole).choice(100_000, 200, replace=False)
    missing = np.union1d(lone, np.arange(hole, hole + 100))
    bars = ranged(walk(100_000, start="2023-12-31", seed=hole, missing=missing), hole)
    whole = compute_labels(bars, config)
    for month, rows in list(month_slices(bars.ts))[1:]:
        assert_same(month_alone(bars, month, config), whole.take(rows))
    assert (whole.classes_NH[-40_000:, :2] != UNKNOWN).mean() > 0.8


@_each_touch
@_on_real_bars
def test_real_months_alone_equal_the_whole(touch: Touch) -> None:
    """Half a year of BTC with its outage; each class takes between a fifth and a half."""
    config = LabelConfig(kind="triple_barrier", touch=touch)
    bars = real_bars(BTC, rows=185 * 1440)
    bars = bars.between(bars.ts[0], np.datetime64("2023-07-01"))
    whole = compute_labels(bars, config, complete=True)
    for month, rows in list(month_slices(bars.ts))[1:]:
        assert_same(month_alone(bars, month, config), whole.take(rows))
    for classes_N in whole.classes_NH.T:
        shares = np.bincount(classes_N[classes_N >= 0], minlength=3) / (classes_N >= 0).sum()
        assert shares.min() > 0.2
        assert shares.max() < 0.5


def steps(*moves: float, minutes: tuple[int, ...] = ()) -> Bars:
    """Bars that close where these percentages add up to, flat but for their bodies."""
    close = 100 * np.exp(np.cumsum([0.0, *moves]) / 100)
    opens = np.append(close[:1], close[:-1])
    at = np.array(minutes or range(len(close)))
    ts = np.datetime64("2024-01-01", "us") + at * MINUTE
    high, low = np.maximum(opens, close), np.minimum(opens, close)
    return Bars("BTC-USDT", M1, ts, opens, high, low, close, np.ones(len(close)))


def test_the_first_barrier_counts_and_later_ones_do_not() -> None:
    """Up after two minutes, although it ends far below; flat where nothing was met."""
    bars = steps(0.5, 0.7, -5.0, 0.1, 0.1, 0.1)
    found = first_touches(bars, np.full(len(bars), 0.01), 3, "close")
    assert (found.side_N[0], found.end_N[0]) == (1, 2)
    assert found.returns_N[0] == np.log(bars.close[2] / bars.close[0])
    assert (found.side_N[1], found.end_N[1]) == (-1, 3)
    assert (found.side_N[3], found.end_N[3]) == (0, 6)
    assert found.end_N[4] == -1, "its horizon has not passed, and nothing was met yet"


def test_what_lies_behind_a_hole_is_not_known() -> None:
    """A touch before the hole is; one after it is not, since another may lie in the hole."""
    bars = steps(0.2, 2.0, 0.1, 2.0, minutes=(0, 1, 2, 4, 5))
    found = first_touches(bars, np.full(len(bars), 0.01), 4, "close")
    assert (found.side_N[0], found.end_N[0]) == (1, 2)
    assert found.end_N[2] == -1
    assert (found.side_N[3], found.end_N[3]) == (1, 4)


def test_a_bar_beyond_both_has_met_the_one_nearer_to_its_open() -> None:
    """Where it opened at the start itself, the one farther from its close."""
    bars = steps(0.0, 0.0)
    for opened, closed, side in ((100.4, 100.0, 1), (99.6, 100.0, -1), (100.0, 100.3, -1),
                                 (100.0, 99.7, 1)):  # fmt: skip
        both = replace(
            bars,
            open=np.array([100.0, opened, 100.0]),
            high=np.full(3, 103.0),
            low=np.full(3, 97.0),
            close=np.array([100.0, closed, 100.0]),
        )
        found = first_touches(both, np.full(3, 0.01), 2, "range")
        assert (found.side_N[0], found.end_N[0], found.returns_N[0]) == (side, 1, side * 0.01)


@_each_touch
def test_a_market_that_stands_still_is_flat_and_its_first_move_is_not_known(touch: Touch) -> None:
    """Without volatility the barriers have no distance; a move says nothing about which."""
    bars = walk(400)
    close = np.where(np.arange(400) < 300, 100.0, 101.0)
    still = replace(bars, open=close, high=close, low=close, close=close)
    labels = compute_labels(still, LabelConfig(kind="triple_barrier", touch=touch), complete=True)
    assert (labels.classes_NH[150:240] == FLAT).all()
    assert (labels.scores_NH[150:240] == 0).all()
    assert labels.classes_NH[296, 0] == UNKNOWN
    assert np.isnat(labels.t1_NH[296, 0])
    assert np.isnan(labels.returns_NH[296, 0])


@_each_touch
def test_doubled_prices_have_the_same_labels_and_inverted_ones_the_other_side(touch: Touch) -> None:
    config = LabelConfig(kind="triple_barrier", touch=touch)
    bars = ranged(walk(3000))
    prices = {name: getattr(bars, name) for name in ("open", "high", "low", "close")}
    labels = compute_labels(bars, config, True)
    doubled = replace(bars, **{name: 2 * price for name, price in prices.items()})
    assert_same(compute_labels(doubled, config, True), labels)
    inverse = {name: 1 / price for name, price in prices.items()}
    inverse["high"], inverse["low"] = inverse["low"], inverse["high"]
    turned = compute_labels(replace(bars, **inverse), config, True)
    sides = np.array([UP, FLAT, DOWN, UNKNOWN], dtype=np.int8)  # −1 picks the last
    assert (turned.classes_NH == sides[labels.classes_NH]).mean() > 0.999
    assert (turned.t1_NH == labels.t1_NH)[labels.classes_NH >= 0].mean() > 0.999


@_each_touch
def test_arrow_gives_back_the_same_labels_with_null_t1_where_unknown(touch: Touch) -> None:
    bars = ranged(walk(500, missing=np.array([300])))
    labels = compute_labels(bars, LabelConfig(kind="triple_barrier", touch=touch), complete=True)
    table = labels.to_arrow()
    assert_same(Labels.from_arrow(table), labels)
    assert table["t1_60m"].null_count == table["class_60m"].null_count > 120
    assert table["t1_60m"].null_count == table["score_60m"].null_count
    none = compute_labels(bars[:0], LabelConfig(kind="triple_barrier", touch=touch))
    assert_same(Labels.from_arrow(none.to_arrow()), none)


def test_rows_are_purged_by_the_time_a_barrier_was_met() -> None:
    """A row whose last barrier is met before the role ends stays, though its horizon reaches on."""
    config = LabelConfig(kind="triple_barrier")
    bars = ranged(walk(40 * 1440, missing=np.array([20_000])))
    labels = compute_labels(bars, config, complete=True)
    part = Part.from_arrays(np.ones((len(bars), 1)), ("one",), labels, bars)
    panel = Panel.from_parts({"BTC-USDT": part})
    splits = SplitConfig(train_days=10, validation_days=3, calibration_days=3, test_days=5,
                         lock_box_days=0)  # fmt: skip
    fold = walk_forward(bars.ts[0], bars.ts[-1], splits, Reach(max(panel.horizons), 16))[0]
    rows = rows_of(fold, TRAIN, panel.ts_N, panel.t1_NH)
    end = fold.role(TRAIN).end
    assert panel.t1_NH[rows].max() <= end
    assert (panel.ts_N[rows] + 61 * MINUTE > end).any()
    assert (panel.classes_NH[rows] != UNKNOWN).all(), "what is not known at a horizon is in no role"


@pytest.mark.parametrize(
    ("config", "rule", "reads"),
    [
        (LabelConfig(), "up or down where |return| > k·sigma·sqrt(h), k near 0.37",
         ("ts", "close")),
        (LabelConfig(kind="fixed"), "up or down where |log return| > 10 bp", ("ts", "close")),
        (LabelConfig(kind="cost", bps=12), "up or down where |simple return| > 12 bp",
         ("ts", "close")),
        (LabelConfig(kind="triple_barrier"),
         "up or down where it closes 0.7·sigma·sqrt(h) away first, within h", ("ts", "close")),
        (LabelConfig(kind="triple_barrier", touch="range"),
         "up or down where it trades 0.7·sigma·sqrt(h) away first, within h",
         ("ts", "open", "high", "low", "close")),
    ],
)  # fmt: skip
def test_settings_tell_their_rule_and_what_they_read(
    config: LabelConfig, rule: str, reads: tuple[str, ...]
) -> None:
    """A rule in words; and of bars, nothing but what is read decides the labels."""
    assert config.rule == rule
    assert config.reads == reads
    bars = ranged(walk(1000))
    others = {name: getattr(ranged(bars, 9), name) for name in ("open", "high", "low")}
    changed = replace(bars, volume=bars.volume * 2)
    if "high" not in reads:
        changed = replace(changed, **others)
    assert_same(compute_labels(changed, config, True), compute_labels(bars, config, True))
