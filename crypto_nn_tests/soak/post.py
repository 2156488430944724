"""A mail server in a process of its own, which is down whenever the scenario says so."""

import email
import multiprocessing
import re
import socket
from contextlib import closing, suppress
from email import policy
from multiprocessing.connection import Connection
from typing import NamedTuple

_FORK = multiprocessing.get_context("fork")
_SIGNED = re.compile(r"(\w+) · (\w+) · (.+) · [\d: -]+ UTC")
TO = "person@example.com"


class Letter(NamedTuple):
    """What a letter is about: the kind, the state and the key of its alert."""

    kind: str
    state: str
    key: str


class MailServer:
    """A real SMTP server on loopback.

    Attributes:
        port: where it listens while it is up.
        is_up: whether it does.
    """

    def __init__(self) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = int(free.getsockname()[1])
        self._pipe, theirs = _FORK.Pipe()
        self._process = _FORK.Process(target=_serve, args=(theirs, self.port), daemon=True)
        self._process.start()
        theirs.close()
        self.is_up = False
        self.turn(on=True)

    @property
    def url(self) -> str:
        """As apprise takes it."""
        return f"mailto://127.0.0.1:{self.port}?mode=insecure&from=soak@example.com&to={TO}"

    def turn(self, on: bool) -> None:
        """Start it or stop it; letters that were taken are kept."""
        if on != self.is_up:
            self._pipe.send("up" if on else "down")
            self._pipe.recv()
            self.is_up = on

    def letters(self) -> tuple[Letter, ...]:
        """All letters so far, in the order in which they came."""
        self._pipe.send("letters")
        found: tuple[Letter, ...] = self._pipe.recv()
        return found

    def close(self) -> None:
        """Stop it for good."""
        with suppress(BrokenPipeError):
            self._pipe.send(None)
        self._process.join(10)


class _Box:
    """Takes every letter."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
        content: bytes = envelope.content  # type: ignore[attr-defined]
        message = email.message_from_bytes(content, policy=policy.default)
        body = message.get_body(("plain", "html"))
        text = body.get_content() if body is not None else ""
        found = _SIGNED.search(text.replace("&middot;", "·"))
        self.letters.append(Letter(*found.groups()) if found else Letter("", "", text[:200]))
        return "250 OK"


def _serve(pipe: Connection, port: int) -> None:
    from aiosmtpd.controller import Controller

    box, controller = _Box(), None
    while (command := pipe.recv()) is not None:
        if command == "letters":
            pipe.send(tuple(box.letters))
            continue
        if command == "up":
            controller = Controller(box, hostname="127.0.0.1", port=port)
            controller.start()
        elif controller is not None:
            controller.stop()
        pipe.send(command)
