"""What each partition was made of: the ledger that tells whether it would come out the same now."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_nn.bars import Bars
from crypto_nn.bars.bars import REQUIRED
from crypto_nn.bars.calendar import TS
from crypto_nn.store.lake import Lake

TABLE = "partition_inputs"

Parts = Mapping[str, str]
"""By name, hashes of what a partition follows from."""


@dataclass(frozen=True)
class Made:
    """How a partition came about.

    Attributes:
        asset: bars, features or labels.
        symbol: base and quote.
        month: YYYY-MM.
        made_of: by name, hashes of all that its rows follow from: data, settings, code.
        rests_on: the content of each month of bars that was looked at, "" where there was none.
            While none has changed, the exact stretch in `made_of` need not be read again.
        content: SHA-256 of its rows.
        made_at: when it was made (µs, UTC).
    """

    asset: str
    symbol: str
    month: str
    made_of: Parts
    rests_on: Parts
    content: str
    made_at: np.datetime64

    @cached_property
    def inputs(self) -> str:
        """One hash of `made_of`: the same inputs give the same rows."""
        return digest(dict(self.made_of))

    @property
    def partition(self) -> dict[str, str]:
        """The rows of the ledger that this replaces."""
        return {"asset": self.asset, "symbol": self.symbol, "month": self.month}

    def to_arrow(self) -> pa.Table:
        """One row of `partition_inputs`."""
        row = {
            **self.partition,
            "inputs": self.inputs,
            "made_of": json.dumps(dict(self.made_of), sort_keys=True),
            "rests_on": json.dumps(dict(self.rests_on), sort_keys=True),
            "content": self.content,
            "made_at": self.made_at.astype(TS).item(),
        }
        return pa.table({name: [value] for name, value in row.items()})


def read_ledger(
    lake: Lake, symbols: Iterable[str] | None = None
) -> dict[tuple[str, str, str], Made]:
    """What is on record, by asset, symbol and month; nothing where none was ever written."""
    if not lake.has(TABLE):
        return {}
    where = {} if symbols is None else {"symbol": sorted(symbols)}
    found = (
        Made(
            row["asset"],
            row["symbol"],
            row["month"],
            json.loads(row["made_of"]),
            json.loads(row["rests_on"]),
            row["content"],
            np.datetime64(row["made_at"], "us"),
        )
        for row in lake.read(TABLE, where=where).to_pylist()
    )
    return {(made.asset, made.symbol, made.month): made for made in found}


def drop_columns(
    lake: Lake, asset: str, columns: Collection[str], forgotten: Callable[[Parts], Parts]
) -> None:
    """Take columns out of an asset's table, and out of what its partitions are on record with.

    Both in one transaction, so that a column that comes back later is not taken for a stored one.

    Args:
        lake: where the table of the asset's name is.
        asset: whose table and partitions.
        columns: their names.
        forgotten: from what a partition is made of, to what it is made of without the columns.
    """

    def changed(ledger: pa.Table) -> pa.Table:
        found = [dict(forgotten(json.loads(text))) for text in ledger["made_of"].to_pylist()]
        news = {
            "inputs": [digest(made_of) for made_of in found],
            "made_of": [json.dumps(made_of, sort_keys=True) for made_of in found],
        }
        for name, values in news.items():
            place = ledger.column_names.index(name)
            ledger = ledger.set_column(place, name, pa.array(values, pa.string()))
        return ledger

    lake.rewrite(TABLE, {"asset": asset}, changed, {asset: columns})


def digest(facts: Any) -> str:
    """SHA-256 of facts that JSON can hold, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def content_of(bars: Bars) -> str:
    """SHA-256 of bars: times, prices, volume. What sources add beside them counts for nothing."""
    return hash_of(*(getattr(bars, name) for name in REQUIRED))


def closes_of(bars: Bars) -> str:
    """SHA-256 of the times and closes of bars: all that labels look at."""
    return hash_of(bars.ts, bars.close)


def hash_of(*columns: NDArray[Any]) -> str:
    """SHA-256 of arrays, bit for bit."""
    seen = hashlib.sha256()
    for column in columns:
        seen.update(np.ascontiguousarray(column).reshape(-1).view(np.uint8).data)
    return seen.hexdigest()
