"""Rows on disk that wait for a database: nothing is lost by a crash, and the disk never fills up.

Every segment is one Arrow file that appears whole or not at all. It is removed only after the
database has confirmed its rows, so that a crash at any moment repeats rows and never loses them;
the writers make repeated rows the same rows.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout

from crypto_nn.errors import DatabaseError
from crypto_nn.store.atomic import make_folder, sync, write_bytes
from crypto_nn.store.database.tables import TABLES
from crypto_nn.store.database.trouble import SpoolFull

SEGMENT_ROWS = 10_000
_NAME = re.compile(r"(\d{16})\.([a-z_]+)\.(\d+)\.([0-9a-f]{16})\.arrow")
_LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Segment:
    """Some rows that wait.

    Attributes:
        path: where they lie.
        number: their place in the order of arrival.
        table: where they go.
        rows: how many they are.
        digest: of the file's content.
    """

    path: Path
    number: int
    table: str
    rows: int
    digest: str

    @classmethod
    def named(cls, folder: Path, name: str) -> "Segment | None":
        """The segment of a file; None where the name is not that of one."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        return cls(folder / name, int(found[1]), found[2], int(found[3]), found[4])


class Spool:
    """A folder of segments in the order of arrival, for any number of processes of one machine.

    Rows that the database will never take are set aside in a folder beside, with the reason.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self.aside = folder / "set_aside"

    def append(self, table: str, rows: pa.Table) -> int:
        """Put rows at the end, durably; returns how many.

        Raises:
            SpoolFull: there is no room. Nothing was added; what waits is kept.
            DatabaseError: the disk refuses.
        """
        starts = range(0, rows.num_rows, SEGMENT_ROWS)
        parts = [rows.slice(start, SEGMENT_ROWS) for start in starts]
        contents = [_to_bytes(part) for part in parts]
        try:
            with self._locked(".append.lock", _LOCK_SECONDS):
                self._check_room(table, rows.num_rows, sum(map(len, contents)))
                first = max((each.number for each in self.waiting()), default=0) + 1
                for number, (part, content) in enumerate(zip(parts, contents), start=first):
                    write_bytes(self.folder / _name(number, table, part, content), content)
        except OSError as error:
            raise DatabaseError(
                f"{rows.num_rows} rows of {table} cannot be kept in {self.folder} for the "
                f"database: {error.strerror or type(error).__name__}. Make room on the disk."
            ) from None
        added: int = rows.num_rows
        return added

    def waiting(self) -> tuple[Segment, ...]:
        """What waits, the oldest first."""
        if not self.folder.is_dir():
            return ()
        named = (Segment.named(self.folder, name) for name in os.listdir(self.folder))
        found = (segment for segment in named if segment is not None)
        return tuple(sorted(found, key=lambda segment: segment.number))

    def read(self, segment: Segment) -> pa.Table:
        """The rows of a segment.

        Raises:
            DatabaseError: the file is damaged, or of a table that is not known.
        """
        content = segment.path.read_bytes()
        if _digest(content) != segment.digest or segment.table not in TABLES:
            raise DatabaseError(
                f"{segment.path.name} is damaged, or of a table that is not known: its content "
                "does not fit its name."
            )
        with pa.ipc.open_file(pa.BufferReader(content)) as reader:
            return reader.read_all().cast(TABLES[segment.table].schema)

    def remove(self, segments: Sequence[Segment]) -> None:
        """Forget segments that the database has, the oldest first."""
        for segment in segments:
            segment.path.unlink(missing_ok=True)
        if segments:
            sync(self.folder)

    def set_aside(self, table: str, rows: pa.Table, reason: str) -> None:
        """Keep rows that the database will never take, with the reason, out of the others' way."""
        told = {"table": table, "rows": rows.num_rows, "reason": reason}
        content = _to_bytes(rows)
        path = self.aside / _name(0, table, rows, content)
        write_bytes(path.with_suffix(".json"), json.dumps(told, indent=1).encode())
        write_bytes(path, content)

    def set_aside_file(self, segment: Segment, reason: str) -> None:
        """Set aside a segment that cannot be read, as it is."""
        told = {"table": segment.table, "rows": segment.rows, "reason": reason}
        path = self.aside / segment.path.name
        write_bytes(path.with_suffix(".json"), json.dumps(told, indent=1).encode())
        segment.path.rename(path)
        sync(self.aside)
        sync(self.folder)

    def reasons(self) -> list[dict[str, str | int]]:
        """Why rows were set aside: table, rows and reason of each file."""
        return [json.loads(path.read_bytes()) for path in sorted(self.aside.glob("*.json"))]

    def put_back(self) -> int:
        """Let rows that were set aside wait again, after their cause is mended; how many they are.

        They come after what waits already, and overwrite newer rows of the same key.

        Raises:
            SpoolFull: there is no room for them.
        """
        rows = 0
        for path in sorted(self.aside.glob("*.arrow")):
            segment = Segment.named(self.aside, path.name)
            try:
                kept = self.read(segment) if segment else None
            except DatabaseError:
                continue  # a damaged file stays where it is
            if segment is None or kept is None:
                continue
            rows += self.append(segment.table, kept)
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
        return rows

    def used_bytes(self) -> int:
        """The disk space of all that waits or is set aside."""
        return sum(_size(path) for path in self.folder.rglob("*.arrow"))

    @contextmanager
    def flushing(self, seconds: float) -> Iterator[bool]:
        """Be the only one who sends; False where another process does for longer than this."""
        try:
            with self._locked(".flush.lock", seconds):
                yield True
        except _Busy:
            yield False

    @contextmanager
    def _locked(self, name: str, seconds: float) -> Iterator[None]:
        make_folder(self.folder)
        lock = FileLock(str(self.folder / name))
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            raise _Busy(
                f"Another process has held {lock.lock_file} for {seconds:g} s. Look whether it "
                "still works, and end it if not."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _check_room(self, table: str, rows: int, more: int) -> None:
        used = self.used_bytes()
        if used + more > self.max_bytes:
            raise SpoolFull(
                f"{rows} rows of {table} need {more:,} bytes, but {used:,} of {self.max_bytes:,} "
                f"are used in {self.folder}: nothing was added, what waits is kept. Bring the "
                "database back, look at what was set aside, or raise database.spool_limit_mb."
            )


class _Busy(DatabaseError):
    """Another process holds the lock."""


def _name(number: int, table: str, rows: pa.Table, content: bytes) -> str:
    return f"{number:016d}.{table}.{rows.num_rows}.{_digest(content)}.arrow"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _to_bytes(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # another process has just sent it
