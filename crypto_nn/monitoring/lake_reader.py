"""The lake as the monitor sees it: opened to read only, and opened anew whenever it has changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from crypto_nn.store.catalogue import Connection
from crypto_nn.store.lake import open_lake


class LakeReader:
    """One kept connection that reads and never writes; no lake is made.

    Args:
        root: folder of the lake.
        catalogue: of the lake; None for the file in it.
    """

    def __init__(self, root: Path, catalogue: str | None) -> None:
        self.root, self.catalogue = root, catalogue
        self._connection: Connection | None = None
        self._file: tuple[int, int] | None = None

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """The connection; whatever goes wrong with it, the next one is fresh.

        Raises:
            LakeError: there is no lake, or it cannot be opened.
            duckdb.Error: a query failed.
        """
        file = self._identity()
        if file != self._file:
            self.close()
        if self._connection is None:
            lake = open_lake(self.root, self.catalogue)
            self._connection = lake.catalogue.connect(read_only=True)
            self._connection.execute("SET threads = 1")
            self._file = file
        try:
            yield self._connection
        except duckdb.Error:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._file = None, None

    def _identity(self) -> tuple[int, int] | None:
        """Which file the catalogue is: one that was moved away is not read on."""
        try:
            found = (self.root / "catalog.sqlite").stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
