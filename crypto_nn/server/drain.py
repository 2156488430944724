"""From the spool into the lake: every answer once, whatever is killed on the way."""

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout

from crypto_nn.errors import CryptoNNError
from crypto_nn.server.served import OPEN, SEALED, ServedRow, claim_path, from_line, lines_of
from crypto_nn.store.atomic import make_folder, sync
from crypto_nn.store.lake import Lake
from crypto_nn.store.service_tables import SERVED_PREDICTIONS

log = logging.getLogger(__name__)

Key = tuple[str, int, int, str, int]
_KEYS = ("symbol", "ts", "horizon", "model_version", "served_at")
_SCHEMA = pa.schema([(column.name, column.arrow) for column in SERVED_PREDICTIONS.columns])


@dataclass(frozen=True)
class Drained:
    """What one drain did.

    Attributes:
        rows: rows that are new in the lake.
        known: rows that were there already, from a drain that died.
        torn: last lines that a killed writer had not finished; they were never promised.
        damaged: whole lines that cannot be read; their file is kept in `damaged`.
        files: spool files that are done.
    """

    rows: int = 0
    known: int = 0
    torn: int = 0
    damaged: int = 0
    files: int = 0


@dataclass(frozen=True)
class _Spooled:
    path: Path
    rows: tuple[ServedRow, ...]
    torn: int
    damaged: int


class Drainer:
    """Moves spooled answers into `served_predictions`.

    One drainer works at a time on a spool, in whatever process: a lock sees to that. Rows are
    appended in one transaction, and only then their files are removed. A drain that died between
    the two is repeated: rows whose key (symbol, ts, horizon, version, time) the lake has are left.

    Args:
        spool: the folder that `Served` writes to.
        lake: a lake of this process.
        max_rows: so many rows at most go into one transaction, or those of one file.
    """

    def __init__(self, spool: Path, lake: Lake, max_rows: int = 50_000) -> None:
        self.spool, self.lake, self.max_rows = spool, lake, max_rows

    def drain(self) -> Drained | None:
        """Bring what waits into the lake; None: another drainer is at work.

        Raises:
            LakeError: the lake refused; the files wait for the next time.
            OSError: the spool cannot be read or removed from; nothing is lost.
        """
        make_folder(self.spool)
        with _alone(self.spool / ".drain.lock") as mine:
            if not mine:
                return None
            self._take_from_the_dead()
            done = Drained()
            for batch in self._batches():
                done = _sum(done, self._drain_batch(batch))
            return done

    def run(self, stop: threading.Event, every_s: float = 30.0) -> None:
        """Drain every so many seconds until `stop`, and once more then; a refusal is logged."""
        while True:
            last = stop.wait(every_s)
            try:
                done = self.drain()
                if done and (done.torn or done.damaged):
                    log.warning("Served predictions: %s lines torn, %s damaged.",
                                done.torn, done.damaged)  # fmt: skip
            except (CryptoNNError, OSError) as error:
                log.error("Served predictions wait in %s: %s", self.spool, error)
            if last:
                return

    def _take_from_the_dead(self) -> None:
        """Seal the open files of writers that are gone, and remove their locks."""
        names = {path.stem for path in self.spool.glob("[0-9a-f]*.lock")}
        names |= {path.name.partition("-")[0] for path in self.spool.glob(f"*{OPEN}")}
        for name in sorted(names):
            claim = claim_path(self.spool, name)
            with _alone(claim) as dead:
                if not dead:
                    continue
                for path in sorted(self.spool.glob(f"{name}-*{OPEN}")):
                    path.rename(path.with_suffix(SEALED))
                sync(self.spool)
                claim.unlink(missing_ok=True)

    def _batches(self) -> Iterator[list[_Spooled]]:
        batch: list[_Spooled] = []
        for path in sorted(self.spool.glob(f"*{SEALED}")):
            one = _read(path)
            if batch and sum(len(each.rows) for each in batch) + len(one.rows) > self.max_rows:
                yield batch
                batch = []
            batch.append(one)
        if batch:
            yield batch

    def _drain_batch(self, batch: list[_Spooled]) -> Drained:
        rows = {row.key: row for one in batch for row in one.rows}
        known = self._known(rows.values())
        new = [row for key, row in rows.items() if key not in known]
        if new:
            table = pa.Table.from_pylist([_typed(row) for row in new], schema=_SCHEMA)
            self.lake.append(SERVED_PREDICTIONS.name, table)
        for one in batch:
            self._finish(one)
        sync(self.spool)
        return Drained(
            rows=len(new),
            known=sum(len(one.rows) for one in batch) - len(new),
            torn=sum(one.torn for one in batch),
            damaged=sum(one.damaged for one in batch),
            files=len(batch),
        )

    def _known(self, rows: Iterable[ServedRow]) -> set[Key]:
        """The keys of these that the lake has."""
        asked = list(rows)
        if not asked or not self.lake.has_rows(SERVED_PREDICTIONS.name):
            return set()
        times = np.array([row.ts for row in asked], dtype="datetime64[us]")
        found = self.lake.read(
            SERVED_PREDICTIONS.name,
            _KEYS,
            {
                "symbol": sorted({row.symbol for row in asked}),
                "month": sorted({str(row.to_row()["month"]) for row in asked}),
            },
            times.min(),
            times.max() + np.timedelta64(1, "us"),
        )
        listed = [
            found[name].cast(pa.int64()).to_pylist()
            if name in ("ts", "served_at")
            else found[name].to_pylist()
            for name in _KEYS
        ]
        return set(zip(*listed))

    def _finish(self, one: _Spooled) -> None:
        if one.damaged:
            log.error("%s holds %s lines that cannot be read; it is kept in %s.",
                      one.path, one.damaged, self.spool / "damaged")  # fmt: skip
            make_folder(self.spool / "damaged")
            os.replace(one.path, self.spool / "damaged" / one.path.name)
            sync(self.spool / "damaged")
        else:
            one.path.unlink()


def _read(path: Path) -> _Spooled:
    rows, torn, damaged = [], 0, 0
    for line in lines_of(path):
        row = from_line(line)
        if row is not None:
            rows.append(row)
        elif line.endswith(b"\n"):
            damaged += 1
        else:
            torn += 1
    return _Spooled(path, tuple(rows), torn, damaged)


def _typed(row: ServedRow) -> dict[str, object]:
    times = {name: np.datetime64(getattr(row, name), "us").item() for name in ("ts", "served_at")}
    return {**row.to_row(), **times}


def _sum(one: Drained, other: Drained) -> Drained:
    return Drained(
        one.rows + other.rows,
        one.known + other.known,
        one.torn + other.torn,
        one.damaged + other.damaged,
        one.files + other.files,
    )


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether nobody else holds this lock; if so, hold it."""
    lock = FileLock(path, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
