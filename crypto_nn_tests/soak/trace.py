"""What happened, in order; two soaks of one seed must have the same."""

import hashlib
import json
from pathlib import Path
from typing import TextIO

import numpy as np


class Trace:
    """Lines of virtual time and what happened, written to a file as they come.

    Attributes:
        digest: SHA-256 of all lines so far.
    """

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._hash = hashlib.sha256()

    def add(self, at: np.datetime64, *what: str | int) -> None:
        """One line."""
        line = json.dumps([str(at.astype("datetime64[s]")), *what]) + "\n"
        self._hash.update(line.encode())
        self._file.write(line)
        self._file.flush()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()
