"""Where the price stands beside its own past, and how steadily it got there."""

from crypto_nn import indicators as ind
from crypto_nn.features import transforms as to
from crypto_nn.features.catalogue.parts import SCALE, distance, of
from crypto_nn.features.feature import Feature, Output

_DMI = ind.DMI()

TREND = (
    distance("sma_distance_20", Output(ind.SMA(20)), "its mean of 20 min"),
    distance("sma_distance_60", Output(ind.SMA(60)), "its mean of 60 min"),
    distance("sma_distance_240", Output(ind.SMA(240)), "its mean of 240 min"),
    distance("ema_distance_20", Output(ind.EMA(20)), "its EMA(20)"),
    distance("dema_distance_20", Output(ind.DEMA(20)), "its DEMA(20)"),
    distance("tema_distance_20", Output(ind.TEMA(20)), "its TEMA(20)"),
    of("adx_14", to.percent, ind.ADX(), "ADX(14), strength of trend, 0 to 1", "share"),
    Feature(
        "dmi_spread_14",
        to.spread_alive,
        (Output(_DMI, 0), Output(_DMI, 1), *SCALE),
        "+DI less -DI (14), -1 to 1",
        unit="balance",
    ),
    Feature(
        "slope_14",
        to.in_ranges,
        (Output(ind.LinearRegressionSlope()), *SCALE),
        "Slope of the regression of 14 closes, average true ranges per min",
        unit="ATR",
    ),
    of(
        "efficiency_10",
        to.as_is,
        ind.EfficiencyRatio(10),
        "Efficiency ratio(10): 1 straight, 0 to and fro",
        "share",
    ),
)
