"""Indicators whose engine is TA-Lib: one function for history, its handle for live bars."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np
import talib
import talib.stream

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.indicators.indicator import Indicator, LiveIndicator


@dataclass(frozen=True)
class TALibIndicator(Indicator):
    """An indicator that TA-Lib computes; a member names the function and its parameters."""

    function: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]] = ("close",)

    @property
    def parameters(self) -> tuple[int | float, ...]:
        """The optional arguments of the TA-Lib function: the member's fields, in their order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        if not len(bars):
            return tuple(np.empty(0) for _ in self.outputs)
        result = getattr(talib, self.function)(*_inputs(self, bars), *self.parameters)
        return result if isinstance(result, tuple) else (result,)

    def stream(self, history: Bars) -> LiveIndicator:
        return _TALibLive(self, history)


class _TALibLive:
    """A TA-Lib handle, opened as soon as there are as many bars as it asks for."""

    update: Callable[[Bar], tuple[float, ...]]

    def __init__(self, indicator: TALibIndicator, history: Bars) -> None:
        self._indicator = indicator
        self._due = indicator.warm_up + 1
        self._blank = (float("nan"),) * len(indicator.outputs)
        self._waiting: list[Bar] = []
        if len(history) >= self._due:
            self._open(_inputs(indicator, history))
        else:
            self._waiting += history if len(history) else ()
            self.update = self._wait

    def _wait(self, bar: Bar) -> tuple[float, ...]:
        self._waiting.append(bar)
        if len(self._waiting) < self._due:
            return self._blank
        columns = [
            np.array([getattr(one, name) for one in self._waiting])
            for name in self._indicator.inputs
        ]
        self._waiting = []
        value = self._open(columns).value
        return value if isinstance(value, tuple) else (value,)

    def _open(self, columns: list[Float]) -> Any:
        """Open the handle, and from now on hand bars to it with as little between as can be."""
        handle = getattr(talib.stream, self._indicator.function)(
            *columns, *self._indicator.parameters
        )
        take = handle.update
        places = [Bar._fields.index(name) for name in self._indicator.inputs]
        pick, place = itemgetter(*places), places[0]
        if len(places) == len(self._blank) == 1:
            self.update = lambda bar: (take(bar[place]),)
        elif len(places) == 1:
            self.update = lambda bar: take(bar[place])
        elif len(self._blank) == 1:
            self.update = lambda bar: (take(*pick(bar)),)
        else:
            self.update = lambda bar: take(*pick(bar))
        return handle


def _inputs(indicator: TALibIndicator, bars: Bars) -> list[Float]:
    return [np.ascontiguousarray(getattr(bars, name), np.float64) for name in indicator.inputs]
