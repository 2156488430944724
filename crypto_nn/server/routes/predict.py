"""`/predict`: one symbol, or several at once."""

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query, Request

from crypto_nn.server.answers import Answers
from crypto_nn.server.problems import TooMany, documented, request_id
from crypto_nn.server.schemas import Answer, Ask, Batch, Symbol


def router(answers: Answers) -> APIRouter:
    """Predictions after the newest closed bar; windows are kept by the server."""
    routes = APIRouter(tags=["predict"], responses=documented(404, 503))

    @routes.get("/predict")
    async def predict(
        request: Request, symbol: Annotated[Symbol, Query()], allow_stale: bool = False
    ) -> Answer:
        """The prediction for one symbol; 503 where its newest bar is stale."""
        begun = time.perf_counter()
        serving = answers.watcher.serving
        found = await answers.of(serving, symbol, _key(request), allow_stale)
        return Answer(**dict(found), latency_ms=_since(begun), request_id=request_id(request))

    @routes.post("/predict")
    async def predict_many(request: Request, ask: Ask) -> Batch:
        """Predictions for several symbols, all by the same snapshot of versions."""
        begun, most = time.perf_counter(), answers.config.most_symbols
        if len(ask.symbols) > most:
            raise TooMany(most)
        serving, key = answers.watcher.serving, _key(request)
        asked = [answers.of(serving, one, key, ask.allow_stale) for one in ask.symbols]
        found = await asyncio.gather(*asked)
        return Batch(answers=tuple(found), latency_ms=_since(begun), request_id=request_id(request))

    return routes


def _key(request: Request) -> str | None:
    """What champion and challenger share questions by: the client's token, where it has one."""
    caller = getattr(request.state, "caller", None)
    return None if caller is None else str(caller.key)


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000
