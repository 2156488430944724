"""Dying at a chosen durable write: a commit of Dagster's or of the lake, a rename, a removal."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np


class Doom:
    """Counts what a process makes durable, and kills it with SIGKILL at one of those moments.

    Every durable thing has two moments: just before it is done and just after.

    Attributes:
        moments: how many there were so far.
        at: at which of them the process dies; None for never.
    """

    def __init__(self) -> None:
        self.moments = 0
        self.at: int | None = None

    def arm(self, after: int | None) -> None:
        """Die at the moment that comes so many moments from now."""
        self.at = None if after is None else self.moments + after

    def moment(self, *_: object) -> None:
        """One of the two moments of a durable thing."""
        self.moments += 1
        if self.moments == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same work, between two moments."""

        def done(*arguments: Any, **named: Any) -> Any:
            self.moment()
            result = work(*arguments, **named)
            self.moment()
            return result

        return done


DOOM = Doom()


def watch_writes() -> None:
    """From now on this process counts its durable writes; for a process that was just forked."""
    import psycopg
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    from crypto_nn.store import catalogue

    event.listen(Engine, "commit", DOOM.moment)
    event.listen(Engine, "release_savepoint", DOOM.moment)
    os.replace = DOOM.around(os.replace)
    os.rename = DOOM.around(os.rename)
    catalogue._transaction = DOOM.around(catalogue._transaction)
    psycopg.Connection.commit = DOOM.around(psycopg.Connection.commit)  # type: ignore[method-assign]


def virtual_now() -> np.datetime64:
    """The time of this process, which `time_machine` sets (µs, UTC)."""
    return np.datetime64(round(time.time() * 1e6), "us")


def seconds(at: np.datetime64) -> float:
    """Seconds since 1970, as `time.time` gives them."""
    return float(at.astype("datetime64[us]").astype(np.int64)) / 1e6
