"""That a schedule and a sensor which look at the same moment do not both ask for the same."""

from collections.abc import Iterable, Iterator
from threading import Lock

import dagster as dg
import numpy as np

HELD = np.timedelta64(15, "m")
"""For so long a request belongs to who made it first; by then its run is on record."""

_LOCK = Lock()
_HELD: dict[tuple[str, str], tuple[str, np.datetime64]] = {}


def unclaimed(
    instance: dg.DagsterInstance, who: str, asked: Iterable[dg.RunRequest], now: np.datetime64
) -> Iterator[dg.RunRequest]:
    """The requests that nobody else has made just now; from here on they are `who`'s.

    Dagster tells a repeated run key of one sensor from a new one, but not those of two. What is
    asked again by the same one is given again: a tick that was killed is evaluated once more.
    Ticks are evaluated in one process, that of the code location.
    """
    place: str = instance.run_storage.get_run_storage_id()  # type: ignore[attr-defined]
    for request in asked:
        key = (place, request.run_key or "")
        with _LOCK:
            for old in [k for k, (_, at) in _HELD.items() if not 0 <= (now - at) / HELD < 1]:
                del _HELD[old]
            mine = _HELD.setdefault(key, (who, now))[0] == who
        if mine:
            yield request
