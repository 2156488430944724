"""Answers on their way to the lake: noted in memory, flushed to files that outlive the process."""

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4
from zlib import crc32

import numpy as np
from filelock import FileLock

from crypto_nn.store.atomic import make_folder, sync
from crypto_nn.store.service_tables import SERVED_PREDICTIONS

log = logging.getLogger(__name__)

OPEN, SEALED = ".open", ".jsonl"


@dataclass(frozen=True)
class ServedRow:
    """What was answered for one symbol, bar and horizon: a row of `served_predictions`.

    Attributes:
        symbol: base and quote, such as BTC-USDT.
        ts: open of the bar that was answered for, µs since 1970, UTC.
        horizon: minutes ahead.
        model_version: version that answered.
        p_down, p_flat, p_up: calibrated probabilities.
        latency_ms: from the closed bar to the answer, ms.
        served_at: when it was answered, µs since 1970, UTC.
    """

    symbol: str
    ts: int
    horizon: int
    model_version: str
    p_down: float
    p_flat: float
    p_up: float
    latency_ms: float
    served_at: int

    @property
    def key(self) -> tuple[str, int, int, str, int]:
        """What makes it this answer and no other."""
        return self.symbol, self.ts, self.horizon, self.model_version, self.served_at

    def to_row(self) -> dict[str, object]:
        """The row as the lake's table has it."""
        p_C = (self.p_down, self.p_flat, self.p_up)
        derived = {
            "month": str(np.datetime64(self.ts, "us").astype("datetime64[M]")),
            "predicted_class": int(np.argmax(p_C)),
            "confidence": max(p_C),
        }
        return {**asdict(self), **derived}


@dataclass(frozen=True)
class ServedLimits:
    """How much may wait, and how long.

    Attributes:
        pending: rows in memory; a row more is dropped and counted.
        flush_s: seconds between flushes; a killed process loses at most so much.
        file_bytes: a spool file of this size is sealed, and the drainer may take it.
        seal_s: a spool file is sealed so long after its first row at the latest.
        spool_bytes: all files of the spool; above it rows are dropped and counted.
    """

    pending: int = 50_000
    flush_s: float = 1.0
    file_bytes: int = 4 << 20
    seal_s: float = 30.0
    spool_bytes: int = 1 << 30


@dataclass(frozen=True)
class ServedCounts:
    """Rows since the start: told, on the disk, given up, and those that wait in memory."""

    added: int
    flushed: int
    dropped: int
    pending: int


class Served:
    """The answers of one process, kept without making an answer wait.

    `add` only notes rows in memory. A thread (`start`) writes them to a spool file of this process
    alone, with an fsync per flush; the drainer takes sealed files, and those of dead processes.
    One object belongs to one process: make it after a fork.

    Args:
        folder: the spool of the home; on a local disk.
        limits: how much may wait.
    """

    def __init__(self, folder: Path, limits: ServedLimits | None = None) -> None:
        self.folder, self.limits = folder, limits or ServedLimits()
        self._rows: list[ServedRow] = []
        self._noting, self._flushing = threading.Lock(), threading.Lock()
        self._added = self._flushed = self._dropped = self._number = 0
        self._name = uuid4().hex
        self._claim: FileLock | None = None
        self._file: BinaryIO | None = None
        self._path, self._ages = folder, 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, rows: Sequence[ServedRow]) -> bool:
        """Note rows; never touches the disk. False: there was no room, and they are counted."""
        with self._noting:
            if self._stop.is_set() or len(self._rows) + len(rows) > self.limits.pending:
                self._dropped += len(rows)
                return False
            self._rows.extend(rows)
            self._added += len(rows)
        return True

    @property
    def counts(self) -> ServedCounts:
        with self._noting:
            return ServedCounts(self._added, self._flushed, self._dropped, len(self._rows))

    def start(self) -> None:
        """Flush from now on in a thread of its own, until `close`."""
        assert self._thread is None
        self._thread = threading.Thread(target=self._run, name="served", daemon=True)
        self._thread.start()

    def flush(self) -> int:
        """Put what was noted on the disk; returns how many rows.

        A disk that refuses keeps the rows in memory, for the next time; that is logged. What a
        failed write had half written is written again elsewhere, and the drainer takes one of it.
        """
        with self._flushing:
            with self._noting:
                rows = self._rows[:]
            try:
                written = self._write(rows) if rows else 0
                if self._file is not None:
                    self._ages += 1
                    old = self._ages * self.limits.flush_s >= self.limits.seal_s
                    if old or self._file.tell() >= self.limits.file_bytes:
                        self._seal()
            except OSError as error:
                log.error("The served predictions cannot be written to %s (%s); they wait.",
                          self.folder, error)  # fmt: skip
                self._forget_file()
                return 0
            return written

    def close(self) -> None:
        """Flush, seal the file and stop; what is added after it is dropped and counted."""
        with self._noting:
            self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        with self._flushing:
            if self._file is not None:
                self._seal()
            if self._claim is not None:
                self._claim.release()
                claim_path(self.folder, self._name).unlink(missing_ok=True)
                self._claim = None
        with self._noting:
            if self._rows:
                log.error("%s served predictions are lost: %s could not be written.",
                          len(self._rows), self.folder)  # fmt: skip
                self._dropped += len(self._rows)
                self._rows.clear()

    def _run(self) -> None:
        while not self._stop.wait(self.limits.flush_s):
            self.flush()

    def _write(self, rows: list[ServedRow]) -> int:
        if self._file is None and self._is_full():
            log.error("The spool %s holds %s bytes or more: %s served predictions are given up. "
                      "See why the drainer does not reach the lake.",
                      self.folder, self.limits.spool_bytes, len(rows))  # fmt: skip
            self._done(len(rows), kept=False)
            return 0
        file = self._file or self._open()
        file.write(b"".join(map(to_line, rows)))
        file.flush()
        sync(self._path)
        self._done(len(rows), kept=True)
        return len(rows)

    def _done(self, rows: int, kept: bool) -> None:
        with self._noting:
            del self._rows[:rows]
            self._flushed += rows if kept else 0
            self._dropped += 0 if kept else rows

    def _is_full(self) -> bool:
        if not self.folder.is_dir():
            return False
        return sum(_size(path) for path in self.folder.iterdir()) >= self.limits.spool_bytes

    def _open(self) -> BinaryIO:
        make_folder(self.folder)
        if self._claim is None:  # held before there is a file: who gets it knows us dead
            claim = FileLock(claim_path(self.folder, self._name), timeout=5, thread_local=False)
            claim.acquire()
            self._claim = claim
        self._number += 1
        self._path = self.folder / f"{self._name}-{self._number:08}{OPEN}"
        self._file, self._ages = self._path.open("xb"), 0
        sync(self.folder)
        return self._file

    def _seal(self) -> None:
        assert self._file is not None
        self._file.close()
        self._file = None
        self._path.rename(self._path.with_suffix(SEALED))
        sync(self.folder)

    def _forget_file(self) -> None:
        """Leave a file that failed as it is; it is the drainer's once this process is gone."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
            self._path.rename(self._path.with_suffix(SEALED))
        except OSError as error:
            log.error("%s is left to the next drainer (%s).", self._path, error)


def claim_path(folder: Path, name: str) -> Path:
    """The lock that a living writer holds on its open file."""
    return folder / f"{name}.lock"


def to_line(row: ServedRow) -> bytes:
    """A row as one line with a checksum in front, so that a torn or changed one is known."""
    content = json.dumps(asdict(row), separators=(",", ":")).encode()
    return b"%08x %b\n" % (crc32(content), content)


def from_line(line: bytes) -> ServedRow | None:
    """The row of a line, None where the line is not whole."""
    if not line.endswith(b"\n") or line[:8] != b"%08x" % crc32(line[9:-1]):
        return None
    return _from_json(line[9:-1])


def _from_json(content: bytes) -> ServedRow | None:
    try:
        told = json.loads(content)
    except ValueError:
        return None
    known = {field.name: field.type for field in fields(ServedRow)}
    if not isinstance(told, dict) or set(told) != set(known):
        return None
    if any(type(told[name]) is not due for name, due in known.items()):
        return None
    return ServedRow(**told)


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a spool file, each with its end; the last one may be torn."""
    with path.open("rb") as file:
        yield from file


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # just drained


assert {column.name for column in SERVED_PREDICTIONS.columns} == {
    *(field.name for field in fields(ServedRow)), "month", "predicted_class", "confidence",
}  # fmt: skip
