"""What the parameters of an indicator may be."""

import math
from collections.abc import Mapping
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np

from crypto_nn.errors import FeatureError


def check_parameters(
    indicator: Any, least: Mapping[str, int | float], in_order: tuple[str, ...]
) -> None:
    """Hold each field of a frozen dataclass to its type, and write numbers of NumPy as Python's.

    Fields declared `int` are whole numbers, those declared `float` finite; others are let be. Equal
    parameters are then written alike too, which the names and prints of features rely on.

    Args:
        least: by field, the least that it may be; otherwise 1 for `int`, above 0 for `float`.
        in_order: the fields of which each must be larger than the one before.

    Raises:
        FeatureError: a parameter is of another kind or out of range.
    """
    kind = type(indicator).__name__
    for field in fields(indicator):
        value = getattr(indicator, field.name)
        if field.type in (int, "int"):
            number: int | float = _whole(kind, field.name, value, least.get(field.name, 1))
        elif field.type in (float, "float"):
            number = _finite(kind, field.name, value, least.get(field.name))
        else:
            continue
        object.__setattr__(indicator, field.name, number)
    for smaller, larger in pairwise(in_order):
        if not getattr(indicator, smaller) < getattr(indicator, larger):
            found = ", ".join(f"{name}={getattr(indicator, name)}" for name in in_order)
            raise FeatureError(
                f"{kind} was given {found}; {' < '.join(in_order)} is due. Swap them, or choose "
                f"{larger} above {smaller}."
            )


def _whole(kind: str, name: str, value: Any, least: int | float) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise FeatureError(
            f"{kind}.{name} is {value!r}; a whole number of {least} or more is due (an int, such "
            f"as {max(least, 14)})."
        )
    return int(value)


def _finite(kind: str, name: str, value: Any, least: int | float | None) -> float:
    is_number = isinstance(value, int | float | np.integer | np.floating)
    in_range = (
        is_number
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (value > 0 if least is None else value >= least)
    )
    if not in_range:
        due = "above 0" if least is None else f"of {least} or more"
        raise FeatureError(f"{kind}.{name} is {value!r}; a finite number {due} is due.")
    return float(value)
