"""The alerts that were told, kept in the lake."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np

from crypto_nn.errors import LakeError
from crypto_nn.monitoring.alert import FIRING, RESOLVED, Alert
from crypto_nn.store.lake import Lake


class LakeLedger:
    """What was told before, as the table `alerts`.

    It has a connection of its own, so that it waits for a long writer no longer than `wait_s`.

    Args:
        lake: the lake.
        wait_s: how long to wait, in seconds, until others have written.
    """

    def __init__(self, lake: Lake, wait_s: float = 0.5) -> None:
        self._root, self._uri, self._wait_s = lake.root, lake.catalogue.uri, wait_s

    @cached_property
    def lake(self) -> Lake:
        """The same lake, with less patience."""
        return Lake(self._root, self._uri, wait_seconds=self._wait_s)

    def seen(self, key: str, state: str = FIRING) -> bool:
        """Whether an alert with this key and state was added.

        Raises:
            LakeError: the lake cannot be read.
        """
        return any((row.get("state") or FIRING) == state for row in self._rows({"key": key}))

    def add(self, alert: Alert) -> None:
        """Remember it.

        Raises:
            LakeError: the lake cannot be written, or others write for too long.
        """
        self.lake.append("alerts", alert.to_arrow())

    def open(self, kind: str | None = None) -> tuple[Alert, ...]:
        """What was told and is not resolved, oldest first.

        Alerts of a release that knew no resolve count as over.

        Raises:
            LakeError: the lake cannot be read.
        """
        return open_of(self._rows({"kind": kind} if kind else {}))

    def _rows(self, where: dict[str, str]) -> list[dict[str, object]]:
        if self._uri.startswith("sqlite:") and not Path(self._uri.partition(":")[2]).exists():
            return []  # to look does not make a lake
        try:
            if not self.lake.has("alerts"):
                return []
            rows: list[dict[str, object]] = self.lake.read("alerts", where=where).to_pylist()
        except duckdb.Error as error:
            self.lake.close()  # the next question opens the catalogue anew
            raise LakeError(f"The table alerts cannot be read: {type(error).__name__}.") from None
        return rows


def open_of(rows: Sequence[Mapping[str, object]]) -> tuple[Alert, ...]:
    """What fires and is not resolved among rows of the table `alerts`, in their order."""
    over = {row["key"] for row in rows if row.get("state") == RESOLVED}
    fired = [r for r in rows if r.get("state") == FIRING and r["key"] not in over]
    return tuple({row["key"]: _alert(row) for row in reversed(fired)}.values())[::-1]


def _alert(row: Mapping[str, object]) -> Alert:
    title = str(row.get("title") or "")
    message = str(row["message"]).removeprefix(f"{title}. ")
    at = np.datetime64(row["made_at"], "us")  # type: ignore[call-overload]
    return Alert(str(row["kind"]), str(row["key"]), title, message, at)
