"""What a version was seen to look at when it answered: kept with it as `inspection.json`."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

INSPECTION = "inspection.json"
BARS = "bars"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AttentionProfile(_Record):
    """Weights over the moments of a window, over many windows; oldest moment first.

    Attributes:
        minutes: from one moment to the next.
        mean, low, high: mean, 10 % and 90 % quantile of each moment's weight.
        moments: what they are: bars, or, say, patches of several bars.
    """

    minutes: int
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    moments: str = BARS

    def half_life(self) -> int:
        """The newest so many minutes carry half of the mean weight."""
        total, held = sum(self.mean), 0.0
        for moments, weight in enumerate(reversed(self.mean), start=1):
            held += weight
            if held >= total / 2:
                return moments * self.minutes
        return len(self.mean) * self.minutes


class GateProfile(_Record):
    """Mean weight of each branch, by volatility: one row for each fifth of the windows."""

    branches: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]


class Episode(_Record):
    """A past window that was recalled: when, how much it counted, what had come of it."""

    at: str
    symbol: str
    weight: float
    outcomes: tuple[int, ...]


class Example(_Record):
    """One validation window: what was seen, said, and what came.

    Attributes:
        at: open of its newest bar, UTC.
        closes: of the base window.
        attention: weights over its moments; empty where the model has none.
        probabilities: calibrated, by horizon, of down, flat and up.
        came: class by horizon, −1 not known.
    """

    symbol: str
    at: str
    closes: tuple[float, ...]
    attention: tuple[float, ...]
    probabilities: tuple[tuple[float, ...], ...]
    came: tuple[int, ...]
    episodes: tuple[Episode, ...]


class Inspection(_Record):
    """What a version looks at, over validation windows that are evenly spaced."""

    windows: int
    horizons: tuple[int, ...]
    attention: Mapping[str, AttentionProfile]
    gates: Mapping[str, GateProfile]
    examples: tuple[Example, ...]
