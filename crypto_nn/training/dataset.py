"""What the lake holds, as the arrays that training, scoring and monitoring work on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import TS, month_slices
from crypto_nn.errors import LakeError
from crypto_nn.features.labels import MINUTE, Labels
from crypto_nn.features.panel import Panel, Part
from crypto_nn.features.scaling import Matrix
from crypto_nn.store.lake import Lake

MONTHS_AT_ONCE = 2
"""So many months of features are read together; more of them need more memory, and gain nothing."""


@dataclass(frozen=True)
class Extent:
    """The stretch [start, end) over which every symbol of a universe has features."""

    start: np.datetime64
    end: np.datetime64


def extent(lake: Lake, symbols: Sequence[str], names: Sequence[str]) -> Extent:
    """Where the features of all these symbols begin, past their warm-up, and where they end.

    Raises:
        LakeError: a symbol has no complete row of features.
    """
    found = [_extent_of(lake, symbol, names) for symbol in symbols]
    return Extent(max(each.start for each in found), min(each.end for each in found))


def _extent_of(lake: Lake, symbol: str, names: Sequence[str]) -> Extent:
    months = [month for name, month in lake.partitions("features", ("symbol", "month"))
              if name == symbol]  # fmt: skip
    for month in months:
        where = {"symbol": symbol, "month": month}
        table = lake.read("features", columns=("ts", *names), where=where)
        complete = table.drop_null()
        if complete.num_rows:
            last = {"symbol": symbol, "month": months[-1]}
            ends = lake.read("features", columns=("ts",), where=last)["ts"].to_numpy()
            return Extent(complete["ts"].to_numpy()[0].astype(TS), ends[-1].astype(TS) + MINUTE)
    raise LakeError(
        f"{symbol} has no minute at which all {len(names)} features are there. Materialise "
        "`features`, or ingest more months: the first one goes into the features' warm-up."
    )


def load_panel(
    lake: Lake,
    symbols: Sequence[str],
    names: Sequence[str],
    start: np.datetime64,
    end: np.datetime64,
    snapshot: int | None = None,
) -> Panel:
    """Features, labels and closes of the bars that open in [start, end).

    Args:
        names: the features, in the order of the feature set.
        snapshot: read the lake as it was at this snapshot; now if not given.

    Few months of features are read at a time, each into its place in the panel, so that no more
    than the panel itself is in memory once.

    Raises:
        LakeError: a table or a feature is not there.
    """
    stretch = start.astype(TS), end.astype(TS)
    panel = Panel.from_parts(_parts(lake, symbols, (), stretch, snapshot))
    x_NF = np.empty((len(panel), len(names)), dtype=np.float32)
    for symbol in symbols:
        for rows in _months_of(panel, symbol):
            ts = panel.ts_N[rows]
            between = ts[0], ts[-1] + MINUTE
            table = lake.read("features", ("ts", *names), {"symbol": symbol}, *between, snapshot)
            _write(table, ts, x_NF[rows])
            del table
            pa.default_memory_pool().release_unused()
    return replace(panel, names=tuple(names), x_NF=x_NF)


def _months_of(panel: Panel, symbol: str) -> Iterator[slice]:
    """The rows of a symbol, a few months at a time."""
    first = panel.slice_of(symbol).start
    months = [rows for _, rows in month_slices(panel.ts_N[panel.slice_of(symbol)])]
    for position in range(0, len(months), MONTHS_AT_ONCE):
        few = months[position : position + MONTHS_AT_ONCE]
        yield slice(first + few[0].start, first + few[-1].stop)


def _write(table: pa.Table, ts: NDArray[np.datetime64], x_NF: Matrix) -> None:
    """Put the features of these times where they belong; NaN for null."""
    times = table["ts"].to_numpy().astype(TS)
    whole = len(times) == len(ts)
    of_features = np.searchsorted(times, ts)
    for column, name in enumerate(table.column_names[1:]):
        values = table[name].to_numpy()
        x_NF[:, column] = values if whole else values[of_features]


def load_parts(
    lake: Lake,
    symbols: Sequence[str],
    names: Sequence[str],
    start: np.datetime64,
    end: np.datetime64,
    snapshot: int | None = None,
) -> dict[str, Part]:
    """The same by symbol, not stacked yet; for what has more to do with it than to learn from it.

    Raises:
        LakeError: a table or a feature is not there.
    """
    return _parts(lake, symbols, names, (start.astype(TS), end.astype(TS)), snapshot)


def _parts(
    lake: Lake,
    symbols: Sequence[str],
    names: Sequence[str],
    stretch: tuple[np.datetime64, np.datetime64],
    snapshot: int | None,
) -> dict[str, Part]:
    parts = {}
    for symbol in symbols:
        where = {"symbol": symbol}
        read = partial(lake.read, where=where, start=stretch[0], end=stretch[1], snapshot=snapshot)
        parts[symbol] = Part(
            read("features", ("ts", *names)),
            Labels.from_arrow(read("labels")),
            Bars.from_arrow(read("bars"), symbol),
        )
    return parts
