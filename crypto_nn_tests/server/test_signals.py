"""What an engine gets from `/signals`: a size from the served prediction, flat when in doubt."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from crypto_nn.inference.signals import SignalConfig
from crypto_nn.server.answers import Answers
from crypto_nn.server.app import create_app
from crypto_nn.server.guards import guarded
from crypto_nn.server.policy import Policy
from crypto_nn.server.routes import signals
from crypto_nn_tests.contracts.server import Answered, ask
from crypto_nn_tests.server.made import SYMBOL, Market, Registry, answering, answers

CONFIG = SignalConfig(cost_bps=2)


@pytest.fixture
def service() -> Iterator[Answers]:
    """Answers after the first look, by a network that sees prices rise."""
    made = answers(Market(), Registry({"v1": answering("v1")}), max_wait_ms=0)
    made.batcher.start()
    made.look()
    yield made
    made.close()


def got(
    service: Answers,
    query: str = f"symbol={SYMBOL}",
    volatility: float = 2e-3,
    killed: Callable[[], bool] = lambda: False,
) -> Answered:
    routes = signals.router(service, lambda symbol: volatility, CONFIG, killed)
    app = guarded(create_app(service, routers=(routes,)), Policy())
    return ask(app, f"/signals?{query}")


def held(answered: Answered) -> dict[str, Any]:
    assert answered.status == 200
    (one,) = json.loads(answered.body)["signals"]
    assert isinstance(one, dict)
    return one


def test_a_rising_market_is_held_within_the_caps(service: Answers) -> None:
    one = held(got(service))
    assert (one["direction"], one["model_version"], one["horizon"]) == (1, "v1", 15)
    assert 0 < one["size"] <= CONFIG.most_size
    assert one["confidence"] == pytest.approx(np.e / (np.e + 2))


def test_it_is_flat_whenever_in_doubt(service: Answers) -> None:
    """Stopped, killed, without volatility, or stale: an engine need not tell errors from zero."""
    assert held(got(service, f"symbol={SYMBOL}&drawdown=0.1"))["reason"] == "drawdown stop"
    assert held(got(service, killed=lambda: True))["reason"] == "kill switch"
    assert held(got(service, volatility=float("nan")))["reason"] == "volatility not known"
    late = service._now() + np.timedelta64(3, "m")
    service._now = lambda: late
    one = held(got(service))
    assert (one["size"], one["stale"], one["reason"]) == (0.0, True, "stale")


def test_without_a_window_it_is_flat() -> None:
    made = answers(Market(), Registry({"v1": answering("v1")}))
    made.watcher.look()
    one = held(got(made))
    assert (one["size"], one["known_at"], one["reason"]) == (0.0, None, "no whole window")


def test_a_symbol_named_twice_is_held_once(service: Answers) -> None:
    assert held(got(service, f"symbol={SYMBOL}&symbol={SYMBOL}"))["symbol"] == SYMBOL


@pytest.mark.parametrize("query", ["", "symbol=no", "symbol=BTC-USDT&drawdown=2"])
def test_a_wrong_question_is_refused(service: Answers, query: str) -> None:
    assert got(service, query).status == 422
