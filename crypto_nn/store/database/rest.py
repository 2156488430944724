"""How long a database that failed is left alone, by all processes of a machine."""

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from crypto_nn.store.atomic import write_bytes


@dataclass(frozen=True)
class _Failed:
    until: float = 0.0
    failures: int = 0
    problem: str = ""


class Rest:
    """Doubling, jittered rests, kept in a file so that no process runs into what another knows.

    Args:
        path: the file; it is there while the database is known to fail.
        first_s: the longest first rest (seconds).
        longest_s: the longest rest of all.
        now: seconds since 1970.
        chance: for the jitter.
    """

    def __init__(
        self,
        path: Path,
        first_s: float,
        longest_s: float,
        now: Callable[[], float],
        chance: random.Random,
    ) -> None:
        self._path, self._now, self._chance = path, now, chance
        self._first_s, self._longest_s = first_s, longest_s

    def left(self) -> float:
        """Seconds for which the database is to be left alone still; a clock set back ends it."""
        left = self._failed().until - self._now()
        return left if 0 < left <= self._longest_s else 0.0

    def problem(self) -> str:
        """Why it is left alone."""
        return self._failed().problem

    def begin(self, problem: str) -> None:
        """Leave it alone for a while; longer where it failed before."""
        failures = self._failed().failures + 1
        longest = min(self._longest_s, self._first_s * 2 ** min(failures, 30))
        until = self._now() + self._chance.uniform(longest / 2, longest)
        failed = _Failed(until, failures, problem)
        write_bytes(self._path, json.dumps(asdict(failed)).encode())

    def end(self) -> None:
        """It works again."""
        self._path.unlink(missing_ok=True)

    def _failed(self) -> _Failed:
        try:
            told = json.loads(self._path.read_bytes())
            return _Failed(float(told["until"]), int(told["failures"]), str(told["problem"]))
        except (OSError, ValueError, KeyError, TypeError):
            return _Failed()
