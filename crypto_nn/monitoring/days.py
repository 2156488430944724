"""What is watched, cut into whole UTC days."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from crypto_nn.bars.calendar import TS
from crypto_nn.errors import DriftError

Kind = Literal["feature", "prediction", "performance"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Matrix = NDArray[np.floating[Any]]
Days = NDArray[np.datetime64]

MINUTES = 1440  # of a day


@dataclass(frozen=True, eq=False)
class DayBlocks:
    """Columns of one symbol, minute by minute, of which whole UTC days are compared.

    A day, not a minute, is the unit: minutes resemble their neighbours, so a test that takes them
    for independent alarms nearly every day.

    Attributes:
        ts_N: time stamps, datetime64[us], ascending.
        x_NF: values; NaN (or infinite) where there is none.
        names: one name per column.
        kinds: what each column is: a "feature" the model sees; a "prediction" it makes, such as a
            class probability; "performance", a loss per row where higher is worse (log-loss, or
            1 where the predicted class was wrong), NaN while the label has not matured.
        categorical: columns whose values are codes, compared by their shares however many
            there are; others are where they have few distinct values.
    """

    ts_N: NDArray[np.datetime64]
    x_NF: Matrix
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    categorical: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        due = (len(self.ts_N), len(self.names))
        if self.x_NF.shape != due or len(self.kinds) != len(self.names):
            raise DriftError(
                f"Day blocks have {due[0]} time stamps, {due[1]} names and {len(self.kinds)} kinds,"
                f" but values of shape {self.x_NF.shape}. Give one row per stamp, one column per "
                "name, one kind per name."
            )
        twice = {name for name in self.names if self.names.count(name) > 1}
        if twice:
            raise DriftError(f"Column {', '.join(sorted(twice))} comes twice; rename one.")

    @classmethod
    def from_rows(
        cls,
        ts_N: NDArray[np.datetime64],
        x_NF: Matrix,
        names: Sequence[str],
        kind: Kind = "feature",
    ) -> "DayBlocks":
        """Day blocks of one kind of column; rows are put in order, those without a time left out.

        Raises:
            DriftError: shapes do not fit, or a name comes twice.
        """
        ts_N = np.asarray(ts_N).astype(TS)
        x_NF = np.asarray(x_NF)
        blocks = cls(ts_N, x_NF, tuple(names), (kind,) * len(names))
        if not np.isnat(ts_N).any() and (ts_N[1:] >= ts_N[:-1]).all():
            return blocks
        order = np.argsort(ts_N, kind="stable")
        return blocks.rows(order[~np.isnat(ts_N[order])])

    @classmethod
    def empty(cls, names: Sequence[str] = (), kind: Kind = "feature") -> "DayBlocks":
        """No rows at all."""
        return cls.from_rows(np.empty(0, dtype=TS), np.empty((0, len(names))), names, kind)

    @classmethod
    def join(cls, *parts: "DayBlocks") -> "DayBlocks":
        """Columns of several kinds side by side, matched by time; NaN where a part has no row."""
        ts_N = np.unique(np.concatenate([part.ts_N for part in parts]))
        columns = []
        for part in parts:
            x_NF = np.full((len(ts_N), len(part.names)), np.nan, dtype=part.x_NF.dtype)
            x_NF[np.searchsorted(ts_N, part.ts_N)] = part.x_NF
            columns.append(x_NF)
        names = tuple(name for part in parts for name in part.names)
        kinds = tuple(kind for part in parts for kind in part.kinds)
        categorical = frozenset().union(*(part.categorical for part in parts))
        return cls(ts_N, np.concatenate(columns, axis=1), names, kinds, categorical)

    def rows(self, picked: NDArray[np.bool_] | NDArray[np.int64]) -> "DayBlocks":
        """The rows at these positions, or where this mask is true."""
        return replace(self, ts_N=self.ts_N[picked], x_NF=self.x_NF[picked])

    def of_kind(self, kind: Kind, without: Collection[str] = ()) -> "DayBlocks":
        """The columns of one kind, and the rows on which any of them has a value.

        Args:
            kind: which.
            without: names that are left out.
        """
        columns = [
            j
            for j, (each, name) in enumerate(zip(self.kinds, self.names, strict=True))
            if each == kind and name not in without
        ]
        x_NF = self.x_NF[:, columns]
        names = tuple(self.names[j] for j in columns)
        part = replace(self, x_NF=x_NF, names=names, kinds=(kind,) * len(columns))
        known: NDArray[np.bool_] = np.asarray(np.isfinite(x_NF).any(axis=1))
        return part if known.all() else part.rows(known)

    def day_N(self) -> Days:
        """The UTC day of each row."""
        return self.ts_N.astype("datetime64[D]")

    def minute_N(self) -> NDArray[np.int64]:
        """The minute of each row, counted from 1970; modulo 1440 it is that of the UTC day."""
        minute_N: NDArray[np.int64] = self.ts_N.astype("datetime64[m]").astype(np.int64)
        return minute_N

    def on(self, days: Days) -> "DayBlocks":
        """The rows of these days."""
        return self.rows(np.asarray(np.isin(self.day_N(), days)))

    def thinned(self, max_rows: int) -> "DayBlocks":
        """Every k-th row of a day that has more than `max_rows`, spread over the whole day."""
        _, first, index_N, counts = np.unique(
            self.day_N(), return_index=True, return_inverse=True, return_counts=True
        )
        if not len(counts) or counts.max() <= max_rows:
            return self
        stride = _stride(counts, max_rows)
        place_N = np.arange(len(self.ts_N)) - first[index_N]
        keep_N: NDArray[np.bool_] = place_N % stride[index_N] == 0
        return self.rows(keep_N)

    def days(self, max_rows: int) -> tuple[Days, NDArray[np.int64]]:
        """The days that have rows, and how many rows each has once thinned to `max_rows`."""
        days, counts = np.unique(self.day_N(), return_counts=True)
        return days, -(-counts // _stride(counts, max_rows))


def _stride(counts: NDArray[np.int64], max_rows: int) -> NDArray[np.int64]:
    return -(-counts // max_rows)
