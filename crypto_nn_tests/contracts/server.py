"""The laws of every route of a server, and a way to ask an ASGI application without a socket."""

import asyncio
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Message

from crypto_nn.server.guards import BEARER, SUBPROTOCOL, guarded
from crypto_nn.server.policy import Policy
from crypto_nn.server.tokens import Role
from crypto_nn.serving import RateLimits

ODD_METHODS = ("TRACE", "PROPFIND", "CONNECT", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "X")
WIDE = RateLimits(key_per_second=1e9, key_burst=10**9, ip_per_second=1e9, ip_burst=10**9)


@dataclass(frozen=True)
class Answered:
    """What an application sent: status (None: a WebSocket was accepted), headers, body."""

    status: int | None
    headers: dict[str, str]
    body: bytes
    messages: tuple[Message, ...]

    @property
    def error(self) -> Any:
        """The code of the refusal; an answer that is none has None."""
        try:
            return json.loads(self.body).get("error")
        except ValueError:
            return None


def ask(
    app: ASGIApp,
    path: str = "/",
    method: str = "GET",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    chunks: Sequence[bytes] = (),
    *,
    kind: str = "http",
    client: str | None = "127.0.0.1",
    root_path: str = "",
    extensions: Mapping[str, Any] | None = None,
) -> Answered:
    """One request, or one WebSocket handshake that then leaves, straight to the application."""
    raw, _, query = path.partition("?")
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if not any(name.lower() == "host" for name, _ in pairs):
        pairs.append(("host", "127.0.0.1:8080"))
    offered = [v for name, v in pairs if name.lower() == "sec-websocket-protocol"]
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws" if kind == "websocket" else "http",
        "path": root_path + unquote(raw),
        "raw_path": (root_path + raw).encode(),
        "root_path": root_path,
        "query_string": query.encode(),
        "headers": [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in pairs],
        "client": (client, 4321) if client is not None else None,
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    if kind == "websocket":
        scope["subprotocols"] = [p.strip() for v in offered for p in v.split(",")]
        scope["extensions"] = (
            {"websocket.http.response": {}} if extensions is None else dict(extensions)
        )
    else:
        scope["method"] = method
    sent = asyncio.run(_asked(app, scope, _incoming(kind, chunks)))
    return _answered(sent)


def _incoming(kind: str, chunks: Sequence[bytes]) -> list[Message]:
    if kind == "websocket":
        return [{"type": "websocket.connect"}]
    whole = list(chunks) or [b""]
    return [
        {"type": "http.request", "body": chunk, "more_body": number < len(whole)}
        for number, chunk in enumerate(whole, start=1)
    ]


async def _asked(app: ASGIApp, scope: dict[str, Any], incoming: list[Message]) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        if incoming:
            return incoming.pop(0)
        gone = "websocket.disconnect" if scope["type"] == "websocket" else "http.disconnect"
        return {"type": gone, "code": 1001}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def _answered(sent: Iterable[Message]) -> Answered:
    messages = tuple(sent)
    start = next((m for m in messages if m["type"].endswith("response.start")), None)
    body = b"".join(m.get("body", b"") for m in messages if m["type"].endswith("response.body"))
    if start is not None:
        pairs = {n.decode().lower(): v.decode("latin-1") for n, v in start["headers"]}
        return Answered(start["status"], pairs, body, messages)
    accepted = any(m["type"] == "websocket.accept" for m in messages)
    return Answered(None if accepted else 403, {}, body, messages)


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """(method, path) of every route of an application, those of its routers and of the docs too.

    A WebSocket's method is WEBSOCKET, and what stands for a parameter is `x`. A mount hides its
    routes: its path with `/x` stands for them.
    """
    found = []
    for route in iter_route_contexts(app.routes):
        path = re.sub(r"\{[^}]*\}", "x", route.path or "/x")
        if route.original_route.__class__.__name__ == "Mount":
            path += "/x"
        is_socket = "WebSocket" in route.original_route.__class__.__name__
        methods = ["WEBSOCKET"] if is_socket else sorted(route.methods or ["GET"])
        found += [(method, path) for method in methods]
    return found


def check_every_route_needs_a_token(
    app: FastAPI, policy: Policy, page_files: Collection[str] = ()
) -> None:
    """Without a token in force nothing answers but health, readiness and the page's own files.

    Every route is asked as it is declared with all that may be mistaken for a token, and without
    one in other spellings and with odd methods.
    """
    assert policy.tokens, "the law is about a server with tokens"
    free = {"/health", "/ready", *page_files}
    guard = guarded(app, replace(policy, limits=WIDE))
    known = routes(app)
    assert known, "the application has no routes"
    for method, path in known:
        asked = [(method, path, headers) for headers in _without_token(method)]
        asked += [(verb, path, {}) for verb in ODD_METHODS]
        asked += [(method, spelt, {}) for spelt in _spellings(path)]
        for verb, spelt, headers in asked:
            if spelt not in free or verb not in ("GET", "HEAD"):
                answer = _ask(guard, verb, spelt, headers)
                assert answer.status in (401, 403), (verb, spelt, headers, answer.status)


def check_reading_changes_nothing(
    app: FastAPI, policy: Policy, read_token: str, reading: Collection[str] = ("/predict",)
) -> None:
    """With a token of the role read, every route that may change something says 403.

    `reading` are the paths of which a POST is known to change nothing.
    """
    caller = policy.tokens.caller(read_token)
    assert caller is not None
    assert caller.role is Role.READ
    guard = guarded(app, replace(policy, limits=WIDE))
    headers = {"authorization": f"Bearer {read_token}"}
    for method, path in routes(app):
        for verb in {method, "PUT", "PATCH", "DELETE", "POST"}:
            looks = verb in ("GET", "HEAD", "OPTIONS", "WEBSOCKET")
            if not looks and not (verb == "POST" and path in reading):
                assert _ask(guard, verb, path, headers).status == 403, (verb, path)


def _spellings(path: str) -> list[str]:
    """A path as it is declared, and as others may write it to slip past a list of paths."""
    tail = path.lstrip("/")
    return [
        path,
        f"/{path}",
        f"{path.rstrip('/')}/",
        f"/%2f{tail}",
        f"/./{tail}",
        f"/x/../{tail}",
        f"/health/../{tail}",
        f"/health;/{tail}",
        f"/health%00{path}",
        f"{path}%20",
        f"{path}%2e",
        f"/%252f{tail}",
        f"/\\{tail}",
        path.upper() + "X",
        "".join(f"%{ord(letter):02x}" if letter != "/" else letter for letter in path) or "/",
    ]


def _without_token(verb: str) -> list[dict[str, str]]:
    wrong = "w" * 40
    shown = [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {wrong}"},
        {"authorization": f"Basic {wrong}"},
        {"authorization": wrong},
        {"cookie": f"token={wrong}"},
        {"x-api-key": wrong},
    ]
    if verb == "WEBSOCKET":
        shown += [
            {"sec-websocket-protocol": SUBPROTOCOL},
            {"sec-websocket-protocol": f"{SUBPROTOCOL}, {BEARER}"},
            {"sec-websocket-protocol": f"{SUBPROTOCOL}, {BEARER}{wrong}"},
        ]
    return shown


def _ask(app: ASGIApp, verb: str, path: str, headers: Mapping[str, str]) -> Answered:
    if verb == "WEBSOCKET":
        return ask(app, path, headers=headers, kind="websocket")
    return ask(app, path, verb, headers)
