"""One worker on a socket: guarded from the first byte, drained at the end."""

from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from crypto_nn.server.answers import Answers
from crypto_nn.server.guards import guarded
from crypto_nn.server.policy import Policy
from crypto_nn.server.protocol import GuardedProtocol
from crypto_nn.serving import ServeConfig


class Worker(uvicorn.Server):
    """A server that is unready from the first signal on, and ends once all in flight is answered.

    Args:
        app: as `create_app` makes it, without guards.
        answers: that of the application.
        config: where to listen.
        policy: what requests are held to; `Policy.for_host` refuses addresses that are not safe.
    """

    def __init__(self, app: ASGIApp, answers: Answers, config: ServeConfig, policy: Policy) -> None:
        super().__init__(
            uvicorn.Config(
                guarded(app, policy),
                host=config.host,
                port=config.port,
                http=GuardedProtocol,
                ws_max_size=8192,
                ws_per_message_deflate=False,
                lifespan="on",
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=config.drain_seconds,
            )
        )
        self._answers = answers

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Say that no more requests should be sent here, then end."""
        self._answers.drain()
        super().handle_exit(sig, frame)
