"""Real receivers of alerts on loopback: a mail server and a web server, which may be ill."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "postman", "canary-mail-5c1e"


@dataclass
class Mailbox:
    """What a mail server took, and how it answers."""

    port: int
    mails: list[Message] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    refuse: bool = False
    hold: threading.Event | None = None

    @property
    def subjects(self) -> list[str]:
        return [str(make_header(decode_header(mail["Subject"]))) for mail in self.mails]

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hold:
            import asyncio

            while not self.hold.is_set():
                await asyncio.sleep(0.01)
        if self.refuse:
            return "451 not now"
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content))
        return "250 taken"


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def mail_server(box: Mailbox, **options: Any) -> Iterator[Mailbox]:
    """A mail server on the box's port while the context lasts."""
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


def knows_postman(box: Mailbox) -> Callable[..., AuthResult]:
    """Lets in who has the password, and nobody else."""

    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
        if good:
            box.users.append(data.login.decode())
        return AuthResult(success=good, handled=False)

    return authenticate


@dataclass
class Web:
    """What a web server took, and with which status it answers."""

    url: str = ""
    status: int = 200
    taken: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.url.removeprefix("http://")


@contextmanager
def web_server() -> Iterator[Web]:
    """A web server that takes JSON and forms."""
    state = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if state.status == 200:
                is_json = "json" in (self.headers["Content-Type"] or "")
                state.taken.append((self.path, json.loads(body) if is_json else {"form": body}))
            answer = b'{"ok": true, "result": {"message_id": 1}}'
            answer = b"ok" if "services" in self.path else answer  # as Slack's webhooks say it
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            state.taken.append((self.path, {}))
            self.send_response(state.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
