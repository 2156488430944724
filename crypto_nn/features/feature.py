"""One column of a feature set."""

from dataclasses import dataclass
from inspect import signature
from typing import Any

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

    def problem(self) -> str:
        """Why there is no such output, in words; empty where there is one."""
        indicator: Any = self.indicator
        position: Any = self.position
        if not isinstance(indicator, Indicator):
            if isinstance(indicator, type) and issubclass(indicator, Indicator):
                return f"Output({indicator.__name__}) has a class; {indicator.__name__}() is due."
            return f"Output({indicator!r}) is of no Indicator; one is due, such as Output(RSI(14))."
        names = indicator.outputs
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
            return (
                f"the `outputs` of {indicator!r} are {names!r}; a property that gives a tuple of "
                'names is due, such as ("rsi_14",).'
            )
        if not isinstance(position, int) or not 0 <= position < len(names):
            return (
                f"it asks for output {position!r} of {indicator!r}, which has {len(names)}, "
                "counted from 0."
            )
        return ""


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

    def problem(self) -> str:
        """Why this cannot be a column, in words; empty where it can.

        Types are looked at too: a feature of one's own comes from a file that nobody has checked.
        """
        stem: Any = self.stem
        timeframe: Any = self.timeframe
        outputs: Any = self.outputs
        if not isinstance(stem, str):
            return f"its name is {stem!r}; a text is due."
        if not isinstance(timeframe, Timeframe):
            return f"its timeframe is {timeframe!r}; one of crypto_nn.bars is due, such as M5."
        if not isinstance(outputs, tuple):
            return (
                f"its outputs are of type {type(outputs).__name__}; a tuple of Output is due, such "
                "as (Output(RSI(14)),)."
            )
        if not outputs:
            return "it is made of nothing; at least one Output is due."
        for one in outputs:
            if not isinstance(one, Output):
                return f"its outputs hold {one!r}; an Output is due, such as Output(RSI(14))."
            if problem := one.problem():
                return problem
        return self._problem_of_transform()

    def _problem_of_transform(self) -> str:
        if not callable(self.transform) or not hasattr(self.transform, "__name__"):
            return (
                f"its transform is {self.transform!r}; a function is due, such as transforms.as_is."
            )
        try:
            taken = signature(self.transform)
        except ValueError:  # some written in C do not tell
            return ""
        try:
            taken.bind(*self.outputs)
        except TypeError:
            return (
                f"its transform {self.transform.__name__}{taken} is given {len(self.outputs)} "
                "outputs; one parameter for each is due."
            )
        return ""

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
