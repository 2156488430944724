"""Every law of indicators can be broken, and says how: one small offender for each."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from crypto_nn.bars import Bar, Bars, Float
from crypto_nn.bars.reference import with_reference
from crypto_nn.indicators import ALL, CROSS, Indicator, LiveIndicator
from crypto_nn.indicators.laws import (
    LAWS,
    LawError,
    LawUntriedError,
    check_scale_law,
)
from crypto_nn_tests.indicators.made import walk

BARS = with_reference(walk(2000, seed=1), walk(2000, seed=2, price=3000.0))


@dataclass(frozen=True)
class Rise(Indicator):
    """Close less open: keeps every law."""

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("rise",)

    @property
    def warm_up(self) -> int:
        return 0

    @property
    def memory(self) -> int | None:
        return 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (bars.close - bars.open,)

    def stream(self, history: Bars) -> LiveIndicator:
        return Live()


class Live:
    def update(self, bar: Bar) -> tuple[float, ...]:
        return (bar.close - bar.open,)


class TwoNames(Rise):
    @property
    def outputs(self) -> tuple[str, ...]:
        return ("rise", "fall")


class Single(Rise):
    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return ((bars.close - bars.open).astype(np.float32),)


class Short(Rise):
    @property
    def memory(self) -> int:
        return 0


class Plain(Indicator):
    outputs = ("plain",)
    warm_up = 0
    memory = 1

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (bars.close - bars.open,)

    def stream(self, history: Bars) -> LiveIndicator:
        return Live()


class Random(Rise):
    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (np.random.default_rng().random(len(bars)),)


class OtherStream(Rise):
    def stream(self, history: Bars) -> LiveIndicator:
        return Late()


class Late:
    def update(self, bar: Bar) -> tuple[float, ...]:
        return (bar.close - bar.open + 1e-9,)


class Shared(Rise):
    def stream(self, history: Bars) -> LiveIndicator:
        return Counting()


class Counting:
    calls: ClassVar[list[float]] = []

    def update(self, bar: Bar) -> tuple[float, ...]:
        self.calls.append(bar.close)
        return (float(len(self.calls)),)


class Centred(Rise):
    def compute(self, bars: Bars) -> tuple[Float, ...]:
        move = bars.close - bars.open
        return (move - (move.mean() if len(move) else 0.0),)


class Ahead(Rise):
    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (np.append(bars.close[1:], bars.close[-1:]) - bars.open,)


class Writing(Rise):
    def compute(self, bars: Bars) -> tuple[Float, ...]:
        bars.close[:] = bars.close
        return (bars.close - bars.open,)


class Itself(Rise):
    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (bars.close,)


class LongWarmUp(Rise):
    @property
    def warm_up(self) -> int:
        return 3

    @property
    def memory(self) -> int:
        return 9


class Share(Rise):
    def compute(self, bars: Bars) -> tuple[Float, ...]:
        with np.errstate(invalid="ignore"):
            return ((bars.close - bars.open) / (bars.high - bars.low),)


class Expanding(Rise):
    def compute(self, bars: Bars) -> tuple[Float, ...]:
        return (np.cumsum(bars.close),)


class Poisoned(Rise):
    @property
    def memory(self) -> int:
        return 5

    def compute(self, bars: Bars) -> tuple[Float, ...]:
        assert bars.reference is not None
        return (np.cumsum(bars.reference) * 0.0,)


def dataclassed(kind: type[Indicator]) -> Indicator:
    return dataclass(frozen=True)(kind)()


FORM, SAME, STREAM, STATE, MORE, OTHER, READ, NAN, STILL, MEMORY, REFERENCE = LAWS


@pytest.mark.parametrize(
    ("law", "offender", "reason"),
    [
        (FORM, TwoNames, "1 outputs have the names"),
        (FORM, Single, "rise is float32"),
        (FORM, Short, "memory is 0 and warm_up 0"),
        (SAME, Random, "computed again"),
        (STREAM, OtherStream, "in the stream opened after 0 bars"),
        (STATE, Shared, "beside another stream"),
        (MORE, Centred, "of 2000"),
        (OTHER, Ahead, "once bars from row"),
        (READ, Writing, "may only be read"),
        (READ, Itself, "is the column close of the bars itself"),
        (NAN, LongWarmUp, "within its warm-up of 3 bars"),
        (STILL, Share, "one is due in each"),
        (MEMORY, Expanding, "memory is said to be 1"),
        (REFERENCE, Poisoned, "without a reference in row"),
    ],
)
def test_each_law_is_broken_by_its_offender(law: str, offender: type, reason: str) -> None:
    """And by its reason, so that one knows what to mend."""
    with pytest.raises(LawError, match=reason):
        LAWS[law](dataclassed(offender), BARS)


def test_what_is_no_dataclass_is_told_so() -> None:
    """Features find equal indicators by value."""
    with pytest.raises(LawError, match="not a dataclass"):
        LAWS[FORM](Plain(), BARS)


@pytest.mark.parametrize("law", LAWS)
def test_the_honest_one_keeps_every_law(law: str) -> None:
    """None of the laws is broken by everything."""
    LAWS[law](Rise(), BARS)


@pytest.mark.parametrize("indicator", [*ALL, *CROSS], ids=lambda one: one.outputs[0])
def test_what_ships_keeps_every_law(indicator: Indicator) -> None:
    """As `crypto-nn check` puts them, on bars with a reference."""
    for law, check in LAWS.items():
        try:
            check(indicator, BARS)
        except LawUntriedError:
            assert law == MEMORY


def test_what_the_bars_cannot_tell_is_not_said_to_be_kept() -> None:
    """Too few bars for the memory, no reference, no memory at all."""
    with pytest.raises(LawUntriedError, match="there are 40 bars"):
        LAWS[MEMORY](Rise(), BARS[:40])
    with pytest.raises(LawUntriedError, match="no reference"):
        LAWS[REFERENCE](Rise(), replace(BARS, reference=None))


def test_the_scale_law_names_both_values() -> None:
    """A rise is in the currency: it doubles with it."""
    check_scale_law(Rise(), BARS, 1, 0)
    with pytest.raises(LawError, match="is due"):
        check_scale_law(Rise(), BARS, 0, 0)
