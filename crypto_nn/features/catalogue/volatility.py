"""How much the price moves, whichever way."""

from crypto_nn import indicators as ind
from crypto_nn.bars import M1
from crypto_nn.features import transforms as to
from crypto_nn.features.catalogue.parts import CLOSE, band, log_atr, of
from crypto_nn.features.feature import Feature, Output

_BANDS, _KELTNER = ind.BollingerBands(), ind.KeltnerChannel()
_FAST, _SLOW, _SLOWER = (Output(ind.RealisedVolatility(n)) for n in (15, 60, 240))


def _channel(period: int) -> Feature:
    channel = ind.DonchianChannel(period)
    outputs = (CLOSE, Output(channel, 0), Output(channel, 2))
    words = f"Place in the range of {period} min: 1 highest high, -1 lowest low"
    return Feature(f"donchian_place_{period}", to.place, outputs, words, unit="place")


VOLATILITY = (
    band(M1),
    Feature(
        "bb_width_20",
        to.log_width,
        tuple(Output(_BANDS, n) for n in range(3)),
        "Log relative width of Bollinger(20,2)",
        unit="log",
    ),
    Feature(
        "keltner_place_20",
        to.place,
        (CLOSE, Output(_KELTNER, 0), Output(_KELTNER, 2)),
        "Place in Keltner(20,10,2): 1 upper line, -1 lower",
        unit="place",
    ),
    _channel(20),
    _channel(60),
    _channel(240),
    log_atr(M1),
    of(
        "log_realised_volatility_60",
        to.log_floor,
        _SLOW.indicator,
        "Log realised volatility per min over 60 min",
        "log",
    ),
    Feature(
        "volatility_ratio_15_60",
        to.log_ratio,
        (_FAST, _SLOW),
        "Log ratio of realised volatility, 15 to 60 min",
        unit="log",
    ),
    Feature(
        "volatility_ratio_60_240",
        to.log_ratio,
        (_SLOW, _SLOWER),
        "Log ratio of realised volatility, 60 to 240 min",
        unit="log",
    ),
    of("mass_index_25", to.bulge, ind.MassIndex(), "Mass index(9,25) / 25 - 1: ranges widen", "1"),
    Feature(
        "parkinson_ratio_60",
        to.log_ratio,
        (Output(ind.Parkinson(60)), _SLOW),
        "Log ratio of Parkinson's to realised volatility, 60 min",
        unit="log",
    ),
)
