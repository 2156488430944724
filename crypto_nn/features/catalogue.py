"""The features that ship: every column with what it is made of."""

from crypto_nn import indicators as ind
from crypto_nn.bars import H1, M1, M5, M15, Timeframe
from crypto_nn.features import transforms as to
from crypto_nn.features.columns import Clock, Column
from crypto_nn.features.config import FeatureConfig, Group
from crypto_nn.features.feature import Feature, Output
from crypto_nn.features.feature_set import FeatureSet
from crypto_nn.features.gaps import GapPolicy

_OPEN, _HIGH, _LOW, _CLOSE, _VOLUME = (
    Output(Column(name)) for name in ("open", "high", "low", "close", "volume")
)
_ATR = Output(ind.ATR())
_SCALE = (_ATR, _CLOSE)
_CANDLE = (_OPEN, _HIGH, _LOW, _CLOSE)
_SLOW = (M5, M15, H1)


def shipped(group: Group) -> tuple[Feature, ...]:
    """The features of a group, in column order."""
    return _GROUPS[group]


def _distance(name: str, level: Output, words: str, timeframe: Timeframe = M1) -> Feature:
    words = f"Close above {words}, in average true ranges"
    return Feature(name, to.distance, (_CLOSE, level, *_SCALE), words, timeframe)


def _returns() -> tuple[Feature, ...]:
    return tuple(
        Feature(
            f"log_return_{n}", to.as_is, (Output(ind.LogReturn(n)),), f"Log return over {n} min"
        )
        for n in (1, 2, 5, 15, 30, 60, 240)
    )


def _momentum() -> tuple[Feature, ...]:
    stoch, macd, aroon = ind.Stochastic(), ind.MACD(), ind.Aroon()
    return (
        _rsi(M1),
        Feature("stoch_k_14", to.centred, (Output(stoch, 0),), "Stochastic %K(14,3,3), -1 to 1"),
        Feature("stoch_d_14", to.centred, (Output(stoch, 1),), "Stochastic %D(14,3,3), -1 to 1"),
        Feature(
            "willr_14",
            to.centred_below_zero,
            (Output(ind.WilliamsR()),),
            "Williams %R(14), -1 to 1",
        ),
        Feature("cci_20", to.hundredth, (Output(ind.CCI()),), "CCI(20) / 100"),
        Feature("roc_10", to.as_is, (Output(ind.ROC()),), "Rate of change over 10 min, per cent"),
        Feature(
            "macd_12_26",
            to.in_ranges,
            (Output(macd, 0), *_SCALE),
            "MACD(12,26) line in average true ranges",
        ),
        Feature(
            "macd_histogram_12_26_9",
            to.in_ranges,
            (Output(macd, 2), *_SCALE),
            "MACD(12,26,9) histogram in average true ranges",
        ),
        Feature(
            "aroon_25",
            to.spread,
            (Output(aroon, 0), Output(aroon, 1)),
            "Aroon(25) up less down, -1 to 1",
        ),
    )


def _trend() -> tuple[Feature, ...]:
    return (
        _distance("sma_distance_20", Output(ind.SMA(20)), "its mean of 20 min"),
        _distance("sma_distance_60", Output(ind.SMA(60)), "its mean of 60 min"),
        _distance("sma_distance_240", Output(ind.SMA(240)), "its mean of 240 min"),
        _distance("ema_distance_20", Output(ind.EMA(20)), "its EMA(20)"),
        _distance("dema_distance_20", Output(ind.DEMA(20)), "its DEMA(20)"),
        _distance("tema_distance_20", Output(ind.TEMA(20)), "its TEMA(20)"),
        Feature("adx_14", to.percent, (Output(ind.ADX()),), "ADX(14), strength of trend, 0 to 1"),
    )


def _volatility() -> tuple[Feature, ...]:
    bands, keltner = ind.BollingerBands(), ind.KeltnerChannel()
    fast, slow, daily = (Output(ind.RealisedVolatility(n)) for n in (15, 60, 240))
    return (
        _band(M1),
        Feature(
            "bb_width_20",
            to.log_width,
            tuple(Output(bands, n) for n in range(3)),
            "Log relative width of Bollinger(20,2)",
        ),
        Feature(
            "keltner_place_20",
            to.place,
            (_CLOSE, Output(keltner, 0), Output(keltner, 2)),
            "Place in Keltner(20,10,2): 1 upper line, -1 lower",
        ),
        _channel(20),
        _channel(60),
        _channel(240),
        Feature("log_atr_14", to.log_relative_range, _SCALE, "Log of ATR(14) / close"),
        Feature(
            "log_realised_volatility_60",
            to.log_floor,
            (slow,),
            "Log realised volatility per min over 60 min",
        ),
        Feature(
            "volatility_ratio_15_60",
            to.log_ratio,
            (fast, slow),
            "Log ratio of realised volatility, 15 to 60 min",
        ),
        Feature(
            "volatility_ratio_60_240",
            to.log_ratio,
            (slow, daily),
            "Log ratio of realised volatility, 60 to 240 min",
        ),
    )


def _volume() -> tuple[Feature, ...]:
    fast, slow, daily = (Output(ind.MeanVolume(n)) for n in (15, 60, 240))
    return (
        Feature(
            "volume_share_60",
            to.log_share,
            (_VOLUME, slow),
            "Log of 1 + volume / its mean of 60 min",
        ),
        Feature(
            "volume_trend_15_240",
            to.log_ratio,
            (fast, daily),
            "Log ratio of mean volume, 15 to 240 min",
        ),
        Feature(
            "obv_share_20",
            to.as_is,
            (Output(ind.OBVShare(20)),),
            "Change of OBV over 20 min / volume, -1 to 1",
        ),
        Feature(
            "obv_share_60",
            to.as_is,
            (Output(ind.OBVShare(60)),),
            "Change of OBV over 60 min / volume, -1 to 1",
        ),
        _distance("vwap_distance_60", Output(ind.VWAP(60)), "VWAP of 60 min"),
        _distance("vwap_distance_day", Output(ind.DailyVWAP()), "VWAP since midnight UTC"),
        Feature("mfi_14", to.centred, (Output(ind.MFI()),), "Money flow index(14), -1 to 1"),
    )


def _candle() -> tuple[Feature, ...]:
    return (
        Feature("candle_body", to.body, _CANDLE, "Close less open as a share of the bar's range"),
        Feature("candle_wick", to.wick, _CANDLE, "Upper less lower wick as a share of the range"),
        Feature(
            "candle_range",
            to.distance,
            (_HIGH, _LOW, *_SCALE),
            "High less low, in average true ranges",
        ),
    )


def _clock() -> tuple[Feature, ...]:
    words = ("Time of day (UTC), sine", "Time of day (UTC), cosine",
             "Time of week (UTC), sine", "Time of week (UTC), cosine")  # fmt: skip
    return tuple(
        Feature(name, to.as_is, (Output(Clock(), n),), words[n])
        for n, name in enumerate(Clock().outputs)
    )


def _slow() -> tuple[Feature, ...]:
    return tuple(feature for timeframe in _SLOW for feature in _at(timeframe))


def _at(timeframe: Timeframe) -> tuple[Feature, ...]:
    step = Output(ind.LogReturn(1))
    return (
        Feature("log_return_1", to.as_is, (step,), "Log return over one bar", timeframe),
        _rsi(timeframe),
        _distance("sma_distance_20", Output(ind.SMA(20)), "its mean of 20 bars", timeframe),
        _band(timeframe),
    )


def _rsi(timeframe: Timeframe) -> Feature:
    outputs = (Output(ind.RSI()), *_SCALE)
    return Feature("rsi_14", to.centred_alive, outputs, "RSI(14), -1 to 1", timeframe)


def _band(timeframe: Timeframe) -> Feature:
    bands = ind.BollingerBands()
    outputs = (_CLOSE, Output(bands, 0), Output(bands, 2))
    words = "Place in Bollinger(20,2): 1 upper band, -1 lower"
    return Feature("bb_place_20", to.place, outputs, words, timeframe)


def _channel(period: int) -> Feature:
    channel = ind.DonchianChannel(period)
    outputs = (_CLOSE, Output(channel, 0), Output(channel, 2))
    words = f"Place in the range of {period} min: 1 highest high, -1 lowest low"
    return Feature(f"donchian_place_{period}", to.place, outputs, words)


_GROUPS: dict[Group, tuple[Feature, ...]] = {
    "returns": _returns(),
    "momentum": _momentum(),
    "trend": _trend(),
    "volatility": _volatility(),
    "volume": _volume(),
    "candle": _candle(),
    "clock": _clock(),
    "slow": _slow(),
}


def default_feature_set(config: FeatureConfig | None = None) -> FeatureSet:
    """The features that ship, in the groups and with the gap policy of `config`."""
    config = config or FeatureConfig()
    features = tuple(feature for group in config.groups for feature in shipped(group))
    return FeatureSet(features, GapPolicy(config.max_gap_minutes, config.slow_bar_min_share))
