"""How much is traded, and on whose side."""

from crypto_nn import indicators as ind
from crypto_nn.features import transforms as to
from crypto_nn.features.catalogue.parts import ATR, CLOSE, distance, of, volume_share
from crypto_nn.features.feature import Feature, Output

_MEAN = ind.MeanVolume(60)

VOLUME = (
    volume_share(60, "Log of 1 + volume / its mean of 60 min"),
    Feature(
        "volume_trend_15_240",
        to.log_ratio,
        (Output(ind.MeanVolume(15)), Output(ind.MeanVolume(240))),
        "Log ratio of mean volume, 15 to 240 min",
        unit="log",
    ),
    of(
        "obv_share_20",
        to.as_is,
        ind.OBVShare(20),
        "Change of OBV over 20 min / volume, -1 to 1",
        "balance",
    ),
    of(
        "obv_share_60",
        to.as_is,
        ind.OBVShare(60),
        "Change of OBV over 60 min / volume, -1 to 1",
        "balance",
    ),
    distance("vwap_distance_60", Output(ind.VWAP(60)), "VWAP of 60 min"),
    distance("vwap_distance_day", Output(ind.DailyVWAP()), "VWAP since midnight UTC"),
    of("mfi_14", to.centred, ind.MFI(), "Money flow index(14), -1 to 1", "balance"),
    Feature(
        "chaikin_oscillator_3_10",
        to.ratio,
        (Output(ind.ChaikinOscillator()), Output(_MEAN)),
        "Chaikin oscillator(3,10) / mean volume of 60 min",
    ),
    Feature(
        "force_index_13",
        to.push,
        (Output(ind.ForceIndex()), ATR, Output(_MEAN), CLOSE),
        "Force index(13) / (average true range * mean volume of 60 min)",
    ),
    of("cmf_20", to.as_is, ind.CMF(20), "Chaikin money flow(20), -1 to 1", "balance"),
    of(
        "volume_z_score_60",
        to.as_is,
        ind.VolumeZScore(60),
        "Volume above its mean of 60 min, in standard deviations",
        "sigma",
    ),
)
