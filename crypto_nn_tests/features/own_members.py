"""Features of one's own as a user might write them, some of them wrong, for tests of plugins."""

from dataclasses import dataclass
from typing import Any, ClassVar

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


@dataclass(frozen=True)
class Beside(Windowed):
    """How far a market stands above its reference, in a window that is long."""

    least: ClassVar = {"rows": 0}

    rows: int = 3000

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"beside_{self.rows}",)

    @property
    def warm_up(self) -> int:
        return self.rows

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        assert bars.reference is not None
        beside_N = np.log(bars.close / bars.reference)
        beside_N[: self.rows] = np.nan
        return (beside_N,)

    def fresh(self) -> LiveIndicator:
        return _LiveBeside(self.rows)


class _LiveBeside:
    def __init__(self, rows: int) -> None:
        self._left = rows

    def update(self, bar: Bar) -> tuple[float, ...]:
        self._left -= 1
        return (float(np.log(bar.close / bar.reference)) if self._left < 0 else np.nan,)


@dataclass(frozen=True)
class Odd(Beside):
    """One column that gives whatever `found` makes of the right array."""

    rows: int = 5
    calls: ClassVar[list[int]] = []

    def compute(self, bars: Bars) -> Any:
        self.calls.append(len(bars))
        (beside_N,) = super().compute(bars)
        return self.found(beside_N, bars)

    def found(self, beside_N: Float, bars: Bars) -> Any:
        return (beside_N,)


class Bare(Odd):
    def found(self, beside_N: Float, bars: Bars) -> Any:
        return beside_N


class Short(Odd):
    def found(self, beside_N: Float, bars: Bars) -> Any:
        return (beside_N[1:],)


class Whole(Odd):
    def found(self, beside_N: Float, bars: Bars) -> Any:
        return (np.arange(len(bars)),)


class Failing(Odd):
    def found(self, beside_N: Float, bars: Bars) -> Any:
        raise KeyError("funding")


class Scribbling(Odd):
    def found(self, beside_N: Float, bars: Bars) -> Any:
        bars.close[0] = 1.0
        return (beside_N,)


class Blank(Odd):
    def found(self, beside_N: Float, bars: Bars) -> Any:
        return (np.full(len(bars), np.nan),)


class Ahead(Odd):
    def found(self, beside_N: Float, bars: Bars) -> Any:
        return (np.append(beside_N[1:], beside_N[-1:]),)


class Bent(Odd):
    """History is not what live bars give, in the last digit."""

    def found(self, beside_N: Float, bars: Bars) -> Any:
        return (np.nextafter(beside_N, np.inf),)


class OneFloat(Odd):
    def fresh(self) -> Any:
        return _OneFloat()


class _OneFloat:
    def update(self, bar: Bar) -> float:
        return bar.close


class OneName(Odd):
    @property
    def outputs(self) -> Any:
        return "beside"


class Untold(Odd):
    @property
    def outputs(self) -> Any:
        raise KeyError("name")


class Unequal(Windowed):
    """Two of it are not one, as it is no dataclass."""

    outputs = ("unequal",)
    warm_up = 0

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (bars.close.copy(),)

    def fresh(self) -> LiveIndicator:
        return _LiveBeside(0)


def less_its_mean(value: Any) -> Any:
    """Knows the mean of all that is to come."""
    return value - np.nanmean(value)


def rolled(value: Any) -> Any:
    """Begins with the value of the last bar."""
    return np.roll(value, 1)


_RSI = (Output(RSI(7)),)


def _made(name: Any, transform: Any = to.as_is, outputs: Any = _RSI) -> Feature:
    return Feature(name, transform, outputs, "made up")


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

LONG = Beside()
ODD = _made("odd", lambda value: 2.0 * value, (Output(Odd()),))

KEY, CAPITAL_KEY, WORD, ROW = _made("ts"), _made("Symbol"), _made("order"), _made("rowid")
CAPITAL, UNNAMED, ACCENT = _made("Rsi_14"), _made(None), _made("rsi_é")
TEXT_INSIDE = _made("one", outputs=(Output("rsi"),))  # type: ignore[arg-type]
CLASS_INSIDE = _made("one", outputs=(Output(RSI),))  # type: ignore[arg-type]
NO_OUTPUT = _made("one", outputs=(RSI(7),))
LISTED = _made("one", outputs=[Output(RSI(7))])
BEFORE = _made("one", outputs=(Output(RSI(7), -1),))
NO_NUMBER = _made("one", outputs=(Output(RSI(7), "rsi"),))  # type: ignore[arg-type]
ONE_NAME = _made("one", outputs=(Output(OneName()),))
NO_FUNCTION = _made("one", 3.0)
TWO_DUE = _made("one", to.ratio)
NONE_DUE = _made("one", lambda: 1.0)
TEXT_TIME = Feature("one", to.as_is, (Output(RSI(7)),), "made up", "5m")  # type: ignore[arg-type]

CENTRED_ON_ALL = _made("one", less_its_mean)
ROLLED = _made("one", rolled, (Output(Body()),))
CONSTANT = _made("one", lambda value: 1.0)
SHORTER = _made("one", lambda value: value[1:])
COUNTED = _made("one", lambda value: np.arange(len(value)))
DIVIDED = _made("one", lambda value: 1 // 0)
