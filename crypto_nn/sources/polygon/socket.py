"""Live bars by Polygon's WebSocket: one connection after the other, for ever.

The client by itself ends when the server closes cleanly, waits for ever on a socket that is open
but dead, and reconnects in its own time. So each connection is a fresh client that may not
reconnect, watched from here. Nothing is kept of what is not asked for: while whoever iterates is
busy, frames wait in the socket, and the exchange waits or hangs up.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from pydantic import SecretStr
from websockets.exceptions import WebSocketException

from crypto_nn.bars import Bars
from crypto_nn.errors import SourceRefused
from crypto_nn.sources.polygon.client import load_client, redacted
from crypto_nn.sources.polygon.config import PolygonConfig
from crypto_nn.sources.polygon.messages import (
    READERS,
    Aggregate,
    Reader,
    read_aggregate,
    read_frame,
)

WAITING_FRAMES = 16
"""How many frames wait between the client and whoever iterates; the socket holds as many again."""
MAX_FRAME_BYTES = 1 << 20
_UNSET = float("inf")
_HANG_UP_S = 5.0
_QUIET = ("connected", "auth_success", "success")

log = logging.getLogger(__name__)


class _Unreachable(Exception):
    """A connection could not be made."""


@dataclass(frozen=True)
class _Ended:
    """How a connection ended; put behind its last frame."""

    reason: str
    refused: bool = False


class _Ear(logging.LoggerAdapter[logging.Logger]):
    """What the client's socket logs, for us: never at DEBUG, where it would log the key.

    A connection that cannot be made is tried again inside the client, in its own time; what it
    then logs is the only sign of it, and is answered here by ending the client.
    """

    def isEnabledFor(self, level: int) -> bool:
        """Never at DEBUG."""
        return level > logging.DEBUG and super().isEnabledFor(level)

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        """End the client where it says that it will try again."""
        if str(msg).startswith("connect failed"):
            raise _Unreachable(str(args[-1]) if args else "no connection")
        super().info(msg, *args, **kwargs)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """As it is."""
        return msg, kwargs


class PolygonStream:
    """The bars of some symbols, as the exchange sends them.

    Args:
        config: where, and how patiently.
        symbols: of which bars.
        key: for the login.
        chance: of the jitter in the waits.
        counts: told what is met.
    """

    def __init__(
        self,
        config: PolygonConfig,
        symbols: Sequence[str],
        key: SecretStr,
        chance: Random,
        counts: Counter[str],
    ) -> None:
        self._config, self._symbols, self._key = config, tuple(symbols), key
        self._chance, self._counts = chance, counts

    async def bars(self) -> AsyncIterator[Bars]:
        """Bars of one symbol at a time, for ever.

        Raises:
            SourceRefused: Polygon does not accept the key.
        """
        failures = 0
        while True:
            connection = _Connection(self._config, self._symbols, self._key, self._counts)
            try:
                while not connection.over:
                    for bars in await connection.receive():
                        failures = 0
                        yield bars
            finally:
                await connection.close()
            failures += 1
            wait = self._config.reconnect.steady_wait(failures, self._chance)
            log.warning(
                "polygon: the connection for %d symbols ended (%s); the next in %.1f s",
                len(self._symbols), connection.over, wait,
            )  # fmt: skip
            await asyncio.sleep(wait)


class _Connection:
    """One connection, with a client of its own that talks in a task of its own.

    Attributes:
        over: why it has ended; empty while it has not.
    """

    def __init__(
        self, config: PolygonConfig, symbols: Sequence[str], key: SecretStr, counts: Counter[str]
    ) -> None:
        self._config, self._symbols, self._key = config, frozenset(symbols), key
        self._counts = counts
        self._reader: Reader = READERS[config.channel](config.grace_s, counts)
        self._client: Any = load_client().WebSocketClient(
            key.get_secret_value(), feed=config.websocket_feed, market="crypto", raw=True,
            secure=config.secure, max_reconnects=0,
            subscriptions=[f"{config.channel}.{symbol}" for symbol in symbols],
        )  # fmt: skip
        self._frames: asyncio.Queue[str | bytes | _Ended] = asyncio.Queue(WAITING_FRAMES)
        self._loop = asyncio.get_running_loop()
        self._began, self._subscribed = self._loop.time(), False
        self._deadline = self._began + config.login_timeout_s
        self._complained = False
        self.over = ""
        counts["connections"] += 1
        self._talk = asyncio.create_task(self._let_talk())

    async def receive(self) -> list[Bars]:
        """The next bars; none where there are none yet, or where the connection is over.

        Raises:
            SourceRefused: Polygon does not accept the key.
        """
        if self._subscribed and self._deadline == _UNSET:
            # Only from here on: while whoever iterates is busy, nobody is silent but he.
            self._deadline = self._loop.time() + self._config.stall_s
        frame = await _next(self._frames, min(self._deadline, self._reader.due()))
        now = self._loop.time()
        received = self._reader.overdue(now)
        if isinstance(frame, _Ended):
            self._end(frame)
        elif frame is not None:
            received += self._read(frame, now)
        elif now >= self._deadline:
            self._call_time(now)
        return received

    def _end(self, ended: _Ended) -> None:
        if ended.refused:
            raise SourceRefused(
                f"Polygon does not accept the key in {self._config.key_variable} for live bars: "
                f"{ended.reason}. Check the key, and that your plan has WebSockets for crypto."
            )
        self.over = ended.reason

    def _call_time(self, now: float) -> None:
        """Nothing came in time: it is over, unless the login has only just been done."""
        if self._talk.done() and self._frames.empty():
            self._talk.result()  # it ended in an error of ours: raise it
        if self._subscribed:
            self.over = f"no bars for {self._config.stall_s:g} s"
        elif not self._client.subs:
            self.over = f"no login within {self._config.login_timeout_s:g} s"
        else:
            self._subscribed, self._deadline = True, self._began + self._config.stall_s

    def _read(self, frame: str | bytes, now: float) -> list[Bars]:
        """The bars that a frame gives or completes."""
        self._counts["frames"] += 1
        events = read_frame(frame)
        if events is None:
            self._leave_out("odd_frames", frame)
            return []
        rows: dict[str, list[Aggregate]] = {}
        for event in events:
            kind = event.get("ev") if isinstance(event, dict) else None
            if kind == "status":
                self._hear_status(event)
                continue
            symbol = event["pair"] if kind == self._config.channel and "pair" in event else None
            row = read_aggregate(event) if isinstance(symbol, str) else None
            if row is None or symbol not in self._symbols:
                self._leave_out("odd_events", event)
            else:
                rows.setdefault(symbol, []).append(row)
        if rows:
            self._subscribed, self._deadline = True, _UNSET
        taken = [self._reader.take(symbol, some, now) for symbol, some in rows.items()]
        return [bars for bars in taken if bars is not None]

    def _hear_status(self, event: dict[str, Any]) -> None:
        status = str(event.get("status"))
        if status not in _QUIET:
            told = redacted(f"{status}: {event.get('message')}", self._key)
            log.warning("polygon: the exchange says %s", told)

    def _leave_out(self, kind: str, what: object) -> None:
        """Count what cannot be read and go on: a minute it told of is fetched like any hole."""
        self._counts[kind] += 1
        if not self._complained:
            self._complained = True
            text = redacted(repr(what), self._key)
            log.warning("polygon: not understood, and left out: %s", text)

    async def close(self) -> None:
        """Hang up, whatever state the connection is in."""
        while not self._talk.done():  # once may not do: see `_take`
            self._talk.cancel()
            await asyncio.wait([self._talk], timeout=_HANG_UP_S)

    async def _let_talk(self) -> None:
        """Let the client talk until the connection ends, say how it ended, and hang up."""
        try:
            await self._frames.put(await self._talk_to_the_end())
        finally:
            if self._client.websocket is not None:
                with suppress(WebSocketException, OSError):
                    await self._client.close()

    async def _take(self, frame: str | bytes) -> None:
        """Take a frame from the client, as soon as there is room for it."""
        talk = asyncio.current_task()
        if talk is not None and talk.cancelling():
            raise asyncio.CancelledError  # the client's `asyncio.wait_for` had swallowed it
        await self._frames.put(frame)

    async def _talk_to_the_end(self) -> _Ended:
        refused = load_client().exceptions.AuthError
        try:
            await self._client.connect(
                self._take, close_timeout=1, logger=_Ear(log), max_size=MAX_FRAME_BYTES,
                open_timeout=self._config.connect_timeout_s, ping_timeout=None,
            )  # fmt: skip
        except refused as error:
            return _Ended(redacted(str(error), self._key), refused=True)
        except (_Unreachable, WebSocketException, OSError) as error:
            return _Ended(redacted(f"{type(error).__name__}: {error}", self._key))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            # The client takes the greeting and the answer to the login apart without a look.
            return _Ended(f"the login was answered with something else ({type(error).__name__})")
        return _Ended("it was closed by the exchange")


async def _next(frames: "asyncio.Queue[Any]", deadline: float) -> Any:
    """The next frame, or None where there is none until then (loop time)."""
    with suppress(asyncio.QueueEmpty):
        return frames.get_nowait()
    with suppress(TimeoutError):
        async with asyncio.timeout_at(deadline):
            return await frames.get()
    return None
