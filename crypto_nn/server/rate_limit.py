"""How often one caller may ask: token buckets in a table that cannot grow without end."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

OTHERS = "others"


class Buckets:
    """One bucket for each caller: `burst` tokens, filled again at `per_second`.

    The table holds at most `most` callers, and one entry for those without a place. A new one
    takes the place of whoever has rested longest and whose bucket is full again; where it is not,
    newcomers share one bucket. So a flood of addresses neither grows the table nor gives anyone a
    fresh bucket.

    Args:
        per_second: tokens that come back in a second.
        burst: tokens in a full bucket.
        most: callers in the table.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second, self._burst, self._most = per_second, float(burst), most
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, caller: str) -> float:
        """Take one token: 0.0 where there was one, else the seconds until there is one."""
        now = self._clock()
        caller = self._place(caller, now)
        level = self._level(caller, now)
        taken = level >= 1
        self._levels[caller] = (level - 1 if taken else level, now)
        self._levels.move_to_end(caller)
        return 0.0 if taken else (1 - level) / self._per_second

    def _level(self, caller: str, now: float) -> float:
        level, since = self._levels.get(caller, (self._burst, now))
        return min(self._burst, level + (now - since) * self._per_second)

    def _place(self, caller: str, now: float) -> str:
        """The caller's own name, or that of the newcomers where the table has no place."""
        if caller in self._levels or len(self._levels) < self._most:
            return caller
        rested = next(iter(self._levels))
        if self._level(rested, now) < self._burst:
            return OTHERS
        del self._levels[rested]
        return caller


def address(host: str | None) -> str:
    """Under what a client's address is counted: itself, or the /64 that an IPv6 client owns."""
    if host is None:
        return "local"
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def retry_after(wait_s: float) -> int:
    """Whole seconds for the header Retry-After, at least one."""
    return max(1, math.ceil(wait_s))
