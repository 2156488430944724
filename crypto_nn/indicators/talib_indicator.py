"""Indicators whose engine is TA-Lib: one function for history, its handle for live bars."""

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

    def __init__(self, indicator: TALibIndicator, history: Bars) -> None:
        self._open = getattr(talib.stream, indicator.function)
        self._parameters = indicator.parameters
        self._due = indicator.warm_up + 1
        self._blank = (float("nan"),) * len(indicator.outputs)
        self._pick = itemgetter(*(Bar._fields.index(name) for name in indicator.inputs))
        self._single_input = len(indicator.inputs) == 1
        self._waiting: list[list[float]] = []
        self._handle: Any = None
        columns = _inputs(indicator, history)
        if len(history) >= self._due:
            self._handle = self._open(*columns, *self._parameters)
        else:
            self._waiting = [list(row) for row in zip(*(column.tolist() for column in columns))]

    def update(self, bar: Bar) -> tuple[float, ...]:
        picked = self._pick(bar)
        inputs = (picked,) if self._single_input else picked
        if self._handle is None:
            return self._wait(inputs)
        value = self._handle.update(*inputs)
        return value if isinstance(value, tuple) else (value,)

    def _wait(self, inputs: tuple[float, ...]) -> tuple[float, ...]:
        self._waiting.append(list(inputs))
        if len(self._waiting) < self._due:
            return self._blank
        columns = np.array(self._waiting).T.copy()
        self._handle = self._open(*columns, *self._parameters)
        self._waiting = []
        value = self._handle.value
        return value if isinstance(value, tuple) else (value,)


def _inputs(indicator: TALibIndicator, bars: Bars) -> list[Float]:
    return [np.ascontiguousarray(getattr(bars, name), np.float64) for name in indicator.inputs]
