"""Panel: what training needs of several symbols, stacked into plain arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from crypto_nn.bars import Bars, Float, Times
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import FeatureError
from crypto_nn.features.labels import Classes, Labels, classify
from crypto_nn.features.scaling import CHUNK_ROWS, Matrix

MINUTE = np.timedelta64(60_000_000, "us")
KEYS = ("symbol", "month", "ts")
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """What the lake has of one symbol; each is ordered by time.

    Attributes:
        features: `ts` and one float column for each feature (`symbol` and `month` are ignored).
        labels: labels of its bars.
        bars: clean 1-minute bars, for the closes.
    """

    features: pa.Table
    labels: Labels
    bars: Bars

    @classmethod
    def from_arrays(
        cls, x_NF: NDArray[np.floating[Any]], names: Sequence[str], labels: Labels, bars: Bars
    ) -> "Part":
        """A part whose features are a matrix with one row for each bar."""
        columns = {name: np.ascontiguousarray(x_NF[:, i]) for i, name in enumerate(names)}
        return cls(pa.table({"ts": bars.ts, **columns}), labels, bars)

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of the columns."""
        return tuple(name for name in self.features.column_names if name not in KEYS)


@dataclass(frozen=True, eq=False)
class Panel:
    """N bars of one or more symbols, symbol by symbol, each in order of time.

    Rows without features (NaN) or without labels (class −1) are kept: a window may need the
    former's neighbours as context, and the newest rows have no label yet.

    Attributes:
        symbols: `symbol_N` counts into these.
        names: features, the columns of `x_NF`.
        horizons: minutes ahead, the columns of what ends in NH.
        ts_N: bar opens, datetime64[us], UTC.
        symbol_N: position in `symbols`, int16, ascending.
        x_NF: features as stored, not scaled, float32; NaN for null.
        close_N: closes.
        sigma_N, returns_NH, scores_NH, t1_NH, classes_NH: as in `Labels`.
    """

    symbols: tuple[str, ...]
    names: tuple[str, ...]
    horizons: tuple[int, ...]
    ts_N: Times
    symbol_N: NDArray[np.int16]
    x_NF: Matrix
    close_N: Float
    sigma_N: Float
    returns_NH: Float
    scores_NH: Float
    t1_NH: Times
    classes_NH: Classes

    @classmethod
    def from_parts(cls, parts: Mapping[str, Part]) -> "Panel":
        """Stack symbols; a row is kept when features, labels and bars all have its time.

        Raises:
            FeatureError: there are no parts, or features or horizons differ between symbols.
        """
        names, horizons = _common(parts)
        rows = {symbol: _shared_rows(part) for symbol, part in parts.items()}
        sizes = [len(of_features) for of_features, _, _ in rows.values()]
        x_NF = np.empty((sum(sizes), len(names)), dtype=np.float32)
        labels, closes, lo = [], [], 0
        for (symbol, part), size in zip(parts.items(), sizes):
            of_features, of_labels, of_bars = rows[symbol]
            whole = size == len(part.features)
            for column, name in enumerate(names):
                values = part.features[name].to_numpy()
                x_NF[lo : lo + size, column] = values if whole else values[of_features]
            labels.append(part.labels.take(of_labels))
            closes.append(part.bars.close[of_bars])
            lo += size

        def stacked(name: str) -> Any:
            return np.concatenate([getattr(label, name) for label in labels])

        return cls(
            symbols=tuple(parts),
            names=names,
            horizons=horizons,
            ts_N=stacked("ts"),
            symbol_N=np.repeat(np.arange(len(sizes), dtype=np.int16), sizes),
            x_NF=x_NF,
            close_N=np.concatenate(closes),
            sigma_N=stacked("sigma"),
            returns_NH=stacked("returns_NH"),
            scores_NH=stacked("scores_NH"),
            t1_NH=stacked("t1_NH"),
            classes_NH=stacked("classes_NH"),
        )

    def __len__(self) -> int:
        return len(self.ts_N)

    def take(self, rows: slice | NDArray[Any]) -> "Panel":
        """These rows; a slice gives views and copies nothing."""
        columns = {field.name: getattr(self, field.name)[rows] for field in fields(self)[3:]}
        return replace(self, **columns)

    def slice_of(self, symbol: str) -> slice:
        """Where the rows of a symbol lie.

        Raises:
            FeatureError: the panel does not have the symbol.
        """
        if symbol not in self.symbols:
            raise FeatureError(f"The panel has no {symbol}; it has {', '.join(self.symbols)}.")
        number = self.symbols.index(symbol)
        lo, hi = np.searchsorted(self.symbol_N, [number, number + 1])
        return slice(int(lo), int(hi))

    def slices_between(self, start: np.datetime64, end: np.datetime64) -> tuple[slice, ...]:
        """Where the bars that open in [start, end) lie, one slice for each symbol."""
        found = []
        for symbol in self.symbols:
            rows = self.slice_of(symbol)
            lo, hi = np.searchsorted(self.ts_N[rows], np.array([start, end], dtype=TS))
            found.append(slice(rows.start + int(lo), rows.start + int(hi)))
        return tuple(found)

    def between(self, start: np.datetime64, end: np.datetime64) -> "Panel":
        """The bars that open in [start, end) of every symbol; views where they lie together."""
        slices = [rows for rows in self.slices_between(start, end) if rows.stop > rows.start]
        if not slices:
            return self.take(slice(0, 0))
        if all(a.stop == b.start for a, b in pairwise(slices)):
            return self.take(slice(slices[0].start, slices[-1].stop))
        return self.take(np.concatenate([np.arange(rows.start, rows.stop) for rows in slices]))

    def classes_at(self, k: ArrayLike) -> Classes:
        """Classes by another k, one number or one for each horizon, as a fold fits it (N, H)."""
        return classify(self.scores_NH, k)

    @cached_property
    def finite_N(self) -> NDArray[np.bool_]:
        """Which rows have every feature."""
        finite = np.empty(len(self), dtype=np.bool_)
        for lo in range(0, len(self), CHUNK_ROWS):
            chunk = slice(lo, lo + CHUNK_ROWS)
            finite[chunk] = np.isfinite(self.x_NF[chunk]).all(axis=1)
        return finite

    def window_ends(self, window: int) -> Rows:
        """Positions i at which a whole window ends, ascending.

        Rows i − window + 1 … i are of one symbol, one minute apart, with every feature. Labels
        are not asked for: choose by `classes_NH` and by `rows_of` a fold's role.
        """
        if not len(self):
            return np.empty(0, dtype=np.int64)
        position = np.arange(len(self))
        broken = np.ones(len(self), dtype=np.bool_)
        broken[1:] = np.diff(self.ts_N) != MINUTE
        broken[1:] |= self.symbol_N[1:] != self.symbol_N[:-1]
        broken[1:] |= ~self.finite_N[:-1]
        run_start = np.maximum.accumulate(np.where(broken, position, 0))
        ends: Rows = np.flatnonzero(self.finite_N & (position - run_start >= window - 1))
        return ends


def _common(parts: Mapping[str, Part]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and horizons, which must be the same in all parts."""
    if not parts:
        raise FeatureError("A panel of no symbols was asked for; give at least one.")
    first, (names, horizons) = next(
        (symbol, (part.names, part.labels.horizons)) for symbol, part in parts.items()
    )
    for symbol, part in parts.items():
        if part.names != names:
            odd = sorted(set(part.names) ^ set(names)) or ["their order"]
            raise FeatureError(
                f"{symbol} and {first} have different features ({', '.join(odd[:5])}). "
                "Materialise `features` of both with the same feature set."
            )
        if part.labels.horizons != horizons:
            raise FeatureError(
                f"{symbol} has labels for {part.labels.horizons} minutes and {first} for "
                f"{horizons}. Materialise `labels` of both with the same horizons."
            )
    return names, horizons


def _shared_rows(part: Part) -> tuple[Rows, Rows, Rows]:
    """Positions in features, labels and bars of the times that all three have."""
    times = (part.features["ts"].to_numpy().astype(TS), part.labels.ts, part.bars.ts)
    shared = times[0]
    for other in times[1:]:
        if len(other) != len(shared) or not np.array_equal(other, shared):
            shared = np.intersect1d(shared, other, assume_unique=True)
    of_features, of_labels, of_bars = (np.searchsorted(ts, shared) for ts in times)
    return of_features, of_labels, of_bars
