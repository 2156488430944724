"""Indicators whose engine is TA-Lib say what TA-Lib says, bit for bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from numpy.testing import assert_array_equal

from crypto_nn import indicators as ind
from crypto_nn.bars import Bars, Float
from crypto_nn.indicators import ALL, Indicator
from crypto_nn.indicators.laws import matrix
from crypto_nn.indicators.talib_indicator import TALibIndicator
from crypto_nn_tests.indicators.made import made_bars, walk
from crypto_nn_tests.indicators.members import OTHERS
from crypto_nn_tests.market import BTC, needs_market, real_bars

# TA-Lib's numbers of its kinds of averages.
SMA: Any = 0
EMA: Any = 1

# Each call as a reader of TA-Lib's manual would write it, every parameter by its name.
CALLS: dict[str, Callable[[Bars, Any], Any]] = {
    "ADX": lambda b, x: talib.ADX(b.high, b.low, b.close, timeperiod=x.period),
    "ATR": lambda b, x: talib.ATR(b.high, b.low, b.close, timeperiod=x.period),
    "AccumulationDistribution": lambda b, x: talib.AD(b.high, b.low, b.close, b.volume),
    "Aroon": lambda b, x: talib.AROON(b.high, b.low, timeperiod=x.period),
    "BalanceOfPower": lambda b, x: talib.BOP(b.open, b.high, b.low, b.close),
    "BollingerBands": lambda b, x: talib.BBANDS(
        b.close, timeperiod=x.period, nbdevup=x.width, nbdevdn=x.width, matype=SMA
    ),
    "ChaikinOscillator": lambda b, x: talib.ADOSC(
        b.high, b.low, b.close, b.volume, fastperiod=x.fast, slowperiod=x.slow
    ),
    "DEMA": lambda b, x: talib.DEMA(b.close, timeperiod=x.period),
    "DMI": lambda b, x: tuple(
        function(b.high, b.low, b.close, timeperiod=x.period)
        for function in (talib.PLUS_DI, talib.MINUS_DI)
    ),
    "DonchianChannel": lambda b, x: talib.DONCHIAN(b.high, b.low, timeperiod=x.period),
    "EMA": lambda b, x: talib.EMA(b.close, timeperiod=x.period),
    "ForceIndex": lambda b, x: talib.EFI(b.close, b.volume, timeperiod=x.period),
    "HMA": lambda b, x: talib.HMA(b.close, timeperiod=x.period),
    "KAMA": lambda b, x: talib.KAMA(b.close, timeperiod=x.period),
    "KeltnerChannel": lambda b, x: talib.KC(
        b.high, b.low, b.close, timeperiod=x.period, atrperiod=x.range_period, nbdev=x.width
    ),
    "MACD": lambda b, x: talib.MACD(
        b.close, fastperiod=x.fast, slowperiod=x.slow, signalperiod=x.signal
    ),
    "MOM": lambda b, x: talib.MOM(b.close, timeperiod=x.period),
    "MassIndex": lambda b, x: talib.MASSI(b.high, b.low, fastperiod=x.fast, slowperiod=x.slow),
    "NATR": lambda b, x: talib.NATR(b.high, b.low, b.close, timeperiod=x.period),
    "OBV": lambda b, x: talib.OBV(b.close, b.volume),
    "PPO": lambda b, x: talib.PPO(b.close, fastperiod=x.fast, slowperiod=x.slow, matype=EMA),
    "ParabolicSAR": lambda b, x: talib.SAR(b.high, b.low, acceleration=x.step, maximum=x.limit),
    "ROC": lambda b, x: talib.ROC(b.close, timeperiod=x.period),
    "RSI": lambda b, x: talib.RSI(b.close, timeperiod=x.period),
    "SMA": lambda b, x: talib.SMA(b.close, timeperiod=x.period),
    "StandardDeviation": lambda b, x: talib.STDDEV(b.close, timeperiod=x.period, nbdev=1.0),
    "Supertrend": lambda b, x: talib.SUPERTREND(
        b.high, b.low, b.close, timeperiod=x.period, multiplier=x.width
    ),
    "TEMA": lambda b, x: talib.TEMA(b.close, timeperiod=x.period),
    "TRIX": lambda b, x: talib.TRIX(b.close, timeperiod=x.period),
    "TSI": lambda b, x: talib.TSI(b.close, firstperiod=x.slow, secondperiod=x.fast),
    "TrueRange": lambda b, x: talib.TRANGE(b.high, b.low, b.close),
    "WMA": lambda b, x: talib.WMA(b.close, timeperiod=x.period),
}

BACKED = [one for one in (*ALL, *OTHERS) if isinstance(one, TALibIndicator | ind.DMI)]
every = pytest.mark.parametrize("indicator", BACKED, ids=lambda one: one.outputs[0])


def _by_talib(indicator: Indicator, bars: Bars) -> Float:
    values = CALLS[type(indicator).__name__](bars, indicator)
    arrays = values if isinstance(values, tuple) else (values,)
    table = np.column_stack([array.astype(np.float64) for array in arrays])
    table[: indicator.warm_up] = np.nan  # where TA-Lib counts (a direction) it has no NaN
    return table


@every
@settings(max_examples=30, deadline=None)
@given(bars=made_bars())
def test_values_are_those_of_talib(indicator: Indicator, bars: Bars) -> None:
    """Constant prices, jumps, no volume, 1e-8 and 1e8: the same bits."""
    assert_array_equal(matrix(indicator, bars), _by_talib(indicator, bars))


@every
def test_warm_up_is_that_of_talib(indicator: Indicator) -> None:
    """The first valid value is TA-Lib's own first."""
    values = CALLS[type(indicator).__name__](bars := walk(200, seed=1), indicator)
    first = (values if isinstance(values, tuple) else (values,))[0]
    assert np.flatnonzero(np.isfinite(first))[0] == indicator.warm_up < len(bars)


def test_every_such_member_is_held_to_its_function() -> None:
    """A new one without a call here, or a call without a member, is found out."""
    assert {type(one).__name__ for one in BACKED} == set(CALLS)


class TestOnRealBars:
    """The same on the real thing."""

    pytestmark = needs_market

    @every
    def test_values_are_those_of_talib(self, indicator: Indicator, btc: Bars) -> None:
        """On 200,000 bars of bitcoin, an exchange's outage among them."""
        assert_array_equal(matrix(indicator, btc), _by_talib(indicator, btc))


@pytest.fixture(scope="module")
def btc() -> Bars:
    return real_bars(BTC, 200_000)
