"""What a client is told that is turned away: a status, a code, a sentence, the request's id."""

import json
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

Headers = tuple[tuple[bytes, bytes], ...]
POLICY_VIOLATION = 1008


@dataclass(frozen=True)
class Refusal:
    """One reason not to answer.

    Attributes:
        status: of HTTP.
        error: a short code that does not change, for programs.
        message: what was found and what to do, for people; no internals.
        headers: beside those of every answer.
    """

    status: int
    error: str
    message: str
    headers: Headers = ()

    def body(self, request_id: str) -> bytes:
        """The JSON of the answer."""
        told = {"error": self.error, "message": self.message, "request_id": request_id}
        return json.dumps(told).encode()


async def refuse(
    refusal: Refusal, request_id: str, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer a request, or a WebSocket handshake that is not yet accepted, with a refusal."""
    body = refusal.body(request_id)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *refusal.headers,
    ]
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # the handshake itself
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        kind = "websocket.http.response"
    elif _has_body(scope):
        headers.append((b"connection", b"close"))  # what is still to come is not read
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body, "more_body": False})


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
        for name, value in scope["headers"]
    )
