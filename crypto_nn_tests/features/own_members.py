"""Features of one's own as a user might write them, some of them wrong, for tests of plugins."""

from dataclasses import dataclass

import numpy as np

from crypto_nn.bars import M5, Bar, Bars, Float
from crypto_nn.features import transforms as to
from crypto_nn.features.feature import Feature, Output
from crypto_nn.indicators import OBV, RSI, LiveIndicator
from crypto_nn.indicators.windowed import Windowed


@dataclass(frozen=True)
class Body(Windowed):
    """How far a bar went, and how far it reached.

    Source: made up.
    """

    scale: float = 1.0

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("body", "reach")

    @property
    def warm_up(self) -> int:
        return 0

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (
            self.scale * np.log(bars.close / bars.open),
            self.scale * np.log(bars.high / bars.low),
        )

    def fresh(self) -> LiveIndicator:
        return _LiveBody(self)


class _LiveBody:
    def __init__(self, indicator: Body) -> None:
        self._scale = indicator.scale

    def update(self, bar: Bar) -> tuple[float, ...]:
        gone, reached = np.log(bar.close / bar.open), np.log(bar.high / bar.low)
        return float(self._scale * gone), float(self._scale * reached)


@dataclass(frozen=True, kw_only=True)
class NeedsArgument(Body):
    """A body that cannot be made with defaults."""

    must: float


FAST_RSI = Feature("rsi_7", to.centred, (Output(RSI(7)),), "RSI(7), -1 to 1", unit="balance")
SLOW_RSI = Feature("rsi_7", to.centred, (Output(RSI(7)),), "RSI(7), -1 to 1", M5)
BOTH = [FAST_RSI, SLOW_RSI]
TALL = Body(2.0)

ENDLESS = Feature("obv", to.as_is, (Output(OBV()),), "never forgets")
SPACED = Feature("my rsi", to.as_is, (Output(RSI(7)),), "a name that no table takes")
SHIPPED_NAME = Feature("rsi_14", to.as_is, (Output(RSI(14)),), "a name that there is already")
THIRD = Feature("third", to.as_is, (Output(RSI(7), 2),), "an output that there is not")
HOLLOW = Feature("hollow", to.as_is, (), "made of nothing")
NOTHING: list[Feature] = []
MIXED = [FAST_RSI, "rsi"]
NUMBER = 14
