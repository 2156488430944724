"""A stated learning, and the comparison that may bear it out or refute it."""

from dataclasses import dataclass
from typing import Literal

Measure = Literal["log_loss", "ece", "raw_ece"]

MEASURES: dict[Measure, str] = {
    "log_loss": "log loss, mnat a row",
    "ece": "calibration error, percentage points",
    "raw_ece": "calibration error before temperature, percentage points",
}


@dataclass(frozen=True)
class Side:
    """One arm: who stands for it. Of several contestants the mean figure counts."""

    label: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Two arms on the same test rows.

    Attributes:
        ours: the arm that the claim favours.
        theirs: the other one.
        measure: what is compared; less of it is better.
        decides: whether the claim stands and falls with it, or it is only shown beside.
    """

    ours: Side
    theirs: Side
    measure: Measure = "log_loss"
    decides: bool = True


@dataclass(frozen=True)
class Learning:
    """A claim, and how it is put to the test.

    Attributes:
        key: short name, such as `focal`.
        claim: as it was stated.
        asked: how it is asked here, in words.
        comparisons: all that decide must favour it, or it does not hold.
        elsewhere: the page on which it is measured, where that is not here.
    """

    key: str
    claim: str
    asked: str
    comparisons: tuple[Comparison, ...] = ()
    elsewhere: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every contestant that is needed, once."""
        sides = [side for each in self.comparisons for side in (each.ours, each.theirs)]
        return tuple(dict.fromkeys(name for side in sides for name in side.names))
