"""Every indicator keeps the law of indicators, on made and on real bars."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn.bars import Bars
from crypto_nn.indicators import ALL, CROSS, GROUPS, Indicator
from crypto_nn.indicators import laws as law
from crypto_nn_tests.indicators.made import bars_of, dead, made_bars, walk
from crypto_nn_tests.indicators.members import OTHERS, SCALES
from crypto_nn_tests.market import BTC, needs_market, real_bars

every = pytest.mark.parametrize("indicator", ALL, ids=lambda one: one.outputs[0])
every_and_others = pytest.mark.parametrize(
    "indicator", [*ALL, *OTHERS], ids=lambda one: one.outputs[0]
)
BARS = walk(400, seed=3, start="2024-01-01T21:00")


@every_and_others
def test_it_has_the_form_of_an_indicator(indicator: Indicator) -> None:
    """Named float64 outputs as long as the bars, also for no bars at all."""
    law.check_has_form(indicator, BARS)
    law.check_has_form(indicator, Bars.empty("BTC-USDT"))


@every_and_others
@pytest.mark.parametrize("seed_bars", [0, 1, 13, 250])
def test_stream_equals_batch(indicator: Indicator, seed_bars: int) -> None:
    """From no history, from too little and from enough, live values are those of history."""
    law.check_stream_equals_batch(indicator, BARS, seed_bars)


@every
def test_streams_are_independent(indicator: Indicator) -> None:
    """What one stream sees is nothing to another."""
    law.check_streams_are_independent(indicator, BARS)


@every_and_others
def test_warm_up_is_exact(indicator: Indicator) -> None:
    """NaN for `warm_up` rows, then finite for good."""
    law.check_warm_up_is_exact(indicator, BARS)


@every
def test_a_dead_market_is_finite(indicator: Indicator) -> None:
    """Constant prices and no volume give finite values, from the start and after life has ended."""
    law.check_warm_up_is_exact(indicator, dead(300))
    died = Bars.concat([BARS, dead(800, float(BARS.close[-1]))])
    law.check_warm_up_is_exact(indicator, died)


@every
def test_prefix_invariance(indicator: Indicator) -> None:
    """Every row of every prefix is final."""
    law.check_prefix_invariant(indicator, BARS[:150])


@every
def test_the_future_is_invisible(indicator: Indicator) -> None:
    """Later bars may be anything."""
    for cut in (1, 60, 180, 181, 399):
        law.check_blind_to_the_future(indicator, BARS, cut)


@every
def test_input_is_left_alone(indicator: Indicator) -> None:
    """Bars are read, never written."""
    law.check_leaves_input_alone(indicator, BARS)


@every
def test_scale_law(indicator: Indicator) -> None:
    """RSI does not change when prices double; ATR doubles; and so on for each."""
    law.check_scale_law(indicator, BARS, *SCALES[type(indicator)])


@every_and_others
def test_memory_on_made_bars(indicator: Indicator) -> None:
    """History older than `memory` is forgotten."""
    bars = walk(6000, seed=5)
    law.check_memory(indicator, bars, np.arange(0, 4000, 397))


@every
def test_memory_where_prices_hardly_move(indicator: Indicator) -> None:
    """A coin pegged to a currency: what has left the window has left no rounding behind."""
    bars = walk(6000, seed=5)
    close_N = 1 + 1e-2 * np.log(bars.close / bars.close[0])
    pegged = bars_of(close_N, bars.volume, np.random.default_rng(6))
    law.check_memory(indicator, pegged, np.arange(0, 4000, 397))


@every
@settings(max_examples=20, deadline=None)
@given(bars=made_bars(), share=st.floats(0, 1), seed=st.integers(0, 100))
def test_any_market(indicator: Indicator, bars: Bars, share: float, seed: int) -> None:
    """Constant, jumping, without volume, at prices from 1e-8 to 1e8: the laws hold."""
    cut = int(share * (len(bars) - 1))
    law.check_stream_equals_batch(indicator, bars, cut)
    law.check_warm_up_is_exact(indicator, bars)
    law.check_blind_to_the_future(indicator, bars, cut, seed)
    law.check_prefix_invariant(indicator, bars, step=max(len(bars) // 7, 1))


def test_the_catalogue_holds_what_is_due() -> None:
    """Every indicator that was asked for is there, in a group, and no output name twice."""
    due = (
        "RSI MACD Stochastic ROC WilliamsR CCI SMA EMA DEMA TEMA ADX Aroon BollingerBands ATR "
        "KeltnerChannel DonchianChannel OBV VWAP MFI "
        "StochRSI TSI UltimateOscillator MOM PPO CMO TRIX AwesomeOscillator BalanceOfPower KAMA "
        "ParabolicSAR DMI LinearRegressionSlope WMA HMA Vortex EfficiencyRatio Supertrend NATR "
        "TrueRange StandardDeviation MassIndex AccumulationDistribution ChaikinOscillator "
        "ForceIndex VWMA PVO "
        "CMF VolumeZScore PriceZScore Parkinson GarmanKlass RogersSatchell YangZhang Amihud "
        "DownsideShare JumpShare RealisedSkewness ReturnAutocorrelation ChoppinessIndex "
        "VolatilityRegime ReferenceReturn RelativeReturn ReferenceCorrelation ReferenceBeta"
    )
    assert set(due.split()) <= {type(one).__name__ for one in (*ALL, *CROSS)}
    assert list(GROUPS) == ["momentum", "trend", "volatility", "volume", "statistics"]
    assert sum(GROUPS.values(), ()) == ALL
    names = [name for one in (*ALL, *CROSS) for name in one.outputs]
    assert len(names) == len(set(names))


def test_every_parameter_is_tested_with_another_value() -> None:
    """No default hides a formula of warm-up or memory that only holds for it."""
    for one in ALL:
        twins = [other for other in OTHERS if type(other) is type(one)]
        for field in fields(one):  # type: ignore[arg-type]
            default = getattr(one, field.name)
            assert any(getattr(twin, field.name) != default for twin in twins), (one, field.name)


@pytest.fixture(scope="module")
def btc() -> Bars:
    return real_bars(BTC, 50_000, start=300_000)


class TestOnRealBars:
    """The laws that need the real thing."""

    pytestmark = needs_market

    @every
    def test_stream_equals_batch_on_50_000_bars(self, indicator: Indicator, btc: Bars) -> None:
        """Bar by bar over five weeks, not one bit differs."""
        law.check_stream_equals_batch(indicator, btc, 1000)

    @every
    def test_memory(self, indicator: Indicator, btc: Bars) -> None:
        """From wherever one starts, after `memory` bars one is within 1e-9 of having seen all."""
        law.check_memory(indicator, btc, np.arange(0, 48_000, 101))

    @every
    def test_warm_up_is_exact(self, indicator: Indicator, btc: Bars) -> None:
        """No hole inside five weeks of clean bars."""
        law.check_warm_up_is_exact(indicator, btc)
