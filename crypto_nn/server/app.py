"""The application: routes around `Answers`, without guards (`guards.guarded` puts them around)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version as version_of
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI, Response, WebSocket

from crypto_nn.server.answers import Answers
from crypto_nn.server.problems import add_problems, documented
from crypto_nn.server.routes import models, predict, state


class Stream(Protocol):
    """Where messages go to WebSockets: `hub.Hub`."""

    def publish(self, message: Mapping[str, Any]) -> object:
        """Put a message in line for every client; never waits. On the event loop only."""

    async def serve_socket(self, websocket: WebSocket) -> None:
        """Serve one client until it leaves."""

    def close(self) -> None:
        """Let all clients go."""


def create_app(
    answers: Answers,
    actions: models.Actions | None = None,
    stream: Stream | None = None,
    metrics: Callable[[], tuple[bytes, str]] | None = None,
    routers: Sequence[APIRouter] = (),
    begin: Sequence[Callable[[], None]] = (),
    end: Sequence[Callable[[], None]] = (),
) -> FastAPI:
    """The application of one worker; its lifespan starts and ends `answers`.

    Args:
        answers: what predicts.
        actions: promotion and rollback; None where no store is served.
        stream: what `/ws` is served by; None for none.
        metrics: body and content type of `/metrics`; None for none.
        routers: of the live page and of signals.
        begin, end: called in order before the first request and after the last answer.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        if stream is not None:

            def tell(message: Mapping[str, Any]) -> None:
                loop.call_soon_threadsafe(stream.publish, dict(message))

            answers.listeners.append(tell)
        for each in begin:
            each()
        answers.start()
        try:
            yield
        finally:
            answers.drain()
            await asyncio.to_thread(answers.close)
            answers.listeners.clear()
            if stream is not None:
                stream.close()
            for each in end:
                await asyncio.to_thread(each)

    app = FastAPI(title="crypto-nn", version=version_of("crypto-nn"), lifespan=life)
    add_problems(app)
    for routes in (
        state.router(answers), predict.router(answers), models.router(answers, actions), *routers
    ):  # fmt: skip
        app.include_router(routes)
    if metrics is not None:
        _add_metrics(app, metrics)
    if stream is not None:

        @app.websocket("/ws")
        async def follow(websocket: WebSocket) -> None:
            """New bars and answers."""
            await stream.serve_socket(websocket)

    return app


def _add_metrics(app: FastAPI, metrics: Callable[[], tuple[bytes, str]]) -> None:
    @app.get("/metrics", tags=["state"], responses=documented(), response_class=Response)
    def scrape() -> Response:
        """What Prometheus reads."""
        content, media_type = metrics()
        return Response(content, media_type=media_type)
