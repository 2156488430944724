"""In which order columns are worked out of indicators: the same for history and for live bars."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from operator import itemgetter
from typing import Any

from crypto_nn.features.feature import Feature
from crypto_nn.features.transforms import Transform
from crypto_nn.indicators import Indicator

Pick = Callable[[list[Any]], Sequence[Any]]


@dataclass(frozen=True)
class ColumnStep:
    """How a column follows from the outputs of indicators, which grow into one list.

    Attributes:
        indicators: those that no earlier column has asked for; their outputs are appended first.
        places: where in the list the transform's inputs are.
        transform: gives the column.
    """

    indicators: tuple[Indicator, ...]
    places: tuple[int, ...]
    transform: Transform

    @cached_property
    def pick(self) -> Pick:
        """Takes the transform's inputs from the list."""
        first = self.places[0]
        if len(self.places) == 1:
            return itemgetter(slice(first, first + 1))
        return itemgetter(*self.places)


def column_steps(features: Sequence[Feature]) -> tuple[ColumnStep, ...]:
    """One step for each feature, in order; each indicator is asked for once."""
    indicators = tuple(dict.fromkeys(one for feature in features for one in feature.indicators))
    starts = accumulate((len(one.outputs) for one in indicators), initial=0)
    first = dict(zip(indicators, starts))
    waiting = dict.fromkeys(indicators)
    steps = []
    for feature in features:
        due = tuple(one for one in dict.fromkeys(feature.indicators) if one in waiting)
        for indicator in due:
            del waiting[indicator]
        places = tuple(first[one.indicator] + one.position for one in feature.outputs)
        steps.append(ColumnStep(due, places, feature.transform))
    return tuple(steps)
