"""What the lake holds, as the arrays that training, scoring and monitoring work on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from crypto_nn.bars import Bars
from crypto_nn.bars.calendar import TS
from crypto_nn.errors import LakeError
from crypto_nn.features.labels import MINUTE, Labels
from crypto_nn.features.panel import Panel, Part
from crypto_nn.store.lake import Lake


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

    Raises:
        LakeError: a table or a feature is not there.
    """
    return Panel.from_parts(load_parts(lake, symbols, names, start, end, snapshot))


def load_parts(
    lake: Lake,
    symbols: Sequence[str],
    names: Sequence[str],
    start: np.datetime64,
    end: np.datetime64,
    snapshot: int | None = None,
) -> dict[str, Part]:
    """What `load_panel` stacks, by symbol."""
    parts = {}
    for symbol in symbols:

        def read(table: str, columns: Sequence[str] | None = None, of: str = symbol) -> pa.Table:
            return lake.read(
                table, columns, {"symbol": of}, start.astype(TS), end.astype(TS), snapshot
            )

        parts[symbol] = Part(
            read("features", ("ts", *names)),
            Labels.from_arrow(read("labels")),
            Bars.from_arrow(read("bars"), symbol),
        )
    return parts
