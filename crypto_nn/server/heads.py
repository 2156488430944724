"""The head of a request as the guards read it: each value once, or all of them."""

import re
from dataclasses import dataclass, field
from typing import Any

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WEBSOCKET = "WEBSOCKET"
_PLAIN = re.compile(r"/|(/[A-Za-z0-9][A-Za-z0-9._~-]*)+/?")


@dataclass(frozen=True)
class Head:
    """Method, path and headers of one request, or of a WebSocket handshake.

    Attributes:
        method: as sent; `WEBSOCKET` for a handshake.
        path: percent-decoded, without the prefix under which a proxy serves us.
        raw_path: the same as it was sent.
        client: the address of the peer, None for a local socket.
        subprotocols: those that a WebSocket client offers.
    """

    method: str
    path: str
    raw_path: str
    query: bytes
    client: str | None
    subprotocols: tuple[str, ...]
    headers: dict[str, list[str]] = field(repr=False)

    @classmethod
    def of(cls, scope: Any) -> "Head":
        """The head in an ASGI scope of HTTP or WebSocket."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        root = scope.get("root_path", "")
        raw = scope.get("raw_path") or scope["path"].encode()
        client = scope.get("client")
        return cls(
            method=WEBSOCKET if scope["type"] == "websocket" else scope["method"],
            path=scope["path"].removeprefix(root),
            raw_path=raw.decode("latin-1").partition("?")[0].removeprefix(root),
            query=scope.get("query_string", b""),
            client=client[0] if client else None,
            subprotocols=tuple(scope.get("subprotocols", ())),
            headers=headers,
        )

    def all(self, name: str) -> list[str]:
        """All values of a header, by its name in lower case."""
        return self.headers.get(name, [])

    def one(self, name: str) -> str | None:
        """The value of a header that stands there exactly once; else None."""
        values = self.all(name)
        return values[0] if len(values) == 1 else None

    @property
    def reads(self) -> bool:
        """Whether its method promises to change nothing (a WebSocket is not counted here)."""
        return self.method in SAFE_METHODS

    @property
    def is_plain(self) -> bool:
        """Whether the path is written in the one way in which ours are: no escapes, no dots."""
        return _PLAIN.fullmatch(self.raw_path) is not None and self.raw_path == self.path
