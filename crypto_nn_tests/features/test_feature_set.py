"""What a feature set promises of its columns: form, identity, stationarity, gaps, nothing early."""

from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydantic import ValidationError

from crypto_nn.bars import H1, M1, M5, M15, Bars, Float, Timeframe
from crypto_nn.bars.calendar import TS
from crypto_nn.bars.resample import resample
from crypto_nn.errors import BarsError, FeatureError
from crypto_nn.features import FeatureSet, default_feature_set, transforms
from crypto_nn.features.config import FeatureConfig
from crypto_nn.features.feature import Feature, Output
from crypto_nn.features.gaps import GapPolicy
from crypto_nn.indicators import ATR, OBV, RSI, SMA
from crypto_nn_tests.indicators.made import dead, in_units, made_bars, walk, without
from crypto_nn_tests.market import BTC, needs_market, real_bars

SHIPPED = default_feature_set()
BASE = [n for n, feature in enumerate(SHIPPED.features) if feature.timeframe == M1]
CLOCK = [n for n, feature in enumerate(SHIPPED.features) if feature.group == "clock"]


def values(bars: Bars, features: FeatureSet = SHIPPED) -> Float:
    """All columns, before they are rounded, as of a symbol's first bar ever."""
    return features.compute(bars, complete=True, dtype=np.float64)


def column(name: str) -> int:
    return SHIPPED.names.index(name)


def test_columns_are_named_and_described() -> None:
    """Some 90 columns; each name once, lower case, with a line for the table's reader."""
    names = SHIPPED.names
    assert 80 <= len(names) <= 120
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name == name.lower() for name in names)
    assert {"rsi_14", "rsi_14_5m", "rsi_14_15m", "rsi_14_1h"} <= set(names)
    assert list(SHIPPED.descriptions) == list(names)
    assert all(10 < len(words) <= 100 for words in SHIPPED.descriptions.values())
    assert len(set(SHIPPED.descriptions.values())) == len(names)


def test_anchors_are_as_early_as_each_timeframe_needs() -> None:
    """A midnight 1, 2, 4, 7, 14, 21 or 28 days before; history is due from the earliest."""
    march = np.datetime64("2024-03-01", "us")
    found = {}
    for timeframe, columns in SHIPPED.by_timeframe:
        days = (march - SHIPPED.anchor("2024-03", timeframe)) / np.timedelta64(1, "D")
        memory = max(SHIPPED.features[n].memory_minutes or 0 for n in columns)
        steps = [step for step in (1, 2, 4, 7, 14, 21, 28) if step * 1440 >= memory]
        assert days == steps[0] == SHIPPED.anchor_days[timeframe]
        found[timeframe] = SHIPPED.anchor("2024-03", timeframe)
    assert found[M1] == np.datetime64("2024-02-29", "us")
    assert len(set(found.values())) > 1
    assert SHIPPED.anchor("2024-03") == min(found.values())
    assert SHIPPED.anchor("2024-03").dtype == found[M1].dtype == TS
    assert SHIPPED.warm_up < SHIPPED.memory <= 28 * 1440


@cache
def two_months() -> tuple[Bars, NDArray[np.float32]]:
    """The end of a month whose history is not known, the next month, and all columns of both."""
    bars = walk(32 * 1440, seed=14, start="2024-01-30T00:00").between(
        np.datetime64("2024-01-30"), np.datetime64("2024-03-02")
    )
    x_NF = SHIPPED.compute(bars)
    assert np.isnan(x_NF[0]).all()
    assert np.isfinite(x_NF[-1]).all()
    return bars, x_NF


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_part_of_the_set_has_the_same_bits(data: st.DataObject) -> None:
    """`only` keeps anchors: in months with and without their history, and whatever is left out."""
    names = data.draw(st.lists(st.sampled_from(SHIPPED.names), min_size=1, max_size=8))
    part = SHIPPED.only(names)
    assert part.names == tuple(name for name in SHIPPED.names if name in names)
    bars, x_NF = two_months()
    assert_array_equal(part.compute(bars), x_NF[:, [column(name) for name in part.names]])
    assert [part.column_fingerprints[name] for name in part.names] == [
        SHIPPED.column_fingerprints[name] for name in part.names
    ]
    assert part.only(part.names[:1]).anchor("2024-03") == SHIPPED.anchor("2024-03")


def test_a_part_keeps_the_anchors_of_the_whole() -> None:
    """A column whose own memory is short would else begin later, and differ in its last bits."""
    bars = walk(70 * 1440, seed=15)
    short = FeatureSet(tuple(one for one in SHIPPED.features if one.name == "bb_place_20_1h"))
    part = SHIPPED.only(short.names)
    assert part.anchor("2024-03", H1) < short.anchor("2024-03", H1)
    values_of = [one.compute(bars, dtype=np.float64)[-1440:] for one in (SHIPPED, part, short)]
    assert_array_equal(values_of[0][:, [column(short.names[0])]], values_of[1])
    assert_allclose(values_of[2], values_of[1], atol=1e-9)
    with pytest.raises(FeatureError, match="no column unheard_of"):
        SHIPPED.only(["rsi_14", "unheard_of"])
    with pytest.raises(FeatureError):
        SHIPPED.only([])


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
    widths = {"bb_width_20", "log_atr_14", "log_realised_volatility_60"}
    widths |= {f"log_atr_14_{timeframe}" for timeframe in (M5, M15, H1)}
    waves = {SHIPPED.names[n] for n in CLOCK} - {"weekend"}
    assert not_neutral == widths | waves


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
            assert_allclose(seen[end - 1 : end + step - 1], due, rtol=1e-9, atol=1e-15)


def test_a_slow_bar_without_its_last_minute_is_seen_with_the_next_bar() -> None:
    """10:14 is missing: what was 10:00-10:15 is known when the bar of 10:15 has closed."""
    bars = walk(300, seed=8)
    seen = values(without(bars, (149, 150)))[:, column("log_return_1_15m")]
    before, after = np.log(bars.close[[134, 148]] / bars.close[[119, 134]])
    assert_allclose(seen[[148, 149]], [before, after], rtol=1e-9, atol=1e-15)


def test_history_before_the_first_bar_must_be_known() -> None:
    """A month is null where its anchor lies before the bars, unless they are complete."""
    anchor = SHIPPED.anchor("2024-02")
    march = np.datetime64("2024-03-01")
    bars = walk(int((march - anchor) / M1.step), seed=9, start=str(anchor))
    assert bars.ts[0] == anchor
    february = int(np.searchsorted(bars.ts, np.datetime64("2024-02-01")))
    unknown, known = SHIPPED.compute(bars), SHIPPED.compute(bars, complete=True)
    assert np.isnan(unknown[:february]).all()
    assert np.isfinite(known[SHIPPED.warm_up : february]).all()
    assert_array_equal(unknown[february:], known[february:])
    late = bars[1:].between(bars.ts[0], march)
    assert np.isnan(SHIPPED.compute(late)).all()
    assert np.isfinite(SHIPPED.compute(late, complete=True)[-1]).all()


def test_zero_has_no_sign() -> None:
    """0.0 and -0.0 are one number; stored as one, a live row is that of history to the byte."""
    for bars in (dead(1500), walk(1500, seed=13)):
        for dtype in (np.float32, np.float64):
            x_NF = SHIPPED.compute(bars, complete=True, dtype=dtype)
            assert not np.signbit(x_NF[x_NF == 0]).any()
    negative = Feature("negative", _below_zero, (Output(ATR()),), "words")
    rows_NF = FeatureSet((negative,)).compute(dead(100), complete=True)
    assert np.signbit(_below_zero(np.zeros(1))).all()
    assert (rows_NF[negative.warm_up :] == 0).all()
    assert not np.signbit(rows_NF[negative.warm_up :]).any()


def _below_zero(value: Float) -> Float:
    return -value


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


def test_a_column_fingerprint_changes_with_its_own_values_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its parameters, anchor, gap policy and foreign code; not of the columns beside it."""
    rsi = Feature("rsi", transforms.centred, (Output(RSI()),), "words")
    sma = Feature("sma", transforms.as_is, (Output(SMA(20)),), "words")
    alone = FeatureSet((rsi,)).column_fingerprints
    assert FeatureSet((sma, rsi)).column_fingerprints["rsi"] == alone["rsi"]
    faster = replace(rsi, outputs=(Output(RSI(9)),))
    both = FeatureSet((sma, faster)).column_fingerprints
    assert both["rsi"] != alone["rsi"]
    assert both["sma"] == FeatureSet((sma,)).column_fingerprints["sma"]
    long = replace(sma, outputs=(Output(SMA(2000)),))
    assert FeatureSet((long, rsi)).column_fingerprints["rsi"] != alone["rsi"], "another anchor"
    assert FeatureSet((rsi,), GapPolicy(6)).column_fingerprints["rsi"] != alone["rsi"]
    monkeypatch.syspath_prepend(tmp_path)
    own = []
    for module, step in (("an_own_transform", 1), ("another_own_transform", 2)):
        (tmp_path / f"{module}.py").write_text(f"def own(value):\n    return value / {step}\n")
        own.append(FeatureSet((replace(rsi, transform=import_module(module).own),)))
    assert own[0].features[0].recipe == own[1].features[0].recipe
    assert own[0].column_fingerprints != own[1].column_fingerprints
    assert len(set(SHIPPED.column_fingerprints.values())) == len(SHIPPED.names)
    assert list(SHIPPED.column_fingerprints) == list(SHIPPED.names)


def test_groups_are_those_of_the_columns() -> None:
    """Each column in one group, in column order."""
    groups = SHIPPED.groups
    assert [name for names in groups.values() for name in names] == list(SHIPPED.names)
    assert "rsi_14" in groups["momentum"]


def test_values_are_as_published() -> None:
    """Changing any value needs a new `transforms.VERSION`, and then new numbers here."""
    assert transforms.VERSION == 2
    row = dict(zip(SHIPPED.names, values(walk(1500, seed=12))[-1]))
    found = [row[name] for name in PUBLISHED]
    assert_allclose(found, list(PUBLISHED.values()), rtol=1e-6, atol=1e-9)


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


@settings(max_examples=60, deadline=None)
@given(
    missing=st.sets(st.integers(0, 299), max_size=299),
    timeframe=st.sampled_from([M5, M15, H1]),
    max_gap=st.sampled_from([0, 5, 70]),
)
def test_the_slow_bar_that_is_seen_is_the_last_closed_one(
    missing: set[int], timeframe: Timeframe, max_gap: int
) -> None:
    """For each row, however many are missing: looked up one by one."""
    bars = walk(300, start="2024-01-01T00:07")
    bars = bars.take(np.array(sorted(set(range(300)) - missing), dtype=np.int64))
    gaps = GapPolicy(max_gap)
    slow = resample(bars, timeframe, 0.01)
    oldest = np.timedelta64(gaps.oldest_us(timeframe), "us")
    due = []
    for close in bars.ts + M1.step:
        closed = [n for n in range(len(slow)) if slow.ts[n] + timeframe.step <= close]
        due.append(closed[-1] if closed and close - slow.ts[closed[-1]] < oldest else -1)
    assert gaps.visible(slow, bars).tolist() == due


class TestOnRealBars:
    """What needs real prices."""

    pytestmark = needs_market

    def test_memory_is_long_enough(self) -> None:
        """Bars before the anchor would change a month by less than 1e-9 standard deviations."""
        bars = real_bars(BTC, 150_000, start=350_000)
        month = str(bars.ts[-1].astype("datetime64[M]"))
        start = np.searchsorted(bars.ts, np.datetime64(month).astype(TS))
        assert np.searchsorted(bars.ts, SHIPPED.anchor(month)) > 10_000
        longer, ours = SHIPPED.compute_unanchored(bars), SHIPPED.compute(bars, dtype=np.float64)
        away = np.abs(longer[start:] - ours[start:])
        assert (away <= 1e-9 * longer.std(axis=0, where=np.isfinite(longer))).all()

    def test_columns_stay_in_a_range_that_a_model_can_see(self) -> None:
        """Ten weeks of bitcoin: no column is constant, none is dominated by its outliers."""
        x_NF = values(real_bars(BTC, 100_000))[SHIPPED.warm_up :]
        spread_F = np.nanstd(x_NF, axis=0)
        assert (spread_F > 1e-5).all()
        away = np.abs(x_NF - np.nanmedian(x_NF, axis=0)) / spread_F
        assert np.nanmax(away) < 150
        assert (np.nanquantile(away, 0.99, axis=0) < 6).all()


# The last row of `walk(1500, seed=12)`, by column.
PUBLISHED = {
    "log_return_1": -0.0006861277832,
    "log_return_2": -0.0008092733472,
    "log_return_5": 0.0002471149431,
    "log_return_15": -7.547589084e-05,
    "log_return_30": 0.001506857957,
    "log_return_60": 0.001594875504,
    "log_return_240": -0.0008960381852,
    "rsi_14": 0.0266674204,
    "stoch_k_14": 0.3437160018,
    "stoch_d_14": 0.3172655573,
    "willr_14": 0.009981308672,
    "cci_20": 0.3578815602,
    "roc_10": 0.05033963718,
    "macd_12_26": 0.1265936104,
    "macd_histogram_12_26_9": 0.06661858168,
    "aroon_25": -0.52,
    "stoch_rsi_k_14": 0.177206418,
    "trix_15": 0.00061219341,
    "sma_distance_20": -0.02027959698,
    "sma_distance_60": 0.7753292899,
    "sma_distance_240": 1.171078624,
    "ema_distance_20": 0.1056607275,
    "dema_distance_20": -0.05935436866,
    "tema_distance_20": 0.04645339653,
    "adx_14": 0.1754885912,
    "dmi_spread_14": 0.05751032855,
    "slope_14": 0.07614196959,
    "efficiency_10": 0.1318642379,
    "bb_place_20": -0.0100446481,
    "bb_width_20": -5.82825727,
    "keltner_place_20": 0.05276774174,
    "donchian_place_20": -0.1272736052,
    "donchian_place_60": 0.1673529269,
    "donchian_place_240": 0.4496597489,
    "log_atr_14": -7.223965009,
    "log_realised_volatility_60": -7.623880519,
    "volatility_ratio_15_60": -0.1909513368,
    "volatility_ratio_60_240": -0.1686435144,
    "mass_index_25": -0.06004403516,
    "parkinson_ratio_60": 0.0981441666,
    "volume_share_60": 0.2891173543,
    "volume_trend_15_240": 0.01946990468,
    "obv_share_20": -0.004933143512,
    "obv_share_60": 0.02403610221,
    "vwap_distance_60": 0.804336148,
    "vwap_distance_day": 0.804336148,
    "mfi_14": 0.4119986712,
    "chaikin_oscillator_3_10": 1.197124647,
    "force_index_13": 0.3434581036,
    "cmf_20": 0.08995397879,
    "volume_z_score_60": -0.7231507262,
    "volatility_regime_60_480": -0.5866388309,
    "volatility_regime_4_16_1h": -0.7333333333,
    "jump_share_60": 0.2113890775,
    "downside_balance_60": -0.4796184513,
    "realised_skewness_240": 0.9344769694,
    "return_autocorrelation_60": -0.01884137455,
    "candle_body": -0.4891373558,
    "candle_wick": 0.2297682827,
    "candle_range": 1.925091224,
    "day_sin": 0.2546019482,
    "day_cos": 0.9670459389,
    "week_sin": 0.8042274764,
    "week_cos": 0.5943216016,
    "hour_sin": -0.1045284633,
    "hour_cos": 0.9945218954,
    "funding_sin": 0.6977904598,
    "funding_cos": 0.7163019434,
    "weekend": 0.0,
    "log_return_1_5m": 0.0002471149431,
    "rsi_14_5m": 0.04370667662,
    "sma_distance_20_5m": 0.4354961858,
    "bb_place_20_5m": 0.4201837861,
    "log_atr_14_5m": -6.301271484,
    "volume_share_20_5m": 0.6895951709,
    "adx_14_5m": 0.1646438627,
    "log_return_1_15m": -7.547589084e-05,
    "rsi_14_15m": 0.02265855328,
    "sma_distance_20_15m": 0.07625722037,
    "bb_place_20_15m": 0.0540712099,
    "log_atr_14_15m": -5.63995617,
    "volume_share_20_15m": 0.6906653934,
    "adx_14_15m": 0.1395134301,
    "log_return_1_1h": 0.001594875504,
    "rsi_14_1h": 0.06160633389,
    "sma_distance_20_1h": 0.5842026483,
    "bb_place_20_1h": 0.3516164788,
    "log_atr_14_1h": -4.953216843,
    "volume_share_20_1h": 0.6458514972,
    "efficiency_10_1h": 0.04582229378,
}
