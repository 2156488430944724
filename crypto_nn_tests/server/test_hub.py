"""Every client is told what is new; a slow, loud or broken one hurts itself alone."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket

from crypto_nn.server.hub import Hub, HubLimits


class Client:
    """The other end of a socket, in memory; `slow` never takes a text."""

    def __init__(self, slow: bool = False) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.sent: list[Message] = []
        self.slow = slow
        scope = {"type": "websocket", "path": "/ws", "headers": []}
        self.socket = WebSocket(scope, self.incoming.get, self._take)

    async def _take(self, message: Message) -> None:
        if self.slow and message["type"] == "websocket.send":
            await asyncio.Event().wait()
        self.sent.append(message)

    def says(self, **message: Any) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", **message})

    def leaves(self) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})

    @property
    def told(self) -> list[Any]:
        return [json.loads(m["text"]) for m in self.sent if m["type"] == "websocket.send"]

    @property
    def code(self) -> int | None:
        closed = [m["code"] for m in self.sent if m["type"] == "websocket.close"]
        return closed[0] if closed else None


async def turns(number: int = 20) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


Scene = Callable[[Hub, asyncio.TaskGroup], Coroutine[Any, Any, None]]


def played(scene: Scene, limits: HubLimits | None = None) -> Hub:
    async def all_of_it() -> Hub:
        hub = Hub(limits)
        async with asyncio.TaskGroup() as group:
            await scene(hub, group)
        assert hub.num_clients == 0
        return hub

    return asyncio.run(asyncio.wait_for(all_of_it(), 30))


def test_a_message_reaches_all_who_want_its_symbol() -> None:
    async def scene(hub: Hub, group: asyncio.TaskGroup) -> None:
        every, one = Client(), Client()
        for client in (every, one):
            group.create_task(hub.serve_socket(client.socket, first={"type": "state"}))
        one.says(text='{"type":"subscribe","symbols":["ETH-USDT"]}')
        await turns()
        assert hub.publish({"type": "bar", "symbol": "BTC-USDT"}) == 1
        assert hub.publish({"type": "bar", "symbol": "ETH-USDT"}) == 2
        assert hub.publish({"type": "note"}) == 2
        await turns()
        assert [m.get("symbol") for m in every.told] == [None, "BTC-USDT", "ETH-USDT", None]
        assert [m["type"] for m in one.told] == ["state", "bar", "note"]
        every.leaves()
        one.leaves()

    played(scene)


def test_a_slow_client_is_cut_and_the_others_miss_nothing() -> None:
    async def scene(hub: Hub, group: asyncio.TaskGroup) -> None:
        slow, quick = Client(slow=True), Client()
        for client in (slow, quick):
            group.create_task(hub.serve_socket(client.socket))
        await turns()
        for number in range(20):
            hub.publish({"number": number})
            await turns()
        assert slow.code == 1013
        assert [m["number"] for m in quick.told] == list(range(20))
        assert quick.code is None
        quick.leaves()

    assert played(scene, HubLimits(queue=4)).num_cut == 1


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"bytes": b"\x00"}, 1003),
        ({"text": "{"}, 1007),
        ({"text": "[" * 4000}, 1007),
        ({"text": '{"type":"order"}'}, 1007),
        ({"text": '{"type":"subscribe","symbols":[1]}'}, 1007),
        ({"text": '{"type":"subscribe","symbols":["a"],"x":1}'}, 1007),
        ({"text": json.dumps({"type": "subscribe", "symbols": ["a"] * 101})}, 1007),
        ({"text": " " * 5000}, 1009),
        ({"text": "\u20ac" * 2000}, 1009),
    ],
)
def test_what_is_no_subscription_closes_the_socket_with_its_reason(
    said: dict[str, Any], code: int
) -> None:
    async def scene(hub: Hub, group: asyncio.TaskGroup) -> None:
        client = Client()
        group.create_task(hub.serve_socket(client.socket))
        client.says(**said)
        await turns()
        assert client.code == code

    played(scene)


def test_a_loud_client_is_closed() -> None:
    async def scene(hub: Hub, group: asyncio.TaskGroup) -> None:
        client = Client()
        group.create_task(hub.serve_socket(client.socket))
        for _ in range(4):
            client.says(text='{"type":"subscribe","symbols":[]}')
        await turns()
        assert client.code == 1008

    played(scene, HubLimits(messages=3))


def test_a_client_too_many_is_sent_away_and_closing_sends_all_away() -> None:
    async def scene(hub: Hub, group: asyncio.TaskGroup) -> None:
        first, second, late = Client(), Client(), Client()
        group.create_task(hub.serve_socket(first.socket))
        await turns()
        await hub.serve_socket(second.socket)
        assert (first.code, second.code) == (None, 1013)
        hub.close()
        await turns()
        assert first.code == 1001
        await hub.serve_socket(late.socket)
        assert late.code == 1001

    played(scene, HubLimits(clients=1))


def test_a_quiet_client_is_pinged() -> None:
    async def scene(hub: Hub, group: asyncio.TaskGroup) -> None:
        client = Client()
        group.create_task(hub.serve_socket(client.socket))
        while not client.told:
            await asyncio.sleep(0)
        assert client.told[0] == {"type": "ping"}
        client.leaves()

    played(scene, HubLimits(ping_s=0.001))


def test_a_number_that_json_has_not_is_told_to_nobody() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Hub().publish({"p_up": float("nan")})
