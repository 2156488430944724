"""`/models`: who answers, and who shall."""

from typing import Protocol

from fastapi import APIRouter, Request

from crypto_nn.inference.registry import Champion as Promoted
from crypto_nn.server.answers import Answers
from crypto_nn.server.problems import documented, request_id
from crypto_nn.server.schemas import Champion, Models, Promote, Rollback, Served


class Actions(Protocol):
    """What may be done by hand, on the platform's stores."""

    def promote(self, universe: str, version: str, reason: str) -> Promoted:
        """Let a version answer; `ModelError` where there is none."""

    def rollback(self, universe: str, reason: str) -> Promoted:
        """Let the former version answer; `ModelError` where there was none."""


def router(answers: Answers, actions: Actions | None) -> APIRouter:
    """The list, and, where there is a store, promotion and rollback (role operate)."""
    routes = APIRouter(prefix="/models", tags=["models"], responses=documented())

    @routes.get("")
    async def models() -> Models:
        """Which versions answer for which universes, with which shares."""
        universes = answers.watcher.serving.universes.values()
        return Models(
            universes=tuple(
                Served(universe=one.name, symbols=one.symbols, shares=dict(one.shares))
                for one in universes
            ),
            problems=tuple(sorted(answers.watcher.problems)),
        )

    if actions is None:
        return routes

    @routes.post("/promote", responses=documented(409))
    def promote(request: Request, asked: Promote) -> Champion:
        """Let a version answer from now on."""
        done = actions.promote(asked.universe, asked.version, asked.reason)
        return _told(done, request)

    @routes.post("/rollback", responses=documented(409))
    def rollback(request: Request, asked: Rollback) -> Champion:
        """Let the version before the present one answer again."""
        return _told(actions.rollback(asked.universe, asked.reason), request)

    return routes


def _told(done: Promoted, request: Request) -> Champion:
    return Champion(
        universe=done.universe, version=done.version, at=done.at, request_id=request_id(request)
    )
