"""Labels, splits and scalers that ship pass their examination; each kind of fault is named."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import TimeSeriesSplit
from sklearn.preprocessing import StandardScaler

from crypto_nn.bars import Bars, Float
from crypto_nn.errors import FeatureError
from crypto_nn.features.labels import LabelConfig, Labels, compute_labels
from crypto_nn.features.leaks import (
    AreLabelsError,
    awkward_bars,
    examine,
    examine_fit,
    examine_labels,
    examine_row_splits,
    examine_scaler,
    examine_splits,
)
from crypto_nn.features.leaks.labels import BACKWARDS, NO_BAR, TOO_SOON
from crypto_nn.features.leaks.splits import EMBARGO, LABEL, LOCKED, ORDER, OVERLAP, PURGE, TESTS
from crypto_nn.features.panel import Panel, Part
from crypto_nn.features.scaling import RobustScaler, class_weights
from crypto_nn.features.splits import Reach, Splits, make_splits
from crypto_nn_tests.features.planted_hidden import REACH, SMALL, _not_purged
from crypto_nn_tests.market import BTC, needs_market, real_bars

KINDS = get_args(LabelConfig.model_fields["kind"].annotation)
MINUTE = np.timedelta64(60_000_000, "us")


@pytest.fixture(scope="module")
def awkward() -> Bars:
    return awkward_bars()


@pytest.fixture(scope="module")
def labels(awkward: Bars) -> Labels:
    return compute_labels(awkward, LabelConfig(), complete=True)


@pytest.fixture(scope="module")
def splits(awkward: Bars) -> Splits:
    return make_splits(awkward.ts[0], awkward.ts[-1], SMALL, REACH)


def rules(done: Any) -> set[str]:
    return {leak.test for leak in done.leaks}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("touch", ["close", "range"])
def test_every_kind_of_label_that_ships_is_honest(kind: Any, touch: Any, awkward: Bars) -> None:
    """Known at t1, from bars closed by then, and never filled in."""
    config = LabelConfig(kind=kind, touch=touch, horizons=(5, 60))

    def compute(bars: Bars) -> Labels:
        return compute_labels(bars, config, complete=True)

    done = examine_labels(compute, awkward, seconds=0.2)
    assert done.passed, [str(leak) for leak in done.leaks]
    assert len(done.columns) == 1 + 2 * 3
    assert not done.silent


def simple(bars: Bars, lag: int, said: int) -> tuple[Float, Any]:
    """A label of one's own: the next return over some minutes, and when it is said to be known."""
    due = bars.ts + lag * MINUTE
    row = np.minimum(np.searchsorted(bars.ts, due), len(bars) - 1)
    there = bars.ts[row] == due
    values = np.where(there, np.log(bars.close[row] / bars.close), np.nan)
    return values, bars.ts + (said + 1) * MINUTE


def test_labels_of_ones_own_are_arrays_or_a_frame(awkward: Bars) -> None:
    """(values, t1), or columns beside t1; too late a t1 is no leak, too early a one is."""

    def frame(bars: Bars) -> pd.DataFrame:
        values, t1 = simple(bars, 15, 15)
        short, t1_short = simple(bars, 5, 4)
        return pd.DataFrame({"r_15": values, "r_5": short, "t1_15": t1, "t1_5": t1_short})

    assert examine_labels(lambda bars: simple(bars, 15, 15), awkward, seconds=0.1).passed
    assert not rules(examine_labels(lambda bars: simple(bars, 15, 15), awkward, seconds=0.1))
    done = examine_labels(frame, awkward, seconds=0.1)
    assert {leak.name for leak in done.leaks} == {"r_5"}
    with pytest.raises(AreLabelsError):
        examine(frame, awkward)
    with pytest.raises(FeatureError, match="Labels are due"):
        examine_labels(lambda bars: bars.close, awkward)


def test_what_is_said_before_its_time_is_named(awkward: Bars) -> None:
    """Known although t1 has not come, t1 before the bar itself, t1 where no bar closes."""

    def filled(bars: Bars) -> tuple[Float, Any]:
        values, t1 = simple(bars, 15, 15)
        return np.nan_to_num(values), t1

    assert {TOO_SOON, NO_BAR} <= rules(examine_labels(filled, awkward, seconds=0.1))
    done = examine_labels(lambda bars: (simple(bars, 15, 15)[0], bars.ts), awkward, seconds=0.1)
    assert BACKWARDS in rules(done)


@pytest.mark.parametrize("layout", ["rolling", "expanding"])
def test_splits_that_ship_keep_apart(layout: Any, awkward: Bars, labels: Labels) -> None:
    """In both layouts, the nightly one and the lock box."""
    config = SMALL.model_copy(update={"layout": layout})
    made = make_splits(awkward.ts[0], awkward.ts[-1], config, REACH)
    done = examine_splits(made, labels.ts, labels.t1_NH, REACH)
    assert done.passed
    assert len(done.columns) == len(made.folds) + 1 > 3
    assert done.num_tests > 100


def test_each_fault_of_a_split_is_named(awkward: Bars, labels: Labels, splits: Splits) -> None:
    """Overlap, order, labels that reach over, missing purge and embargo, the lock box, tests."""
    ts, t1_NH = labels.ts, labels.t1_NH

    def found(some: Splits, **others: Any) -> set[str]:
        return rules(examine_splits(some, ts, t1_NH, others.pop("reach", REACH), **others))

    fold, day = splits.folds[0], np.timedelta64(1, "D")
    later = tuple(replace(role, end=role.end + day) for role in fold.roles)
    assert {OVERLAP, LABEL, EMBARGO} <= found(replace(splits, folds=(replace(fold, roles=later),)))
    swapped = replace(fold, roles=fold.roles[::-1])
    assert {ORDER, EMBARGO} <= found(replace(splits, folds=(swapped,)))
    assert EMBARGO in found(splits, reach=Reach(60, 4000))
    assert PURGE in found(splits, rows_of=_not_purged)
    assert splits.locked is not None
    box = replace(splits.locked, start=fold.role("test").start)
    assert found(replace(splits, locked=box)) == {LOCKED}
    assert found(replace(splits, folds=(fold, replace(fold, number=9)))) == {TESTS}


def test_splitters_of_scikit_learn_are_examined(awkward: Bars, labels: Labels) -> None:
    """In order of time with a gap they pass; without one, labels reach over."""
    for gap, passed in ((60 + 48, True), (0, False)):
        folds = TimeSeriesSplit(4, gap=gap).split(awkward.close)
        done = examine_row_splits(folds, labels.ts, labels.t1_NH, REACH)
        assert done.passed == passed
    assert rules(done) == {LABEL}


def test_scalers_that_learn_from_training_rows_pass() -> None:
    """Ours and scikit-learn's, as a class or an object, or any function."""
    x_NF = np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32)
    x_NF[::7, 2] = np.nan
    train = np.zeros(900, bool)
    train[200:500] = True

    def centred(x_NF: Float, rows: Any) -> Float:
        values: Float = x_NF - np.nanmedian(x_NF[rows], axis=0)
        return values

    for scaler in (RobustScaler, StandardScaler, StandardScaler(), centred):
        done = examine_scaler(scaler, x_NF, train)
        assert done.passed
        assert done.num_tests >= 40
    with pytest.raises(FeatureError, match="no scaler"):
        examine_scaler(3, x_NF, train)


def test_whatever_is_fitted_elsewhere_is_found(awkward: Bars, labels: Labels) -> None:
    """Class weights of all rows are a leak; of training rows they are none."""
    x_NF = np.column_stack([awkward.close, awkward.volume])
    panel = Panel.from_parts(
        {"BTC-USDT": Part.from_arrays(x_NF, ("close", "volume"), labels, awkward)}
    )
    train = np.arange(len(panel)) < 9000

    def fit(some: Panel) -> dict[str, Any]:
        return {
            "weights": class_weights(some.classes_NH[train]),
            "weights of all": class_weights(some.classes_NH),
            "scaler": RobustScaler.fit(some.x_NF, train).to_json(),
        }

    done = examine_fit(fit, panel, train)
    assert [leak.name for leak in done.leaks] == ["weights of all"]


class TestOnRealBars:
    """No false alarm on real bars."""

    pytestmark = needs_market

    def test_labels_and_splits(self) -> None:
        """Around the outage of 2023-03-24."""
        bars = real_bars(BTC, 14_000, start=112_000)
        made = make_splits(bars.ts[0], bars.ts[-1], SMALL, REACH)
        for kind in KINDS:
            config = LabelConfig(kind=kind)

            def compute(some: Bars, config: LabelConfig = config) -> Labels:
                return compute_labels(some, config, complete=True)

            assert examine_labels(compute, bars, seconds=0.2).passed
            t1_NH = compute_labels(bars, config, complete=True).t1_NH
            assert examine_splits(made, bars.ts, t1_NH, REACH).passed
