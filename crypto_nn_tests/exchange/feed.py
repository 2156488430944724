"""The WebSocket half of the fake exchange."""

import asyncio
import json
import socket
import struct
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed

from crypto_nn_tests.exchange.market import Aggregate, Print

if TYPE_CHECKING:
    from crypto_nn_tests.exchange.polygon import FakePolygon

_BROKEN_FRAME = b"\xff\xff\xff\xff"  # reserved bits and an opcode that there is not


class Feed:
    """Greets, checks the key, takes subscriptions, and tells who listens."""

    def __init__(self, exchange: "FakePolygon") -> None:
        self.exchange = exchange
        self.listeners: dict[ServerConnection, set[str]] = {}
        self.connections = 0
        self._open: dict[ServerConnection, None] = {}  # ordered, so that runs repeat
        self._dead: set[ServerConnection] = set()
        self.stalled = False
        self.greeting_hangs = False
        self.too_many = False

    @property
    def is_open(self) -> bool:
        """Whether any connection is still there."""
        return bool(self._open)

    async def serve(self, connection: ServerConnection) -> None:
        """One client, from its greeting until it is gone."""
        self.connections += 1
        self._open[connection] = None
        self.exchange.told("connect")
        try:
            await self._talk(connection)
        except ConnectionClosed:
            pass
        finally:
            self.listeners.pop(connection, None)
            self._open.pop(connection, None)
            self._dead.discard(connection)
            self.exchange.told("gone")

    async def _talk(self, connection: ServerConnection) -> None:
        if self.greeting_hangs:
            await connection.wait_closed()
            return
        await connection.send(_status("connected", "Connected Successfully"))
        async for text in connection:
            asked = json.loads(text)
            if asked["action"] == "auth":
                if asked["params"] != self.exchange.key or self.exchange.refuse_auth:
                    await connection.send(_status("auth_failed", "authentication failed"))
                    return
                if self.too_many:
                    limit = "Maximum number of websocket connections exceeded."
                    await connection.send(_status("max_connections", limit))
                    await connection.close(1008)
                    return
                await connection.send(_status("auth_success", "authenticated"))
                self.listeners[connection] = set()
            elif connection in self.listeners:
                self._subscribe(connection, asked)

    def _subscribe(self, connection: ServerConnection, asked: dict[str, str]) -> None:
        """Take note, and say so; `XA.*` is every pair."""
        for topic in sorted(asked["params"].split(",")):
            if asked["action"] == "subscribe":
                self.listeners[connection].add(topic)
            else:
                self.listeners[connection].discard(topic)
            self.exchange.told(asked["action"], topic)
            message = f"{asked['action']}d to: {topic}"
            broadcast([connection], _status("success", message))

    def heard(self, symbol: str, channel: str) -> bool:
        """Whether anyone would receive a message of this channel now."""
        return not self.stalled and bool(self._audience(f"{channel}.{symbol}"))

    def tell(self, symbol: str, *aggregates: Aggregate, channel: str = "XA") -> bool:
        """Send aggregates of a symbol in one frame; whether anyone listened."""
        span = 60_000 if channel == "XA" else 1000
        topic = f"{channel}.{symbol}"
        if not self.heard(symbol, channel):
            return False
        frame = json.dumps([message(symbol, told, channel, span) for told in aggregates])
        broadcast(self._audience(topic), frame)
        return True

    def tell_print(self, symbol: str, told: Print) -> bool:
        """Send the minute of a print."""
        return self.tell(symbol, told.bar)

    def tell_text(self, text: str | bytes) -> None:
        """Send any frame to everyone."""
        broadcast(list(self.listeners), text)

    def _audience(self, topic: str) -> list[ServerConnection]:
        every = topic.partition(".")[0] + ".*"
        return [one for one, topics in self.listeners.items() if {topic, every} & topics]

    async def drop(self, code: int = 1011) -> None:
        """Close every connection with this code; 1006 resets them without a word."""
        for connection in list(self.listeners):
            self.listeners.pop(connection, None)
            if code == 1006:
                _reset(connection)
            else:
                asyncio.get_running_loop().create_task(connection.close(code))

    def abort_idle(self) -> None:
        """Reset those who are connected without having been let in."""
        for connection in list(self._open):
            if connection not in self.listeners and connection not in self._dead:
                _reset(connection)

    def abort(self) -> None:
        """Reset every connection, the half-open ones too."""
        self.listeners.clear()
        for connection in list(self._open):
            _reset(connection)

    def half_open(self) -> None:
        """Go silent for those who are connected: no data, no pong, no close."""
        for connection in list(self.listeners):
            self.listeners.pop(connection, None)
            self._dead.add(connection)
            connection.transport.pause_reading()

    def break_frame(self) -> None:
        """Send bytes that are no WebSocket frame."""
        for connection in list(self.listeners):
            connection.transport.write(_BROKEN_FRAME)


def message(
    symbol: str, told: Aggregate, channel: str = "XA", span: int = 60_000
) -> dict[str, Any]:
    """One aggregate as the socket says it."""
    return {
        "ev": channel,
        "pair": symbol,
        "v": told.v,
        "vw": told.vw,
        "z": round(told.v / told.n, 4),
        "o": told.o,
        "c": told.c,
        "h": told.h,
        "l": told.l,
        "s": told.t,
        "e": told.t + span,
    }


def _status(status: str, text: str) -> str:
    return json.dumps([{"ev": "status", "status": status, "message": text}])


def _reset(connection: ServerConnection) -> None:
    raw = connection.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()
