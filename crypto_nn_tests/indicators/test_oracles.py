"""Every indicator agrees with an independent, slow version of its formula, and with TA-Lib's."""

import numpy as np
import pytest
import talib
from hypothesis import given, settings

from crypto_nn import indicators as ind
from crypto_nn.bars import Bars, Float
from crypto_nn.indicators import ALL, Indicator
from crypto_nn.indicators.laws import matrix
from crypto_nn.indicators.talib_indicator import TALibIndicator
from crypto_nn_tests.indicators.made import bars_of, dead, made_bars, walk
from crypto_nn_tests.indicators.members import OTHERS, SCALES
from crypto_nn_tests.indicators.oracles import ORACLES
from crypto_nn_tests.market import BTC, needs_market, real_bars

TESTED = [one for one in (*ALL, *OTHERS) if type(one).__name__ in ORACLES]
every = pytest.mark.parametrize("indicator", TESTED, ids=lambda one: one.outputs[0])
EMA = 1  # TA-Lib's number for it, among its kinds of averages
BARS = walk(2000, seed=11, start="2024-01-01T18:00")


def test_every_indicator_that_talib_backs_has_an_oracle() -> None:
    """A new one must come with its slow version."""
    backed = {type(one).__name__ for one in ALL if isinstance(one, TALibIndicator)}
    assert backed <= set(ORACLES) <= {type(one).__name__ for one in ALL}


def _due(indicator: Indicator, bars: Bars) -> Float:
    return np.column_stack(ORACLES[type(indicator).__name__](bars, indicator))


def _check_to_a_billionth_of_its_spread(indicator: Indicator, bars: Bars) -> None:
    due = _due(indicator, bars)
    away = np.abs(matrix(indicator, bars) - due)[indicator.warm_up :]
    assert np.isfinite(away).all()
    assert (away <= 1e-9 * np.nanstd(due, axis=0)).all(), away.max(axis=0)


def _rounding(indicator: Indicator, bars: Bars, due: Float) -> Float:
    """How far apart two correct answers may be, for each row and output.

    A billionth of the value; and besides, for what is measured in prices or volume, 1e-12 of the
    highest price and of all volume so far (what rounding them may cost), for pure numbers a
    billionth of the largest.
    """
    price_power, volume_power = (np.asarray(power) for power in SCALES[type(indicator)])
    price_N1 = np.maximum.accumulate(bars.high)[:, None]
    volume_N1 = np.cumsum(bars.volume)[:, None]
    largest = max(float(np.nanmax(np.abs(due), initial=0.0)), 1e-3)
    pure = (price_power == 0) & (volume_power == 0)
    unit = np.where(pure, 1e-9 * largest, 1e-12 * price_N1**price_power * volume_N1**volume_power)
    away: Float = 1e-9 * np.abs(due) + unit
    return away


@every
def test_values_are_those_of_the_formula(indicator: Indicator) -> None:
    """To 1e-9 of the spread, on every row."""
    _check_to_a_billionth_of_its_spread(indicator, BARS)


@every
@settings(max_examples=25, deadline=None)
@given(bars=made_bars())
def test_values_are_those_of_the_formula_in_any_market(indicator: Indicator, bars: Bars) -> None:
    """Constant prices, jumps of e², no volume, prices of 1e-8 and 1e8: to 1e-9."""
    due = _due(indicator, bars)
    away = np.abs(matrix(indicator, bars) - due)
    close = (away <= _rounding(indicator, bars, due))[indicator.warm_up :]
    assert close.all(), f"first in row {indicator.warm_up + np.argmin(close.all(axis=1))}"


class TestOnRealBars:
    """The same on the real thing."""

    pytestmark = needs_market

    @every
    @pytest.mark.parametrize("start", [117_900, 300_000, 1_290_000])
    def test_values_are_those_of_the_formula(self, indicator: Indicator, start: int) -> None:
        """To 1e-9 of the spread on every row of bitcoin, also where an exchange stood still."""
        _check_to_a_billionth_of_its_spread(indicator, real_bars(BTC, 3000, start))


def test_composed_ones_agree_with_talib() -> None:
    """Where TA-Lib has the same formula and its conventions do not bite, values agree to 1e-9."""
    hl, hlc = (BARS.high, BARS.low), (BARS.high, BARS.low, BARS.close)
    pairs = [
        (ind.Stochastic(), np.column_stack(talib.STOCH(*hlc, fastk_period=14))),
        (ind.WilliamsR(), talib.WILLR(*hlc, 14)[:, None]),
        (ind.MFI(), talib.MFI(*hlc, BARS.volume, 14)[:, None]),
        (ind.CCI(), talib.CCI(*hlc, 20)[:, None]),
        (ind.StochRSI(), np.column_stack(talib.STOCHRSI(BARS.close, 14, 14, 3))),
        (ind.UltimateOscillator(), talib.ULTOSC(*hlc, 7, 14, 28)[:, None]),
        (ind.CMO(), talib.CMOU(BARS.close, 14)[:, None]),
        (ind.AwesomeOscillator(), talib.AO(*hl, 5, 34)[:, None]),
        (ind.Vortex(), np.column_stack(talib.VORTEX(*hlc, 14))),
        (ind.EfficiencyRatio(), talib.ER(BARS.close, 10)[:, None]),
        (ind.LinearRegressionSlope(), talib.LINEARREG_SLOPE(BARS.close, 14)[:, None]),
        (ind.VWMA(), talib.VWMA(BARS.close, BARS.volume, 20)[:, None]),
        (ind.PVO(), talib.PVO(BARS.volume, 12, 26, EMA)[:, None]),
    ]
    for indicator, due in pairs:
        np.testing.assert_allclose(matrix(indicator, BARS), due, rtol=1e-9, atol=1e-9)


def test_a_dead_market_is_neutral_where_we_compose() -> None:
    """No range and no flow is the middle, not an extreme, as TA-Lib's conventions have it."""
    for indicator, neutral in (
        (ind.Stochastic(), 50.0),
        (ind.WilliamsR(), -50.0),
        (ind.MFI(), 50.0),
        (ind.StochRSI(), 50.0),
        (ind.UltimateOscillator(), 50.0),
        (ind.CMO(), 0.0),
        (ind.EfficiencyRatio(), 0.0),
        (ind.Vortex(), 1.0),
        (ind.LinearRegressionSlope(), 0.0),
        (ind.VWMA(), 30_000.0),
        (ind.PVO(), 0.0),
    ):
        values = matrix(indicator, dead(100))[indicator.warm_up :]
        np.testing.assert_array_equal(values, np.full_like(values, neutral))


def test_when_trading_stops_the_mean_price_stays_a_price() -> None:
    """TA-Lib's VWMA divides residues there, and leaves the range of all prices that there were."""
    stopped = Bars.concat([BARS, dead(100, float(BARS.close[-1]))])
    lowest, highest = stopped.low.min(), stopped.high.max()
    theirs = talib.VWMA(stopped.close, stopped.volume, 20)[-50:]
    assert not ((lowest <= theirs) & (theirs <= highest)).all()
    (ours,) = ind.VWMA(20).compute(stopped)
    assert (ours[-50:] == stopped.close[-1]).all()


def test_after_a_crash_ratios_of_small_moves_are_right() -> None:
    """Running sums hold the rounding of prices that are gone; ours start afresh."""
    rng = np.random.default_rng(4)
    move_N = 1e-5 * rng.standard_normal(400)
    move_N[50:150:10] = -2.0
    bars = bars_of(1e4 * np.exp(np.cumsum(move_N)), np.ones(400), rng)
    for indicator, theirs in (
        (ind.EfficiencyRatio(10), talib.ER(bars.close, 10)),
        (ind.CMO(14), talib.CMOU(bars.close, 14)),
        (ind.UltimateOscillator(), talib.ULTOSC(bars.high, bars.low, bars.close)),
        (ind.Vortex(14), talib.VORTEX(bars.high, bars.low, bars.close, 14)[0]),
    ):
        due = _due(indicator, bars)
        away = np.abs(matrix(indicator, bars) - due)[indicator.warm_up :]
        assert (away <= 1e-9 * np.nanmax(np.abs(due))).all()
        assert np.nanmax(np.abs(theirs - due[:, 0])) > 1e-6 * np.nanmax(np.abs(due))


def test_money_flow_does_not_depend_on_the_unit() -> None:
    """TA-Lib's MFI is 0 where less than one unit of money flows; ours is not."""
    tiny = _rising_then_falling(price=1e-6, volume=1e-3)
    large = _rising_then_falling(price=1e2, volume=1e3)
    np.testing.assert_allclose(matrix(ind.MFI(), tiny), matrix(ind.MFI(), large), rtol=1e-6)
    assert np.nanmin(matrix(ind.MFI(), tiny)) < 20
    assert np.nanmax(matrix(ind.MFI(), tiny)) > 80


def test_volume_oscillator_does_not_depend_on_the_unit() -> None:
    """TA-Lib's PVO is 0 where mean volume is below 1e-14; ours is not."""
    tiny = _rising_then_falling(price=1.0, volume=2.0**-60)
    large = _rising_then_falling(price=1.0, volume=1.0)
    np.testing.assert_array_equal(matrix(ind.PVO(), tiny), matrix(ind.PVO(), large))
    assert (talib.PVO(tiny.volume, 12, 26, EMA)[25:] == 0).all()
    assert np.nanstd(matrix(ind.PVO(), tiny)) > 1


def _rising_then_falling(price: float, volume: float) -> Bars:
    rng = np.random.default_rng(2)
    moves = np.concatenate([np.full(40, 1e-3), np.full(40, -1e-3)])
    return bars_of(
        price * np.exp(np.cumsum(moves)), volume * np.tile([1.0, 1.0, 3.0, 0.5], 20), rng
    )
