"""What several groups of features are made of."""

from crypto_nn import indicators as ind
from crypto_nn.bars import M1, Timeframe
from crypto_nn.features import transforms as to
from crypto_nn.features.columns import Column
from crypto_nn.features.feature import Feature, Output
from crypto_nn.features.transforms import Transform
from crypto_nn.indicators import Indicator

OPEN, HIGH, LOW, CLOSE, VOLUME = (
    Output(Column(name)) for name in ("open", "high", "low", "close", "volume")
)
ATR = Output(ind.ATR())
SCALE = (ATR, CLOSE)
"""By what a price difference is measured: the average true range, and the price beside it."""


def of(
    stem: str,
    transform: Transform,
    indicator: Indicator,
    words: str,
    unit: str,
    timeframe: Timeframe = M1,
) -> Feature:
    """A feature of the one output of one indicator."""
    return Feature(stem, transform, (Output(indicator),), words, timeframe, unit)


def distance(name: str, level: Output, words: str, timeframe: Timeframe = M1) -> Feature:
    """How far the close is above a level."""
    words = f"Close above {words}, in average true ranges"
    return Feature(name, to.distance, (CLOSE, level, *SCALE), words, timeframe, "ATR")


def rsi(timeframe: Timeframe) -> Feature:
    """The relative strength index, 0 where the market is dead."""
    outputs = (Output(ind.RSI()), *SCALE)
    return Feature("rsi_14", to.centred_alive, outputs, "RSI(14), -1 to 1", timeframe, "balance")


def band(timeframe: Timeframe) -> Feature:
    """The place between Bollinger's bands.

    Half a z-score is the same number: TA-Lib's bands keep the rounding of running sums, which moves
    it by 1e-7 of its spread where prices hardly differ.
    """
    words = "Place in Bollinger(20,2): 1 upper band, -1 lower"
    return of("bb_place_20", to.half, ind.PriceZScore(20), words, "place", timeframe)


def log_atr(timeframe: Timeframe) -> Feature:
    """The usual range of a bar."""
    words = "Log of ATR(14) / close"
    return Feature("log_atr_14", to.log_relative_range, SCALE, words, timeframe, "log")


def volume_share(period: int, words: str, timeframe: Timeframe = M1) -> Feature:
    """How busy the bar was."""
    outputs = (VOLUME, Output(ind.MeanVolume(period)))
    return Feature(f"volume_share_{period}", to.log_share, outputs, words, timeframe, "log")
