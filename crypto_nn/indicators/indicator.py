"""What every indicator promises, whichever engine computes it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.parameters import check_parameters

_FORGOTTEN = 5e-11


class LiveIndicator(Protocol):
    """An indicator that follows the market bar by bar."""

    def update(self, bar: Bar) -> tuple[float, ...]:
        """Take the next closed bar; give one value per output, NaN during warm-up."""
        ...


class Indicator(ABC):
    """A causal summary of recent bars: the value of a row depends on that row and earlier ones.

    History (`compute`) and live bars (`stream`) give the same bits, because both run the same
    operations in the same order. Rows count as consecutive; gaps are the caller's affair.

    A member is a frozen dataclass. Its parameters are checked when it is made: `int` ones are at
    least 1 and `float` ones above 0, unless `least` says otherwise.

    Raises:
        FeatureError: a parameter is of another kind or out of range.
    """

    least: ClassVar[Mapping[str, int | float]] = {}
    """By parameter, the least that it may be."""

    in_order: ClassVar[tuple[str, ...]] = ()
    """The parameters of which each must be larger than the one before, such as fast and slow."""

    def __post_init__(self) -> None:
        check_parameters(self, self.least, self.in_order)

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """The name of each output, with its parameters: "rsi_14"."""

    @property
    @abstractmethod
    def warm_up(self) -> int:
        """How many first rows are NaN; the next is valid."""

    @property
    @abstractmethod
    def memory(self) -> int | None:
        """After how many bars earlier history no longer matters; None where it always does.

        "No longer" means: to within 1e-9 of the output's standard deviation.
        """

    @abstractmethod
    def compute(self, bars: Bars) -> tuple[Float, ...]:
        """One float64 array per output, as long as `bars`, NaN in the warm-up only.

        The bars must be clean (`Bars.check_clean`).
        """

    @abstractmethod
    def stream(self, history: Bars) -> LiveIndicator:
        """A live copy that has seen `history` (which may be short or empty)."""


def fading(weight: float, seed: int, stages: int = 1) -> int:
    """The memory of an exponential average: bars until its start has faded from sight.

    Args:
        weight: of the newest bar: 2 / (period + 1) for an EMA, 1 / period for Wilder's average.
        seed: bars whose plain mean starts the recursion.
        stages: how many such averages stand one behind the other.
    """
    once = math.log(_FORGOTTEN) / math.log1p(-weight) if weight < 1 else 1.0
    return math.ceil(stages * seed + once * (1 + 0.25 * (stages - 1)))
