"""Telling a person, once for each episode, also when the channel is down."""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from crypto_nn.monitoring.webhook import Undelivered, Webhook
from crypto_nn.store.atomic import write_bytes

log = logging.getLogger(__name__)


class AlertConfig(BaseModel):
    """Where alerts go: always to the log, and to a webhook where one is named."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    webhook_url: SecretStr | None = Field(
        default=None, description="Address that takes alerts as JSON; never shown."
    )
    timeout_s: float = Field(default=2.0, gt=0, description="Patience for one attempt.")
    attempts: int = Field(default=2, ge=1, description="Attempts before the spool keeps it.")
    backoff_s: float = Field(default=0.25, ge=0, description="Pause after a failure; it doubles.")

    @field_validator("webhook_url")
    @classmethod
    def _is_http(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not url.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("webhook_url must begin with https:// or http://")
        return url


@dataclass(frozen=True)
class Alert:
    """What a person should know.

    Attributes:
        kind: what it is about: "drift", "failure", "data" or "service".
        key: the episode; of two alerts with one key only the first is told.
        title: one line.
        message: what was found, what was due, what to do next.
        at: when, naive UTC.
    """

    kind: str
    key: str
    title: str
    message: str
    at: np.datetime64

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
        }

    @classmethod
    def from_json(cls, fields: dict[str, str]) -> "Alert":
        """The alert that `to_json` wrote."""
        at = np.datetime64(fields["at"].removesuffix("Z"), "us")
        return cls(fields["kind"], fields["key"], fields["title"], fields["message"], at)

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
            }
        )


class Ledger(Protocol):
    """What was told before; it must outlive the process."""

    def seen(self, key: str) -> bool:
        """Whether an alert with this key was added."""

    def add(self, alert: Alert) -> None:
        """Remember it."""


@dataclass(frozen=True)
class Told:
    """What became of an alert.

    Attributes:
        new: whether it is the first of its episode.
        delivered: how many alerts the webhook took in this call, older ones from the spool too.
        waiting: how many the spool still holds.
    """

    new: bool
    delivered: int
    waiting: int


class Alerts:
    """Alerts to the log and to a webhook, one per episode, at least once.

    An alert is first written to the spool, then noted in the ledger, then delivered: a crash or a
    dead webhook in between delays it, and may repeat it (the receiver has its `key`), but does not
    lose it. What the spool holds is tried again at each call, oldest first, until the webhook
    fails; a failing webhook never raises into the pipeline. Without a webhook there is no spool.
    """

    def __init__(
        self,
        config: AlertConfig,
        spool: Path,
        ledger: Ledger,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.spool, self.ledger, self.sleep, self.config = spool, ledger, sleep, config
        url = config.webhook_url
        self.webhook = Webhook(url, config.timeout_s) if url else None

    def tell(self, alert: Alert) -> Told:
        """Tell a person, unless an alert with this key was told before."""
        new = not self.ledger.seen(alert.key)
        if new:
            if self.webhook:
                line = json.dumps(alert.to_json()) + "\n"
                write_bytes(self._path(alert.key), line.encode())
            self.ledger.add(alert)
            log.warning("%s alert %s: %s. %s", alert.kind, alert.key, alert.title, alert.message)
        delivered = self.flush()
        return Told(new, delivered, len(self._waiting()))

    def flush(self) -> int:
        """Deliver what waits in the spool; returns how many the webhook took."""
        delivered = 0
        for path in self._waiting() if self.webhook else []:
            try:
                alert = Alert.from_json(json.loads(path.read_bytes()))
                self._deliver(alert)
            except FileNotFoundError:
                continue  # another process delivered it
            except (ValueError, KeyError) as error:
                log.error("The spooled alert %s is damaged (%s); remove it.", path, error)
                continue
            except Undelivered as problem:
                log.error("%d alerts wait in %s: %s", len(self._waiting()), self.spool, problem)
                break
            path.unlink(missing_ok=True)
            delivered += 1
        return delivered

    def _deliver(self, alert: Alert) -> None:
        assert self.webhook is not None
        for attempt in range(1, self.config.attempts + 1):
            try:
                return self.webhook.send(alert.to_json())
            except Undelivered as problem:
                if not problem.passing or attempt == self.config.attempts:
                    raise
                self.sleep(self.config.backoff_s * 2 ** (attempt - 1))
        raise AssertionError("there is at least one attempt")

    def _path(self, key: str) -> Path:
        return self.spool / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def _waiting(self) -> list[Path]:
        return sorted(self.spool.glob("[0-9a-f]*.json"), key=_written)


def _written(path: Path) -> tuple[float, str]:
    try:
        return path.stat().st_mtime_ns, path.name
    except FileNotFoundError:
        return 0.0, path.name
