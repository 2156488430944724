"""One file of bars, whatever its container: pieces of it as tables with our column names."""

import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from crypto_nn.bars.bars import Times
from crypto_nn.errors import BarsError

_ADVICE = {
    b"<": "is a web page (HTML or XML), not bars: the download gave an error page. "
    "Open it in a browser to see which, and download it again.",
    b"{": "is JSON, not bars in rows. Convert it to CSV or Parquet.",
    b"[": "is JSON, not bars in rows. Convert it to CSV or Parquet.",
    b"\xff\xfe": "is UTF-16 text. Save it as UTF-8.",
    b"\xfe\xff": "is UTF-16 text. Save it as UTF-8.",
}


class Piece(NamedTuple):
    """A part of a file that is read at once: a row group, or a block of lines."""

    start: int
    size: int


class BarFile(ABC):
    """Rows as they stand in a file, in our columns, in pieces that fit in memory."""

    label: str
    """The path, and the member of an archive, for messages."""
    layout: str
    """How it is written, for people: "Parquet", "CSV in zip, no header" …"""
    columns: tuple[str, ...]
    """Which of our columns the file has."""

    @abstractmethod
    def tables(
        self, names: Sequence[str], pieces: Sequence[Piece] | None = None
    ) -> Iterator[tuple[Piece, pa.Table]]:
        """These columns of these pieces (of all where None), cells as they are written.

        Where a line of text has not as many cells as the header, its cells are null and a column
        `line` holds it.
        """

    def statistics(self) -> list[tuple[Piece, Times]] | None:
        """The first and the last time of each piece, where the file tells and every time is set."""
        return None


def open_bar_files(path: Path) -> list[BarFile]:
    """Look into a file: Parquet, CSV, compressed CSV, or an archive of CSVs, by its content.

    Raises:
        BarsError: the file is none of these, empty, damaged, or without the columns of bars.
    """
    if shown(path) != str(path):
        raise BarsError(f"{shown(path)}: the name is not UTF-8. Rename the file, or its folder.")
    from crypto_nn.sources.formats.delimited import DelimitedFile, open_archive, open_gzip
    from crypto_nn.sources.formats.parquet import ParquetFile

    with readable(str(path)), path.open("rb") as file:
        magic = file.read(4)
    if not magic:
        raise BarsError(f"{path} is empty. Download or write it again, or remove it.")
    if magic == b"PAR1":
        return [ParquetFile(path)]
    if path.suffix in (".parquet", ".pq"):
        raise BarsError(
            f"{path} is named Parquet but begins with {magic!r}, not with b'PAR1'. "
            "Write it again, or rename it if it is CSV."
        )
    if magic[:2] == b"\x1f\x8b":
        return [DelimitedFile(str(path), lambda: open_gzip(path), "gzip")]
    if magic[:2] == b"PK":
        return open_archive(path)
    return [DelimitedFile(str(path), lambda: path.open("rb"))]


def shown(path: Path) -> str:
    """A path as text that can be printed: bytes that are not UTF-8 are escaped."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def check_text(start: bytes, label: str) -> None:
    """Raise `BarsError` where a file that should be CSV begins like something else."""
    for sign, advice in _ADVICE.items():
        if start.startswith(sign):
            raise BarsError(f"{label} {advice} It begins with {start[:40]!r}.")
    if b"\x00" in start:
        raise BarsError(
            f"{label} is neither text nor Parquet: it begins with {start[:16]!r}. "
            "Due are Parquet, CSV, .csv.gz, or .zip with CSV inside."
        )


@contextmanager
def readable(label: str) -> Iterator[None]:
    """Say which file is damaged where a library finds it to be."""
    damage = (pa.ArrowException, zipfile.BadZipFile, zlib.error, EOFError, OSError)
    try:
        yield
    except (*damage, NotImplementedError, RuntimeError) as error:
        raise BarsError(
            f"{label} cannot be read: {type(error).__name__}: {error}. It is cut short, damaged, "
            "encrypted or not permitted: check it, or download it again."
        ) from error
