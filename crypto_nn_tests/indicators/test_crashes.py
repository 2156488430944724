"""Falls and rises of many powers of ten, within one bar: logarithms keep their digits there too."""

from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pytest

from crypto_nn.bars import Bars
from crypto_nn.indicators import ALL, CROSS, Indicator, log_return
from crypto_nn.indicators import laws as law
from crypto_nn_tests.indicators.made import bars_of, walk
from crypto_nn_tests.indicators.test_composed import HERE, beside, check_oracle

DEPTHS = (1e4, 1e8, 1e12, 1.5e16)


def crashed(depth: float, high: float = 1.5e8) -> Bars:
    """A walk that falls to a `depth`-th and comes back, each in one bar; so does its reference."""
    calm = walk(1800, seed=3)
    close_N = calm.close / calm.close[0] * high
    close_N[600:1200] /= depth
    bars = beside(bars_of(close_N, calm.volume, np.random.default_rng(3)))
    assert bars.reference is not None
    reference_N = bars.reference.copy()
    reference_N[700:900] /= depth
    return replace(bars, reference=reference_N).check_clean()


def exact(price: float, other: float) -> float:
    """ln(price / other) by way of 50 decimal digits."""
    with localcontext(prec=50):
        return float(Decimal(price).ln() - Decimal(other).ln())


def near_and_far() -> list[tuple[float, float]]:
    """Pairs of prices from a billionth apart to 16 powers of ten, and about where forms change."""
    rng = np.random.default_rng(0)
    factors = [
        *(10.0 ** np.arange(-16, 17)),
        *(1 + 10.0 ** np.arange(-9, 0)),
        *(1 - 10.0 ** np.arange(-9, 0)),
        *np.nextafter(0.5, [0, 1]),
        *rng.uniform(0.4, 2.2, 200),
        0.5,
        2.0,
    ]
    others = 1e8 ** rng.uniform(-1, 1, len(factors))
    named = [(1.0, 1e8), (1e-4, 1e8), (1e-8, 1e8), (1e-8, 1.5e8), (1.5e8, 1e-8)]
    return [*named, *((float(f * o), float(o)) for f, o in zip(factors, others))]


PAIRS = near_and_far()


def test_a_log_ratio_is_right_however_far_apart_the_prices_are() -> None:
    """To a last digit or two: 1.5e8 to 1e-8 is as right as a cent in 100 000."""
    price_N, other_N = np.array(PAIRS).T
    due = np.array([exact(*pair) for pair in PAIRS])
    np.testing.assert_allclose(log_return.log_ratio(price_N, other_N), due, rtol=1e-15)


def test_one_price_has_the_bits_of_many() -> None:
    """Whichever form each takes, and whatever stands beside it in the array."""
    price_N, other_N = np.array(PAIRS).T
    found = np.array([log_return.log_ratio_of(*pair) for pair in PAIRS])
    np.testing.assert_array_equal(log_return.log_ratio(price_N, other_N), found)
    near = price_N >= 0.6 * other_N
    np.testing.assert_array_equal(log_return.log_ratio(price_N[near], other_N[near]), found[near])
    assert (
        type(log_return.log_ratio_of(1.0, 3.0)) is type(log_return.log_ratio_of(3.0, 1.0)) is float
    )
    assert np.isnan(log_return.log_ratio_of(1.0, float("nan")))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("indicator", [*ALL, *CROSS], ids=lambda one: one.outputs[0])
def test_live_is_history_and_all_is_finite(indicator: Indicator, depth: float) -> None:
    """From 1.5e8 to 1e-8 and back: no NaN, no infinity, not one bit between the two."""
    bars = crashed(depth)
    law.check_warm_up_is_exact(indicator, bars)
    law.check_stream_equals_batch(indicator, bars, 0)
    law.check_stream_equals_batch(indicator, bars, 620)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("indicator", HERE, ids=lambda one: one.outputs[0])
def test_values_are_those_of_the_formula(indicator: Indicator, depth: float) -> None:
    """To a billionth."""
    check_oracle(indicator, crashed(depth))


@pytest.mark.parametrize("name", ["LogReturn", "RealisedVolatility", "YangZhang"])
def test_the_relative_move_alone_would_not_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: log1p everywhere, as it once was."""
    (indicator,) = (one for one in (*ALL, *CROSS) if type(one).__name__ == name)
    monkeypatch.setattr(log_return, "_FAR", -np.inf)
    with pytest.raises(AssertionError, match="is due"):
        check_oracle(indicator, crashed(1e12))
