"""Facts of columns against NumPy on all values at once."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from crypto_nn.features.statistics import (
    BAND,
    LAGS,
    QUANTILES,
    FeatureFacts,
    describe,
    summarise,
)

NAMES = ("noise", "persistent", "flag", "skewed", "far", "constant")
ROWS = 44_640


def month_of_values(seed: int, shift: float = 0.0, rows: int = ROWS) -> NDArray[np.float32]:
    """A column of each kind, some rows missing."""
    rng = np.random.default_rng(seed)
    shock = rng.normal(size=rows + 400)
    weight = 0.95 ** np.arange(400)
    persistent = np.convolve(shock, weight, "valid")[:rows]
    columns = (
        rng.normal(size=rows), persistent, rng.random(rows) < 0.3, rng.lognormal(size=rows),
        -8 + 0.5 * rng.normal(size=rows), np.full(rows, 3.0),
    )  # fmt: skip
    x_NF = np.column_stack(columns).astype(np.float32) + np.float32(shift)
    x_NF[: rows // 50] = np.nan
    return x_NF


def facts_of(*months: NDArray[np.float32], symbol: str = "BTC-USDT") -> dict[str, FeatureFacts]:
    return describe(
        summarise(symbol, f"2024-{number + 1:02d}", NAMES, x_NF)
        for number, x_NF in enumerate(months)
    )


def test_counts_means_and_deviations_are_of_every_value() -> None:
    """Months together give what all their rows give at once."""
    parts = [month_of_values(1), month_of_values(2, shift=0.4), month_of_values(3, rows=9_000)]
    found = facts_of(*parts)
    x_NF = np.concatenate(parts).astype(np.float64)
    for column, name in enumerate(NAMES):
        known = x_NF[:, column][~np.isnan(x_NF[:, column])]
        facts = found[name]
        assert (facts.rows, facts.count) == (len(x_NF), len(known))
        assert facts.missing == pytest.approx(1 - len(known) / len(x_NF))
        assert_allclose([facts.mean, facts.std], [known.mean(), known.std()], rtol=1e-6, atol=1e-6)
        due_M = [np.isnan(part[:, column]).mean() for part in parts]
        assert_allclose(facts.missing_M, due_M, atol=1e-12)


def test_quantiles_are_near_those_of_all_values() -> None:
    """A seventh of the rows and 201 points a month say where the values lie, within a percentile.

    By rank: the share of values below the stated quantile is the quantile's, within 0.015.
    """
    parts = [month_of_values(4), month_of_values(5, shift=0.3)]
    found = facts_of(*parts)
    x_NF = np.concatenate(parts)
    for column in (0, 1, 3, 4):
        facts = found[NAMES[column]]
        ranks = [(x_NF[:, column] <= q).sum() / facts.count for q in facts.quantiles]
        assert_allclose(ranks, QUANTILES, atol=0.015)
        for part, band in zip(parts, facts.band_M3):
            known = part[:, column][~np.isnan(part[:, column])]
            assert_allclose([(known <= q).mean() for q in band], BAND, atol=0.015)
    assert_array_equal(found["constant"].quantiles[[0, 1]], np.float32(3.0))


def test_histogram_shares_are_those_of_the_values() -> None:
    """Each bin holds its share, within one per cent, a flag's values wholly in the outer bins."""
    part = month_of_values(6)
    for column, name in enumerate(NAMES[:5]):
        facts = facts_of(part)[name]
        known = part[:, column][~np.isnan(part[:, column])]
        due = np.histogram(known, facts.edges)[0] / len(known)
        assert_allclose(facts.shares, due, atol=0.01, err_msg=name)
    flag = facts_of(part)["flag"]
    assert_allclose(flag.shares[[0, -1]], [0.7, 0.3], atol=0.02)
    assert facts_of(part)["constant"].shares.max() == 1.0


def test_autocorrelation_is_that_of_all_pairs() -> None:
    """A seventeenth of the pairs gives what all of them do, within sampling error."""
    part = month_of_values(7)
    found = facts_of(part)
    for column in (0, 1, 2, 3):
        known = part[:, column][~np.isnan(part[:, column])].astype(np.float64)
        due = [np.corrcoef(known[:-lag], known[lag:])[0, 1] for lag in LAGS]
        assert_allclose(found[NAMES[column]].autocorrelation_L, due, atol=0.08)
    assert found["persistent"].autocorrelation(1) == pytest.approx(0.95, abs=0.02)
    assert np.isnan(found["constant"].autocorrelation_L).all()


def test_drift_is_the_distance_of_kolmogorov_and_smirnov() -> None:
    """0 in the first month and for the same values; else what SciPy finds, within a percentile."""
    first, same, moved = month_of_values(8), month_of_values(8), month_of_values(9, shift=0.7)
    found = facts_of(first, same, moved)
    for column in (0, 1, 3, 4):
        facts = found[NAMES[column]]
        known = [part[:, column][~np.isnan(part[:, column])] for part in (first, moved)]
        assert facts.distance_M[:2].tolist() == [0.0, 0.0]
        assert facts.distance_M[2] == pytest.approx(ks_2samp(*known).statistic, abs=0.02)
        assert facts.farthest == ("2024-03", facts.distance_M[2])


def test_each_symbol_is_compared_with_its_own_first_month() -> None:
    """Markets that differ do not drift; the one that drifts most is told."""
    calm, wild = month_of_values(10), month_of_values(11, shift=5.0)
    parts = [summarise("A-USD", f"2024-0{n}", NAMES, calm) for n in (1, 2)]
    parts += [summarise("B-USD", f"2024-0{n}", NAMES, wild + n) for n in (1, 2)]
    alone, both = describe(parts[:2])["noise"], describe(parts)["noise"]
    assert alone.distance_M.tolist() == [0.0, 0.0]
    assert both.distance_M.tolist() == describe(parts[2:])["noise"].distance_M.tolist()
    assert both.distance_M[1] > 0.3
    assert both.rows == 4 * ROWS


def test_the_order_of_months_and_memory_layout_do_not_matter() -> None:
    """Months may be summed up anywhere, travel as bytes and come back in any order."""
    parts = [summarise("A-USD", f"2024-0{n}", NAMES, month_of_values(n)) for n in (1, 2, 3)]
    there = [pickle.loads(pickle.dumps(part)) for part in reversed(parts)]  # noqa: S301
    one, other = describe(parts)["skewed"], describe(there)["skewed"]
    assert one.months == other.months == ("2024-01", "2024-02", "2024-03")
    assert_array_equal(one.band_M3, other.band_M3)
    by_column = summarise("A-USD", "2024-01", NAMES, np.asfortranarray(month_of_values(1)))
    assert_allclose(by_column.mean_F, parts[0].mean_F, rtol=1e-12)
    assert_array_equal(by_column.quantile_FQ, parts[0].quantile_FQ)


def test_columns_without_values_have_facts_all_the_same() -> None:
    """All null, no rows, no months: counts of nothing and NaN, never an exception."""
    assert describe([]) == {}
    for rows in (0, 1, 2, 40):
        empty = np.full((rows, len(NAMES)), np.nan, np.float32)
        facts = facts_of(empty)["noise"]
        assert (facts.count, facts.rows) == (0, rows)
        assert np.isnan([facts.mean, facts.std, *facts.quantiles]).all()
        assert facts.farthest is None
    late = facts_of(np.full((900, len(NAMES)), np.nan, np.float32), month_of_values(1))["noise"]
    assert np.isnan(late.distance_M[0])
    assert late.distance_M[1] == 0.0


@settings(max_examples=60, deadline=None)
@given(
    x_NF=hnp.arrays(
        np.float32,
        st.tuples(st.integers(0, 60), st.just(2)),
        elements=st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0, 1.0, 1e-30, 1e8]),
    )
)
def test_any_values_give_facts(x_NF: NDArray[np.float32]) -> None:
    """What is not finite counts as missing; the rest lies where it lies."""
    for column, facts in enumerate(
        describe([summarise("A-USD", "2024-01", ("a", "b"), x_NF)]).values()
    ):
        known = x_NF[:, column][np.isfinite(x_NF[:, column])].astype(np.float64)
        assert facts.count == len(known)
        if len(known):
            assert_allclose(facts.mean, known.mean(), rtol=1e-9, atol=1e-9)
            assert known.min() <= facts.quantiles.min()
            assert facts.quantiles.max() <= known.max()
            assert (np.diff(facts.quantiles) >= 0).all()
            assert facts.shares.sum() <= 1 + 1e-9
        told = facts.autocorrelation_L[~np.isnan(facts.autocorrelation_L)]
        assert (np.abs(told) <= 1).all()
