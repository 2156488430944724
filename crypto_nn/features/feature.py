"""One column of a feature set."""

from dataclasses import dataclass

from crypto_nn.bars import M1, Timeframe
from crypto_nn.features.formulas import formula, output_text
from crypto_nn.features.transforms import Transform
from crypto_nn.indicators import Indicator

OWN = "own"
"""The group of features that are not of the shipped groups."""


@dataclass(frozen=True)
class Output:
    """One output of an indicator, by position."""

    indicator: Indicator
    position: int = 0


@dataclass(frozen=True)
class Feature:
    """A stationary number for each bar: a transform of indicator outputs at a timeframe.

    Attributes:
        stem: the name without the timeframe, such as "rsi_14".
        transform: takes the outputs in order; elementwise and of stationary result.
        outputs: what the transform is given.
        words: what a reader of the table should know, in one line.
        timeframe: of the bars it is computed on; slower ones are seen once they have closed.
        unit: what it is counted in; those of shipped features are told in `units.UNITS`.
        group: by what it is switched on in the YAML; "own" where it is not a shipped one.
    """

    stem: str
    transform: Transform
    outputs: tuple[Output, ...]
    words: str
    timeframe: Timeframe = M1
    unit: str = "1"
    group: str = OWN

    @property
    def name(self) -> str:
        """The column's name: "rsi_14" at the base timeframe, "rsi_14_15m" at a slower one."""
        return self.stem if self.timeframe == M1 else f"{self.stem}_{self.timeframe}"

    @property
    def description(self) -> str:
        """One line for the column's comment."""
        if self.timeframe == M1:
            return self.words
        return f"{self.words}; {self.timeframe} bars, the last closed one"

    @property
    def formula(self) -> str:
        """How it follows from the outputs of its indicators, such as "rsi_14 / 50 - 1"."""
        inputs = [output_text(output.indicator, output.position) for output in self.outputs]
        return formula(self.transform, inputs)

    @property
    def indicators(self) -> tuple[Indicator, ...]:
        """The indicators that it needs."""
        return tuple(output.indicator for output in self.outputs)

    @property
    def warm_up(self) -> int:
        """Null bars of its timeframe at a start."""
        return max(indicator.warm_up for indicator in self.indicators)

    @property
    def warm_up_minutes(self) -> int:
        """At most so many minutes after a start or a long gap it is null."""
        if self.timeframe == M1:
            return self.warm_up
        # One slow bar may be cut by the start, and the last must have closed.
        return (self.warm_up + 2) * self.timeframe.minutes - 1

    @property
    def memory(self) -> int | None:
        """Bars of its timeframe until history no longer matters; None if it always does."""
        memories = [indicator.memory for indicator in self.indicators]
        known = [memory for memory in memories if memory is not None]
        return max(known) if len(known) == len(memories) else None

    @property
    def memory_minutes(self) -> int | None:
        """The same in minutes."""
        return None if self.memory is None else self.memory * self.timeframe.minutes

    @property
    def recipe(self) -> str:
        """How it is computed, for the fingerprint."""
        picks = ", ".join(f"{output.indicator!r}[{output.position}]" for output in self.outputs)
        return f"{self.name} = {self.transform.__name__}({picks}) at {self.timeframe}"
