"""Bars from files that are already there: one's own, or archives of exchanges and vendors."""

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from crypto_nn.bars import M1, Bars, Timeframe
from crypto_nn.bars.calendar import TS
from crypto_nn.bars.symbol import check_symbol
from crypto_nn.errors import BarsError, SourceError
from crypto_nn.sources.formats import open_bar_files
from crypto_nn.sources.formats.bar_file import readable, shown
from crypto_nn.sources.formats.index import FileIndex, index_file
from crypto_nn.sources.formats.naming import Naming
from crypto_nn.sources.formats.rows import Reader
from crypto_nn.sources.formats.survey import describe, spacing_problem
from crypto_nn.sources.formats.venues import check_one_venue, find_conflict
from crypto_nn.sources.source import Availability, BarSource
from crypto_nn.sources.survey import Found

ENDINGS = (".parquet", ".pq", ".csv", ".tsv", ".csv.gz", ".zip")
CHUNK_ROWS = 31 * 1440


class FilesConfig(BaseModel):
    """Files of one-minute bars: Parquet, CSV, .csv.gz, or .zip with CSV inside.

    Known as they are: our columns (`ts`, `open` … `volume`, perhaps `vwap`, `trades`, `symbol`)
    and their usual other names, Binance klines with or without a header, Polygon flat files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["files"] = "files"
    paths: tuple[str, ...] = Field(
        min_length=1, description="Files, folders (with all below them) and patterns such as *.csv."
    )
    symbols: dict[str, str] = Field(
        default={},
        description="Symbols of files, or of what files call them, where their names do not tell: "
        "{'my_btc*.csv': 'BTC-USDT', 'XBT': 'BTC-USD'}.",
    )
    timezone: Literal["UTC"] = Field(
        default="UTC",
        description="The zone of times without one. Files of other zones are refused.",
    )

    @field_validator("symbols")
    @classmethod
    def _are_symbols(cls, symbols: dict[str, str]) -> dict[str, str]:
        for symbol in symbols.values():
            check_symbol(symbol)
        return symbols

    def open(self) -> "FileSource":
        """The source that reads these files."""
        return FileSource(self)


class FileSource(BarSource):
    """Reads bars from files, in the order of their times and, within a file, of its rows.

    Rows are given as they stand: in disorder, twice, or with cells that cannot be read. What a
    file holds is found out once and remembered until the file changes.
    """

    name = "files"

    def __init__(self, config: FilesConfig) -> None:
        self.config = config
        self._naming = Naming(config.symbols)
        self._reader = Reader(self._naming)
        self._known: dict[Path, tuple[tuple[int, int], list[FileIndex]]] = {}
        self._one_venue: dict[str, list[FileIndex]] = {}

    def symbols(self) -> tuple[str, ...]:
        """Every symbol that occurs in the files."""
        return tuple(sorted({symbol for index in self._indexes() for symbol in index.parts}))

    def available(self, symbol: str) -> Availability:
        """From the first bar's open to the last bar's close."""
        found = self._of(symbol)
        start = min(index.low(symbol) for index in found)
        end = max(index.high(symbol) for index in found) + M1.step
        return Availability(start, end, live=False)

    def state(self) -> str:
        """Hash of the files' names, sizes and times of change."""
        seen = hashlib.sha256()
        for path in self._paths():
            with readable(shown(path)):
                status = path.stat()
            told = f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode()
            seen.update(os.fsencode(path.resolve()) + told)
        return seen.hexdigest()[:16]

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        """The rows whose bars open in [start, end), at most a month of them at a time.

        Raises:
            SourceError: no file has the symbol, its files are of two venues, or `timeframe` is
                not 1m.
            BarsError: a file is not what it should be.
        """
        if timeframe != M1:
            raise SourceError(f"Files hold {M1} bars, not {timeframe}: fetch those and resample.")
        found = self._of(symbol)
        if self._one_venue.get(symbol) != found:
            check_one_venue(symbol, found, self._naming)
            self._one_venue[symbol] = found
        return self._read(found, symbol, start.astype(TS), end.astype(TS))

    def _read(
        self, found: list[FileIndex], symbol: str, start: np.datetime64, end: np.datetime64
    ) -> Iterator[Bars]:
        waiting: list[Bars] = []
        for index in sorted(found, key=lambda index: (index.low(symbol), index.file.label)):
            for number, bars in enumerate(self._reader.rows(index, symbol, start, end)):
                if waiting and number == 0 and np.isnat(bars.ts[0]):
                    yield Bars.concat(waiting)  # its first rows must not come after another file's
                    waiting = []
                waiting.append(bars)
                if sum(map(len, waiting)) >= CHUNK_ROWS:
                    *full, rest = _chunks(Bars.concat(waiting))
                    yield from full
                    waiting = [rest]
        if waiting:
            yield Bars.concat(waiting)

    def _of(self, symbol: str) -> list[FileIndex]:
        self.check_symbol(symbol)
        found = [index for index in self._indexes() if symbol in index.parts]
        for index in found:
            problem = spacing_problem(index, symbol)
            if problem:
                raise SourceError(problem)
        return found

    def survey(self, symbols: Sequence[str] | None = None) -> list[Found]:
        """What each file holds, and why one would be refused; a bad one does not hide the others.

        Only times and symbols are read, and prices where two files of a symbol overlap.

        Args:
            symbols: only files of these, and files that cannot be read; all where None.
        """
        rows: list[Found] = []
        indexes: list[FileIndex] = []
        paths: dict[Path, Path] = {}
        for given in self.config.paths:
            try:
                paths |= {path.resolve(): path for path in _expand(given)}
            except SourceError as error:
                rows.append(Found(given, refused=str(error)))
        for _, path in sorted(paths.items()):
            try:
                indexes += self._index(path)
                rows += [row for index in self._index(path) for row in describe(index)]
            except BarsError as error:
                rows.append(Found(shown(path), refused=str(error)))
        return [
            row
            for row in _of_one_venue(rows, indexes, self._naming)
            if symbols is None or row.symbol is None or row.symbol in symbols
        ]

    def _indexes(self) -> list[FileIndex]:
        return [index for path in self._paths() for index in self._index(path)]

    def _index(self, path: Path) -> list[FileIndex]:
        with readable(shown(path)):
            status = path.stat()
        state = (status.st_mtime_ns, status.st_size)
        if path not in self._known or self._known[path][0] != state:
            files = open_bar_files(path)
            self._known[path] = (state, [index_file(file, self._naming) for file in files])
        return self._known[path][1]

    def _paths(self) -> list[Path]:
        found = {path.resolve(): path for given in self.config.paths for path in _expand(given)}
        return [found[real] for real in sorted(found)]


def _of_one_venue(rows: list[Found], indexes: list[FileIndex], naming: Naming) -> Iterator[Found]:
    """The rows; those of a symbol whose files are not of one venue are refused."""
    conflicts = {}
    for symbol in {row.symbol for row in rows if row.symbol}:
        fit = {row.origin for row in rows if row.symbol == symbol and not row.refused}
        found = find_conflict(symbol, [i for i in indexes if i.file.label in fit], naming)
        if found is not None:
            conflicts[symbol] = found.told
    for row in rows:
        told = "" if row.refused or row.symbol is None else conflicts.get(row.symbol, "")
        yield replace(row, refused=told, months={}) if told else row


def _chunks(bars: Bars) -> Iterator[Bars]:
    """Pieces of at most about a month; none begins with a row that belongs to the one before."""
    start = 0
    while len(bars) - start > CHUNK_ROWS:
        cut = start + CHUNK_ROWS
        readable = np.flatnonzero(~np.isnat(bars.ts[cut:]))
        if not readable.size:
            break
        cut += int(readable[0])
        yield bars[start:cut]
        start = cut
    yield bars[start:]


def _expand(given: str) -> list[Path]:
    try:
        path = Path(given).expanduser()
        if path.is_dir():
            return _inside(path)
        if path.is_file():
            return [path]
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    except (OSError, ValueError, RuntimeError) as error:  # not permitted; no such user in ~user
        raise SourceError(
            f"{given!r} cannot be looked for: {error}. Correct the source's `paths`."
        ) from error
    if not matches:
        raise SourceError(
            f"There is no file, folder or match for {given!r} in {Path.cwd()}. "
            "Correct the source's `paths`."
        )
    return [file for match in matches for file in (_inside(match) if match.is_dir() else [match])]


def _inside(folder: Path) -> list[Path]:
    every = sorted(path for path in _below(folder) if path.is_file() or path.is_symlink())
    files = [p for p in every if p.name.lower().endswith(ENDINGS) and not _is_hidden(p, folder)]
    if not files:
        some = ", ".join(path.name for path in every[:5]) or "nothing"
        raise SourceError(
            f"Folder {folder} has no file of bars: found {some}. "
            f"Due are files that end in {', '.join(ENDINGS)}."
        )
    return files


def _below(folder: Path) -> Iterator[Path]:
    """Every file below a folder, also through links; what is reached twice is looked into once."""

    def refuse(error: OSError) -> None:
        raise SourceError(
            f"Folder {error.filename} cannot be read: {error.strerror}. Permit it, or leave it out "
            "of `paths`."
        ) from error

    seen: set[str] = set()
    for here, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(here, name) for name in files)


def _is_hidden(path: Path, folder: Path) -> bool:
    """Whether tools keep it for themselves: .hidden, or in a folder such as _temporary."""
    *folders, name = path.relative_to(folder).parts
    return name.startswith(".") or any(part.startswith((".", "_")) for part in folders)
