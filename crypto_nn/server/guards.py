"""What stands before the application: every request is checked before a byte of it is parsed.

The order: request id, declared size and coding, Host, Origin, limit of the address, token, form of
the path, role, limit of the token, and last the body, which is read up to the cap and handed on
whole. So whoever may not ask cannot make the server keep a body.
"""

import re
import time
import uuid
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crypto_nn.server.heads import WEBSOCKET, Head
from crypto_nn.server.origins import check_host, check_origin
from crypto_nn.server.policy import Policy
from crypto_nn.server.rate_limit import Buckets, address, retry_after
from crypto_nn.server.refusals import Headers, Refusal, refuse
from crypto_nn.server.tokens import OPERATE_TOKENS, READ_TOKENS, Caller, Role

SUBPROTOCOL = "crypto-nn.v1"
BEARER = "bearer."
"""A browser's WebSocket offers two subprotocols: ours, and its token behind this prefix."""

Refused = Callable[[int, str], None]
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([!-~]+)")
_LENGTH = re.compile(r"[0-9]{1,15}")
_IN_URL = re.compile(rb"(?:^|[&;])(?:access_token|api_?key|auth|authorization|bearer|token)=", re.I)
_PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def guarded(
    app: ASGIApp,
    policy: Policy,
    clock: Callable[[], float] = time.monotonic,
    refused: Refused | None = None,
) -> "Guard":
    """The application behind its guards.

    It finds in `scope["state"]` (`request.state`) the `request_id` and the `caller` (`Caller`, or
    None where no token was needed), and never sees the token.

    Args:
        app: any ASGI application.
        policy: what requests are held to.
        clock: seconds that only go forward, for the limits.
        refused: called with status and code of each refusal, for a metric.
    """
    return Guard(app, policy, clock, refused)


class Guard:
    """An ASGI application that turns away what its policy does not allow."""

    def __init__(
        self, app: ASGIApp, policy: Policy, clock: Callable[[], float], refused: Refused | None
    ) -> None:
        limits = policy.limits
        self._app, self._policy, self._refused = app, policy, refused
        self._of_key = Buckets(limits.key_per_second, limits.key_burst, limits.most_callers, clock)
        self._of_ip = Buckets(limits.ip_per_second, limits.ip_burst, limits.most_callers, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        head = Head.of(scope)
        request_id = _request_id(head)
        send = self._signed(send, head, request_id)
        outcome = self._check(head, scope)
        body = None
        if not isinstance(outcome, Refusal) and _sends_body(head):
            body = await _whole_body(receive, self._policy.max_body)
            if body is None:
                return  # the client left
            if len(body) > self._policy.max_body:
                outcome = self._too_large()
        if isinstance(outcome, Refusal):
            if self._refused is not None:
                self._refused(outcome.status, outcome.error)
            await refuse(outcome, request_id, scope, receive, send)
            return
        state = {**scope.get("state", {}), "request_id": request_id, "caller": outcome}
        inner = {**_without_credentials(scope), "state": state}
        await self._app(inner, receive if body is None else _replay(body, receive), send)

    def _check(self, head: Head, scope: Scope) -> Caller | Refusal | None:
        """Who asks, or why they are turned away; None where nobody needs to say who they are."""
        refusal = (
            self._check_declared(head)
            or check_host(head, self._policy.hosts)
            or check_origin(head, self._policy.origins)
        )
        if refusal is not None or self._policy.is_public(head):
            return refusal
        wait_s = self._of_ip.take(address(head.client))
        if wait_s:
            return _too_many(wait_s, "this address")
        if _IN_URL.search(head.query):
            scope["query_string"] = b""  # the server's own log of requests must not show it
            return Refusal(
                400,
                "token_in_url",
                "A token does not belong in a URL, where logs keep it: take it out of use, and "
                "send the new one as `Authorization: Bearer …`.",
            )
        return self._check_caller(head)

    def _check_declared(self, head: Head) -> Refusal | None:
        """Size and coding as the head declares them, before anything is read."""
        if any(coding.strip().lower() != "identity" for coding in head.all("content-encoding")):
            return Refusal(
                415,
                "content_encoding",
                "Bodies are taken as they are: send it without Content-Encoding.",
            )
        lengths = head.all("content-length")
        if len(lengths) > 1 or any(not _LENGTH.fullmatch(length) for length in lengths):
            return Refusal(400, "bad_length", "Content-Length is not one whole number.")
        if lengths and int(lengths[0]) > self._policy.max_body:
            return self._too_large()
        return None

    def _check_caller(self, head: Head) -> Caller | Refusal | None:
        needed = self._policy.needs(head)
        caller = self._caller(head)
        if isinstance(caller, Refusal) and needed is not None:
            return caller
        if not head.is_plain:
            return Refusal(
                400, "bad_path", "Paths here hold letters, digits and ._~- only, without escapes."
            )
        if needed is None:
            return None
        assert not isinstance(caller, Refusal)
        if caller is not None:
            wait_s = self._of_key.take(caller.key)
            if wait_s:
                return _too_many(wait_s, "this token")
        if (caller.role if caller else Role.READ) < needed:
            return Refusal(
                403,
                "role",
                "This needs a token of the role operate"
                + ("." if self._policy.tokens else f": set {OPERATE_TOKENS} where the server runs"),
            )
        return caller

    def _caller(self, head: Head) -> Caller | Refusal | None:
        """Who asks; None where no token is in force and the request comes straight to us."""
        if not self._policy.tokens:
            if any(head.all(name) for name in _PROXIED):
                return Refusal(
                    403,
                    "proxied_without_token",
                    "A proxy passes requests of others on to a server that has no token: set "
                    f"{READ_TOKENS}.",
                )
            return None
        presented = _presented(head)
        caller = self._policy.tokens.caller(presented) if presented is not None else None
        return caller or Refusal(
            401,
            "token",
            "This needs a token that is in force, sent once as `Authorization: Bearer …`.",
            ((b"www-authenticate", b"Bearer"),),
        )

    def _too_large(self) -> Refusal:
        return Refusal(
            413, "too_large", f"The body has more than {self._policy.max_body} bytes. Send less."
        )

    def _signed(self, send: Send, head: Head, request_id: str) -> Send:
        """Send with the headers of every answer, in place of the application's own."""
        own: Headers = (
            (b"x-request-id", request_id.encode()),
            (b"content-security-policy", self._policy.content_security.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
        )
        names = {name for name, _ in own}

        async def signed(message: Message) -> None:
            kind = message["type"]
            if kind in ("http.response.start", "websocket.http.response.start"):
                theirs = [(n, v) for n, v in message.get("headers", ()) if n.lower() not in names]
                if not any(name.lower() == b"cache-control" for name, _ in theirs):
                    theirs.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*theirs, *own]}
            elif kind == "websocket.accept" and SUBPROTOCOL in head.subprotocols:
                message = {**message, "subprotocol": SUBPROTOCOL}
            await send(message)

        return signed


def _request_id(head: Head) -> str:
    """The client's own id where it is harmless in a log, else one drawn by chance."""
    given = head.one("x-request-id")
    return given if given is not None and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _presented(head: Head) -> str | None:
    """The one token that a request shows; None for none, and for more than one."""
    shown = [_BEARER.fullmatch(value) for value in head.all("authorization")]
    tokens = [match[1] if match else "" for match in shown]
    if head.method == WEBSOCKET:
        tokens += [p.removeprefix(BEARER) for p in head.subprotocols if p.startswith(BEARER)]
    return tokens[0] if len(tokens) == 1 and tokens[0] else None


def _too_many(wait_s: float, whose: str) -> Refusal:
    seconds = retry_after(wait_s)
    return Refusal(
        429,
        "rate_limit",
        f"Too many requests of {whose}. Ask again in {seconds} s.",
        ((b"retry-after", str(seconds).encode()),),
    )


def _sends_body(head: Head) -> bool:
    return head.method != WEBSOCKET and (
        bool(head.all("transfer-encoding")) or head.one("content-length") not in (None, "0")
    )


async def _whole_body(receive: Receive, limit: int) -> bytes | None:
    """The body, read until its end or past the limit; None where the client left."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > limit or not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A channel that gives the body that was read, then whatever comes."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay


def _without_credentials(scope: Scope) -> Scope:
    """The scope as the application may see, log and raise it: without the token."""
    hidden = (b"authorization", b"proxy-authorization", b"cookie", b"sec-websocket-protocol")
    kept = [(name, value) for name, value in scope["headers"] if name.lower() not in hidden]
    clean = {**scope, "headers": kept}
    if "subprotocols" in scope:
        clean["subprotocols"] = [p for p in scope["subprotocols"] if not p.startswith(BEARER)]
    return clean
