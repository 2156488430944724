"""How assets are stored: raw bars as Parquet, everything else as tables of the lake.

Both stay with single-run backfills over two-dimensional partitions: an asset hands over its
partitions one at a time, each is stored in one step (one renamed file, one transaction), and
what was stored stays stored if the run dies. Inputs are handles that read on demand, so that no
asset ever holds more than it looks at. Nothing is pickled.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from crypto_nn.bars import Bars, Times
from crypto_nn.defs.resources import Platform
from crypto_nn.errors import LakeError
from crypto_nn.store.lake import Lake
from crypto_nn.store.raw import RawStore
from crypto_nn.store.replacement import RowIds

Metadata = Mapping[str, Any]


@dataclass(frozen=True)
class RawMonth:
    """Bars of one symbol and month, as a source gave them.

    Attributes:
        received_at: when, UTC: one time for all, or one for each row.
    """

    source: str
    symbol: str
    month: str
    bars: Bars
    received_at: np.datetime64 | Times


@dataclass(frozen=True)
class RawMonths:
    """Raw months to store, one at a time; `describe` is asked after the last is stored."""

    parts: Iterable[RawMonth]
    describe: Callable[[], Metadata] = dict


@dataclass(frozen=True)
class Tables:
    """The rows of one partition, of one or several tables: they are replaced together.

    Attributes:
        own: the partition of single tables, where it is another than `partition`.
        remove: rows of other tables whose place these take, by table and `rowid`.
    """

    partition: Mapping[str, str]
    tables: Mapping[str, pa.Table]
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    remove: Mapping[str, RowIds] = field(default_factory=dict)


@dataclass(frozen=True)
class Partitions:
    """Partitions to store; `describe` is asked after the last is stored.

    Attributes:
        together: how many go into one transaction. What makes the parts must then not count on
            each being stored when it is asked for the next.
    """

    parts: Iterable[Tables]
    describe: Callable[[], Metadata] = dict
    together: int = 1


@dataclass(frozen=True)
class RawReader:
    """Raw bars on demand."""

    store: RawStore

    def month(self, symbol: str, month: str, source: str) -> pa.Table:
        """The raw rows of a month.

        Raises:
            LakeError: the month was never ingested.
        """
        return self.store.read(symbol, month, source)


@dataclass(frozen=True)
class TableReader:
    """One table of the lake on demand."""

    lake: Lake
    name: str
    keys: Sequence[str] = field(default_factory=tuple)

    def read(self, **how: Any) -> pa.Table:
        """The rows asked for (`columns`, `where`, `start`, `end`): see `Lake.read`.

        Raises:
            LakeError: the table does not exist yet.
        """
        if not self.lake.has(self.name):
            raise LakeError(
                f"There is no table `{self.name}` yet. Materialise the asset of that name first."
            )
        return self.lake.read(self.name, **how)


class ParquetIOManager(dg.ConfigurableIOManager):
    """Stores raw bars: one Parquet file per source, symbol and month; rows are never edited."""

    platform: dg.ResourceDependency[Platform]

    def handle_output(self, context: dg.OutputContext, obj: RawMonths) -> None:
        """Append what is new of each month; known rows change nothing."""
        counts = {"rows_received": 0, "rows_new": 0}
        totals: dict[tuple[str, str, str], int] = {}
        for part in obj.parts:
            done = self.platform.raw.append(
                part.source, part.symbol, part.month, part.bars, part.received_at
            )
            counts["rows_received"] += len(part.bars)
            counts["rows_new"] += done.rows_new
            totals[part.source, part.symbol, part.month] = done.rows_total
        total = sum(totals.values())
        context.add_output_metadata({"dagster/row_count": total, "rows_total": total, **counts})
        context.add_output_metadata(dict(obj.describe()))

    def load_input(self, context: dg.InputContext) -> RawReader:
        """A handle that reads months on demand."""
        return RawReader(self.platform.raw)


class LakeIOManager(dg.ConfigurableIOManager):
    """Stores tables in the DuckLake: partitions are replaced in transactions."""

    platform: dg.ResourceDependency[Platform]

    def handle_output(self, context: dg.OutputContext, obj: Partitions) -> None:
        """Replace each partition; readers see it before or after, never between."""
        lake, rows, snapshot, main = self.platform.lake, 0, 0, ""
        waiting: list[Tables] = []
        try:
            for part in obj.parts:
                waiting.append(part)
                main = next(iter(part.tables))
                rows += part.tables[main].num_rows
                if len(waiting) == obj.together:
                    snapshot = lake.replace_all(waiting)
                    waiting = []
        finally:  # what was made before an error is stored
            snapshot = lake.replace_all(waiting) if waiting else snapshot
        if not main:
            context.add_output_metadata(dict(obj.describe()))
            return
        metadata: dict[str, Any] = {
            "dagster/table_name": f"lake.main.{main}",
            "rows": rows,
            "snapshot": snapshot,
            "query": dg.MetadataValue.md(f'`crypto-nn sql "from {main} limit 10"`'),
        }
        if context.has_asset_partitions and len(context.asset_partition_keys) == 1:
            metadata["dagster/partition_row_count"] = rows
        context.add_output_metadata(metadata)
        context.add_output_metadata(dict(obj.describe()))

    def load_input(self, context: dg.InputContext) -> TableReader:
        """A handle that reads rows on demand."""
        return TableReader(self.platform.lake, context.asset_key.path[-1])


class RefusingIOManager(dg.IOManager):
    """The default: an asset that forgets to say where it is stored fails loudly."""

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Accept only nothing."""
        if obj is not None:
            raise LakeError(
                f"{context.asset_key.to_user_string()} names no IO manager. "
                'Give it io_manager_key="lake" or "raw_parquet".'
            )

    def load_input(self, context: dg.InputContext) -> None:
        """Nothing is loaded."""
