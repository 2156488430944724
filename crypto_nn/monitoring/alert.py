"""What a person is told: that something is wrong, and later that it is over."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa

FIRING, RESOLVED = "firing", "resolved"


@dataclass(frozen=True)
class Alert:
    """What a person should know.

    Attributes:
        kind: what it is about: "drift", "failure", "data" or "service".
        key: the episode; of two alerts with one key and state only the first is told.
        title: one line.
        message: what was found, what was due, what to do next.
        at: when, naive UTC.
        state: "firing", or "resolved" where the episode is over.
    """

    kind: str
    key: str
    title: str
    message: str
    at: np.datetime64
    state: str = FIRING

    def to_json(self) -> dict[str, str]:
        """As the webhook receives it; `text` is what chat services show."""
        at = f"{self.at.astype('datetime64[us]')}Z"
        text = f"{self.title}\n{self.message}"
        return {
            "kind": self.kind,
            "key": self.key,
            "title": self.title,
            "message": self.message,
            "text": text,
            "at": at,
            "state": self.state,
        }

    @classmethod
    def from_json(cls, fields: dict[str, str]) -> "Alert":
        """The alert that `to_json` wrote; one of an older release has no state: it fires."""
        at = np.datetime64(fields["at"].removesuffix("Z"), "us")
        state = fields.get("state", FIRING)
        return cls(fields["kind"], fields["key"], fields["title"], fields["message"], at, state)

    def to_arrow(self) -> pa.Table:
        """One row of the lake table `alerts`."""
        at = self.at.astype("datetime64[us]").item()
        message = f"{self.title}. {self.message}"
        return pa.table(
            {
                "made_at": pa.array([at], pa.timestamp("us")),
                "kind": [self.kind],
                "key": [self.key],
                "message": [message],
                "state": [self.state],
                "title": [self.title],
            }
        )

    def over(self, title: str, message: str, at: np.datetime64) -> "Alert":
        """That this episode is over."""
        title = title if title.startswith("RESOLVED") else f"RESOLVED: {title}"
        return replace(self, title=title, message=message, at=at, state=RESOLVED)


@dataclass(frozen=True)
class Told:
    """What became of an alert.

    Attributes:
        new: whether it is the first of its episode.
        delivered: how many alerts the channels took in this call, older ones from the spool too.
        waiting: how many the spools of all channels still hold.
    """

    new: bool
    delivered: int
    waiting: int


class Ledger(Protocol):
    """What was told before; it must outlive the process."""

    def seen(self, key: str, state: str = FIRING) -> bool:
        """Whether an alert with this key and state was added."""

    def add(self, alert: Alert) -> None:
        """Remember it."""

    def open(self, kind: str | None = None) -> tuple[Alert, ...]:
        """What was told and is not resolved, oldest first; of one kind, or of all."""
