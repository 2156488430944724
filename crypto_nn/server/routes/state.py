"""`/health` and `/ready`: whether the process lives, and whether it answers."""

from fastapi import APIRouter, Response

from crypto_nn.server.answers import Answers
from crypto_nn.server.schemas import State


def router(answers: Answers) -> APIRouter:
    """For whoever restarts processes and spreads requests; both are open to all."""
    routes = APIRouter(tags=["state"])

    @routes.get("/health")
    async def health() -> State:
        """200 while the process answers at all."""
        return State(status="alive")

    @routes.get("/ready", responses={503: {"model": State}})
    async def ready(response: Response) -> State:
        """200 while a version is loaded; 503 before, and while the server ends."""
        if answers.ready:
            return State(status="ready")
        response.status_code = 503
        return State(status="not ready")

    return routes
