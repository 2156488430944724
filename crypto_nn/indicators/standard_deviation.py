"""Standard deviation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class StandardDeviation(TALibIndicator):
    """How widely the closes of the last bars are spread around their mean, in the quote currency.

    The root of the mean squared distance from the mean (population form).

    Source: J. Bollinger, Bollinger on Bollinger Bands, 2001.
    """

    function: ClassVar[str] = "STDDEV"
    least: ClassVar[Mapping[str, int | float]] = {"period": 2}

    period: int = 20

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"stddev_{self.period}",)

    @property
    def warm_up(self) -> int:
        return self.period - 1

    @property
    def memory(self) -> int:
        return self.period

    @property
    def parameters(self) -> tuple[int | float, ...]:
        return (self.period, 1.0)
