"""How to ask a service that may be slow, busy or down: within its budget, and with patience.

    budget = RateBudget(5, 60.0, clock, ledger)
    answer = persist(attempt, Patience(), clock, chance)   # attempt() raises `Transient`

`attempt` acquires the budget itself, once for each request that it sends.
"""

import json
import logging
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

import numpy as np
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, model_validator

from crypto_nn.bars.calendar import TS
from crypto_nn.sources.clock import Clock
from crypto_nn.store.atomic import temporary_beside

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

GRAIN_S = 0.001
"""What is added to each wait for the budget, so that rounding never brings a request too early."""
_TELL_FROM = 3  # failures in a row; one or two are everyday
LONGEST_S = 600.0
"""After so long a request that was never marked as ended is taken for one of a killed process."""


class Transient(Exception):
    """One attempt failed in a way that may pass.

    Attributes:
        after_s: how long the service asked to be left alone; None where it did not say.
    """

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class OutOfPatience(Exception):
    """Every attempt failed; the message tells how many, in what time, and the last reason."""


class Patience(BaseModel):
    """How often and how long a failing request is tried again, and how the waits grow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = Field(default=10, ge=1, description="Attempts in all, the first included.")
    first_wait_s: float = Field(
        default=1.0, gt=0, description="The longest first wait; each next may be twice as long."
    )
    max_wait_s: float = Field(default=60.0, gt=0, description="What no wait's bound grows above.")
    max_asked_s: float = Field(
        default=300.0, ge=0, description="The longest Retry-After that is waited for in full."
    )
    give_up_after_s: float = Field(
        default=1800.0, gt=0, description="No attempt begins later than this after the first."
    )

    @model_validator(mode="after")
    def _grows(self) -> "Patience":
        if self.max_wait_s < self.first_wait_s:
            raise ValueError(
                f"max_wait_s {self.max_wait_s} is below first_wait_s {self.first_wait_s}"
            )
        return self

    def bound(self, failures: int) -> float:
        """The longest own wait after so many failures in a row (s): doubling up to the cap."""
        return min(self.max_wait_s, self.first_wait_s * 2.0 ** min(failures - 1, 60))

    def wait(self, failures: int, chance: Random, asked_s: float | None = None) -> float:
        """How long to wait after so many failures (s): full jitter, never less than was asked.

        Full jitter is uniform between zero and the bound, so that many clients which failed
        together do not come back together. What the service asked for is waited in full, up to
        `max_asked_s`, and a little of the jitter on top.
        """
        own = chance.uniform(0.0, self.bound(failures))
        if asked_s is None:
            return own
        return min(max(asked_s, 0.0), self.max_asked_s) + min(own, self.first_wait_s)

    def steady_wait(self, failures: int, chance: Random) -> float:
        """Like `wait`, but never below half the bound: for reconnecting for ever."""
        return chance.uniform(0.5, 1.0) * self.bound(failures)


def persist(
    attempt: Callable[[], Answer], patience: Patience, clock: Clock, chance: Random
) -> Answer:
    """What `attempt()` returns, tried again after each `Transient` for as long as patience lasts.

    Raises:
        OutOfPatience: attempts or time are used up; its cause is the last `Transient`.
    """
    began = clock.monotonic()
    for failures in range(1, patience.attempts + 1):
        try:
            return attempt()
        except Transient as failure:
            reason = str(failure)
            wait = patience.wait(failures, chance, failure.after_s)
            spent = clock.monotonic() - began
            if failures == patience.attempts or spent + wait > patience.give_up_after_s:
                times = "1 attempt" if failures == 1 else f"{failures} attempts"
                raise OutOfPatience(
                    f"{times} in {spent:.0f} s failed; last: {failure}"
                ) from failure
        if failures >= _TELL_FROM:
            log.warning(
                "Attempt %d of %d failed: %s. The next in %.0f s.",
                failures, patience.attempts, reason, wait,
            )  # fmt: skip
        clock.sleep(wait)
    raise AssertionError("a loop of at least one attempt returns or raises")


def http_date(text: str | None) -> np.datetime64 | None:
    """The moment that an HTTP date names (UTC, µs), or None where it is none."""
    if not text:
        return None
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if at.tzinfo is not None:
        at = at.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(at, "us").astype(TS)


def retry_after(headers: Mapping[str, str], clock: Clock) -> float | None:
    """How long an answer asks to be left alone (s), by its Retry-After; None where it says nothing.

    Seconds, or an HTTP date, which is taken against the same answer's Date, so that a wrong clock
    here does not matter; where it has no Date, against this machine's time of day.
    """
    text = (headers.get("Retry-After") or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until, now = http_date(text), http_date(headers.get("Date")) or clock.now()
        seconds = (until - now) / np.timedelta64(1, "s") if until is not None else math.nan
    return max(seconds, 0.0) if math.isfinite(seconds) else None


class RateBudget:
    """At most so many requests in any stretch of time, for all threads, and processes that share.

    A request counts from when it is acquired until `per_seconds` after it has ended: when the
    service sees it lies somewhere between, so this is what keeps every window of the *service's*
    time within the budget too, however long requests take to get there. Use it as

        with budget.request(): …send it…        # counts until its end, and then on; or
        budget.acquire()                        # counts from now; where nothing marks the end

    Args:
        requests: how many.
        per_seconds: in how long a stretch, wherever it begins.
        clock: tells steady seconds (the same for all processes of the machine) and waits.
        ledger: a file by which processes share the budget; None where one process is alone.
    """

    def __init__(
        self, requests: int, per_seconds: float, clock: Clock, ledger: Path | None = None
    ) -> None:
        if requests < 1 or not 0 < per_seconds < math.inf:
            raise ValueError(f"{requests} requests in {per_seconds} s is no budget: use 1 or more")
        self.requests, self.per_seconds = requests, per_seconds
        self._clock, self._ledger = clock, ledger
        self._own: list[Spent] = []
        self._threads = threading.Lock()
        self._processes = FileLock(f"{ledger}.lock") if ledger else None

    def acquire(self) -> None:
        """Wait until one more request keeps every window within the budget, and take it."""
        self._take(under_way=False)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Wait as `acquire` does; the request counts until this context ends, and then on."""
        taken = self._take(under_way=True)
        try:
            yield
        finally:
            with self._spent() as spent:
                if taken in spent:
                    spent.remove(taken)
                spent.append(Spent(self._clock.monotonic(), under_way=False))

    def _take(self, under_way: bool) -> "Spent":
        while True:
            with self._spent() as spent:
                now = self._clock.monotonic()
                free_at = self._free_at(spent, now)
                if free_at <= now:
                    taken = Spent(now, under_way)
                    spent.append(taken)
                    return taken
            self._clock.sleep(max(free_at - now, GRAIN_S))

    def _free_at(self, spent: "list[Spent]", now: float) -> float:
        """Drop what no longer counts; say from when on one more request may fit."""
        # A stamp that lies ahead is of before the machine's last start: its clock began anew.
        lasts = self.per_seconds + GRAIN_S
        spent[:] = [one for one in spent if one.stamp <= now < one.ends(now) + lasts]
        ends = sorted(one.ends(now) + lasts for one in spent)
        return ends[-self.requests] if len(ends) >= self.requests else now

    @contextmanager
    def _spent(self) -> "Iterator[list[Spent]]":
        """The requests that may still count, for this thread of this process alone to change."""
        with self._threads:
            if self._ledger is None or self._processes is None:
                yield self._own
                return
            self._ledger.parent.mkdir(parents=True, exist_ok=True)
            with self._processes:
                spent = self._load(self._ledger)
                yield spent
                temporary = temporary_beside(self._ledger)
                temporary.write_text(json.dumps(spent), encoding="utf-8")
                os.replace(temporary, self._ledger)  # no fsync: a restart voids it anyway

    def _load(self, ledger: Path) -> "list[Spent]":
        if not ledger.exists():
            return []
        try:
            return [Spent(float(at), bool(open_)) for at, open_ in json.loads(ledger.read_bytes())]
        except (ValueError, TypeError):  # damaged: the whole budget may just have been spent
            return [Spent(self._clock.monotonic(), under_way=False)] * self.requests


class Spent(NamedTuple):
    """One request that was made: since when it is under way, or when it ended (steady s)."""

    stamp: float
    under_way: bool

    def ends(self, now: float) -> float:
        """When it ended; while it is under way that is not before now, unless its process died."""
        return min(now, self.stamp + LONGEST_S) if self.under_way else self.stamp
