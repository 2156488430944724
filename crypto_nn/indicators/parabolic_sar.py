"""Parabolic stop and reverse."""

from dataclasses import dataclass
from typing import ClassVar

from crypto_nn.indicators.talib_indicator import TALibIndicator


@dataclass(frozen=True)
class ParabolicSAR(TALibIndicator):
    """Where a trailing stop would stand that follows a trend ever more closely, until it is hit.

    Each bar the stop moves towards the extreme of the trend by a share that starts at `step`, grows
    by it with each new extreme, and ends at `limit`; it never enters the range of the last two
    bars. Once the price touches it, the trend counts as reversed and the stop starts at its
    extreme. Names give both parameters in per cent.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """

    function: ClassVar[str] = "SAR"
    inputs: ClassVar[tuple[str, ...]] = (
        "high",
        "low",
    )

    step: float = 0.02
    limit: float = 0.2

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"sar_{100 * self.step:g}_{100 * self.limit:g}",)

    @property
    def warm_up(self) -> int:
        return 1

    @property
    def memory(self) -> None:
        """None: the first bar matters for ever."""
        return None
