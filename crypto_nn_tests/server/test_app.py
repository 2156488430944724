"""What clients see: answers with their provenance, and errors that tell no internals."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from crypto_nn.server.answers import Answers
from crypto_nn.server.app import create_app
from crypto_nn.server.guards import guarded
from crypto_nn.server.hub import Hub
from crypto_nn.server.policy import Policy
from crypto_nn.server.tokens import Tokens
from crypto_nn_tests.contracts.server import Answered, ask, check_every_route_needs_a_token
from crypto_nn_tests.server.made import SYMBOL, Market, Registry, Told, answering, answers


@pytest.fixture
def network() -> Told:
    return Told()


@pytest.fixture
def service(network: Told) -> Iterator[Answers]:
    """Answers after the first look."""
    made = answers(Market(), Registry({"v1": answering("v1", network)}), max_wait_ms=0)
    made.batcher.start()
    made.look()
    yield made
    made.close()


def got(service: Answers, path: str, method: str = "GET", body: object = None) -> Answered:
    app = guarded(create_app(service), Policy())
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "content-length": str(len(content))}
    return ask(app, path, method, headers if content else {}, [content])


def test_an_answer_is_worked_out_once_for_a_bar(service: Answers, network: Told) -> None:
    """It is there before anybody asks, and every question after is a lookup."""
    assert network.sizes == [1]
    both = [got(service, f"/predict?symbol={SYMBOL}") for _ in range(2)]
    assert [each.status for each in both] == [200, 200]
    many = got(service, "/predict", "POST", {"symbols": [SYMBOL, SYMBOL]})
    assert len(json.loads(many.body)["answers"]) == 2
    assert network.sizes == [1]


def test_a_stale_answer_is_given_only_to_who_allows_it(service: Answers) -> None:
    """Two missing bars make it stale."""
    late = service._now() + np.timedelta64(118, "s")
    service._now = lambda: late
    assert got(service, f"/predict?symbol={SYMBOL}").status == 200
    service._now = lambda: late + np.timedelta64(1, "s")
    assert got(service, f"/predict?symbol={SYMBOL}").error == "stale"
    answer = got(service, f"/predict?symbol={SYMBOL}&allow_stale=true")
    assert json.loads(answer.body)["stale"] is True


@pytest.mark.parametrize(
    ("path", "method", "body", "status", "error"),
    [
        ("/predict", "GET", None, 422, "invalid"),
        ("/predict?symbol=../etc", "GET", None, 422, "invalid"),
        ("/predict?symbol=ETH-USDT", "GET", None, 404, "unknown_symbol"),
        ("/predict", "POST", {"symbols": []}, 422, "invalid"),
        ("/predict", "POST", {"symbols": [SYMBOL] * 65}, 422, "too_many"),
        ("/predict", "POST", {"symbols": SYMBOL}, 422, "invalid"),
        ("/predict", "POST", {"symbols": [SYMBOL], "more": 1}, 422, "invalid"),
        ("/nowhere", "GET", None, 404, "not_found"),
    ],
)
def test_a_mistake_is_told_as_a_problem(
    service: Answers, path: str, method: str, body: object, status: int, error: str
) -> None:
    """With a code, a sentence and the request's id."""
    answer = got(service, path, method, body)
    assert (answer.status, answer.error) == (status, error)
    told = json.loads(answer.body)
    assert told.keys() == {"error", "message", "request_id"}
    assert told["request_id"] == answer.headers["x-request-id"]


def test_without_a_token_nothing_answers_but_health_and_readiness(service: Answers) -> None:
    """Every route there is, the socket, the metrics and the documentation too."""

    class Never:
        def promote(self, universe: str, version: str, reason: str) -> None:
            raise AssertionError

        def rollback(self, universe: str, reason: str) -> None:
            raise AssertionError

    app: FastAPI = create_app(service, Never(), Hub(), lambda: (b"", "text/plain"))  # type: ignore[arg-type]
    tokens = Tokens.from_text(SecretStr("r" * 32), SecretStr("o" * 32))
    check_every_route_needs_a_token(app, Policy(tokens=tokens))
    assert app.openapi()["paths"]["/predict"]["get"]["responses"].keys() >= {"200", "404", "503"}


def test_a_new_bar_is_told_with_its_answer(service: Answers) -> None:
    """First the bar, then what the champion says of it."""
    told: list[tuple[str, str]] = []
    service.listeners.append(lambda message: told.append((message["type"], message["ts"])))
    service._now = lambda: np.datetime64("2024-03-01T08:21:00", "us")
    service.look()
    assert told == [("bar", "2024-03-01T08:20:00Z"), ("answer", "2024-03-01T08:20:00Z")]
