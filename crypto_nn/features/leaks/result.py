"""What a function of bars gives, as named columns that can be compared to the bit."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.errors import CryptoNNError, FeatureError
from crypto_nn.features.labels import Labels

Compute = Callable[[Bars], Any]
REFUSALS = (
    CryptoNNError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError
)  # fmt: skip
"""What numerical code raises when it does not like its input."""


class AreLabelsError(FeatureError):
    """A function gives labels, each with its t1: `examine_labels` is for them."""


@dataclass(frozen=True, eq=False)
class Result:
    """One row per bar, one column per name; numbers of any kind, NaN where there is none.

    Strings and objects are stood for by numbers that are equal where they are; `words` names them.
    """

    names: tuple[str, ...]
    values_NF: NDArray[Any]
    words: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.values_NF)

    def with_names(self, names: Sequence[str]) -> "Result":
        """These columns in this order; NaN for one that it does not have."""
        if self.names == tuple(names):
            return self
        values_NF = np.full((len(self), len(names)), np.nan)
        for column, name in enumerate(names):
            if name in self.names:
                values_NF[:, column] = self.values_NF[:, self.names.index(name)]
        return Result(tuple(names), values_NF, self.words)


@dataclass(frozen=True)
class Difference:
    """A column of two results that is not the same in some early rows.

    Attributes:
        column: its position, and its name.
        row: the first row that differs.
        num_rows: how many do.
        size: the largest difference beside the larger of both values; 1 where one is null.
        far: the largest difference in standard deviations of the column; infinite where one is
            null, or the column is constant.
    """

    column: int
    name: str
    row: int
    num_rows: int
    size: float
    far: float


def run(compute: Compute, bars: Bars, names: Sequence[str] | None = None) -> Result:
    """The result for a copy of these bars, which the function may do with as it likes.

    Raises:
        FeatureError: the result does not have one row per bar.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = compute(bars.take(np.arange(len(bars))))
    return _result(found, bars, names)


def differences(before: Result, after: Result, num_rows: int) -> Iterator[Difference]:
    """The columns that are not the same, bit for bit, in the first rows."""
    names = tuple(dict.fromkeys((*before.names, *after.names)))
    before, after = before.with_names(names), after.with_names(names)
    a_NF, b_NF = before.values_NF[:num_rows], after.values_NF[:num_rows]
    same_NF = a_NF == b_NF
    if same_NF.all():
        return
    same_NF |= (a_NF != a_NF) & (b_NF != b_NF)  # NaN is the one value unequal to itself
    for column in np.flatnonzero(~same_NF.all(axis=0)):
        row_K = np.flatnonzero(~same_NF[:, column])
        size, far = _sizes(a_NF[:, column], b_NF[:, column], row_K)
        yield Difference(int(column), names[column], int(row_K[0]), len(row_K), size, far)


def _sizes(a_N: NDArray[Any], b_N: NDArray[Any], row_K: NDArray[np.int64]) -> tuple[float, float]:
    a_K, b_K = a_N[row_K].astype(np.float64), b_N[row_K].astype(np.float64)
    if not (np.isfinite(a_K) & np.isfinite(b_K)).all():
        return 1.0, np.inf
    away_K = np.abs(a_K - b_K)
    known = a_N[np.isfinite(a_N)].astype(np.float64)
    with np.errstate(all="ignore"):
        size = float((away_K / np.maximum(np.abs(a_K), np.abs(b_K))).max())
        return size, float(np.nan_to_num(away_K.max() / known.std(), nan=np.inf))


def has_labels(given: Any) -> bool:
    """Whether what a function gives are labels: values, each with the time it is known."""
    if isinstance(given, pd.DataFrame):
        return any(str(name).startswith("t1") for name in given.columns)
    return isinstance(given, Labels) or (isinstance(given, tuple) and len(given) == 2)


def _result(found: Any, bars: Bars, names: Sequence[str] | None) -> Result:
    if has_labels(found):
        raise AreLabelsError("The function gives labels: examine it with `examine_labels`.")
    if isinstance(found, pd.Series):
        found = found.to_frame(name="" if found.name is None else found.name)
    if isinstance(found, pd.DataFrame):
        found = _by_time(found, bars)
        _check_length(found, bars)
        named = _distinct([str(name) or "column 0" for name in found.columns])
        return _of_columns([found.iloc[:, n] for n in range(found.shape[1])], named)
    values = np.asarray(found)
    _check_length(values, bars)
    values_NF = values.reshape(len(bars), -1 if values.size else _width(values))
    if names is None or len(names) != values_NF.shape[1]:
        names = [f"column {n}" for n in range(values_NF.shape[1])]
    if values_NF.dtype.kind not in "fiub":
        return _of_columns([pd.Series(column) for column in values_NF.T], tuple(names))
    return Result(tuple(names), values_NF)


def _of_columns(columns: Sequence["pd.Series[Any]"], names: tuple[str, ...]) -> Result:
    if not columns:
        raise FeatureError("The function gives no column; at least one is due.")
    numbers, are_words = zip(*map(_numbers, columns))
    words = frozenset(name for name, is_word in zip(names, are_words) if is_word)
    return Result(names, np.column_stack(numbers), words)


def _width(values: NDArray[Any]) -> int:
    return int(values.shape[1]) if values.ndim == 2 else 1


def _check_length(values: Any, bars: Bars) -> None:
    if values.ndim not in (1, 2) or len(values) != len(bars):
        raise FeatureError(
            f"{len(bars)} bars gave a result of shape {values.shape}; one row per bar is due, with "
            "nulls where there is no value (or a frame indexed by the bars' times)."
        )


def _by_time(frame: pd.DataFrame, bars: Bars) -> pd.DataFrame:
    """A frame indexed by time has its rows put beside the bars of those times."""
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or not index.is_unique:
        return frame
    if index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
    due = pd.DatetimeIndex(bars.ts)
    if len(index) == len(due) and (index == due).all():
        return frame
    return frame.set_axis(index).reindex(due)


def _numbers(column: "pd.Series[Any]") -> tuple[NDArray[Any], bool]:
    """A column as numbers that are equal where its values are, and whether these are words."""
    if column.dtype.kind in "fiub" and isinstance(column.dtype, np.dtype):
        return column.to_numpy(), False
    blank = column.isna().to_numpy()
    plain = column.astype(object).where(~blank, None)
    numbers = pd.to_numeric(plain, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if (np.isnan(numbers) == blank).all() and column.dtype.kind not in "mM":
        return numbers, False
    codes = pd.util.hash_array(plain.astype(str).to_numpy(object)) >> np.uint64(11)
    return np.where(blank, np.nan, codes.astype(np.float64)), column.dtype.kind not in "mM"


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(distinct)
