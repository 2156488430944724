"""Frames of users as columns of numbers: times, categories and odd types put in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_nn.bars.calendar import TS
from crypto_nn.errors import DriftError
from crypto_nn.monitoring.days import KINDS, DayBlocks, Kind

Times = NDArray[np.datetime64]
TIME_COLUMN = "ts"
_FIRST, _LAST = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31", "us")


@dataclass(frozen=True, eq=False)
class Field:
    """One column as it came.

    Attributes:
        type: numbers (booleans too), text (any categories), nothing (no value at all), or values
            that cannot be compared (times, lists, complex numbers …).
        values: float64, NaN where there is none; of text str, None where there is none.
    """

    type: Literal["numbers", "text", "nothing", "other"]
    values: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Rows:
    """A frame taken apart.

    Attributes:
        num_rows, ts_N: how many rows, and when each was (naive UTC); None where it is not said.
        fields, kinds: its columns by name.
        coded: those whose numbers are codes of categories.
    """

    num_rows: int
    ts_N: Times | None
    fields: Mapping[str, Field]
    kinds: Mapping[str, Kind]
    coded: frozenset[str] = frozenset()


def rows_of(given: object, kinds: Mapping[str, Kind] | None = None) -> Rows:
    """What a frame or day blocks hold; the data is copied.

    Raises:
        DriftError: neither frame nor blocks; a name comes twice; unknown kinds; `ts` is no time.
    """
    if isinstance(given, DayBlocks):
        if kinds:
            raise DriftError("Day blocks have kinds of their own; leave `kinds` out.")
        x_FN = given.x_NF.T.astype(np.float64)
        fields = {name: Field("numbers", x_N) for name, x_N in zip(given.names, x_FN)}
        own = dict(zip(given.names, given.kinds))
        return Rows(len(given.ts_N), given.ts_N.copy(), fields, own, given.categorical)
    if not isinstance(given, pd.DataFrame):
        raise DriftError(
            f"A {type(given).__name__} cannot be compared; give a pandas DataFrame or DayBlocks."
        )
    names = [str(name) for name in given.columns]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise DriftError(f"Column {', '.join(sorted(twice))} comes twice; rename one.")
    ts_N = _times(given, names)
    fields = {name: _field(given.iloc[:, j]) for j, name in enumerate(names) if name != TIME_COLUMN}
    return Rows(len(given), ts_N, fields, _kinds(kinds or {}, fields))


def paired(
    reference: Rows, today: Rows, max_categories: int
) -> tuple[tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]], frozenset[str], list[str]]:
    """The columns of both sides as numbers, which of them are codes, and which do not fit.

    Text is coded alike on both sides; beyond the `max_categories` commonest values of both
    together it is one category. A column that only one side has stays on that side.
    """
    sides: tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]] = ({}, {})
    coded = set(reference.coded | today.coded)
    unfit = []
    for name in dict.fromkeys((*reference.fields, *today.fields)):
        both = [side.fields.get(name) for side in (reference, today)]
        types = {each.type for each in both if each is not None} - {"nothing"}
        if None not in both and (len(types) > 1 or "other" in types):
            unfit.append(name)
            continue
        code = _codes([each for each in both if each], max_categories) if "text" in types else {}
        coded |= {name} if code else set()
        for side, each in zip(sides, both):
            if each is not None:
                side[name] = _numbers(each, code)
    return sides, frozenset(coded), unfit


def _kinds(kinds: Mapping[str, Kind], fields: Mapping[str, Field]) -> Mapping[str, Kind]:
    unknown = [str(name) for name in kinds if name not in fields]
    wrong = [f"{name}: {kind}" for name, kind in kinds.items() if kind not in KINDS]
    if unknown or wrong:
        found = f"no such column: {', '.join(unknown)}" if unknown else f"kinds {', '.join(wrong)}"
        raise DriftError(f"Found {found}. Give columns of the frame, each as {', '.join(KINDS)}.")
    return {name: kinds.get(name, "feature") for name in fields}


def _times(frame: pd.DataFrame, names: Sequence[str]) -> Times | None:
    """When each row was, naive UTC; None where the frame does not say."""
    if TIME_COLUMN in names:
        given = pd.Series(frame.iloc[:, names.index(TIME_COLUMN)])
    elif isinstance(frame.index, pd.DatetimeIndex):
        given = frame.index.to_series()
    elif isinstance(frame.index, pd.PeriodIndex):
        given = frame.index.to_timestamp().to_series()
    else:
        return np.empty(0, dtype=TS) if frame.empty and not len(frame) else None
    try:
        if pd.api.types.is_numeric_dtype(given.dtype):
            raise TypeError("they are numbers")
        utc = pd.to_datetime(given, utc=True, format="ISO8601")
        ts_N = utc.dt.tz_localize(None).dt.as_unit("us").to_numpy().astype(TS)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise DriftError(
            f"The times of the rows (column {TIME_COLUMN}, or the index) cannot be read: {error}. "
            "Give time stamps, or text such as 2024-01-31T12:00:00Z."
        ) from error
    known = ts_N[~np.isnat(ts_N)]
    if len(known) and (known.min() < _FIRST or known.max() >= _LAST):
        raise DriftError(f"Times go from {known.min()} to {known.max()}; years 1 to 9999 are due.")
    return np.asarray(ts_N)


def _field(column: "pd.Series[Any]") -> Field:
    """A column by what its values are, whatever it calls itself."""
    dtype = column.dtype
    if pd.api.types.is_complex_dtype(dtype):
        return Field("other", np.full(len(column), np.nan))
    if pd.api.types.is_numeric_dtype(dtype):
        with np.errstate(over="ignore", invalid="ignore"):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
        return Field("numbers" if not np.isnan(values).all() else "nothing", values)
    try:
        known_N = ~np.asarray(pd.isna(column), dtype=bool)
    except ArithmeticError:  # a signalling NaN among decimals
        return Field("other", np.full(len(column), np.nan))
    if not known_N.any():
        return Field("nothing", np.full(len(column), np.nan))
    values = column.astype(object).to_numpy(dtype=object, copy=True)
    types = {type(value) for value in values[known_N]}
    if all(issubclass(each, Real | Decimal | np.bool_) for each in types):
        numbers = np.full(len(values), np.nan)
        numbers[known_N] = [_number(value) for value in values[known_N]]
        return Field("numbers" if not np.isnan(numbers).all() else "nothing", numbers)
    if not all(issubclass(each, str | bytes | Real | np.bool_) for each in types):
        return Field("other", np.full(len(column), np.nan))
    texts = np.full(len(values), None, dtype=object)
    texts[known_N] = [_text(value) for value in values[known_N]]
    return Field("text", texts)


def _number(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")  # counts as missing, as every infinite value
    except ValueError:
        return float("nan")


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _codes(fields: Sequence[Field], most: int) -> dict[str, float]:
    """A number for each text; the commonest have one of their own, in the order of the texts."""
    counts: dict[str, int] = {}
    for each in fields:
        for value in each.values if each.type == "text" else ():
            if value is not None:
                counts[value] = counts.get(value, 0) + 1
    kept = sorted(counts, key=lambda text: (-counts[text], text))
    codes = {text: float(code) for code, text in enumerate(sorted(kept[:most]))}
    return {text: codes.get(text, float(most)) for text in counts}


def _numbers(field: Field, codes: Mapping[str, float]) -> NDArray[Any]:
    if field.type != "text":
        return field.values
    return np.array([codes.get(value, np.nan) for value in field.values], dtype=np.float64)
