"""The same ideas on slower bars."""

from crypto_nn import indicators as ind
from crypto_nn.bars import H1, M5, M15, Timeframe
from crypto_nn.features import transforms as to
from crypto_nn.features.catalogue.parts import band, distance, log_atr, of, rsi, volume_share
from crypto_nn.features.feature import Feature, Output


def _at(timeframe: Timeframe) -> tuple[Feature, ...]:
    return (
        of("log_return_1", to.as_is, ind.LogReturn(1), "Log return over one bar", "log", timeframe),
        rsi(timeframe),
        distance("sma_distance_20", Output(ind.SMA(20)), "its mean of 20 bars", timeframe),
        band(timeframe),
        log_atr(timeframe),
        volume_share(20, "Log of 1 + volume / its mean of 20 bars", timeframe),
        _strength(timeframe),
    )


def _strength(timeframe: Timeframe) -> Feature:
    """Of the trend: at 1h without the long memory of ADX."""
    if timeframe == H1:
        words = "Efficiency ratio(10): 1 straight, 0 to and fro"
        return of("efficiency_10", to.as_is, ind.EfficiencyRatio(10), words, "share", timeframe)
    words = "ADX(14), strength of trend, 0 to 1"
    return of("adx_14", to.percent, ind.ADX(), words, "share", timeframe)


SLOW = tuple(feature for timeframe in (M5, M15, H1) for feature in _at(timeframe))
