"""Chaikin money flow."""

from dataclasses import dataclass

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.rolling import RollingSum, rolling_sum
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class CMF(Windowed):
    """Whether volume came on bars that closed high (1: all at their highs) or low (-1).

    Sum of place · volume over sum of volume, both over the period, where place = ((close - low) -
    (high - close)) / (high - low) is 1 for a close at the bar's high and -1 at its low; a bar
    without range counts 0, and so does a window without volume.

    Source: M. Chaikin, Technical Analysis of Stocks & Commodities, January 1994.
    """

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"cmf_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        span_N = bars.high - bars.low
        span_N[span_N <= 0] = 1.0  # such a bar closes at both its high and its low: 0 / 1
        place_N = ((bars.close - bars.low) - (bars.high - bars.close)) / span_N
        flow_N = rolling_sum(place_N * bars.volume, self.period)
        volume_N = rolling_sum(bars.volume, self.period)
        volume_N[volume_N <= 0] = 1.0  # and so is its flow: 0 / 1
        return (flow_N / volume_N,)

    def fresh(self) -> "_Live":
        return _Live(self)


class _Live:
    def __init__(self, indicator: CMF) -> None:
        self._flow = RollingSum(indicator.period)
        self._volume = RollingSum(indicator.period)

    def update(self, bar: Bar) -> tuple[float, ...]:
        _, _, high, low, close, volume, *_ = bar
        place = ((close - low) - (high - close)) / ((high - low) or 1.0)
        flow = self._flow.update(place * volume)
        return (flow / (self._volume.update(volume) or 1.0),)
