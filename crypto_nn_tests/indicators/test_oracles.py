"""Every indicator agrees with an independent, slow version of its formula, and with TA-Lib's."""

import numpy as np
import pytest
import talib

from crypto_nn.bars import Bars
from crypto_nn.indicators import ALL, MFI, Indicator, Stochastic, WilliamsR
from crypto_nn_tests.contracts.indicator import matrix
from crypto_nn_tests.indicators.made import bars_of, dead, walk
from crypto_nn_tests.indicators.oracles import ORACLES

BARS = walk(2000, seed=11, start="2024-01-01T18:00")


@pytest.mark.parametrize("indicator", ALL, ids=lambda one: one.outputs[0])
def test_values_are_those_of_the_formula(indicator: Indicator) -> None:
    """To 1e-9, on every row; where an average's start is a matter of taste, once it has faded."""
    ours = matrix(indicator, BARS)
    due = np.column_stack(ORACLES[type(indicator).__name__](BARS))
    fades = type(indicator).__name__ in ("MACD", "ADX", "KeltnerChannel")
    since = indicator.memory if fades and indicator.memory else indicator.warm_up
    away = np.abs(ours - due)[since:]
    assert (away <= 1e-9 * np.nanstd(due, axis=0)).all(), away.max(axis=0)


def test_composed_ones_agree_with_talib() -> None:
    """Where TA-Lib has the same formula and its conventions do not bite, values agree to 1e-9."""
    hlc = (BARS.high, BARS.low, BARS.close)
    pairs = [
        (
            Stochastic(),
            np.column_stack(talib.STOCH(*hlc, fastk_period=14)),
        ),
        (WilliamsR(), talib.WILLR(*hlc, 14)[:, None]),
        (MFI(), talib.MFI(*hlc, BARS.volume, 14)[:, None]),
    ]
    for indicator, due in pairs:
        np.testing.assert_allclose(matrix(indicator, BARS), due, rtol=1e-9, atol=1e-9)


def test_a_dead_market_is_neutral_where_we_compose() -> None:
    """No range and no flow is the middle, not an extreme, as TA-Lib's conventions have it."""
    for indicator, neutral in ((Stochastic(), 50.0), (WilliamsR(), -50.0), (MFI(), 50.0)):
        values = matrix(indicator, dead(100))[indicator.warm_up :]
        np.testing.assert_array_equal(values, np.full_like(values, neutral))


def test_money_flow_does_not_depend_on_the_unit() -> None:
    """TA-Lib's MFI is 0 where less than one unit of money flows; ours is not."""
    tiny = _rising_then_falling(price=1e-6, volume=1e-3)
    large = _rising_then_falling(price=1e2, volume=1e3)
    np.testing.assert_allclose(matrix(MFI(), tiny), matrix(MFI(), large), rtol=1e-6)
    assert np.nanmin(matrix(MFI(), tiny)) < 20
    assert np.nanmax(matrix(MFI(), tiny)) > 80


def _rising_then_falling(price: float, volume: float) -> Bars:
    rng = np.random.default_rng(2)
    moves = np.concatenate([np.full(40, 1e-3), np.full(40, -1e-3)])
    return bars_of(price * np.exp(np.cumsum(moves)), np.full(80, volume), rng)
