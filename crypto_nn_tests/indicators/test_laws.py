"""Every indicator keeps the law of indicators, on made and on real bars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn import indicators as ind
from crypto_nn.bars import Bars
from crypto_nn.indicators import ALL, Indicator
from crypto_nn_tests.contracts import indicator as law
from crypto_nn_tests.indicators.made import dead, made_bars, walk
from crypto_nn_tests.market import BTC, needs_market, real_bars

# Other parameters than the defaults, so that the formulas of warm-up and memory are tested too.
OTHERS: tuple[Indicator, ...] = (
    ind.RSI(5), ind.MACD(5, 35, 5), ind.Stochastic(5, 1, 4), ind.ROC(1), ind.WilliamsR(30),
    ind.CCI(7), ind.LogReturn(30), ind.SMA(60), ind.EMA(3), ind.DEMA(9), ind.TEMA(5), ind.ADX(5),
    ind.Aroon(10), ind.BollingerBands(15, 1.5), ind.ATR(5), ind.KeltnerChannel(5, 12, 1.0),
    ind.DonchianChannel(33), ind.RealisedVolatility(15), ind.OBVShare(64), ind.VWAP(31),
    ind.MFI(6), ind.MeanVolume(17),
)  # fmt: skip

# By how many powers an output grows with the unit of price, and with that of volume.
SCALES: dict[type[Indicator], tuple[int, int]] = {
    **dict.fromkeys(
        (ind.RSI, ind.Stochastic, ind.ROC, ind.WilliamsR, ind.CCI, ind.LogReturn), (0, 0)
    ),
    **dict.fromkeys((ind.ADX, ind.Aroon, ind.RealisedVolatility, ind.OBVShare, ind.MFI), (0, 0)),
    **dict.fromkeys((ind.MACD, ind.SMA, ind.EMA, ind.DEMA, ind.TEMA, ind.ATR), (1, 0)),
    **dict.fromkeys((ind.BollingerBands, ind.KeltnerChannel, ind.DonchianChannel), (1, 0)),
    **dict.fromkeys((ind.VWAP, ind.DailyVWAP), (1, 0)),
    **dict.fromkeys((ind.OBV, ind.MeanVolume), (0, 1)),
}

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


@every
def test_memory_on_made_bars(indicator: Indicator) -> None:
    """History older than `memory` is forgotten."""
    bars = walk(6000, seed=5)
    law.check_memory(indicator, bars, np.arange(0, 4000, 397))


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


def test_the_catalogue_holds_the_nineteen() -> None:
    """Every indicator that the brief names is there, and no output name twice."""
    due = (
        "RSI MACD Stochastic ROC WilliamsR CCI SMA EMA DEMA TEMA ADX Aroon BollingerBands ATR "
        "KeltnerChannel DonchianChannel OBV VWAP MFI"
    )
    assert set(due.split()) <= {type(one).__name__ for one in ALL}
    names = [name for one in ALL for name in one.outputs]
    assert len(names) == len(set(names))


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
