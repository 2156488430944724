"""Your own function, as it is: of `Bars`, or of a DataFrame of bars."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from crypto_nn.bars import Bars
from crypto_nn.errors import FeatureError
from crypto_nn.features.leaks.result import REFUSALS


class OfBars:
    """A function that takes bars in any of three forms, as a function of `Bars`.

    It is given `Bars`; where it refuses them, a DataFrame indexed by `ts` (UTC), as `load_bars`
    gives it; and where it refuses that too, one with `ts` as a column. What it took once it is
    given from then on.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._form: int | None = None

    def __call__(self, bars: Bars) -> Any:
        if self._form is not None:
            return self._function(_given(bars, self._form))
        refusals = []
        for form in range(3):
            try:
                found = self._function(_given(bars, form))
            except REFUSALS as error:
                refusals.append(error)
                continue
            self._form = form
            return found
        told = zip(("Bars", "a DataFrame indexed by ts"), refusals)
        raise FeatureError(
            "; ".join(f"with {form}: {type(error).__name__}: {error}" for form, error in told)
        ) from refusals[0]


def _given(bars: Bars, form: int) -> Any:
    if form == 0:
        return bars
    frame: pd.DataFrame = bars.to_pandas()
    return frame.set_index("ts") if form == 1 else frame
