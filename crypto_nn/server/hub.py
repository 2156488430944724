"""What is new, told to every open page at once; nobody waits for a slow one."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

GOING_AWAY, NOT_TEXT, NOT_A_SUBSCRIPTION = 1001, 1003, 1007
TOO_MANY_MESSAGES, TOO_LONG, TRY_LATER = 1008, 1009, 1013
_MOST_SYMBOLS, _LONGEST_SYMBOL = 100, 32


@dataclass(frozen=True)
class HubLimits:
    """What a hub allows.

    Attributes:
        clients: open sockets at once; one more is closed with 1013.
        queue: messages that may wait for one client; one more closes it with 1013.
        ping_s: after so many quiet seconds a client is sent {"type": "ping"}.
        message_bytes: the longest message from a client; a longer one closes with 1009.
        messages: messages from one client in each minute; one more closes with 1008.
        close_s: how long a closing handshake may take before the socket is let go.
    """

    clients: int = 200
    queue: int = 64
    ping_s: float = 15.0
    message_bytes: int = 4096
    messages: int = 30
    close_s: float = 2.0


@dataclass(eq=False)
class _Client:
    queue: asyncio.Queue[str]
    gone: asyncio.Future[int]
    symbols: frozenset[str] | None = None
    heard: list[float] = field(default_factory=list)

    def cut(self, code: int) -> None:
        if not self.gone.done():
            self.gone.set_result(code)


class Hub:
    """Sends each message to every client that wants it.

    All of it runs in one event loop. From another thread: `loop.call_soon_threadsafe(hub.publish,
    message)`.
    """

    def __init__(self, limits: HubLimits | None = None) -> None:
        self.limits = limits or HubLimits()
        self._clients: set[_Client] = set()
        self._closed = False
        self.num_cut = 0

    @property
    def num_clients(self) -> int:
        return len(self._clients)

    def publish(self, message: Mapping[str, Any]) -> int:
        """Queue a message for all who want its "symbol" (one without goes to all).

        Nobody is awaited: a client whose queue is full is cut, with 1013.

        Returns:
            For how many clients it is queued.

        Raises:
            ValueError: it holds a number that JSON has not, such as NaN.
        """
        text = json.dumps(message, separators=(",", ":"), allow_nan=False)
        symbol, told = message.get("symbol"), 0
        for client in tuple(self._clients):
            if symbol is not None and client.symbols is not None and symbol not in client.symbols:
                continue
            try:
                client.queue.put_nowait(text)
                told += 1
            except asyncio.QueueFull:
                self._clients.discard(client)
                self.num_cut += 1
                client.cut(TRY_LATER)
        return told

    def close(self) -> None:
        """Cut every client with 1001, and all who come later."""
        self._closed = True
        for client in tuple(self._clients):
            client.cut(GOING_AWAY)

    async def serve_socket(
        self,
        websocket: WebSocket,
        first: Mapping[str, Any] | None = None,
        subprotocol: str | None = None,
    ) -> None:
        """Accept one client and tell it what is new until one of both leaves.

        Args:
            websocket: before it is accepted.
            first: a message for this client alone, before all others.
            subprotocol: the one that is chosen of those offered.
        """
        await websocket.accept(subprotocol=subprotocol)
        if self._closed or len(self._clients) >= self.limits.clients:
            await self._say_goodbye(websocket, GOING_AWAY if self._closed else TRY_LATER)
            return
        loop = asyncio.get_running_loop()
        client = _Client(asyncio.Queue(self.limits.queue), loop.create_future())
        if first is not None:
            client.queue.put_nowait(json.dumps(first, separators=(",", ":"), allow_nan=False))
        self._clients.add(client)
        tasks = [
            asyncio.create_task(self._tell(websocket, client)),
            asyncio.create_task(self._hear(websocket, client)),
        ]
        try:
            ends: list[asyncio.Future[Any]] = [*tasks, client.gone]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._clients.discard(client)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        _raise_ours(ended)
        if client.gone.done():
            await self._say_goodbye(websocket, client.gone.result())

    async def _tell(self, websocket: WebSocket, client: _Client) -> None:
        while True:
            try:
                text = await asyncio.wait_for(client.queue.get(), self.limits.ping_s)
            except TimeoutError:
                text = '{"type":"ping"}'
            await websocket.send_text(text)

    async def _hear(self, websocket: WebSocket, client: _Client) -> None:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            code = self._understand(client, message.get("text"))
            if code is not None:
                client.cut(code)
                return

    def _understand(self, client: _Client, text: str | None) -> int | None:
        """Take a subscription; the code with which to close where it is none."""
        now = asyncio.get_running_loop().time()
        client.heard = [at for at in client.heard if at > now - 60.0] + [now]
        if len(client.heard) > self.limits.messages:
            return TOO_MANY_MESSAGES
        if text is None:
            return NOT_TEXT
        if len(text) > self.limits.message_bytes or len(text.encode()) > self.limits.message_bytes:
            return TOO_LONG
        symbols = _subscribed(text)
        if symbols is None:
            return NOT_A_SUBSCRIPTION
        client.symbols = symbols
        return None

    async def _say_goodbye(self, websocket: WebSocket, code: int) -> None:
        try:
            await asyncio.wait_for(websocket.close(code), self.limits.close_s)
        except (TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
            return  # it has gone already, or does not answer; the server drops the connection


def _raise_ours(ended: list[BaseException | None]) -> None:
    """An error that is not the client's leaving goes on."""
    for error in ended:
        if isinstance(error, asyncio.CancelledError | WebSocketDisconnect | OSError | None):
            continue
        raise error


def _subscribed(text: str) -> frozenset[str] | None:
    """The symbols of {"type": "subscribe", "symbols": [...]}; None where it is not that."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or set(told) != {"type", "symbols"}:
        return None
    symbols = told["symbols"]
    if told["type"] != "subscribe" or not isinstance(symbols, list):
        return None
    if len(symbols) > _MOST_SYMBOLS:
        return None
    if not all(isinstance(one, str) and 0 < len(one) <= _LONGEST_SYMBOL for one in symbols):
        return None
    return frozenset(symbols)
