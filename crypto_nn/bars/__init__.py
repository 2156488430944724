"""What the market did: bars, timeframes, resampling, quality."""

from crypto_nn.bars.bars import Bar, Bars, Float, Times
from crypto_nn.bars.timeframe import H1, M1, M5, M15, Timeframe

__all__ = ["H1", "M1", "M5", "M15", "Bar", "Bars", "Float", "Timeframe", "Times"]
