"""What the shipped columns say of themselves: formulas that hold, units, groups, the catalogue."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose

from crypto_nn.bars import H1, M1, M5, Bars, Float
from crypto_nn.bars.reference import with_reference
from crypto_nn.features import FeatureSet, default_feature_set, transforms
from crypto_nn.features.catalog_table import CATALOG_SCHEMA, catalog
from crypto_nn.features.catalogue import shipped
from crypto_nn.features.columns import Column
from crypto_nn.features.config import GROUPS, FeatureConfig
from crypto_nn.features.docstrings import Told, told_by
from crypto_nn.features.feature import Feature, Output
from crypto_nn.features.formulas import TEMPLATES, output_text
from crypto_nn.features.history_difference import LARGEST, REASONS, measurement
from crypto_nn.features.units import RANGES, UNITS
from crypto_nn.indicators import ATR, RSI
from crypto_nn_tests.indicators.made import made_bars, walk
from crypto_nn_tests.market import BTC, ETH, needs_market, real_bars

SHIPPED = default_feature_set(FeatureConfig(reference="BTC-USDT"))
_by_feature = pytest.mark.parametrize("feature", SHIPPED.features, ids=lambda one: one.name)
WORDS = {
    "log": np.log, "max": np.maximum, "min": np.minimum, "abs": np.abs, "sqrt": np.sqrt,
    "sin": np.sin, "cos": np.cos, "pi": np.pi,
}  # fmt: skip


def beside(bars: Bars, seed: int = 0) -> Bars:
    """With another market's closes."""
    return with_reference(bars, walk(len(bars), seed, start=str(bars.ts[0])))


def calendar(bars: Bars) -> dict[str, Float]:
    """What a formula may say of the time."""
    opened = [ts.item() for ts in bars.ts]
    day = np.array([at.hour * 60.0 + at.minute for at in opened])
    return {
        "minute_of_day": day,
        "minute_of_week": day + np.array([at.weekday() * 1440 for at in opened]),
        "minute_of_hour": np.array([at.minute for at in opened]),
        "minute_of_funding": day % 480,
    }


def evaluated(feature: Feature, bars: Bars) -> Float:
    """What the text of the formula gives, as the reader would work it out."""
    known: dict[str, Any] = {**WORDS, **calendar(bars)}
    for output in feature.outputs:
        name = output_text(output.indicator, output.position)
        value = output.indicator.compute(bars)[output.position]
        assert not isinstance(known.get(name), np.ndarray) or np.array_equal(
            known[name], value, equal_nan=True
        ), f"{name} stands for two things"
        if name.isidentifier():
            known[name] = value
    with np.errstate(all="ignore"):
        said: Float = eval(feature.formula, {"__builtins__": {}}, known)  # noqa: S307
    return np.broadcast_to(said, len(bars)).astype(np.float64)


def computed(feature: Feature, bars: Bars) -> Float:
    """The column itself, as if the bars were of its timeframe."""
    alone = FeatureSet((replace(feature, timeframe=M1),))
    return alone.compute(bars, complete=True, dtype=np.float64)[:, 0]


@_by_feature
def test_formulas_do_not_lie(feature: Feature) -> None:
    """The formula, worked out from the outputs of the indicators, gives the column."""
    bars = beside(walk(900, seed=11), seed=12)
    said_N, is_N = (of(feature, bars)[feature.warm_up :] for of in (evaluated, computed))
    there_N = np.isfinite(said_N)  # the first bar of a walk has no range to divide by
    assert there_N[1:].all()
    assert_allclose(said_N[there_N], is_N[there_N], rtol=1e-9, atol=1e-9)
    assert (is_N[~there_N] == 0).all()


@settings(max_examples=15, deadline=None)
@given(bars=made_bars())
def test_where_a_formula_says_nothing_the_column_is_neutral(bars: Bars) -> None:
    """In markets that jump and stand still: as the formula says, or 0 where nothing moves."""
    with_other = beside(bars, seed=13)
    dead_N = ATR().compute(bars)[0] <= 1e-9 * bars.close
    for feature in SHIPPED.features:
        said_N, is_N = evaluated(feature, with_other), computed(feature, with_other)
        with np.errstate(all="ignore"):
            alike_N = np.isclose(said_N, is_N, rtol=1e-9, atol=1e-9, equal_nan=True)
        neutral_N = (is_N == 0) & (dead_N | ~np.isfinite(said_N) | _empty(feature, with_other))
        assert (alike_N | neutral_N).all(), feature.name


def _empty(feature: Feature, bars: Bars) -> Any:
    """Where a band has no width worth the name."""
    if feature.transform is not transforms.place:
        return False
    _, upper, lower = (one.indicator.compute(bars)[one.position] for one in feature.outputs)
    return upper - lower <= 1e-9 * bars.close


def test_every_transform_has_its_text() -> None:
    """Those that shipped columns use; one from elsewhere is written as a call."""
    assert {one.transform for one in SHIPPED.features} <= set(TEMPLATES)

    def twice(value: Any) -> Any:
        return 2 * value

    own = Feature("own", twice, (Output(RSI()),), "words")
    assert own.formula == "twice(rsi_14)"


def test_some_formulas_read_as_one_would_write_them() -> None:
    """As examples of what stands in the table's comments."""
    formulas = {one.name: one.formula for one in SHIPPED.features}
    assert formulas["rsi_14_15m"] == "rsi_14 / 50 - 1"
    assert formulas["sma_distance_60"] == "(close - sma_60) / max(atr_14, 1e-5 * close)"
    assert formulas["volume_share_60"] == "log(1 + volume / mean_volume_60)"
    assert formulas["day_sin"] == "sin(2 * pi * minute_of_day / 1440)"


@_by_feature
def test_units_are_of_the_vocabulary_and_hold(feature: Feature) -> None:
    """A share is between 0 and 1, a balance between -1 and 1, in wild markets too."""
    assert feature.unit in UNITS
    lowest, highest = RANGES.get(feature.unit, (-math.inf, math.inf))
    for seed in range(3):
        bars = beside(wild(seed), seed=14)
        x_N = computed(feature, bars)[feature.warm_up :]
        assert (x_N >= lowest - 1e-9).all()
        assert (x_N <= highest + 1e-9).all()


def wild(seed: int) -> Bars:
    """A walk with a hundredfold of the moves, dead stretches and bursts of volume."""
    bars = walk(700, seed)
    rng = np.random.default_rng(seed)
    step_N = np.diff(np.log(bars.close), prepend=np.log(bars.close[0]))
    size_N = rng.choice([0.0, 1.0, 30.0], len(bars) // 50, p=[0.3, 0.5, 0.2]).repeat(50)
    close_N = 100.0 * np.exp(np.cumsum(step_N * size_N))
    open_N = np.concatenate([close_N[:1], close_N[:-1]])
    reach_N = 1 + 1e-3 * rng.random(len(bars)) * (size_N > 0)
    return replace(
        bars,
        open=open_N,
        close=close_N,
        high=np.maximum(open_N, close_N) * reach_N,
        low=np.minimum(open_N, close_N) / reach_N,
        volume=bars.volume * size_N,
    )


def test_the_set_has_its_size_and_its_groups() -> None:
    """80 to 95 columns without a reference, every group with some, in the groups' order."""
    alone = default_feature_set()
    assert 80 <= len(alone.names) <= 95
    groups = [one.group for one in SHIPPED.features]
    order: list[str] = [*GROUPS, "cross"]
    assert list(dict.fromkeys(groups)) == order
    assert groups == sorted(groups, key=order.index)
    assert tuple(alone.names) == SHIPPED.names[: len(alone.names)]
    assert [one.name for one in shipped("cross")] == list(SHIPPED.names[len(alone.names) :])


def test_only_cross_reads_the_reference() -> None:
    """So that a market can be looked at alone; and each column of `cross` does read it."""
    bars = walk(700, seed=15)
    one, other = beside(bars, seed=16), beside(bars, seed=17)
    for feature in SHIPPED.features:
        reads = not np.array_equal(computed(feature, one), computed(feature, other), equal_nan=True)
        assert reads == (feature.group == "cross"), feature.name


def test_no_column_keeps_the_table_waiting_for_more_than_a_day() -> None:
    """After a long gap every column is back within 24 hours."""
    assert [one.name for one in SHIPPED.features if one.warm_up_minutes > 1440] == []


def test_minutes_of_warm_up_and_memory_are_those_of_the_timeframe() -> None:
    """One slow bar may be cut at the start, and the last must close."""
    rsi = Feature("rsi", transforms.centred, (Output(RSI(14)),), "words")
    assert rsi.warm_up_minutes == 14
    assert replace(rsi, timeframe=M5).warm_up_minutes == 16 * 5 - 1
    assert replace(rsi, timeframe=H1).memory_minutes == RSI(14).memory * 60


def test_the_catalogue_is_a_row_for_each_column() -> None:
    """Complete, in column order, with types that a lake can store."""
    table = catalog(SHIPPED)
    assert table.column("name").to_pylist() == list(SHIPPED.names)
    assert table.schema == CATALOG_SCHEMA
    assert sum(column.null_count for column in table.columns) == 0
    row = dict(zip(table.column_names, (column.to_pylist() for column in table.columns)))
    for n, feature in enumerate(SHIPPED.features):
        assert row["formula"][n] == feature.formula
        assert row["fingerprint"][n] == SHIPPED.column_fingerprints[feature.name]
        assert row["anchor_days"][n] * 1440 >= row["memory_minutes"][n]
        needs_paper = any(not isinstance(one, Column) for one in feature.indicators)
        assert bool(row["source"][n]) == needs_paper, feature.name
    assert "Wilder" in row["source"][SHIPPED.names.index("rsi_14")]


def test_fingerprints_of_the_catalogue_may_be_given() -> None:
    """A table says what it was written with, which may be older than the code."""
    prints = {name: f"{n:04}" for n, name in enumerate(SHIPPED.names)}
    assert catalog(SHIPPED, prints).column("fingerprint").to_pylist() == list(prints.values())


def test_a_docstring_is_read_in_its_parts() -> None:
    """First sentence, definition, source, without the breaks of its lines."""

    class Thing:
        """What it means.

        How it is
        computed.

        And more.

        Source: A. Author, A Book,
        1999.
        """

    assert told_by(Thing) == Told(
        "What it means.", "How it is computed.\n\nAnd more.", "A. Author, A Book, 1999."
    )


def test_every_difference_was_measured_and_is_rounding_or_has_a_reason() -> None:
    """For the features as they are now; run `benchmarks/feature_history.py` after a change."""
    measured = measurement()["columns"]
    for feature in SHIPPED.features:
        assert measured[feature.name]["recipe"] == feature.recipe, feature.name
    large = {name for name, found in measured.items() if not found["difference"] <= LARGEST}
    assert set(REASONS) == large


class TestOnRealBars:
    """What needs real prices."""

    pytestmark = needs_market

    def test_a_month_differs_from_unlimited_history_by_what_was_measured(self) -> None:
        """A month of ether, computed from its anchor and from all that came before."""
        eth, btc = (real_bars(name, 140_000, start=800_000) for name in (ETH, BTC))
        bars = with_reference(eth, btc)
        month = str(bars.ts[-20_000].astype("datetime64[M]"))
        names = [name for name in SHIPPED.names if not name.startswith("log_return")]
        some = SHIPPED.only(names)
        unlimited = replace(some, days=tuple((timeframe, 9999) for timeframe in some.anchor_days))
        assert bars.ts[0] < some.anchor(month) - np.timedelta64(14, "D")
        here_NF = some.compute_month(bars, month, dtype=np.float64)
        there_NF = unlimited.compute_month(bars, month, complete=True, dtype=np.float64)
        away_F = np.abs(here_NF - there_NF).max(axis=0) / there_NF.std(axis=0)
        most = {name: measurement()["columns"][name]["difference"] for name in names}
        for name, away in zip(names, away_F):
            assert away <= max(LARGEST, most[name]), name
