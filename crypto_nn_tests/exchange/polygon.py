"""A fake Polygon on loopback: REST and WebSocket, right or broken as a test wants it."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.asyncio.server import serve

from crypto_nn_tests.exchange.faults import RestFault
from crypto_nn_tests.exchange.feed import Feed
from crypto_nn_tests.exchange.market import Aggregate, Market
from crypto_nn_tests.exchange.rest import Request, Rest

KEY = "canary-key-3f1c9e77"


class FakePolygon:
    """The exchange of one market; the clients that talk to it are the real ones.

    It lives in an event loop: in that of the test (`await start()`, `await stop()`), or in a
    thread of its own:

        with FakePolygon(market).serving() as exchange:
            PolygonConfig(base_url=exchange.base_url, websocket_feed=exchange.feed, secure=False)
            exchange.answer(RestFault("status", 429, retry_after="2"))   # the next request only
            exchange.tell("BTC-USD", aggregate)                          # to who is subscribed
            exchange.drop(1011)
            exchange.requests                                            # what was asked, and when

    Args:
        market: what can be asked for, and what is known when.
        key: the only key it accepts.
        now: the exchange's own clock (unix seconds).
        on_event: told of everything that happens, for a trace.
    """

    def __init__(
        self,
        market: Market,
        *,
        key: str = KEY,
        now: Callable[[], float] = time.time,
        on_event: Callable[..., None] = lambda *_: None,
    ) -> None:
        self.market, self.key, self.now, self._on_event = market, key, now, on_event
        self.rest, self.socket = Rest(self), Feed(self)
        self.refuse_auth = False
        self.not_covered: set[str] = set()
        self.rest_delay_s = 0.0
        self.base_url = self.feed = ""
        self._ports: list[_Port] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def told(self, *event: object) -> None:
        """Note what happened."""
        self._on_event(*event)

    @property
    def requests(self) -> list[Request]:
        """Every REST request so far."""
        return self.rest.requests

    async def start(self) -> None:
        """Open both ports."""
        self._loop = asyncio.get_running_loop()
        self._ports = [_Port(self._open_rest), _Port(self._open_feed)]
        self.base_url = f"http://127.0.0.1:{self._ports[0].number}"
        self.feed = f"127.0.0.1:{self._ports[1].number}"
        await self.accept()

    async def accept(self) -> None:
        """Take connections (again)."""
        for port in self._ports:
            await port.open()

    async def refuse(self) -> None:
        """Refuse new connections and reset those there are, as a machine that is down."""
        for port in self._ports:
            port.shut()
        self.rest.close()
        self.socket.abort()

    async def stop(self) -> None:
        """Close everything."""
        await self.refuse()
        for port in self._ports:
            port.release()
        while self.socket.is_open or self.rest.is_open:
            await asyncio.sleep(0.01)

    async def _open_rest(self, sock: socket.socket) -> Any:
        return await asyncio.start_server(self.rest.serve, sock=sock)

    async def _open_feed(self, sock: socket.socket) -> Any:
        return await serve(
            self.socket.serve, sock=sock, ping_interval=None, close_timeout=1, compression=None
        )

    @contextmanager
    def serving(self) -> Iterator["FakePolygon"]:
        """Serve from a thread of its own, in real time."""
        ready, over = threading.Event(), threading.Event()

        async def live() -> None:
            await self.start()
            ready.set()
            await asyncio.to_thread(over.wait)
            await self.stop()

        thread = threading.Thread(target=asyncio.run, args=(live(),), daemon=True)
        thread.start()
        if not ready.wait(30):
            raise RuntimeError("the fake exchange did not start within 30 s")
        try:
            yield self
        finally:
            over.set()
            thread.join(30)

    def answer(self, *faults: RestFault) -> None:
        """Answer the next requests in these ways, one each."""
        self.rest.faults.extend(faults)

    def tell(self, symbol: str, *aggregates: Aggregate, channel: str = "XA") -> None:
        """Send aggregates to the subscribers, in one frame."""
        self._do(lambda: self.socket.tell(symbol, *aggregates, channel=channel))

    def tell_text(self, text: str | bytes) -> None:
        """Send any frame."""
        self._do(lambda: self.socket.tell_text(text))

    def drop(self, code: int = 1011) -> None:
        """Close the sockets with a code, or reset them (1006)."""
        self._do(lambda: asyncio.ensure_future(self.socket.drop(code)))

    def half_open(self) -> None:
        """Leave the sockets open and dead."""
        self._do(self.socket.half_open)

    def _do(self, action: Callable[[], object]) -> None:
        assert self._loop is not None, "the exchange is not serving"
        self._loop.call_soon_threadsafe(action)


class _Port:
    """A port that stays ours while nobody listens on it, so that connecting is refused."""

    def __init__(self, open_server: Callable[[socket.socket], Any]) -> None:
        self._open_server = open_server
        self._server: Any = None
        self._placeholder = _bound(0)
        self.number: int = self._placeholder.getsockname()[1]

    async def open(self) -> None:
        if self._server is None:
            self._server = await self._open_server(_bound(self.number))

    def shut(self) -> None:
        if self._server is not None:
            server = getattr(self._server, "server", self._server)
            server.close()
            self._server = None

    def release(self) -> None:
        self._placeholder.close()


def _bound(port: int) -> socket.socket:
    # asyncio turns Nagle's delays off only for sockets that name their protocol.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    return sock
