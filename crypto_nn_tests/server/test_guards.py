"""The guards: who is let in, who is turned away and with which words, before anything is parsed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.types import Message, Receive, Scope, Send

from crypto_nn.errors import ConfigError
from crypto_nn.server.guards import BEARER, SUBPROTOCOL, guarded
from crypto_nn.server.policy import Policy
from crypto_nn.server.tokens import Role, Tokens
from crypto_nn.serving import RateLimits
from crypto_nn_tests.contracts.server import (
    WIDE,
    Answered,
    ask,
    check_every_route_needs_a_token,
    check_reading_changes_nothing,
    routes,
)

READ, OPERATE = "r" * 32, "p" * 32
TOKENS = Tokens.from_text(SecretStr(READ), SecretStr(OPERATE))
CLOSED = Policy.for_host("127.0.0.1", TOKENS, page_files={"/page"}, limits=WIDE)
OPEN = Policy.for_host("127.0.0.1", Tokens(), limits=WIDE)


def bearer(token: str) -> dict[str, str]:
    """The header of a token."""
    return {"authorization": f"Bearer {token}"}


class Echo:
    """An application that says yes to everything and keeps what it was given."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        message = await receive()
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        self.bodies.append(message["body"])
        headers = [(b"x-frame-options", b"ALLOWALL"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"yes"})


def answer(policy: Policy, *words: Any, **more: Any) -> Answered:
    """What a guarded echo answers to one request."""
    return ask(guarded(Echo(), policy), *words, **more)


def a_service() -> FastAPI:
    """An application with the kinds of routes that a server has."""
    app, models = FastAPI(), APIRouter(prefix="/models")

    @app.get("/health")
    @app.get("/ready")
    @app.get("/page")
    @app.get("/metrics")
    def look() -> str:
        return "fine"

    @app.get("/predict")
    @app.post("/predict")
    def predict(request: Request) -> str:
        return str(request.state.caller.role)

    @models.post("/promote")
    @models.delete("/{version}")
    def operate() -> str:
        return "done"

    @app.websocket("/ws")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()

    app.include_router(models)
    return app


def test_every_route_needs_a_token() -> None:
    app = a_service()
    assert {("POST", "/models/promote"), ("WEBSOCKET", "/ws"), ("GET", "/docs")} <= set(routes(app))
    check_every_route_needs_a_token(app, CLOSED, page_files={"/page"})
    check_reading_changes_nothing(app, CLOSED, READ)


@pytest.mark.parametrize(
    "careless",
    [
        replace(CLOSED, public=CLOSED.public | {"/metrics"}),
        replace(CLOSED, page_files=frozenset({"/page", "/openapi.json"})),
    ],
)
def test_a_route_that_was_left_open_is_found(careless: Policy) -> None:
    """The law has teeth: its list of what may be open is its own, not that of the policy."""
    with pytest.raises(AssertionError, match="200"):
        check_every_route_needs_a_token(a_service(), careless, page_files={"/page"})


def test_a_route_that_reads_by_mistake_is_found() -> None:
    careless = replace(CLOSED, reading=CLOSED.reading | {"/models/promote"})
    with pytest.raises(AssertionError, match="promote"):
        check_reading_changes_nothing(a_service(), careless, READ)


def test_the_law_is_about_servers_with_tokens() -> None:
    with pytest.raises(AssertionError, match="a server with tokens"):
        check_every_route_needs_a_token(a_service(), OPEN)


MATRIX = [
    # method, path, nobody, role read, role operate; and on loopback without any token
    ("GET", "/health", 200, 200, 200, 200),
    ("HEAD", "/ready", 200, 200, 200, 200),
    ("GET", "/page", 200, 200, 200, 200),
    ("POST", "/health", 401, 403, 200, 403),
    ("POST", "/page", 401, 403, 200, 403),
    ("GET", "/health/", 401, 200, 200, 200),
    ("GET", "/predict", 401, 200, 200, 200),
    ("POST", "/predict", 401, 200, 200, 200),
    ("POST", "/predict/", 401, 403, 200, 403),
    ("PUT", "/predict", 401, 403, 200, 403),
    ("OPTIONS", "/models", 401, 200, 200, 200),
    ("GET", "/models", 401, 200, 200, 200),
    ("POST", "/models/promote", 401, 403, 200, 403),
    ("POST", "/models/rollback", 401, 403, 200, 403),
    ("POST", "/anything/new", 401, 403, 200, 403),
    ("DELETE", "/models/v1", 401, 403, 200, 403),
    ("get", "/predict", 401, 403, 200, 403),
    ("GET", "/metrics", 401, 200, 200, 200),
    ("GET", "/openapi.json", 401, 200, 200, 200),
    ("GET", "//predict", 401, 400, 400, 400),
    ("GET", "/models%2fpromote", 401, 400, 400, 400),
    ("POST", "/predict%2f..%2fmodels", 401, 400, 400, 400),
    ("GET", "/page/../predict", 401, 400, 400, 400),
    ("GET", "/health%00", 401, 400, 400, 400),
    ("GET", "/%68ealth", 401, 400, 400, 400),
    ("GET", "/health;/x", 401, 400, 400, 400),
    ("GET", "/.env", 401, 400, 400, 400),
    ("GET", "http://elsewhere/health", 401, 400, 400, 400),
    ("OPTIONS", "*", 401, 400, 400, 400),
    ("CONNECT", "elsewhere:443", 401, 400, 400, 400),
]


@pytest.mark.parametrize(("method", "path", "nobody", "read", "operate", "unlocked"), MATRIX)
def test_roles_open_what_they_should(
    method: str, path: str, nobody: int, read: int, operate: int, unlocked: int
) -> None:
    told = [
        answer(CLOSED, path, method).status,
        answer(CLOSED, path, method, bearer(READ)).status,
        answer(CLOSED, path, method, bearer(OPERATE)).status,
        answer(OPEN, path, method).status,
    ]
    assert told == [nobody, read, operate, unlocked]


def test_a_prefix_of_a_proxy_does_not_move_the_rules() -> None:
    for path, due in [("/health", 200), ("/predict", 401), ("//health", 401)]:
        assert answer(CLOSED, path, root_path="/nn").status == due
    assert answer(CLOSED, "/models/promote", "POST", bearer(READ), root_path="/nn").status == 403


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", f"Bearer {READ}"), ("authorization", f"Bearer {READ}")],
        [("authorization", f"Bearer {READ} {READ}")],
        [("authorization", f"Token {READ}")],
        [("authorization", f"Bearer {READ[:-1]}")],
        [("sec-websocket-protocol", f"{SUBPROTOCOL}, {BEARER}{READ}")],
    ],
)
def test_a_token_counts_only_where_it_belongs(headers: list[tuple[str, str]]) -> None:
    refused = answer(CLOSED, "/predict", "GET", headers)
    assert (refused.status, refused.error) == (401, "token")
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "Authorization"])
@pytest.mark.parametrize("policy", [OPEN, CLOSED])
def test_a_token_in_a_url_is_refused_and_kept_out_of_the_log(policy: Policy, name: str) -> None:
    """The scope that the server logs loses its query, even where the header is right."""
    seen: list[Scope] = []
    guard = guarded(Echo(), policy)

    async def keep(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await guard(scope, receive, send)

    refused = ask(keep, f"/predict?symbol=BTC&{name}={READ}", headers=bearer(READ))
    assert (refused.status, refused.error) == (400, "token_in_url")
    assert seen[0]["query_string"] == b""
    assert READ.encode() not in refused.body


def test_the_application_learns_who_asks_and_never_the_token() -> None:
    echo = Echo()
    ask(guarded(echo, CLOSED), "/predict", headers={**bearer(OPERATE), "cookie": READ})
    offered = {"sec-websocket-protocol": f"{SUBPROTOCOL}, {BEARER}{READ}"}
    ask(guarded(echo, CLOSED), "/ws", headers=offered, kind="websocket")
    ask(guarded(echo, CLOSED), "/health")
    assert [s["state"]["caller"] and s["state"]["caller"].role for s in echo.scopes] == [
        Role.OPERATE,
        Role.READ,
        None,
    ]
    assert READ not in str(echo.scopes)
    assert OPERATE not in str(echo.scopes)


class TestSockets:
    def shake(self, policy: Policy, headers: Mapping[str, str], **more: Any) -> Answered:
        return answer(policy, "/ws", headers=headers, kind="websocket", **more)

    def test_a_browser_shows_its_token_as_a_subprotocol_and_gets_ours_back(self) -> None:
        offered = {"sec-websocket-protocol": f"{SUBPROTOCOL}, {BEARER}{READ}"}
        accepted = self.shake(CLOSED, offered)
        assert accepted.status is None
        assert accepted.messages[0]["subprotocol"] == SUBPROTOCOL

    def test_a_program_shows_it_in_the_header(self) -> None:
        assert self.shake(CLOSED, bearer(READ)).status is None
        assert "subprotocol" not in self.shake(CLOSED, bearer(READ)).messages[0]

    def test_two_tokens_are_none(self) -> None:
        both = {"sec-websocket-protocol": f"{BEARER}{READ}", **bearer(READ)}
        assert self.shake(CLOSED, both).status == 401

    def test_without_a_token_the_handshake_fails(self) -> None:
        refused = self.shake(CLOSED, {})
        assert (refused.status, refused.error) == (401, "token")
        old = self.shake(CLOSED, {}, extensions={})
        assert old.messages == ({"type": "websocket.close", "code": 1008},)

    def test_another_sites_page_may_not_listen(self) -> None:
        for policy in (OPEN, CLOSED):
            refused = self.shake(policy, {"origin": "https://elsewhere.example", **bearer(READ)})
            assert (refused.status, refused.error) == (403, "foreign_origin")
        assert self.shake(OPEN, {"origin": "http://127.0.0.1:8080"}).status is None


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("127.0.0.1:9", 200), ("LOCALHOST:8080", 200), ("[::1]:8080", 200),
        ("elsewhere.example", 421), ("127.0.0.1.elsewhere.example", 421), ("localhost.", 421),
        ("127.0.0.1@elsewhere", 400), ("", 400), ("a b", 400), ("localhost:x", 400), ("[::1", 400),
        ("localhost, elsewhere", 400), ("http://localhost", 400), ("::1", 400),
    ],
)  # fmt: skip
def test_only_our_own_names_are_answered(host: str, status: int) -> None:
    for path in ("/health", "/predict"):
        assert answer(OPEN, path, headers={"host": host}).status == status


def test_a_request_has_one_host() -> None:
    assert answer(OPEN, "/health", headers=[("host", "localhost"), ("host", "x")]).status == 400


ORIGINS = [
    ({}, True),
    ({"origin": "http://127.0.0.1:8080"}, True),
    ({"origin": "https://127.0.0.1:8080"}, True),
    ({"origin": "https://friend.example"}, True),
    ({"origin": "https://friend.example", "sec-fetch-site": "cross-site"}, True),
    ({"sec-fetch-site": "same-origin"}, True),
    ({"sec-fetch-site": "none"}, True),
    ({"origin": "http://127.0.0.1:8081"}, False),
    ({"origin": "http://localhost:8080"}, False),
    ({"origin": "https://friend.example.evil"}, False),
    ({"origin": "http://evil@127.0.0.1:8080"}, False),
    ({"origin": "null"}, False),
    ({"origin": ""}, False),
    ({"sec-fetch-site": "cross-site"}, False),
    ({"sec-fetch-site": "same-site"}, False),
    ({"origin": "http://127.0.0.1:8080", "sec-fetch-site": "cross-site"}, False),
]


@pytest.mark.parametrize(("headers", "own"), ORIGINS)
def test_only_our_own_pages_may_send(headers: dict[str, str], own: bool) -> None:
    policy = Policy.for_host(
        "127.0.0.1", TOKENS, origins={"https://friend.example"}, limits=WIDE
    )  # fmt: skip
    shown = {**headers, **bearer(READ)}
    assert answer(policy, "/predict", "POST", shown).status == (200 if own else 403)
    assert answer(policy, "/predict", "GET", shown).status == 200


def test_the_usual_port_need_not_be_named() -> None:
    for origin, host in [
        ("https://nn.example", "nn.example:443"),
        ("http://nn.example:80", "nn.example"),
    ]:
        policy = Policy.for_host("0.0.0.0", TOKENS, hosts={"nn.example"})  # noqa: S104
        shown = {"origin": origin, "host": host, **bearer(READ)}
        assert answer(policy, "/predict", "POST", shown).status == 200


LIMIT = CLOSED.max_body


class TestBodies:
    def send(self, chunks: list[bytes], *headers: tuple[str, str]) -> tuple[Answered, list[bytes]]:
        echo = Echo()
        shown = [*bearer(READ).items(), *headers]
        return ask(guarded(echo, CLOSED), "/predict", "POST", shown, chunks), echo.bodies

    def test_a_body_up_to_the_cap_arrives_whole(self) -> None:
        chunks = [b"x" * 1000] * (LIMIT // 1000) + [b"y" * (LIMIT % 1000)]
        answered, bodies = self.send(chunks, ("transfer-encoding", "chunked"))
        assert (answered.status, bodies) == (200, [b"".join(chunks)])

    @pytest.mark.parametrize("size", [LIMIT + 1, 10 * LIMIT])
    def test_a_declared_size_beyond_it_is_refused_unread(self, size: int) -> None:
        answered, bodies = self.send([], ("content-length", str(size)))
        assert (answered.status, answered.error, bodies) == (413, "too_large", [])
        assert answered.headers["connection"] == "close"

    def test_what_is_not_declared_is_counted(self) -> None:
        """Chunks, and a Content-Length that lies, as a lenient server would pass it on."""
        for declared in (("transfer-encoding", "chunked"), ("content-length", "10")):
            endless = [b"x" * 60_000] * 100
            answered, bodies = self.send(endless, declared)
            assert (answered.status, bodies) == (413, [])

    @pytest.mark.parametrize("length", ["-1", "+1", "1e3", "0x10", "", "1, 1", "9" * 30, "１"])
    def test_a_size_that_is_no_number_is_refused(self, length: str) -> None:
        shown = length.encode().decode("latin-1")
        assert self.send([], ("content-length", shown))[0].error == "bad_length"
        twice = [("content-length", "1"), ("content-length", "2")]
        assert self.send([], *twice)[0].error == "bad_length"

    @pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "GZIP", "x"])
    def test_a_packed_body_is_refused(self, coding: str) -> None:
        answered, _ = self.send([b"x"], ("content-encoding", coding), ("content-length", "1"))
        assert (answered.status, answered.error) == (415, "content_encoding")

    def test_whoever_may_not_ask_makes_nobody_read(self) -> None:
        async def unread() -> Message:
            raise AssertionError("the body was read")

        async def send(_: Message) -> None: ...

        async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
            await guarded(Echo(), CLOSED)(scope, unread, send)

        shown = {"transfer-encoding": "chunked"}
        assert ask(deaf, "/predict", "POST", shown, [b"x"]).status == 401

    def test_a_client_that_leaves_is_not_answered(self) -> None:
        async def leaving(scope: Scope, receive: Receive, send: Send) -> None:
            gone: list[Message] = [
                {"type": "http.request", "body": b"x", "more_body": True},
                {"type": "http.disconnect"},
            ]

            async def hear() -> Message:
                return gone.pop(0)

            await guarded(Echo(), CLOSED)(scope, hear, send)

        shown = {"content-length": "9", **bearer(READ)}
        assert ask(leaving, "/predict", "POST", shown).messages == ()


class TestLimits:
    tight = RateLimits(key_per_second=1, key_burst=3, ip_per_second=1, ip_burst=5)

    def guard(self, policy: Policy = CLOSED) -> Any:
        return guarded(Echo(), replace(policy, limits=self.tight), clock=lambda: 0.0)

    def test_a_token_that_asks_too_often_waits_and_others_do_not(self) -> None:
        guard = self.guard()
        told = [
            ask(guard, "/predict", headers=bearer(READ), client=f"10.0.0.{n}") for n in range(9)
        ]
        assert [one.status for one in told] == [200] * 3 + [429] * 6
        assert (told[-1].error, told[-1].headers["retry-after"]) == ("rate_limit", "1")
        assert ask(guard, "/predict", headers=bearer(OPERATE), client="10.0.1.1").status == 200

    def test_an_address_that_guesses_tokens_waits(self) -> None:
        guard = self.guard()
        told = [ask(guard, "/x", headers=bearer(f"{n}" * 32), client="10.0.0.1") for n in range(9)]
        assert [one.status for one in told] == [401] * 5 + [429] * 4
        assert ask(guard, "/predict", headers=bearer(READ), client="10.0.0.1").status == 429
        assert ask(guard, "/predict", headers=bearer(READ), client="10.0.0.2").status == 200

    def test_health_answers_whoever_asks_and_however_often(self) -> None:
        guard = self.guard()
        assert {ask(guard, "/health").status for _ in range(20)} == {200}

    def test_handshakes_are_counted(self) -> None:
        guard = self.guard(OPEN)
        told = [ask(guard, "/ws", kind="websocket").status for _ in range(7)]
        assert told == [None] * 5 + [429] * 2


HARDENED = {
    "content-security-policy": OPEN.content_security,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@pytest.mark.parametrize("path", ["/health", "/predict", "//", "/x?token=1"])
def test_every_answer_carries_the_headers_that_guard_a_browser(path: str) -> None:
    for policy in (OPEN, CLOSED):
        assert HARDENED.items() <= answer(policy, path).headers.items()


def test_every_refusal_says_what_and_which_request() -> None:
    for refused in (
        answer(CLOSED, "/predict"),
        answer(CLOSED, "/predict", kind="websocket"),
        answer(OPEN, "/models/promote", "POST"),
        answer(OPEN, "/", headers={"host": "x"}),
    ):
        told = json.loads(refused.body)
        assert set(told) == {"error", "message", "request_id"}
        assert told["request_id"] == refused.headers["x-request-id"]
        assert refused.headers["content-type"] == "application/json"


@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_a_request_id_is_kept_only_where_it_is_harmless(given_id: str) -> None:
    """Line ends, colours for a terminal and long texts would forge a log."""
    kept = answer(OPEN, "/health", headers={"x-request-id": given_id}).headers["x-request-id"]
    assert kept.replace("-", "").replace(".", "").replace("_", "").isalnum() or kept == given_id
    assert len(kept) <= 64
    assert kept.isascii()
    assert kept.isprintable()


def test_an_open_server_behind_a_proxy_is_closed() -> None:
    refused = answer(OPEN, "/predict", headers={"x-forwarded-for": "203.0.113.7"})
    assert (refused.status, refused.error) == (403, "proxied_without_token")


def test_others_are_let_in_only_with_tokens() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "nn.example", ""):  # noqa: S104
        with pytest.raises(ConfigError, match="there is no token"):
            Policy.for_host(host, Tokens())
        assert Policy.for_host(host, TOKENS).tokens
    for more in ({"hosts": {"nn.example"}}, {"origins": {"https://nn.example"}}):
        with pytest.raises(ConfigError, match="there is no token"):
            Policy.for_host("localhost", Tokens(), **more)  # type: ignore[arg-type]
    for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1"):
        assert not Policy.for_host(host, Tokens()).tokens


def test_refusals_can_be_counted() -> None:
    told: list[tuple[int, str]] = []
    guard = guarded(Echo(), CLOSED, refused=lambda status, error: told.append((status, error)))
    ask(guard, "/predict")
    ask(guard, "/health")
    assert told == [(401, "token")]


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "PATCH"]),
    path=st.text(st.sampled_from("/abchealtready.;%2fe\\?#=&"), max_size=20).map("/".__add__),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["host", "origin", "authorization", "content-length", "x-request-id"]),
            st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
        ),
        max_size=4,
    ),
)
def test_whatever_is_sent_nothing_gets_past_without_a_token(
    method: str, path: str, headers: list[tuple[str, str]]
) -> None:
    echo = Echo()
    told = ask(guarded(echo, CLOSED), path, method, headers)
    through = told.status == 200
    assert through == bool(echo.scopes)
    assert not through or (
        method == "GET" and path.partition("?")[0] in ("/health", "/ready", "/page")
    )
    assert through or told.status in (400, 401, 403, 413, 421)
