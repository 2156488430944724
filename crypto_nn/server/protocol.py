"""HTTP/1.1 with deadlines: a client that trickles, or that does not read, loses its connection.

uvicorn waits without end for a head or a body that has begun, so that a few hundred sockets which
send a byte now and then (slow-loris) hold a server for ever. Deadlines here count the whole head
and the whole body, not the pause between two bytes.
"""

import asyncio
import json
import re
from typing import ClassVar

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LONGEST_LINE = 8_000
MOST_HEADERS = 100
"""What the head of a WebSocket handshake may hold; the library behind accepts little more."""

_PRINTABLE = re.compile(rb"[\t -~]*")
_LATE = "late"
_WORDS = {
    "bad_request": "The request is not valid HTTP/1.1. Check its head and the framing of its body.",
    "bad_handshake": "A WebSocket handshake is a GET without a body, its head short and ASCII.",
    _LATE: "The head of the request did not arrive in time. Send it at once.",
}


class GuardedSockets(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, without an error in the log where a handshake is refused or abandoned.

    uvicorn 0.54 counts both as a mistake of the application, so that whoever has no token could
    fill the log; and it leaves a connection open on which the handshake could not be read.
    """

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:  # the head is whole: `GuardedProtocol` has read it
            self.transport.abort()

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        refused = self.initial_response is not None and self.close_sent
        if refused or self.transport.is_closing():
            self.handshake_complete = True


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with a deadline for every phase in which it waits for the client.

    Hand it to uvicorn as `http=GuardedProtocol`. A class with other deadlines: `guarded_protocol`.

    Attributes:
        head_s: seconds from connecting, or on a kept connection from the first byte of the next
            head, until a head is whole; a WebSocket handshake has such a head, too.
        body_s: seconds from the end of the head until the body is whole, whether it is read or not.
        write_s: seconds for which a client may leave an answer unread.
    """

    head_s: ClassVar[float] = 5.0
    body_s: ClassVar[float] = 10.0
    write_s: ClassVar[float] = 10.0

    _phase: tuple[str, object] | None = None
    _phase_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter(None)
        self._stop_waiting_for_a_reader()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_waiting_for_a_reader()
        self._write_timer = self.loop.call_later(self.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_waiting_for_a_reader()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._abort_unless_flushed()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand a handshake on, unless it is one on which the library behind would stumble.

        It stumbles over a method other than GET, a body, long heads and bytes that cannot be
        printed, after it has entered the connection among those that a stopping server closes;
        and then such a server does not stop.
        """
        if not _may_shake(event, self.headers):
            self._answer_and_close(400, "bad_handshake")
            return
        self._upgraded = True
        self._enter(None)
        self.ws_protocol_class = GuardedSockets
        try:
            super().handle_websocket_upgrade(event)
        except BaseException:
            for entered in [one for one in self.connections if one.transport is self.transport]:
                self.connections.discard(entered)
            raise

    def send_400_response(self, msg: str) -> None:
        self._answer_and_close(400, "bad_request")

    def _watch(self) -> None:
        """Set the deadline of the phase that the connection is in, where it is a new one."""
        if self._upgraded or self.transport.is_closing():
            self._enter(None)
        elif self.conn.their_state is h11.SEND_BODY:
            self._enter(("body", self.cycle), self.body_s)
        elif self.conn.their_state is h11.IDLE and (
            self.cycle is None or self.conn.trailing_data[0]
        ):
            self._enter(("head", self.cycle), self.head_s)
        else:
            self._enter(None)

    def _enter(self, phase: tuple[str, object] | None, within_s: float = 0.0) -> None:
        if phase == self._phase and phase is not None:
            return
        if self._phase_timer is not None:
            self._phase_timer.cancel()
        self._phase, self._phase_timer = phase, None
        if phase is not None:
            self._phase_timer = self.loop.call_later(within_s, self._late)

    def _late(self) -> None:
        """The client did not send in time: a head gets a word, a body ends the connection."""
        if self._phase is not None and self._phase[0] == "head" and self.conn.trailing_data[0]:
            self._answer_and_close(408, _LATE)
        else:
            self.transport.abort()

    def _answer_and_close(self, status: int, error: str) -> None:
        """A last answer where none has begun; then the connection ends, read or not."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.transport.is_closing():
            body = json.dumps({"error": error, "message": _WORDS[error], "request_id": ""}).encode()
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            answer = h11.Response(
                status_code=status, headers=headers, reason=STATUS_PHRASES[status]
            )
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._abort_unless_flushed()

    def _abort_unless_flushed(self) -> None:
        """A closing connection waits for what it has written; not for ever."""
        self._stop_waiting_for_a_reader()
        self._write_timer = self.loop.call_later(self.write_s, self.transport.abort)

    def _stop_waiting_for_a_reader(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def _may_shake(event: h11.Request, headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a request has the form of a WebSocket handshake."""
    return (
        event.method == b"GET"
        and not {name for name, _ in headers} & {b"content-length", b"transfer-encoding"}
        and len(headers) <= MOST_HEADERS
        and len(event.target) <= LONGEST_LINE
        and all(len(name) + len(value) <= LONGEST_LINE for name, value in headers)
        and all(_PRINTABLE.fullmatch(value) for _, value in headers)
    )


def guarded_protocol(
    head_s: float = GuardedProtocol.head_s,
    body_s: float = GuardedProtocol.body_s,
    write_s: float = GuardedProtocol.write_s,
) -> type[GuardedProtocol]:
    """A guarded protocol with other deadlines (seconds).

    The class is made on the spot and cannot be pickled, so it serves servers of one process;
    several workers take `GuardedProtocol` itself.
    """
    deadlines = {"head_s": head_s, "body_s": body_s, "write_s": write_s}
    return type("GuardedProtocol", (GuardedProtocol,), deadlines)
