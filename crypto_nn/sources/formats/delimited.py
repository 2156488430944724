"""Bars in CSV, plain or compressed, one block of lines at a time."""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv

from crypto_nn.errors import BarsError
from crypto_nn.sources.formats.bar_file import BarFile, Piece, check_text, readable
from crypto_nn.sources.formats.columns import find_columns, name_headerless

BLOCK_BYTES = 8 << 20
_BOM = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t|"


class DelimitedFile(BarFile):
    """Lines of cells; a piece is a block of whole lines, at its place in the unpacked text."""

    def __init__(self, label: str, open_file: Callable[[], BinaryIO], packed: str = "") -> None:
        self.label = label
        self._open = open_file
        with readable(label), open_file() as file:
            start = file.read(1 << 16)
        check_text(start.removeprefix(_BOM).lstrip(), label)
        body = start.removeprefix(_BOM)
        blank = len(body) - len(body.lstrip(b"\r\n"))
        line, newline, rest = body[blank:].partition(b"\n")
        text = line.decode("utf-8", errors="replace").strip()
        if not text:
            raise BarsError(f"{label} is empty. Download or write it again, or remove it.")
        self._delimiter = max(_DELIMITERS, key=text.count)
        fields = next(csv.reader([text], delimiter=self._delimiter))
        names = name_headerless(fields, label)
        self._num_cells = len(fields)
        self._body = len(start) - len(body) + blank
        if names is None:
            self._body += len(line) + len(newline)
            if not rest.strip():
                raise BarsError(f"{label} has a header but no rows. Write it again, or remove it.")
        written = "CSV" if self._delimiter == "," else f"CSV with {self._delimiter!r}"
        self.layout = written + (f" in {packed}" if packed else "")
        self.layout += ", no header" if names else ""
        self._positions = find_columns(names or fields, label)
        self.columns = tuple(self._positions)

    def tables(
        self, names: Sequence[str], pieces: Sequence[Piece] | None = None
    ) -> Iterator[tuple[Piece, pa.Table]]:
        """The blocks in order; compressed text is unpacked once on the way."""
        with readable(self.label), self._open() as file:
            if pieces is None:
                for piece, block in self._blocks(file):
                    yield piece, self._parse(block, names)
            else:
                for piece in pieces:
                    file.seek(piece.start)
                    yield piece, self._parse(file.read(piece.size), names)

    def _blocks(self, file: BinaryIO) -> Iterator[tuple[Piece, bytes]]:
        file.seek(self._body)
        start, rest = self._body, b""
        while True:
            read = file.read(BLOCK_BYTES)
            block = rest + read
            cut = block.rfind(b"\n") + 1 if read else len(block)
            if read and not cut:
                raise BarsError(
                    f"{self.label} has no line end in {len(block):,} bytes from byte {start:,} on. "
                    "It is not CSV, or damaged: look at it, or download it again."
                )
            block, rest = block[:cut], block[cut:]
            if block.strip():
                yield Piece(start, len(block)), block
            start += len(block)
            if not read:
                return

    def _parse(self, block: bytes, names: Sequence[str]) -> pa.Table:
        """The cells as texts; a line with too many or too few cells becomes a row of its own."""
        odd: list[tuple[int, str]] = []

        def keep(row: pyarrow.csv.InvalidRow) -> str:
            odd.append((row.number - 1, row.text))
            return "skip"

        cells = [str(at) for at in range(self._num_cells)]
        wanted = [str(self._positions[name]) for name in names]
        table = pyarrow.csv.read_csv(
            io.BytesIO(_utf8(block)),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=cells, block_size=2 * len(block) + 1024
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self._delimiter, invalid_row_handler=keep
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={cell: pa.string() for cell in cells}, include_columns=wanted
            ),
        )
        table = table.rename_columns(list(names))
        return _weave(table, odd) if odd else table


def _weave(table: pa.Table, odd: Sequence[tuple[int, str]]) -> pa.Table:
    """Put the lines that have not the due number of cells where they stood."""
    at = np.array([number for number, _ in odd])
    num = table.num_rows + len(odd)
    source = np.empty(num, dtype=np.int64)
    source[at] = table.num_rows + np.arange(len(odd))
    source[np.setdiff1d(np.arange(num), at)] = np.arange(table.num_rows)
    table = table.append_column("line", pa.nulls(table.num_rows, pa.string()))
    lines = pa.table({"line": pa.array([text for _, text in odd], pa.string())})
    return pa.concat_tables([table, lines], promote_options="default").take(pa.array(source))


def _utf8(block: bytes) -> bytes:
    """The block, with what is no UTF-8 marked by �, so that one bad byte costs one cell."""
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return block.decode("utf-8", errors="replace").encode()
    return block


def open_gzip(path: Path) -> BinaryIO:
    """The unpacked text of a .gz file."""
    return cast(BinaryIO, gzip.open(path, "rb"))


def open_archive(path: Path) -> list[BarFile]:
    """The CSV files in a .zip, such as Binance's public archive ships."""
    with readable(str(path)), zipfile.ZipFile(path) as archive:
        inside = archive.namelist()
    members = [n for n in inside if n.lower().endswith((".csv", ".txt")) and "__MACOSX" not in n]
    if not members:
        raise BarsError(
            f"{path} is an archive without a CSV; found {', '.join(inside[:5]) or 'nothing'}. "
            "Due is a .zip with CSV files inside."
        )
    return [
        DelimitedFile(f"{path}!{member}", lambda m=member: _open_member(path, m), "zip")  # type: ignore[misc]
        for member in sorted(members)
    ]


def _open_member(path: Path, member: str) -> BinaryIO:
    with zipfile.ZipFile(path) as archive:
        return cast(BinaryIO, archive.open(member))
