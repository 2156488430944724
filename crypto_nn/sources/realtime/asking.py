"""What a live stream asks its source for, and how often."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from crypto_nn.sources.realtime.config import RealtimeConfig

Why = Literal["hole", "doubt", "forgotten", "record"]


@dataclass(frozen=True)
class Ask:
    """A stretch [start, end) of minutes to fetch, and why.

    Attributes:
        symbol: of which.
        start, end: minutes since 1970.
        why: "hole": due and not there; "doubt": it changed; "forgotten": changes were dropped;
            "record": only what is recorded was dropped.
        sure_us: the exchange's time, at least, when it is asked (µs since 1970).
    """

    symbol: str
    start: int
    end: int
    why: Why
    sure_us: int


class Backoff:
    """When a symbol's hole may be asked for again: each time in vain, it waits longer.

    Attributes:
        due_us: not before then.
        failed: whether the last time there was no answer at all, so that nothing else should be
            asked for before then either.
    """

    def __init__(self, config: RealtimeConfig, random: Random) -> None:
        """Nothing was asked yet; `random` keeps symbols from asking in step."""
        self._first_s, self._longest_s = config.retry_first_s, config.retry_max_s
        self._random = random
        self._tries = 0
        self.failed = False
        self.due_us = 0

    def wait(self, now_us: int, failed: bool) -> None:
        """It was asked in vain; `failed` where the source gave no answer at all."""
        wait_s = min(self._longest_s, self._first_s * 2 ** min(self._tries, 30))
        self.due_us = now_us + round(wait_s * self._random.uniform(0.5, 1.0) * 1e6)
        self._tries += 1
        self.failed = failed

    def answered(self) -> None:
        """The source answers again."""
        self.failed = False

    def reset(self) -> None:
        """The source had what was missing."""
        self._tries, self.failed = 0, False

    def relax(self) -> None:
        """A bar came without asking."""
        self._tries -= self._tries > 0

    def hurry(self, now_us: int) -> bool:
        """A later bar is there, so that the source can tell now; not if it does not answer."""
        if not self.failed:
            self.due_us = min(self.due_us, now_us)
        return not self.failed
