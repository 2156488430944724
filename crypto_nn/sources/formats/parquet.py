"""Bars in Parquet, one row group at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crypto_nn.bars.bars import Times
from crypto_nn.errors import BarsError
from crypto_nn.sources.formats.bar_file import BarFile, Piece, readable
from crypto_nn.sources.formats.cells import read_times
from crypto_nn.sources.formats.columns import find_columns


class ParquetFile(BarFile):
    """A Parquet file; a piece is a row group."""

    layout = "Parquet"

    def __init__(self, path: Path) -> None:
        self.label = str(path)
        self._path = path
        with readable(self.label), pq.ParquetFile(path) as file:
            self._metadata = file.metadata
            schema = file.schema_arrow
        found = find_columns(schema.names, self.label)
        self._names = {ours: schema.names[at] for ours, at in found.items()}
        twice = [name for name in self._names.values() if schema.names.count(name) > 1]
        if twice:
            raise BarsError(f"{path} has {twice[0]!r} more than once. Rename or drop one of them.")
        self._time = schema.field(self._names["ts"])
        self.columns = tuple(found)
        if not self._metadata.num_rows:
            raise BarsError(f"{path} has columns but no rows. Write it again, or remove it.")

    def tables(
        self, names: Sequence[str], pieces: Sequence[Piece] | None = None
    ) -> Iterator[tuple[Piece, pa.Table]]:
        """The row groups, only the asked columns being read."""
        wanted = self._pieces() if pieces is None else pieces
        theirs = [self._names[name] for name in names]
        with readable(self.label), pq.ParquetFile(self._path) as file:
            for piece in wanted:
                table = file.read_row_group(piece.start, columns=theirs)
                yield piece, table.select(theirs).rename_columns(list(names))

    def _pieces(self) -> list[Piece]:
        groups = range(self._metadata.num_row_groups)
        sizes = [self._metadata.row_group(group).num_rows for group in groups]
        return [Piece(group, size) for group, size in zip(groups, sizes) if size]

    def statistics(self) -> list[tuple[Piece, Times]] | None:
        """From the row groups' own statistics; None where any lacks them or has null times."""
        if not pa.types.is_timestamp(self._time.type):
            return None
        leaves = self._metadata.schema  # also those within other columns, which have a longer path
        at = [leaves.column(leaf).path for leaf in range(len(leaves))].index(self._time.name)
        known: list[tuple[Piece, Times]] = []
        for piece in self._pieces():
            told = self._metadata.row_group(piece.start).column(at).statistics
            if told is None or not told.has_min_max or told.null_count != 0:
                return None
            try:
                ends = pa.chunked_array([pa.array([told.min, told.max]).cast(self._time.type)])
            except (OverflowError, ValueError):  # before year 1 or after 9999
                return None
            known.append((piece, read_times(ends, self.label, {}).astype("datetime64[us]")))
        return known
