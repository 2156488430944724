"""How strongly, and how one-sidedly, the price moves."""

from crypto_nn import indicators as ind
from crypto_nn.bars import M1
from crypto_nn.features import transforms as to
from crypto_nn.features.catalogue.parts import SCALE, of, rsi
from crypto_nn.features.feature import Feature, Output

_STOCH, _MACD, _AROON = ind.Stochastic(), ind.MACD(), ind.Aroon()

MOMENTUM = (
    rsi(M1),
    of("stoch_k_14", to.centred, _STOCH, "Stochastic %K(14,3,3), -1 to 1", "balance"),
    Feature(
        "stoch_d_14",
        to.centred,
        (Output(_STOCH, 1),),
        "Stochastic %D(14,3,3), -1 to 1",
        unit="balance",
    ),
    of("willr_14", to.centred_below_zero, ind.WilliamsR(), "Williams %R(14), -1 to 1", "balance"),
    of("cci_20", to.hundredth, ind.CCI(), "CCI(20) / 100", "1"),
    of("roc_10", to.as_is, ind.ROC(), "Rate of change over 10 min, per cent", "%"),
    Feature(
        "macd_12_26",
        to.in_ranges,
        (Output(_MACD, 0), *SCALE),
        "MACD(12,26) line in average true ranges",
        unit="ATR",
    ),
    Feature(
        "macd_histogram_12_26_9",
        to.in_ranges,
        (Output(_MACD, 2), *SCALE),
        "MACD(12,26,9) histogram in average true ranges",
        unit="ATR",
    ),
    Feature(
        "aroon_25",
        to.spread,
        (Output(_AROON, 0), Output(_AROON, 1)),
        "Aroon(25) up less down, -1 to 1",
        unit="balance",
    ),
    of(
        "stoch_rsi_k_14",
        to.centred,
        ind.StochRSI(),
        "Stochastic of RSI(14), %K, -1 to 1",
        "balance",
    ),
    of("trix_15", to.as_is, ind.TRIX(), "TRIX(15): gain of a triple EMA per min, per cent", "%"),
)
