"""Laws of splits: nothing that judges has been met, through bars, windows or labels."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crypto_nn.errors import ConfigError
from crypto_nn.features.labels import LabelConfig, compute_labels, fit_k
from crypto_nn.features.scaling import RobustScaler, class_weights
from crypto_nn.features.splits import (
    DAY,
    Fold,
    Reach,
    Role,
    SplitConfig,
    Splits,
    from_arrow,
    lock_box,
    make_splits,
    nightly,
    rows_of,
    to_arrow,
    walk_forward,
)
from crypto_nn_tests.features.walks import MINUTE, walk, with_close

START, REACH = np.datetime64("2024-01-01", "us"), Reach(horizon=60, window=100)
SMALL = SplitConfig(
    train_days=5, validation_days=1, calibration_days=1, test_days=2, lock_box_days=3
)

configs = st.builds(
    SplitConfig,
    layout=st.sampled_from(["expanding", "rolling"]),
    train_days=st.integers(1, 10),
    validation_days=st.integers(1, 3),
    calibration_days=st.integers(1, 3),
    test_days=st.integers(1, 4),
    step_days=st.none() | st.integers(4, 9),
    max_folds=st.integers(1, 5),
    extra_embargo_minutes=st.integers(0, 300),
    lock_box_days=st.integers(0, 5),
)
reaches = st.builds(Reach, st.sampled_from([5, 15, 60]), st.integers(1, 400))


@settings(max_examples=50, deadline=None)
@given(config=configs, reach=reaches, hours=st.integers(24 * 12, 24 * 60))
def test_no_window_of_a_role_sees_what_a_label_of_an_earlier_role_told(
    config: SplitConfig, reach: Reach, hours: int
) -> None:
    """For all rows: last label end + longest horizon ≤ start of the first window of the next."""
    end = START + hours * 60 * MINUTE
    try:
        splits = make_splits(START, end, config, reach)
    except ConfigError:
        assume(False)
    ts = np.arange(START, end, MINUTE)
    t1 = ts[:, None] + np.array([1 + 5, 1 + reach.horizon]) * MINUTE
    for fold in (*splits.folds, splits.nightly):
        rows = [rows_of(fold, role.name, ts, t1) for role in fold.roles]
        assert all(mask.any() for mask in rows)
        for earlier, later in pairwise(rows):
            first_seen = ts[later].min() - (reach.window - 1) * MINUTE
            assert t1[earlier].max() + reach.horizon * MINUTE <= first_seen
            assert t1[earlier].max() + fold.embargo * MINUTE <= ts[later].min()


@settings(max_examples=150, deadline=None)
@given(config=configs, hours=st.integers(24 * 12, 24 * 60), offset=st.integers(0, 3000))
def test_folds_end_at_the_newest_day_and_judge_no_minute_twice(
    config: SplitConfig, hours: int, offset: int
) -> None:
    start = START + offset * MINUTE
    end = start + hours * 60 * MINUTE
    try:
        splits = make_splits(start, end, config, REACH)
    except ConfigError:
        assume(False)
    tests = [fold.role("test") for fold in splits.folds]
    whole_day = end.astype("datetime64[D]")
    last = splits.locked.start if splits.locked else whole_day
    assert tests[-1].end == last
    assert splits.nightly.end == whole_day
    assert all(a.end <= b.start for a, b in pairwise(tests))
    assert [fold.number for fold in splits.folds] == list(range(len(tests)))
    for fold in splits.folds:
        assert start <= fold.start
        assert fold.start == splits.folds[0].start or config.layout == "rolling"
        assert [role.name for role in fold.roles] == ["train", "validation", "calibration", "test"]
        spans = {role.name: role.end - role.start for role in fold.roles}
        assert spans["test"] == config.test_days * DAY
        assert spans["train"] >= config.train_days * DAY - fold.embargo * MINUTE
    if len(tests) < config.max_folds:  # one more would have begun before the first bar
        first_train = tests[0].start - sum(days for _, days in config.lengths[:-1]) * DAY
        assert first_train - config.step * DAY < start


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rows_of_a_role_have_all_their_labels_in_it(seed: int) -> None:
    """The mask equals asking row by row, for rows in any order and labels of any length."""
    generator = np.random.default_rng(seed)
    fold = walk_forward(START, START + 12 * DAY, SMALL, REACH)[0]
    ts = START + generator.integers(0, 12 * 1440, 500) * MINUTE
    t1 = ts[:, None] + generator.integers(1, 2000, (500, 2)) * MINUTE
    for role in fold.roles:
        slow = [
            role.start <= begin and max(ends) <= role.end
            for begin, ends in zip(ts.tolist(), t1.tolist())
        ]
        np.testing.assert_array_equal(rows_of(fold, role.name, ts, t1), slow)
        np.testing.assert_array_equal(rows_of(fold, role.name, ts, t1.max(axis=1)), slow)


def test_the_purge_is_what_the_longest_label_reaches() -> None:
    """Exactly `purge` minutes at the end of a role are left out."""
    fold = walk_forward(START, START + 12 * DAY, SMALL, REACH)[0]
    test = fold.role("test")
    ts = np.arange(test.start, test.end, MINUTE)
    t1 = ts[:, None] + np.array([6, 61]) * MINUTE
    assert rows_of(fold, "test", ts, t1).sum() == len(ts) - fold.purge


def test_a_label_whose_end_is_not_known_keeps_its_row_out() -> None:
    fold = walk_forward(START, START + 12 * DAY, SMALL, REACH)[0]
    ts = np.full(2, fold.role("test").start)
    t1 = np.array([[ts[0] + MINUTE, np.datetime64("NaT")], [ts[0] + MINUTE, ts[0] + MINUTE]])
    assert rows_of(fold, "test", ts, t1).tolist() == [False, True]


@pytest.mark.parametrize("layout", ["expanding", "rolling"])
@pytest.mark.parametrize("role", ["train"])
def test_bars_after_training_leave_all_that_is_fitted_bit_identical(layout: str, role: str) -> None:
    """Whatever the market does after the training's end, scaler, k and class weights stay."""
    config = SMALL.model_copy(update={"layout": layout})
    bars = walk(16 * 1440)
    fold = walk_forward(START, START + 16 * DAY, config, REACH)[-1]
    later = bars.ts >= fold.role(role).end
    factor = np.where(later, np.random.default_rng(1).uniform(0.5, 2, len(bars)), 1.0)

    def fitted(close: np.ndarray) -> tuple[str, bytes, bytes]:
        labels = compute_labels(with_close(bars, close), LabelConfig(), complete=True)
        rows = rows_of(fold, role, labels.ts, labels.t1_NH)
        x_NF = np.column_stack([labels.sigma, np.log(close)]).astype(np.float32)
        k = fit_k(labels.scores_NH[rows])
        weights = class_weights(labels.classes_NH[rows])
        return RobustScaler.fit(x_NF, rows).to_json(), k.tobytes(), weights.tobytes()

    assert fitted(bars.close) == fitted(bars.close * factor)
    within = bars.close * np.where(later, 1.0, factor[::-1])
    assert all(a != b for a, b in zip(fitted(bars.close), fitted(within)))


def test_the_nightly_layout_is_the_newest_history_without_a_test() -> None:
    fold = nightly(START, START + 20 * DAY + 7 * MINUTE, SMALL, REACH)
    assert [role.name for role in fold.roles] == ["train", "validation", "calibration"]
    assert fold.layout == "nightly"
    assert fold.end == START + 20 * DAY
    with pytest.raises(ConfigError, match="no test part; it has train, validation, calibration"):
        fold.role("test")
    expanding = nightly(
        START, START + 20 * DAY, SMALL.model_copy(update={"layout": "expanding"}), REACH
    )
    assert expanding.start == START


def test_a_lock_box_once_fixed_stays_shut_while_history_grows() -> None:
    first = make_splits(START, START + 20 * DAY, SMALL, REACH)
    assert first.locked == Role("lock_box", START + 17 * DAY, START + 20 * DAY)
    later = make_splits(START, START + 40 * DAY, SMALL, REACH, first.locked)
    assert later.locked == first.locked
    shut = first.locked
    assert all(f.end <= shut.start or f.start >= shut.end for f in later.folds)
    assert later.nightly.end == START + 40 * DAY
    assert lock_box(START, SMALL.model_copy(update={"lock_box_days": 0})) is None


def test_too_short_a_history_says_what_there_is_and_what_is_due() -> None:
    said = r"6 whole days .* before the lock box \(2024-01-07 to 2024-01-10\).*needs 9"
    with pytest.raises(ConfigError, match=said):
        walk_forward(START, START + 9 * DAY, SMALL, REACH)
    with pytest.raises(ConfigError, match=r"at least 3 more days, or lower splits\.train_days"):
        nightly(START, START + 4 * DAY, SMALL, REACH)
    assert len(walk_forward(START, START + 12 * DAY, SMALL, REACH)) == 1
    assert len(walk_forward(START, START + 14 * DAY, SMALL, REACH)) == 2


def test_an_embargo_that_swallows_a_role_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"embargo of 1440 minutes .* 1 day\(s\) of validation"):
        walk_forward(START, START + 20 * DAY, SMALL, Reach(60, 1380))


def test_overlapping_tests_are_refused() -> None:
    with pytest.raises(ValidationError, match="tests would overlap"):
        SplitConfig(test_days=7, step_days=6)


def test_the_table_gives_back_the_same_splits() -> None:
    splits = make_splits(START, START + 20 * DAY, SMALL, REACH)
    table = splits.to_arrow("majors")
    assert set(table["universe"].to_pylist()) == {"majors"}
    assert table.num_rows == 4 * len(splits.folds) + 3 + 1
    assert set(table["purge_minutes"].to_pylist()) == {60, 0}
    shuffled = table.take(np.random.default_rng(0).permutation(table.num_rows))
    assert Splits.from_arrow(shuffled) == splits
    assert from_arrow(to_arrow(splits.folds, "majors")) == splits.folds
    with pytest.raises(ConfigError, match="0 nightly layouts; one is due"):
        Splits.from_arrow(to_arrow(splits.folds, "majors"))


def test_a_table_without_a_lock_box_has_none() -> None:
    config = SMALL.model_copy(update={"lock_box_days": 0})
    splits = make_splits(START, START + 20 * DAY, config, REACH)
    assert splits.locked is None
    assert Splits.from_arrow(splits.to_arrow("majors")) == splits
    assert isinstance(splits.folds[0], Fold)


def test_folds_lie_on_both_sides_of_the_lock_box_but_never_touch_it() -> None:
    """A box that was fixed long ago does not stop the benchmark from moving on with the data."""
    config = SplitConfig(
        train_days=10, validation_days=2, calibration_days=2, test_days=3, max_folds=20,
        lock_box_days=5,
    )  # fmt: skip
    start, end = np.datetime64("2024-01-01", "us"), np.datetime64("2024-04-01", "us")
    locked = Role("lock_box", np.datetime64("2024-02-10", "us"), np.datetime64("2024-02-15", "us"))
    folds = walk_forward(start, end, config, Reach(60, 48), locked)
    assert folds[-1].end == end
    assert any(fold.end <= locked.start for fold in folds)
    assert all(fold.end <= locked.start or fold.start >= locked.end for fold in folds)
    assert [fold.number for fold in folds] == list(range(len(folds)))
