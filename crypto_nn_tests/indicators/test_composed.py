"""Every indicator composed here agrees with a slow version of its formula on any market."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_nn import indicators as ind
from crypto_nn.bars import Bars, Float
from crypto_nn.indicators import ALL, CROSS, Indicator
from crypto_nn.indicators.laws import matrix
from crypto_nn.indicators.talib_indicator import TALibIndicator
from crypto_nn_tests.indicators import oracles
from crypto_nn_tests.indicators.made import bars_of, dead, made_bars, walk
from crypto_nn_tests.indicators.members import OTHERS
from crypto_nn_tests.indicators.oracles_composed import ORACLES, UNITS
from crypto_nn_tests.market import BTC, ETH, needs_market, real_bars

CROSS_OTHERS: tuple[Indicator, ...] = (
    ind.ReferenceReturn(30),
    ind.RelativeReturn(1),
    ind.ReferenceCorrelation(15),
    ind.ReferenceBeta(15),
)
COMPOSED = [
    one
    for one in (*ALL, *OTHERS, ind.VolatilityRegime(2, 5), *CROSS, *CROSS_OTHERS)
    if not isinstance(one, TALibIndicator)
]
HERE = [one for one in COMPOSED if type(one).__name__ in ORACLES]
every = pytest.mark.parametrize("indicator", HERE, ids=lambda one: one.outputs[0])


def beside(bars: Bars, seed: int = 0) -> Bars:
    """The bars with a reference that moves with them in part, and in part by itself."""
    other = walk(len(bars), seed=seed + 1, price=1.0).close
    return replace(bars, reference=np.sqrt(bars.close) * other)


def gappy(bars: Bars, seed: int = 0) -> Bars:
    """The same bars, none of which opens where the one before has closed."""
    factor_N = np.exp(3e-4 * np.random.default_rng(seed).standard_normal(len(bars)))
    columns = {name: getattr(bars, name) * factor_N for name in ("open", "high", "low", "close")}
    return replace(bars, **columns)


def at_rest(bars: Bars, rows: int = 700) -> Bars:
    """The bars, and then nothing moves and nothing is traded."""
    still = dead(rows, float(bars.close[-1]))
    ts_N = bars.ts[-1] + (1 + np.arange(rows)) * bars.timeframe.step
    return Bars.concat([bars, replace(still, ts=ts_N)])


def check_oracle(indicator: Indicator, bars: Bars) -> None:
    """A billionth of the value, or of what `UNITS` says, on every row; NaN where NaN is due."""
    name = type(indicator).__name__
    due = np.column_stack(ORACLES[name](bars, indicator))
    found = matrix(indicator, bars)
    unit = UNITS.get(name, 0.0)
    unit_N1: Float | float = unit(bars, indicator)[:, None] if callable(unit) else unit
    np.testing.assert_array_equal(np.isnan(found), np.isnan(due))
    away = np.abs(found - due) - 1e-9 * np.maximum(np.abs(due), unit_N1)
    row = int(np.nanargmax(np.append(away.max(axis=1, initial=-np.inf), -np.inf)))
    assert not (away > 0).any(), f"row {row}: {found[row]} where {due[row]} is due"


def test_every_composed_indicator_has_an_oracle() -> None:
    """A new one must come with its slow version."""
    names = {type(one).__name__ for one in COMPOSED}
    assert names <= {*ORACLES, *oracles.ORACLES}
    assert set(ORACLES) <= names


@every
def test_values_are_those_of_the_formula(indicator: Indicator) -> None:
    """On a walk of which no bar opens where the last closed, and where it has come to rest."""
    bars = gappy(walk(1500, seed=11, start="2024-01-01T18:00"))
    check_oracle(indicator, beside(at_rest(bars)))


@every
@settings(max_examples=25, deadline=None)
@given(bars=made_bars(), seed=st.integers(0, 100))
def test_values_are_those_of_the_formula_in_any_market(
    indicator: Indicator, bars: Bars, seed: int
) -> None:
    """Constant prices, no volume, jumps, prices of 1e-8 and 1e8."""
    check_oracle(indicator, beside(bars, seed))
    check_oracle(indicator, beside(gappy(bars, seed), seed))


@every
def test_values_are_right_where_prices_hardly_move(indicator: Indicator) -> None:
    """A price of 100 000 that moves by a cent now and then, and volumes that are all but equal."""
    rng = np.random.default_rng(5)
    cents_N = np.cumsum(rng.choice([-1.0, 0.0, 0.0, 0.0, 0.0, 1.0], 1500))
    close_N: Float = (1e7 + cents_N) / 100.0
    volume_N = 1e6 + 1e-3 * rng.integers(0, 3, 1500).astype(np.float64)
    bars = bars_of(close_N, volume_N, rng)
    check_oracle(indicator, beside(bars))


@every
@pytest.mark.parametrize("seed_bars", [0, 700])
def test_live_values_have_the_bits_of_history(indicator: Indicator, seed_bars: int) -> None:
    """To the sign of a zero."""
    bars = beside(at_rest(gappy(walk(1300, seed=2, start="2024-01-01T18:00"))))
    live = indicator.stream(bars[:seed_bars])
    found = np.array([live.update(bar) for bar in bars[seed_bars:]])
    due = matrix(indicator, bars)[seed_bars:]
    same = (found.view(np.int64) == due.view(np.int64)) | (np.isnan(found) & np.isnan(due))
    assert same.all()
    assert all(type(value) is float for value in live.update(bars[-1]))


@dataclass(frozen=True)
class _Residue(ind.PriceZScore):
    """Planted: the mean of squares less the square of the mean, from running sums."""

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        n, total_N = self.period, np.cumsum(bars.close)
        squares_N = np.cumsum(bars.close**2)
        for sum_N in (total_N, squares_N):
            sum_N[n:] -= sum_N[:-n].copy()
        variance_N = np.maximum(squares_N / n - (total_N / n) ** 2, 1e-300)
        score_N = (bars.close - total_N / n) / np.sqrt(variance_N)
        return (np.where(np.arange(len(bars)) < n - 1, np.nan, score_N),)


def test_the_check_finds_a_residue(monkeypatch: pytest.MonkeyPatch) -> None:
    """What rounding does to the textbook's short formula is more than a billionth."""
    monkeypatch.setitem(ORACLES, "_Residue", ORACLES["PriceZScore"])
    monkeypatch.setitem(UNITS, "_Residue", UNITS["PriceZScore"])
    with pytest.raises(AssertionError, match="is due"):
        check_oracle(_Residue(), walk(500))


@pytest.mark.parametrize(
    ("indicator", "neutral"),
    [
        (ind.CMF(), 0.0), (ind.VolumeZScore(), 0.0), (ind.PriceZScore(), 0.0),
        (ind.Parkinson(), 0.0), (ind.GarmanKlass(), 0.0), (ind.RogersSatchell(), 0.0),
        (ind.YangZhang(), 0.0), (ind.Amihud(), 0.0), (ind.DownsideShare(), 0.5),
        (ind.JumpShare(), 0.0), (ind.RealisedSkewness(), 0.0), (ind.ReturnAutocorrelation(), 0.0),
        (ind.ChoppinessIndex(), 50.0), (ind.VolatilityRegime(), 0.5),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("price", [1e-8, 0.1, 1e8])
def test_a_dead_market_has_the_neutral_value(
    indicator: Indicator, neutral: float, price: float
) -> None:
    """What the docstring says, exactly: also where the last life has left the window just now."""
    bars = at_rest(walk(200, price=price))
    first_dead = 200 + indicator.warm_up
    assert (matrix(indicator, bars)[first_dead:] == neutral).all()


class TestWhatTheyMean:
    """A market of which one knows the answer gives it."""

    def test_volatilities_agree_on_a_random_walk(self) -> None:
        """All five estimate the same σ, and those that see the whole bar have less noise."""
        rng = np.random.default_rng(0)
        steps_NS = 1e-5 * rng.standard_normal((8000, 400))
        path_NS = 100 * np.exp(np.cumsum(steps_NS.ravel())).reshape(8000, 400)
        open_N = np.concatenate([[100.0], path_NS[:-1, -1]])
        top_N = np.maximum(path_NS.max(axis=1), open_N)
        bottom_N = np.minimum(path_NS.min(axis=1), open_N)
        bars = replace(
            walk(8000), open=open_N, high=top_N, low=bottom_N, close=path_NS[:, -1].copy()
        )
        noise = {}
        for kind in (
            "RealisedVolatility",
            "Parkinson",
            "GarmanKlass",
            "RogersSatchell",
            "YangZhang",
        ):
            values = matrix(getattr(ind, kind)(60), bars)[60:]
            assert values.mean() == pytest.approx(1e-5 * np.sqrt(400), rel=0.06)
            noise[kind] = values.std()
        assert noise["GarmanKlass"] < noise["Parkinson"] < 0.6 * noise["RealisedVolatility"]

    def test_drift_is_no_volatility_to_two_of_them(self) -> None:
        """A rise without wicks: nothing for Rogers and Satchell, all for Parkinson."""
        close_N = 100 * np.exp(1e-3 * np.arange(200))
        open_N = np.concatenate([[100.0], close_N[:-1]])
        bars = replace(walk(200), open=open_N, high=close_N, low=open_N, close=close_N)
        assert (matrix(ind.RogersSatchell(), bars)[59:] == 0).all()
        assert np.nanmax(matrix(ind.YangZhang(), bars)) < 1e-14
        assert np.nanmin(matrix(ind.Parkinson(), bars)[60:]) > 5e-4

    def test_a_jump_is_a_jump(self) -> None:
        """One move of 5 % among small ones: nearly all of the variance is its share."""
        move_N = 1e-4 * np.random.default_rng(3).standard_normal(400)
        move_N[300] = -0.05
        bars = bars_of(100 * np.exp(np.cumsum(move_N)), np.ones(400), np.random.default_rng(4))
        (share_N,) = ind.JumpShare().compute(bars)
        assert share_N[300:360].min() > 0.99
        assert np.nanmean(share_N[:300]) < 0.3
        assert np.nanmax(ind.DownsideShare().compute(bars)[0][300:360]) > 0.99
        assert ind.RealisedSkewness().compute(bars)[0][330] == pytest.approx(-np.sqrt(60), rel=0.01)

    def test_a_bounce_and_a_trend_are_told_apart(self) -> None:
        """Prices that go to and fro have autocorrelation -1 and chop; one way is the opposite."""
        to_and_fro = bars_of(100 + np.arange(300.0) % 2, np.ones(300), np.random.default_rng(1))
        one_way = bars_of(100.0 + np.arange(300.0), np.ones(300), np.random.default_rng(1))
        assert ind.ReturnAutocorrelation().compute(to_and_fro)[0][-1] == pytest.approx(-59 / 60)
        assert ind.ReturnAutocorrelation().compute(one_way)[0][-1] > 0.95
        assert ind.ChoppinessIndex().compute(to_and_fro)[0][-1] > 80
        assert ind.ChoppinessIndex().compute(one_way)[0][-1] < 40

    def test_a_thin_market_is_less_liquid(self) -> None:
        """A tenth of the volume: ten times the move per unit of money."""
        bars = walk(200)
        thin = replace(bars, volume=bars.volume / 10)
        (deep_N,), (thin_N,) = ind.Amihud().compute(bars), ind.Amihud().compute(thin)
        np.testing.assert_allclose(thin_N[60:], 10 * deep_N[60:], rtol=1e-12)

    def test_amihud_leaves_out_bars_without_volume(self) -> None:
        """Bars of which none was traded do not make a market look liquid."""
        bars = walk(121)
        volume_N = bars.volume.copy()
        volume_N[1::2] = 0.0
        (values_N,) = ind.Amihud().compute(replace(bars, volume=volume_N))
        traded = slice(62, None, 2)
        typical_N = (bars.high + bars.low + bars.close) / 3
        impact_N = np.abs(np.diff(np.log(bars.close), prepend=np.nan)) / typical_N / bars.volume
        assert values_N[-1] == pytest.approx(impact_N[traded].mean(), rel=1e-9)

    def test_the_wildest_hour_ranks_first(self) -> None:
        """Rank 1 in a storm, 0 in the calm after it."""
        move_N = 1e-4 * np.random.default_rng(3).standard_normal(1700)
        move_N[900:960] *= 100
        move_N[1000:1100] /= 100
        bars = bars_of(100 * np.exp(np.cumsum(move_N)), np.ones(1700), np.random.default_rng(4))
        (rank_N,) = ind.VolatilityRegime().compute(bars)
        assert rank_N[905] == 1.0
        assert rank_N[1059] == 0.0

    def test_the_same_moves_in_another_order_rank_the_same(self) -> None:
        """A price that flips between two values: which way it went first does not matter."""
        close_N = np.where(np.arange(900) // 7 % 2, 30_000.0, 30_000.7)
        bars = bars_of(close_N, np.ones(900), np.random.default_rng(0))
        (rank_N,) = ind.VolatilityRegime(56, 100).compute(bars)
        assert (rank_N[156:] == 0.5).all()


MARKETS = {
    "bitcoin": (BTC, 5000, 300_000),
    "bitcoin before the outage": (BTC, 4000, 117_000),
    "a thin venue": ("venues/BTCUSDT_1m_binance-us.parquet", 6000, 4367),
    "an outage": ("outages/BTCUSDT_1m_binance-spot_2021-04-outages.parquet", 4000, 0),
}


class TestOnRealBars:
    """The same on the real thing."""

    pytestmark = needs_market

    @every
    @pytest.mark.parametrize("market", MARKETS)
    def test_values_are_those_of_the_formula(self, indicator: Indicator, market: str) -> None:
        """On every row, also where nothing was traded and after holes."""
        check_oracle(indicator, beside(real_bars(*MARKETS[market])))

    @pytest.mark.parametrize("indicator", [*CROSS, *CROSS_OTHERS], ids=lambda one: one.outputs[0])
    def test_ether_beside_bitcoin(self, indicator: Indicator) -> None:
        """The pair that cross features are for."""
        reference = real_bars(BTC, 5000, 300_000).close
        check_oracle(indicator, replace(real_bars(ETH, 5000, 300_000), reference=reference))
