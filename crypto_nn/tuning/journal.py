"""A study in one file, which no killed writer can tear or lock."""

import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend


class LockedJournal(JournalFileBackend):
    """optuna's journal file, written under a lock that the kernel takes from a dead process.

    optuna's own lock is a file beside the journal: after a SIGKILL everyone waits for its grace
    period, and a line that was half written then joins the next one and spoils the journal. Here
    the lock ends with the process that holds it, and whoever writes next first cuts off a last
    line without an end.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(str(path))
        self.path = path
        self.lock = FileLock(f"{path}.flock")

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add lines to the file, whole and safe on disk."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with self.lock, self.path.open("r+b") as file:
            _cut_torn_line(file)
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())


def _cut_torn_line(file: Any) -> None:
    """Leave the file at its end, which is the end of a line."""
    end = file.seek(0, os.SEEK_END)
    start = end
    while start:
        block = min(4096, start)
        file.seek(start - block)
        found = file.read(block).rfind(b"\n")
        if found >= 0:
            start += found + 1 - block
            break
        start -= block
    if start < end:
        file.truncate(start)
    file.seek(start)
