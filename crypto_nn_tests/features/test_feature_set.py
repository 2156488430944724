"""What a feature set promises of its columns: form, identity, stationarity, gaps, nothing early."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError

from crypto_nn.bars import H1, M1, M5, M15, Bars, Float
from crypto_nn.bars.calendar import TS
from crypto_nn.bars.resample import resample
from crypto_nn.errors import BarsError, FeatureError
from crypto_nn.features import FeatureSet, default_feature_set, transforms
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.feature import Feature, Output
from crypto_nn.features.gaps import GapPolicy
from crypto_nn.indicators import OBV, RSI, SMA
from crypto_nn_tests.indicators.made import dead, in_units, made_bars, walk, without
from crypto_nn_tests.market import BTC, needs_market, real_bars

SHIPPED = default_feature_set()
BASE = [n for n, feature in enumerate(SHIPPED.features) if feature.timeframe == M1]
CLOCK = [n for n, name in enumerate(SHIPPED.names) if name.startswith(("day_", "week_"))]


def values(bars: Bars, features: FeatureSet = SHIPPED) -> Float:
    """All columns, before they are rounded, as of a symbol's first bar ever."""
    return features.compute(bars, complete=True, dtype=np.float64)


def column(name: str) -> int:
    return SHIPPED.names.index(name)


def test_columns_are_named_and_described() -> None:
    """Between 40 and 60 columns; each name once, lower case, with a line for the table's reader."""
    names = SHIPPED.names
    assert 40 <= len(names) <= 60
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name == name.lower() for name in names)
    assert {"rsi_14", "rsi_14_5m", "rsi_14_15m", "rsi_14_1h"} <= set(names)
    assert list(SHIPPED.descriptions) == list(names)
    assert all(10 < len(words) <= 100 for words in SHIPPED.descriptions.values())
    assert len(set(SHIPPED.descriptions.values())) == len(names)


def test_memory_is_short_enough() -> None:
    """A fortnight at most, so that the first whole month comes early; the anchor is a midnight."""
    assert SHIPPED.warm_up < SHIPPED.memory <= 14 * 1440
    assert SHIPPED.anchor("2024-03") == np.datetime64("2024-02-16", "us")
    assert SHIPPED.anchor("2024-03").dtype == TS


def test_result_is_a_float32_row_per_bar() -> None:
    """float32 is the float64 value rounded once; no bars give no rows."""
    bars = walk(300, seed=1)
    assert SHIPPED.compute(bars, complete=True).dtype == np.float32
    assert_array_equal(SHIPPED.compute(bars, complete=True), values(bars).astype(np.float32))
    assert SHIPPED.compute(Bars.empty("BTC-USDT")).shape == (0, len(SHIPPED.names))
    with pytest.raises(FeatureError, match="5m bars"):
        SHIPPED.compute(resample(bars, M5))


def test_nulls_are_the_warm_up_and_no_more() -> None:
    """On bars without a hole each base column is null for its own warm-up, then never again."""
    nulls = np.isnan(values(walk(2 * 1440, seed=2)))
    for n, feature in enumerate(SHIPPED.features):
        step = feature.timeframe.minutes
        due = feature.warm_up if step == 1 else (feature.warm_up + 1) * step - 1
        assert np.flatnonzero(nulls[:, n]).tolist() == list(range(due)), feature.name
    assert nulls[SHIPPED.warm_up :].sum() == 0


def test_units_do_not_matter() -> None:
    """At twice the price and eight times the volume a market looks the same: it is stationary."""
    bars = walk(1500, seed=3)
    assert_allclose(values(in_units(bars, 2.0, 8.0)), values(bars), rtol=1e-9, atol=1e-9)


def test_a_dead_market_is_neutral() -> None:
    """Without movement and trade every oscillator, distance and share is 0, and all is finite."""
    x_NF = values(dead(1500))[SHIPPED.warm_up :]
    assert np.isfinite(x_NF).all()
    not_neutral = {name for n, name in enumerate(SHIPPED.names) if (x_NF[:, n] != 0).any()}
    assert not_neutral == {
        "bb_width_20", "log_atr_14", "log_realised_volatility_60",
        "day_sin", "day_cos", "week_sin", "week_cos",
    }  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(bars=made_bars())
def test_any_market_gives_finite_columns(bars: Bars) -> None:
    """Jumps, flat stretches, no volume, prices from 1e-8 to 1e8: null in the warm-up only."""
    x_NF = values(bars)
    warm_F = np.array([SHIPPED.features[n].warm_up for n in BASE])
    assert_array_equal(np.isfinite(x_NF[:, BASE]), np.arange(len(bars))[:, None] >= warm_F)
    assert_array_equal(np.isfinite(x_NF.astype(np.float32)), ~np.isnan(x_NF))


def test_a_short_hole_makes_no_difference() -> None:
    """Over at most `max_gap_minutes` the rows count as consecutive."""
    bars = walk(600, seed=4, start="2024-01-03T00:00")
    shut = without(bars, (300, 305))
    moved = replace(shut, ts=bars.ts[: len(shut)])
    base = [n for n in BASE if n not in CLOCK]
    assert_array_equal(values(shut)[:, base], values(moved)[:, base])


def test_a_long_hole_starts_anew() -> None:
    """After more, base columns are those of a first bar: null for their warm-up, and only then."""
    bars = walk(900, seed=5, start="2024-01-03T00:00")
    cut = without(bars, (300, 306))
    assert_array_equal(values(cut)[300:][:, BASE], values(cut[300:])[:, BASE])
    assert_array_equal(values(cut)[:300], values(cut[:300]))
    gentle = default_feature_set(FeatureConfig(max_gap_minutes=6))
    assert np.isfinite(values(cut, gentle)[300:, column("rsi_14")]).all()


def test_a_slow_value_survives_one_missing_slow_bar() -> None:
    """13 minutes missing spoil a quarter of an hour, not the next hours; two hours do."""
    bars = walk(2 * 1440, seed=6)
    rsi = column("rsi_14_15m")
    short = values(without(bars, (900, 913)))[913 - 13 :, rsi]
    assert np.isfinite(short).all()
    long = without(bars, (900, 1035))
    after = np.isnan(values(long)[900:, rsi])
    # The 14 changes of RSI need 15 whole slow bars after the hole, which ends on a slow bar's open.
    assert np.flatnonzero(after).tolist() == list(range(15 * 15 - 1))


def test_a_slow_bar_is_seen_when_it_has_closed_and_not_before() -> None:
    """The quarter 10:00-10:15 appears in the row of 10:14, which closes at 10:15."""
    bars = walk(1440, seed=7)
    x_NF = values(bars)
    for timeframe in (M5, M15, H1):
        seen = x_NF[:, column(f"log_return_1_{timeframe}")]
        step = timeframe.minutes
        for end in range(2 * step, 1440, step):
            due = np.log(bars.close[end - 1] / bars.close[end - step - 1])
            assert_allclose(seen[end - 1 : end + step - 1], due, rtol=1e-12)


def test_a_slow_bar_without_its_last_minute_is_seen_with_the_next_bar() -> None:
    """10:14 is missing: what was 10:00-10:15 is known when the bar of 10:15 has closed."""
    bars = walk(300, seed=8)
    seen = values(without(bars, (149, 150)))[:, column("log_return_1_15m")]
    before, after = np.log(bars.close[[134, 148]] / bars.close[[119, 134]])
    assert_allclose(seen[[148, 149]], [before, after], rtol=1e-12)


def test_history_before_the_first_bar_must_be_known() -> None:
    """A month is null where its anchor lies before the bars, unless they are complete."""
    bars = walk(40 * 1440, seed=9, start="2024-01-10T00:00")
    february = int(np.searchsorted(bars.ts, np.datetime64("2024-02-01")))
    unknown, known = SHIPPED.compute(bars), SHIPPED.compute(bars, complete=True)
    assert np.isnan(unknown[:february]).all()
    assert np.isfinite(known[SHIPPED.warm_up : february]).all()
    assert_array_equal(unknown[february:], known[february:])
    late = bars[8 * 1440 + 1 :]
    assert np.isnan(SHIPPED.compute(late)).all()
    assert np.isfinite(SHIPPED.compute(late, complete=True)[-1]).all()


def test_fingerprint_changes_with_whatever_changes_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns, their order, parameters, gap policy and the version of the transforms."""
    rsi = Feature("rsi", transforms.centred, (Output(RSI()),), "words")
    faster = replace(rsi, outputs=(Output(RSI(9)),))
    sets = [
        SHIPPED,
        default_feature_set(FeatureConfig(max_gap_minutes=6)),
        default_feature_set(FeatureConfig(slow_bar_min_share=0.9)),
        default_feature_set(FeatureConfig(groups=("momentum", "trend"))),
        default_feature_set(FeatureConfig(groups=("trend", "momentum"))),
        FeatureSet((rsi,)),
        FeatureSet((faster,)),
        FeatureSet((replace(rsi, timeframe=M5),)),
        FeatureSet((replace(rsi, transform=transforms.percent),)),
    ]
    prints = [features.fingerprint for features in sets]
    assert len(set(prints)) == len(prints)
    assert default_feature_set().fingerprint == SHIPPED.fingerprint
    monkeypatch.setattr(transforms, "VERSION", transforms.VERSION + 1)
    assert default_feature_set().fingerprint not in prints


def test_values_are_as_published() -> None:
    """Changing any value needs a new `transforms.VERSION`, and then new numbers here."""
    assert transforms.VERSION == 1
    row = values(walk(1500, seed=12))[-1]
    assert_allclose(row, PUBLISHED, rtol=1e-6, atol=1e-9)


def test_a_set_that_cannot_be_is_refused() -> None:
    """Names twice, endless memory, too long a memory, nothing at all."""
    rsi = Feature("rsi", transforms.centred, (Output(RSI()),), "words")
    obv = Feature("obv", transforms.as_is, (Output(OBV()),), "words")
    endless = Feature("sma", transforms.as_is, (Output(SMA(700)),), "words", H1)
    for features in ((), (rsi, rsi), (obv,), (endless,)):
        with pytest.raises(FeatureError):
            FeatureSet(features)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_gap_minutes": -1},
        {"slow_bar_min_share": 0},
        {"groups": ()},
        {"groups": ("unheard_of",)},
        {"max_gap": 3},
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, object]) -> None:
    """Unknown keys, unknown groups, impossible numbers."""
    with pytest.raises(ValidationError):
        FeatureConfig.model_validate(wrong)


def test_bars_that_are_not_clean_are_refused() -> None:
    """NaN, unordered stamps and impossible prices never get as far as an indicator."""
    bars = walk(100)
    nan = replace(bars, close=np.where(np.arange(100) == 50, np.nan, bars.close))
    for broken in (nan, bars.take(np.arange(100)[::-1]), replace(bars, low=bars.high * 2)):
        for entry in (SHIPPED.compute, SHIPPED.stream):
            with pytest.raises(BarsError):
                entry(broken)
        with pytest.raises(BarsError):
            SHIPPED.compute_month(broken, "2024-01")


def test_gap_policy_counts_missing_minutes() -> None:
    """Five missing minutes are consecutive at 1m; one missing slow bar is at its timeframe."""
    gaps = GapPolicy(5)
    assert [part.stop for part in gaps.runs(without(walk(100), (50, 55)))] == [95]
    assert [part.stop for part in gaps.runs(without(walk(100), (50, 56)))] == [50, 94]
    slow = resample(walk(1440), M15)
    assert len(list(gaps.runs(slow.take(np.delete(np.arange(96), 40))))) == 1
    assert len(list(gaps.runs(slow.take(np.delete(np.arange(96), [40, 41]))))) == 2


class TestOnRealBars:
    """What needs real prices."""

    pytestmark = needs_market

    def test_memory_is_long_enough(self) -> None:
        """Bars before the anchor would change a month by less than 1e-9 standard deviations."""
        bars = real_bars(BTC, 100_000, start=400_000)
        month = str(bars.ts[70_000].astype("datetime64[M]"))
        start = np.searchsorted(bars.ts, np.datetime64(month).astype(TS))
        since = int(np.searchsorted(bars.ts, SHIPPED.anchor(month)))
        assert since > 10_000
        longer, ours = SHIPPED._compute(bars), SHIPPED._compute(bars[since:])
        away = np.abs(longer[start:] - ours[start - since :])
        assert (away <= 1e-9 * longer.std(axis=0, where=np.isfinite(longer))).all()

    def test_columns_stay_in_a_range_that_a_model_can_see(self) -> None:
        """Ten weeks of bitcoin: no column is constant, none is dominated by its outliers."""
        x_NF = values(real_bars(BTC, 100_000))[SHIPPED.warm_up :]
        spread_F = np.nanstd(x_NF, axis=0)
        assert (spread_F > 1e-5).all()
        away = np.abs(x_NF - np.nanmedian(x_NF, axis=0)) / spread_F
        assert np.nanmax(away) < 150
        assert (np.nanquantile(away, 0.99, axis=0) < 6).all()


# The last row of `walk(1500, seed=12)`, in column order.
PUBLISHED = [
    -0.0006861277832, -0.0008092733472, 0.0002471149431, -7.547589084e-05, 0.001506857957,
    0.001594875504, -0.0008960381852, 0.0266674204, 0.3437160018, 0.3172655573, 0.009981308672,
    0.3578815602, 0.05033963718, 0.1265936104, 0.06661858168, -0.52, -0.02027959698,
    0.7753292899, 1.171078624, 0.1056607275, -0.05935436866, 0.04645339653, 0.1754885912,
    -0.0100446481, -5.82825727, 0.05276774174, -0.1272736052, 0.1673529269, 0.4496597489,
    -7.223965009, -7.623880519, -0.1909513368, -0.1686435144, 0.2891173543, 0.01946990468,
    -0.004933143512, 0.02403610221, 0.804336148, 0.804336148, 0.4119986712, -0.4891373558,
    0.2297682827, 1.925091224, 0.2546019482, 0.9670459389, 0.8042274764, 0.5943216016,
    0.0002471149431, 0.04370667662, 0.4354961858, 0.4201837861, -7.547589084e-05,
    0.02265855328, 0.07625722037, 0.0540712099, 0.001594875504, 0.06160633389, 0.5842026483,
    0.3516164788
]  # fmt: skip
