"""Indicators beside a reference keep the laws, with holes in the reference and without one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn import indicators as ind
from crypto_nn.bars import M1, Bars
from crypto_nn.bars.reference import with_reference
from crypto_nn.errors import FeatureError
from crypto_nn.indicators import CROSS, Indicator
from crypto_nn.indicators import laws as law
from crypto_nn_tests.indicators.made import dead, made_bars, walk, without
from crypto_nn_tests.indicators.test_composed import CROSS_OTHERS, at_rest, beside

every = pytest.mark.parametrize(
    "indicator", [*CROSS, *CROSS_OTHERS], ids=lambda one: one.outputs[0]
)
BARS = beside(walk(400, seed=3), seed=7)
HOLES = ((100, 101), (150, 250), (251, 252), (330, 332))


def holed(bars: Bars, *holes: tuple[int, int]) -> Bars:
    """The bars with a reference that has no bar in these rows."""
    assert bars.reference is not None
    reference_N = bars.reference.copy()
    for first, last in holes:
        reference_N[first:last] = np.nan
    return replace(bars, reference=reference_N)


@every
@pytest.mark.parametrize("bars", [BARS, holed(BARS, *HOLES)], ids=["whole", "with holes"])
@pytest.mark.parametrize("name", [name for name in law.LAWS if "NaN in the" not in name])
def test_they_keep_the_laws(indicator: Indicator, bars: Bars, name: str) -> None:
    """Holes in the reference or not."""
    if "stands still" in name or "forgotten" in name:
        bars = BARS  # holes are not finite
    law.LAWS[name](indicator, bars)


@every
def test_memory_is_exact(indicator: Indicator) -> None:
    """From wherever one starts, after `memory` bars one has the bits of having seen all."""
    bars = holed(BARS, *HOLES)
    whole = law.matrix(indicator, bars)
    assert indicator.memory is not None
    for start in range(0, len(bars) - indicator.memory, 13):
        part = law.matrix(indicator, bars[start:])
        since = indicator.memory - 1
        np.testing.assert_array_equal(part[since:], whole[start + since :])


@every
def test_warm_up_is_exact(indicator: Indicator) -> None:
    """NaN in the warm-up, and on no other row of a whole reference."""
    law.check_warm_up_is_exact(indicator, BARS)
    law.check_warm_up_is_exact(indicator, beside(at_rest(BARS)))


@every
def test_scale_law(indicator: Indicator) -> None:
    """No unit of price, volume or reference matters."""
    law.check_scale_law(indicator, BARS, 0, 0)
    assert BARS.reference is not None
    doubled = replace(BARS, reference=BARS.reference * 2.0)
    np.testing.assert_array_equal(law.matrix(indicator, doubled), law.matrix(indicator, BARS))


@every
@settings(max_examples=20, deadline=None)
@given(bars=made_bars(), other=made_bars(), data=st.data())
def test_any_pair_of_markets(
    indicator: Indicator, bars: Bars, other: Bars, data: st.DataObject
) -> None:
    """Of any length and price, with any holes: joined by time, the laws hold."""
    first = data.draw(st.integers(0, len(other) - 1))
    last = data.draw(st.integers(first, len(other)))
    joined = with_reference(bars, without(other, (first, last)))
    cut = data.draw(st.integers(0, len(bars)))
    law.check_stream_equals_batch(indicator, joined, cut)
    law.check_prefix_invariant(indicator, joined, step=max(len(bars) // 5, 1))
    assert joined.reference is not None
    later_N = joined.reference.copy()
    later_N[cut:] *= np.random.default_rng(0).uniform(0.5, 2.0, len(bars) - cut)
    changed = replace(joined, reference=later_N)
    np.testing.assert_array_equal(
        law.matrix(indicator, changed)[:cut], law.matrix(indicator, joined)[:cut]
    )


@every
def test_a_missing_reference_is_gone_with_its_window(indicator: Indicator) -> None:
    """NaN on rows that need a missing bar, and on every other row the value without any hole."""
    whole, found = (law.matrix(indicator, one)[:, 0] for one in (BARS, holed(BARS, *HOLES)))
    missing = {row for first, last in HOLES for row in range(first, last)}
    ends_only = type(indicator).__name__ in ("ReferenceReturn", "RelativeReturn")
    for row in range(indicator.warm_up, len(BARS)):
        oldest = row - indicator.warm_up
        needed = {oldest, row} if ends_only else set(range(oldest, row + 1))
        assert np.isnan(found[row]) == bool(needed & missing), row
    there = ~np.isnan(found)
    np.testing.assert_array_equal(found[there], whole[there])


def test_a_market_beside_itself() -> None:
    """It gains nothing on itself, and moves with itself exactly one to one."""
    bars = with_reference(walk(3000, seed=9), walk(3000, seed=9))
    assert (ind.RelativeReturn().compute(bars)[0][15:] == 0).all()
    assert (ind.ReferenceCorrelation().compute(bars)[0][60:] == 1).all()
    assert (ind.ReferenceBeta().compute(bars)[0][60:] == 1).all()
    np.testing.assert_array_equal(
        ind.ReferenceReturn(7).compute(bars)[0], ind.LogReturn(7).compute(bars)[0]
    )


def test_markets_that_stand_still() -> None:
    """Nothing to compare is 0, as the docstrings say: also for a market beside itself."""
    still = with_reference(dead(200), dead(200))
    other_still = replace(BARS, reference=np.full(len(BARS), 7.0))
    own_still = replace(dead(400), reference=BARS.reference)
    for indicator in CROSS:
        assert (law.matrix(indicator, still)[indicator.warm_up :] == 0).all()
    for bars in (other_still, own_still):
        assert (ind.ReferenceCorrelation().compute(bars)[0][60:] == 0).all()
        assert (ind.ReferenceBeta().compute(bars)[0][60:] == 0).all()


def test_a_market_that_moves_twice_as_far() -> None:
    """Beta 2, correlation 1; and against its reference, beta -1 and correlation -1."""
    close_N = BARS.close
    for power, beta, correlation in ((2.0, 0.5, 1.0), (-1.0, -1.0, -1.0)):
        bars = replace(BARS, reference=close_N**power)
        np.testing.assert_allclose(ind.ReferenceBeta().compute(bars)[0][60:], beta, rtol=1e-9)
        found_N = ind.ReferenceCorrelation().compute(bars)[0][60:]
        np.testing.assert_allclose(found_N, correlation, rtol=1e-9)
        assert (np.abs(found_N) <= 1).all()


@every
def test_bars_without_a_reference_are_refused(indicator: Indicator) -> None:
    """The message says what to do; a stream that has seen nothing yet may still get one."""
    alone = walk(100)
    for use in (indicator.compute, indicator.stream):
        with pytest.raises(FeatureError, match=r"features\.reference.*with_reference"):
            use(alone)
    live = indicator.stream(Bars.empty("BTC-USDT", M1))
    assert np.isnan([live.update(bar) for bar in alone]).all()
    assert np.isfinite([live.update(bar) for bar in BARS][indicator.warm_up :]).all()
