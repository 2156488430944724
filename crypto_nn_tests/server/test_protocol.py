"""Deadlines on a real socket: who trickles or does not read is cut, and nobody else notices."""

import json
import logging
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from crypto_nn.server.guards import BEARER, SUBPROTOCOL, guarded
from crypto_nn.server.policy import Policy
from crypto_nn.server.protocol import GuardedProtocol, guarded_protocol
from crypto_nn.server.tokens import Tokens
from crypto_nn_tests.contracts.server import WIDE

READ = "r" * 32
PATIENCE = 20.0
"""Seconds after which a test fails that waits for the server to cut a connection."""

HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + READ.encode()


async def service(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers `/huge` with 64 MiB, a WebSocket with one greeting, and all else with its body."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        await receive()
        return
    message = await receive()
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    pieces = 64 if scope["path"] == "/huge" else 0
    for _ in range(pieces):
        await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
    await send({"type": "http.response.body", "body": b"got:" + message.get("body", b"")})


async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without reading."""
    if scope["type"] == "http":
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


class Running(uvicorn.Server):
    """A server in a thread, which says when it listens."""

    def __init__(self, app: ASGIApp, protocol: type[GuardedProtocol]) -> None:
        super().__init__(
            uvicorn.Config(
                app, port=0, http=protocol, lifespan="off", log_config=None,
                ws_max_size=65536, ws_per_message_deflate=False, proxy_headers=False,
            )
        )  # fmt: skip
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.listens.set()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.servers[0].sockets[0].getsockname()[1])


@contextmanager
def running(app: ASGIApp, protocol: type[GuardedProtocol]) -> Iterator[Running]:
    """A guarded server on the loopback interface; it has stopped cleanly when this ends."""
    server = Running(app, protocol)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert server.listens.wait(PATIENCE)
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a connection is left for which the server waits"


@pytest.fixture(scope="module")
def policy() -> Policy:
    tokens = Tokens.from_text(SecretStr(READ), None)
    return Policy.for_host("127.0.0.1", tokens, limits=WIDE)


@pytest.fixture(scope="module")
def server(policy: Policy) -> Iterator[Running]:
    """Short deadlines for what a test waits for."""
    protocol = guarded_protocol(head_s=0.2, body_s=0.3, write_s=0.3)
    with running(guarded(service, policy), protocol) as one:
        yield one


@pytest.fixture
def dial(server: Running) -> Iterator[Callable[[], socket.socket]]:
    """A new connection with each call."""
    with ExitStack() as open_sockets:
        yield lambda: open_sockets.enter_context(
            socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        )


def rest(connection: socket.socket) -> bytes:
    """Everything until the server closes; a reset ends it as well."""
    told = b""
    try:
        while chunk := connection.recv(1 << 16):
            told += chunk
    except ConnectionResetError:
        pass
    return told


def trickle(connection: socket.socket, letter: bytes) -> bytes:
    """Send a byte whenever the server is silent for a moment, until it closes; what it said."""
    connection.settimeout(0.02)
    told = b""
    for _ in range(int(PATIENCE / 0.02)):
        try:
            chunk = connection.recv(1 << 16)
        except TimeoutError:
            try:
                connection.sendall(letter)
            except (BrokenPipeError, ConnectionResetError):
                return told
            continue
        except ConnectionResetError:
            return told
        if not chunk:
            return told
        told += chunk
    raise AssertionError("the server never closed")


def one_answer(connection: socket.socket) -> bytes:
    """What there is of one short answer."""
    told = b""
    while b"got:" not in told:
        chunk = connection.recv(1 << 16)
        assert chunk, told
        told += chunk
    return told


Dial = Callable[[], socket.socket]


def test_a_head_that_trickles_is_cut_though_every_pause_is_short(dial: Dial) -> None:
    connection = dial()
    connection.sendall(HEAD + b"X-Slow: ")
    told = trickle(connection, b"a")
    assert told.startswith(b"HTTP/1.1 408")
    assert json.loads(told.partition(b"\r\n\r\n")[2])["error"] == "late"


def test_a_connection_that_says_nothing_is_cut(dial: Dial) -> None:
    assert rest(dial()) == b""


def test_a_body_that_trickles_is_cut(dial: Dial) -> None:
    connection = dial()
    connection.sendall(POST + b"\r\nContent-Length: 1000\r\n\r\n")
    assert trickle(connection, b"a") == b""


def test_chunks_that_trickle_are_cut(dial: Dial) -> None:
    connection = dial()
    connection.sendall(POST + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert trickle(connection, b"1\r\na\r\n") == b""


def test_a_second_head_on_a_kept_connection_has_a_deadline_too(dial: Dial) -> None:
    connection = dial()
    connection.sendall(HEAD + b"\r\n")
    assert one_answer(connection).startswith(b"HTTP/1.1 200")
    connection.sendall(HEAD)
    assert trickle(connection, b"a").startswith(b"HTTP/1.1 408")


def test_a_head_that_came_along_with_the_request_before_has_one_too(dial: Dial) -> None:
    """Half a head behind a whole request (pipelining) is in the buffer when its time begins."""
    connection = dial()
    connection.sendall(HEAD + b"\r\n" + HEAD)
    told = rest(connection)
    assert told.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in told


def test_a_kept_connection_at_rest_is_not_under_the_deadline_of_a_head(policy: Policy) -> None:
    """The deadline of a head begins with its first byte: the pause before it is uvicorn's own."""
    protocol = guarded_protocol(head_s=0.2, body_s=0.2)
    with (
        running(guarded(service, policy), protocol) as one,
        socket.create_connection(("127.0.0.1", one.port), timeout=PATIENCE) as connection,
    ):
        connection.sendall(HEAD + b"\r\n")
        one_answer(connection)
        with socket.create_connection(("127.0.0.1", one.port), timeout=PATIENCE) as silent:
            assert rest(silent) == b""  # one deadline of a head has passed
        connection.sendall(HEAD + b"\r\n")
        assert one_answer(connection).startswith(b"HTTP/1.1 200")


def test_a_client_that_does_not_read_is_cut(server: Running, dial: Dial) -> None:
    connection = dial()
    connection.sendall(POST.replace(b"POST /predict", b"GET /huge") + b"\r\n\r\n")
    assert connection.recv(12) == b"HTTP/1.1 200"
    while server.server_state.tasks:  # nothing more is read until the server has let go of it
        other = dial()
        other.sendall(HEAD + b"Connection: close\r\n\r\n")
        assert rest(other).startswith(b"HTTP/1.1 200")
    assert len(rest(connection)) < 64 << 20


def test_twenty_slow_clients_are_cut_while_others_are_answered(dial: Dial) -> None:
    heads, bodies = [dial() for _ in range(10)], [dial() for _ in range(10)]
    for connection in heads:
        connection.sendall(HEAD[:20])
    for connection in bodies:
        connection.sendall(POST + b"\r\nContent-Length: 9\r\n\r\nab")
    quick = dial()
    quick.sendall(HEAD + b"Connection: close\r\n\r\n")
    assert b"got:" in rest(quick)
    assert all(rest(connection).startswith(b"HTTP/1.1 408") for connection in heads)
    assert all(rest(connection) == b"" for connection in bodies)


@pytest.mark.parametrize("size", [300_000, 10**12])
def test_a_body_that_is_too_large_is_refused_at_once(dial: Dial, size: int) -> None:
    connection = dial()
    connection.sendall(POST + f"\r\nContent-Length: {size}\r\n\r\n".encode())
    assert rest(connection).startswith(b"HTTP/1.1 413")


def test_chunks_that_are_too_many_are_refused(dial: Dial) -> None:
    connection = dial()
    connection.sendall(POST + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n"
    connection.sendall(chunk * 9)  # no end, and not much more than the cap
    assert rest(connection).startswith(b"HTTP/1.1 413")


def test_a_body_within_the_cap_is_answered_however_it_is_cut(dial: Dial) -> None:
    connection = dial()
    connection.sendall(POST + b"\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.sendall(b"1\r\na\r\n" * 3000 + b"0\r\n\r\n")
    assert rest(connection).endswith(b"a\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        HEAD + b"Host: other\r\n\r\n",
        HEAD + b"X-Long: " + b"a" * 100_000,
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Name : value\r\n\r\n",
        HEAD + b"X: a\x00b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        POST + b"\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_is_not_http_gets_400_and_the_connection_ends(dial: Dial, sent: bytes) -> None:
    connection = dial()
    connection.sendall(sent)
    told = rest(connection)
    assert told.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501"))
    assert json.loads(told.partition(b"\r\n\r\n")[2])["error"] == "bad_request"


SHAKE = (
    b" /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.mark.parametrize(
    "sent",
    [
        b"POST" + SHAKE + b"\r\n",
        b"GET" + SHAKE + b"Content-Length: 5\r\n\r\nhello",
        b"GET" + SHAKE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET" + SHAKE + b"X-Long: " + b"a" * 9_000 + b"\r\n\r\n",
        b"GET" + SHAKE + b"X-Odd: \xc3\xa4\r\n\r\n",
        b"GET" + SHAKE + b"X-Odd: \x06\r\n\r\n",
        b"GET" + SHAKE.replace(b"AA==", b"\xffA==") + b"\r\n",
        b"GET" + SHAKE + b"Sec-WebSocket-Protocol: \xffcrypto-nn.v1\r\n\r\n",
        b"GET" + SHAKE + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n",
    ],
)
def test_a_handshake_that_cannot_be_one_is_refused(
    dial: Dial, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """That no such connection is left behind is seen when the server of this module stops."""
    connection = dial()
    connection.sendall(sent)
    assert rest(connection).startswith(b"HTTP/1.1 400")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_handshake_that_trickles_is_cut(dial: Dial) -> None:
    connection = dial()
    connection.sendall(b"GET" + SHAKE)
    assert trickle(connection, b"a").startswith(b"HTTP/1.1 408")


def test_a_socket_that_is_open_has_no_deadline(server: Running, dial: Dial) -> None:
    """And a browser gets in with its token as a subprotocol, and is told the one that is ours."""
    offered = [Subprotocol(SUBPROTOCOL), Subprotocol(BEARER + READ)]
    with connect(f"ws://127.0.0.1:{server.port}/ws", subprotocols=offered) as stream:
        assert stream.subprotocol == SUBPROTOCOL
        assert stream.recv() == "hello"
        assert rest(dial()) == b""  # one deadline of a head has passed
        stream.send("still here")


def test_a_handshake_without_a_token_is_told_why(
    server: Running, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    """And whoever tries that, or leaves while shaking hands, fills no log with errors."""
    leaving = dial()
    leaving.sendall(b"GET" + SHAKE + b"Authorization: Bearer " + READ.encode() + b"\r\n\r\n")
    leaving.shutdown(socket.SHUT_WR)
    rest(leaving)
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(f"ws://127.0.0.1:{server.port}/ws", subprotocols=[Subprotocol(SUBPROTOCOL)]),
    ):
        pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"")["error"] == "token"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_what_breaks_after_the_answer_ends_the_connection_quietly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An application that answers unread, and then a body that is none, is no error of ours."""
    protocol = guarded_protocol(body_s=0.2)
    with running(deaf, protocol) as one:
        with socket.create_connection(("127.0.0.1", one.port), timeout=PATIENCE) as connection:
            connection.sendall(POST + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            told = b""
            while not told.endswith(b"ok"):
                told += connection.recv(1 << 16)
            connection.sendall(b"ZZ\r\n")
            assert rest(connection) == b""
        with socket.create_connection(("127.0.0.1", one.port), timeout=PATIENCE) as connection:
            connection.sendall(POST + b"\r\nContent-Length: 99\r\n\r\n")
            assert trickle(connection, b"a").endswith(b"ok")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_client_that_hangs_up_is_forgotten(server: Running, dial: Dial) -> None:
    """Reset in the middle of a body: no connection and no task is left (the server stops)."""
    connection = dial()
    connection.sendall(POST + b"\r\nContent-Length: 99\r\n\r\nab")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    last = dial()
    last.sendall(HEAD + b"Connection: close\r\n\r\n")
    assert b"got:" in rest(last)
