"""Whether a worker lives: it holds a lock that the kernel takes from it when it dies."""

from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout


@dataclass(frozen=True)
class Lives:
    """The lock files of a study's workers on this machine, one each, never removed.

    A process number would not do: it is given to another process some day.
    """

    folder: Path

    def lock(self, worker: str) -> FileLock:
        """What a worker holds as long as it lives."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self._path(worker))

    def is_dead(self, worker: str | None) -> bool:
        """Whether this worker of ours has died; of another machine's workers nothing is known."""
        if worker is None or not self._path(worker).exists():
            return False
        try:
            with FileLock(self._path(worker)).acquire(timeout=0):
                return True
        except Timeout:
            return False

    def _path(self, worker: str) -> Path:
        return self.folder / f"{worker}.lock"
