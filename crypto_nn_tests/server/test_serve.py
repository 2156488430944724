"""The whole way: bars, windows, a version, the guards, and a real socket."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from crypto_nn.server.app import create_app
from crypto_nn.server.policy import Policy
from crypto_nn.server.run import Worker
from crypto_nn.server.tokens import Tokens
from crypto_nn_tests.server.made import SYMBOL, Market, Registry, answers


class Announced(Worker):
    """A worker that says when it listens."""

    listening: threading.Event

    async def startup(self, sockets: object = None) -> None:
        await super().startup()
        self.listening.set()


@contextmanager
def running() -> Iterator[tuple[Announced, httpx.Client]]:
    """A real server that knows one symbol, and a client of it."""
    service = answers(Market(), Registry(), poll_seconds=60)
    service.look()
    policy = Policy.for_host("127.0.0.1", Tokens())
    worker = Announced(create_app(service), service, service.config, policy)
    worker.listening = threading.Event()
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    assert worker.listening.wait(30)
    port = worker.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield worker, client
    worker.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def test_a_bar_becomes_an_answer_over_a_socket() -> None:
    """Whoever asks for a symbol gets the probabilities after its newest closed bar, and an id."""
    with running() as (_, client):
        answer = client.get("/predict", params={"symbol": SYMBOL})
    found = answer.json()
    assert answer.status_code == 200, found
    assert (found["model_version"], found["bar_time"]) == ("v1", "2024-03-01T08:19:00Z")
    assert (found["known_at"], found["staleness_s"]) == ("2024-03-01T08:20:00Z", 1.0)
    assert not found["stale"]
    assert found["request_id"] == answer.headers["x-request-id"] != ""
    for one in found["horizons"]:
        assert one["p_down"] + one["p_flat"] + one["p_up"] == pytest.approx(1)
        assert (one["predicted"], one["confidence"]) == ("up", one["p_up"])


def test_a_signal_first_takes_readiness_away_and_then_ends_the_server() -> None:
    """Whoever spreads requests looks elsewhere before the socket closes."""
    with running() as (worker, client):
        assert client.get("/ready").status_code == 200
        worker._answers.drain()
        assert client.get("/ready").status_code == 503
        assert client.get("/predict", params={"symbol": SYMBOL}).status_code == 200
        worker.handle_exit(signal.SIGTERM, None)
