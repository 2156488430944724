"""What happened inside the last bar."""

from crypto_nn.features import transforms as to
from crypto_nn.features.catalogue.parts import CLOSE, HIGH, LOW, OPEN, SCALE
from crypto_nn.features.feature import Feature

_BAR = (OPEN, HIGH, LOW, CLOSE)

CANDLE = (
    Feature(
        "candle_body",
        to.body,
        _BAR,
        "Close less open as a share of the bar's range",
        unit="balance",
    ),
    Feature(
        "candle_wick",
        to.wick,
        _BAR,
        "Upper less lower wick as a share of the range",
        unit="balance",
    ),
    Feature(
        "candle_range",
        to.distance,
        (HIGH, LOW, *SCALE),
        "High less low, in average true ranges",
        unit="ATR",
    ),
)
