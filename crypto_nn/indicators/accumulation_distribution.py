"""Accumulation and distribution."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class AccumulationDistribution(TALibIndicator):
    """All volume since the first bar, each bar's counted by where in its range it closed.

    Sum of volume · (2 · close - high - low) / (high - low); a bar without range adds nothing. The
    level has no meaning of its own; its changes do (`ChaikinOscillator`).

    Source: M. Chaikin, in S. B. Achelis, Technical Analysis from A to Z, 2000.
    """

    function: ClassVar[str] = "AD"
    inputs: ClassVar[tuple[str, ...]] = (
        "high",
        "low",
        "close",
        "volume",
    )

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("accumulation_distribution",)

    @property
    def warm_up(self) -> int:
        return 0

    @property
    def memory(self) -> None:
        """None: the first bar matters for ever."""
        return None
