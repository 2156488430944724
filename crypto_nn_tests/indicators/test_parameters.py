"""Parameters that make no sense are refused when an indicator is made; the least ones work."""

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from crypto_nn import indicators as ind
from crypto_nn.errors import FeatureError
from crypto_nn.indicators import ALL, CROSS, Indicator
from crypto_nn.indicators import laws as law
from crypto_nn_tests.indicators.made import dead, walk
from crypto_nn_tests.indicators.test_composed import beside

NAN, INF = float("nan"), float("inf")
WRONG: dict[Any, tuple[Any, ...]] = {
    int: (0, -1, 2.5, 7.0, True, NAN, "14", None, np.int64(0), np.float64(14.0)),
    float: (0, 0.0, -1.0, NAN, INF, -INF, True, "2", None, np.float64(NAN)),
}
BARS = beside(walk(400, seed=3, start="2024-01-01T21:00"))


def parameters() -> Iterator[tuple[Indicator, Field[Any]]]:
    """Every parameter of every member."""
    for one in (*ALL, *CROSS):
        for field in fields(one):  # type: ignore[arg-type]
            yield one, field


def changed(one: Indicator, **values: Any) -> Indicator:
    return replace(one, **values)  # type: ignore[type-var]


def least(one: Indicator) -> Indicator:
    """The member with all its whole numbers as small as they may be."""
    values = {f.name: one.least.get(f.name, 1) for f in fields(one) if f.type is int}  # type: ignore[arg-type]
    for smaller, larger in zip(one.in_order, one.in_order[1:]):
        values[larger] = max(values[larger], values[smaller] + 1)
    return changed(one, **values)


WRONG_ONES = [
    pytest.param(one, field.name, value, id=f"{type(one).__name__}-{field.name}-{value!r}")
    for one, field in parameters()
    for value in WRONG[field.type]
]
LEAST = [least(one) for one in (*ALL, *CROSS)]
# One parameter at its least, the others as they are: where these allow it.
LEAST += [
    changed(one, **{field.name: one.least.get(field.name, 1)})
    for one, field in parameters()
    if field.type is int and field.name not in one.in_order[1:]
]


@pytest.mark.parametrize(("indicator", "name", "value"), WRONG_ONES)
def test_a_wrong_parameter_is_refused(indicator: Indicator, name: str, value: Any) -> None:
    """The message names it, says what was found, and what is due."""
    found = rf"{type(indicator).__name__}\.{name} is .*; a (whole|finite) number .* is due"
    with pytest.raises(FeatureError, match=found):
        changed(indicator, **{name: value})


@pytest.mark.parametrize(("indicator", "name"), [(o, n) for o in ALL for n in o.least], ids=str)
def test_one_less_than_the_least_is_refused(indicator: Indicator, name: str) -> None:
    """`least` names parameters that are there, and holds."""
    assert name in {field.name for field in fields(indicator)}  # type: ignore[arg-type]
    with pytest.raises(FeatureError, match="of 2 or more is due"):
        changed(indicator, **{name: 1})


@pytest.mark.parametrize(
    "indicator", [one for one in ALL if one.in_order], ids=lambda one: one.outputs[0]
)
def test_parameters_out_of_order_are_refused(indicator: Indicator) -> None:
    """A slow mean is slower than a fast one: not equal to it, and not the other way round."""
    for smaller, larger in zip(indicator.in_order, indicator.in_order[1:]):
        low, high = getattr(indicator, smaller), getattr(indicator, larger)
        for values in ({smaller: high}, {larger: low}, {smaller: high, larger: low}):
            with pytest.raises(FeatureError, match=f"{smaller} < {larger}.* is due"):
                changed(indicator, **values)


def test_what_has_a_fast_and_a_slow_says_so() -> None:
    """Of the mass index these are lengths of different things."""
    for one in ALL:
        names = {field.name for field in fields(one)}  # type: ignore[arg-type]
        if {"fast", "slow"} <= names and not isinstance(one, ind.MassIndex):
            assert one.in_order == ("fast", "slow")


@pytest.mark.parametrize("indicator", LEAST, ids=lambda one: one.outputs[0])
def test_the_least_parameters_keep_the_laws(indicator: Indicator) -> None:
    """Warm-up exact, live as history, memory true: at the edge of what is allowed."""
    law.check_has_form(indicator, BARS)
    for bars in (BARS, beside(dead(200))):
        law.check_warm_up_is_exact(indicator, bars)
    for seed_bars in (0, 1, 13, 250):
        law.check_stream_equals_batch(indicator, BARS, seed_bars)
    law.check_memory(indicator, beside(walk(4000, seed=5)), np.arange(0, 2000, 397))


def test_numbers_of_numpy_are_numbers() -> None:
    """They are written as Python's, so that equal indicators have one name and one print."""
    assert repr(ind.SMA(np.int64(7))) == repr(ind.SMA(7))  # type: ignore[arg-type]
    wide = ind.BollingerBands(np.int32(7), np.float64(2))  # type: ignore[arg-type]
    assert repr(wide) == repr(ind.BollingerBands(7, 2)) == "BollingerBands(period=7, width=2.0)"


@dataclass(frozen=True)
class _Shifted(ind.SMA):
    """A member of one's own, with parameters that may be nothing."""

    least: ClassVar[dict[str, int | float]] = {"shift": -3, "share": 0.0}

    shift: int = 0
    share: float = 0.0
    label: str = ""


def test_one_may_allow_more() -> None:
    """`least` goes below the defaults as well, and other types are let be."""
    assert _Shifted(5, -3, 0.0, "x").shift == -3
    with pytest.raises(FeatureError, match=r"_Shifted\.shift is -4; a whole number of -3 or more"):
        _Shifted(5, -4)
    with pytest.raises(FeatureError, match=r"_Shifted\.share is -0\.5; a finite number of 0\.0 or"):
        _Shifted(5, 0, -0.5)


def test_a_long_signal_is_remembered() -> None:
    """MACD: what forgets last may be the mean of the line, and not the slow mean."""
    bars = walk(9000, seed=5)
    law.check_memory(ind.MACD(12, 26, 300), bars, np.arange(0, 3000, 397))
