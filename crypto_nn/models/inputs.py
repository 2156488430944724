"""What a model is given, as numbers and names: fixed when it is built, and known without torch."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crypto_nn.bars.timeframe import M1, Timeframe
from crypto_nn.errors import ConfigError

_SLOWER = re.compile(r"_([1-9]\d*[mhd])$")


@dataclass(frozen=True)
class Slower:
    """A window of closed bars of a slower timeframe, gathered from rows of minutes.

    Row i of the features has the newest closed bar of every timeframe. So the rows i, i − s,
    i − 2s … (s minutes a bar) have consecutive closed bars, live and in history alike.

    Attributes:
        timeframe: such as "15m".
        minutes: of one bar.
        length: bars in the window.
        columns: positions of this timeframe's features among all.
    """

    timeframe: str
    minutes: int
    length: int
    columns: tuple[int, ...]

    @property
    def reach(self) -> int:
        """Rows of minutes from the oldest one that is looked at to the newest."""
        return self.minutes * (self.length - 1) + 1


@dataclass(frozen=True)
class Inputs:
    """The shape of what a model sees and says.

    Attributes:
        num_features: columns of the base window, one row a minute.
        num_horizons: answers.
        num_symbols: symbols that it tells apart.
        window: rows of the base window.
        slower: windows of slower bars, for models that ask for them.
    """

    num_features: int
    num_horizons: int
    num_symbols: int
    window: int
    slower: tuple[Slower, ...] = ()

    @property
    def reach(self) -> int:
        """How many minutes, without a hole, an answer looks back on."""
        return max([self.window, *(slower.reach for slower in self.slower)])


def find_slower(lengths: Mapping[str, int], names: Sequence[str]) -> tuple[Slower, ...]:
    """The windows of slower bars that `lengths` asks for, from features of these names.

    Raises:
        ConfigError: no feature is of a timeframe that is asked for.
    """
    columns: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        found = _SLOWER.search(name)
        if found:
            columns.setdefault(found[1], []).append(position)
    missing = [timeframe for timeframe in lengths if timeframe not in columns]
    if missing:
        there = f"of {', '.join(columns)}" if columns else "of one minute only"
        raise ConfigError(
            f"model.settings.bars asks for bars of {', '.join(missing)}, and the features are "
            f"{there}. Leave these timeframes out of `bars`, or add features of them."
        )
    return tuple(
        Slower(text, minutes_of(text), length, tuple(columns[text]))
        for text, length in lengths.items()
    )


def minutes_of(timeframe: str) -> int:
    """Minutes of a slower timeframe's bar.

    Raises:
        BarsError: it is not a timeframe.
    """
    return Timeframe.parse(timeframe).minutes


def reach_of(window: int, lengths: Mapping[str, int]) -> int:
    """`Inputs.reach` before the features are known."""
    slower = (minutes_of(text) * (length - 1) + M1.minutes for text, length in lengths.items())
    return max([window, *slower])
