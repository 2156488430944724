"""A copy of tables in a database, which is allowed to be dead.

Rows go to the spool on disk first, then to the database, in order. A dead database delays them and
fails nobody: the lake has the rows, the spool has what the database lacks, the log and the run's
metadata say so.
"""

import hashlib
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from crypto_nn.errors import DatabaseError
from crypto_nn.store.atomic import sweep
from crypto_nn.store.database.config import DatabaseConfig
from crypto_nn.store.database.known import Known
from crypto_nn.store.database.opening import Writer, open_writer, target
from crypto_nn.store.database.rest import Rest
from crypto_nn.store.database.rows import bar_rows, last_of_each, metric_rows, prediction_rows
from crypto_nn.store.database.spool import Segment, Spool
from crypto_nn.store.database.tables import TABLES
from crypto_nn.store.database.trouble import Rejected, Unreachable

log = logging.getLogger(__name__)

MAX_REJECTED = 100  # rows of a batch that are found one by one; after that the rest goes whole
_WAIT_FOR_OTHERS_S = 60.0


@dataclass(frozen=True)
class MirrorState:
    """What became of the rows that were handed to a mirror.

    Attributes:
        taken: rows that were handed over and are on disk or in the database.
        unchanged: rows that were handed over before, just so: nothing was done.
        sent: rows that the database confirmed, older ones from the spool too.
        refused: rows that the full spool did not take: the database will lack them.
        waiting: rows that wait on disk.
        waiting_bytes: the disk space of what waits or is set aside.
        set_aside: rows that the database will never take.
        problem: why rows wait, were refused or set aside; empty where all is well.
    """

    taken: int = 0
    unchanged: int = 0
    sent: int = 0
    refused: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    set_aside: int = 0
    problem: str = ""

    def metadata(self) -> dict[str, int | str]:
        """As a run shows it."""
        told: dict[str, int | str] = {
            "mirror_rows": self.taken,
            "mirror_rows_unchanged": self.unchanged,
            "mirror_rows_sent": self.sent,
            "mirror_rows_waiting": self.waiting,
        }
        if self.refused:
            told["mirror_rows_refused"] = self.refused
        if self.set_aside:
            told["mirror_rows_set_aside"] = self.set_aside
        if self.problem:
            told["mirror_problem"] = self.problem
        return told


class Mirror:
    """Copies tables to the database that the environment names; off where no table is named.

    Args:
        config: which tables, and how patiently.
        folder: where rows wait.
        connect: makes a writer; nothing is connected before there are rows to send.
        where: names the database, without secrets: what one has is not taken for another's.
        now: seconds since 1970.
        sleep: waits so many seconds between attempts.
        seed: for the jitter of waits.
    """

    def __init__(
        self,
        config: DatabaseConfig,
        folder: Path,
        connect: Callable[[], Writer] | None = None,
        where: Callable[[], str] | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        seed: int | None = None,
    ) -> None:
        self.config, self.now, self.sleep = config, now, sleep
        self.folder = folder
        self.where = where or (lambda: target(config))
        self.spool = Spool(folder / "spool", config.spool_limit_mb * 2**20)
        self.connect = connect or (lambda: open_writer(config))
        self._chance = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._rest = Rest(
            folder / "rest.json", config.first_wait_s, config.max_wait_s, now, self._chance
        )
        self._taken = self._unchanged = self._sent = self._refused = 0
        self._problem = ""

    def copies(self, table: str) -> bool:
        """Whether this table is copied."""
        return table in self.config.mirror

    def predictions(self, table: pa.Table, features: pa.Table | None = None) -> None:
        """Copy rows of the lake's `predictions`, with chosen features of the same minutes.

        Never fails for want of a database: see `state`.
        """
        if self.copies("predictions") and table.num_rows:
            self._take("predictions", prediction_rows(table, features))

    def model_metrics(self, table: pa.Table) -> None:
        """Copy rows of the lake's `model_metrics`."""
        if self.copies("model_metrics") and table.num_rows:
            self._take("model_metrics", metric_rows(table))

    def bars(self, table: pa.Table) -> None:
        """Copy rows of the lake's `bars`."""
        if self.copies("bars") and table.num_rows:
            self._take("bars", bar_rows(table))

    def state(self) -> MirrorState:
        """What became of the rows so far, and what waits now."""
        return MirrorState(
            taken=self._taken,
            unchanged=self._unchanged,
            sent=self._sent,
            refused=self._refused,
            waiting=sum(segment.rows for segment in self.spool.waiting()),
            waiting_bytes=self.spool.used_bytes(),
            set_aside=sum(int(each["rows"]) for each in self.spool.reasons()),
            problem=self._problem,
        )

    def metadata(self) -> dict[str, int | str]:
        """The state as a run shows it; nothing where the mirror is off."""
        return self.state().metadata() if self.config.mirror else {}

    def flush(self, force: bool = False) -> MirrorState:
        """Send what waits, in order, until all is sent or the database fails; nothing while off.

        Args:
            force: try also while a database that failed before is being left alone.
        """
        if not self.config.mirror or not self.spool.waiting():
            return self.state()
        if force:
            sweep(self.spool.folder, now=self.now())
        elif self._rest.left():
            self._problem = self._problem or self._rest.problem()
            return self.state()
        try:
            with self.spool.flushing(_WAIT_FOR_OTHERS_S) as alone:
                if alone:
                    self._send_all()
        except OSError as error:  # the disk is full or refuses: what waits is tried again later
            self._note(error)
        return self.state()

    def _take(self, table: str, rows: pa.Table) -> None:
        try:
            with self._known().news(TABLES[table], rows) as news:
                self._taken += self.spool.append(table, news) if news.num_rows else 0
            self._unchanged += rows.num_rows - news.num_rows
        except (DatabaseError, OSError) as error:
            self._refused += rows.num_rows
            self._note(error)
        self.flush()

    def _known(self) -> Known:
        """What the database that is named now was sent before."""
        try:
            where = self.where()
        except DatabaseError:
            where = ""
        return Known(self.folder / "known" / hashlib.sha256(where.encode()).hexdigest()[:16])

    def _send_all(self) -> None:
        try:
            with closing(self.connect()) as writer:
                for segments in self._batches():
                    self._send(writer, segments)
        except DatabaseError as error:
            self._note(error)
            with suppress(OSError):  # a full disk: then it is asked again sooner
                self._rest.begin(str(error))
        else:
            self._rest.end()

    def _batches(self) -> Iterator[list[Segment]]:
        """Neighbours of one table together, so that many small segments are few transactions."""
        batch: list[Segment] = []
        rows = 0
        for segment in self.spool.waiting():
            fits = rows + segment.rows <= self.config.batch_rows
            if batch and (segment.table != batch[0].table or not fits):
                yield batch
                batch, rows = [], 0
            batch.append(segment)
            rows += segment.rows
        if batch:
            yield batch

    def _send(self, writer: Writer, segments: list[Segment]) -> None:
        """Send one batch and forget it; what the database will never take is set aside."""
        table, parts, readable = segments[0].table, [], []
        for segment in segments:
            try:
                parts.append(self.spool.read(segment))
                readable.append(segment)
            except FileNotFoundError:
                continue
            except DatabaseError as error:
                self.spool.set_aside_file(segment, str(error))
                self._note(error)
        if not parts:
            return
        rows = last_of_each(TABLES[table], pa.concat_tables(parts))
        size = self.config.batch_rows
        for start in range(0, rows.num_rows, size):
            self._send_or_set_aside(writer, table, rows.slice(start, size))
        self.spool.remove(readable)

    def _send_or_set_aside(self, writer: Writer, table: str, rows: pa.Table) -> None:
        """Halve what is rejected until the bad rows stand alone."""
        pending, rejected = [rows], 0
        while pending:
            part = pending.pop()
            try:
                self._upsert(writer, table, part)
                self._sent += part.num_rows
            except Rejected as error:
                if part.num_rows > 1 and rejected < MAX_REJECTED:
                    half = part.num_rows // 2
                    pending += [part.slice(half), part.slice(0, half)]
                    continue
                rejected += 1
                self.spool.set_aside(table, part, str(error))
                self._note(error)

    def _upsert(self, writer: Writer, table: str, rows: pa.Table) -> None:
        """One batch, with a few attempts: full jitter, doubling."""
        longest = self.config.first_wait_s
        for attempt in range(1, self.config.attempts + 1):
            try:
                return writer.upsert(table, rows)
            except Unreachable:
                if attempt == self.config.attempts:
                    raise
            self.sleep(self._chance.uniform(0, longest))
            longest = min(2 * longest, self.config.max_wait_s)
        raise AssertionError("there is at least one attempt")

    def _note(self, error: DatabaseError | OSError) -> None:
        self._problem = str(error)
        log.error("Mirror: %s", error)
