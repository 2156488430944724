"""Keeping quiet those who would log an address, which may hold a secret."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TALKATIVE = (
    "apprise", "urllib3.connectionpool", "urllib3.util.retry", "requests", "httpx",
    "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks",
)  # fmt: skip
"""Loggers that name addresses, or what a server answers."""
_QUIET_THREADS: set[int] = set()


def _is_heard(_: logging.LogRecord) -> bool:
    return threading.get_ident() not in _QUIET_THREADS


@contextmanager
def unheard() -> Iterator[None]:
    """Let nothing be logged, by this thread, by those who name addresses.

    Whole lines are kept back, not those with a certain text: a client may write an address
    otherwise than it was given.
    """
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        if _is_heard not in logger.filters:
            logger.addFilter(_is_heard)
    mine = threading.get_ident()
    nested = mine in _QUIET_THREADS
    _QUIET_THREADS.add(mine)
    try:
        yield
    finally:
        if not nested:
            _QUIET_THREADS.discard(mine)
