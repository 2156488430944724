"""What is asked and answered over HTTP."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from crypto_nn.server.messages import HorizonAnswer

Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}-[A-Z0-9]{1,20}$", examples=["BTC-USDT"])]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(_Schema):
    """Why a request was not answered."""

    error: str = Field(description="A short code that does not change.")
    message: str = Field(description="What was found and what to do.")
    request_id: str = Field(description="Also in the header X-Request-ID and in the log.")


class Prediction(_Schema):
    """What a version says of a symbol after its newest closed bar."""

    symbol: str
    universe: str
    model_version: str
    bar_time: str = Field(description="Open of the newest closed bar, UTC, ISO 8601.")
    known_at: str = Field(description="Its close: from then on this could be said.")
    staleness_s: float = Field(description="Seconds since `known_at`.")
    stale: bool = Field(description="Whether `serve.stale_after_bars` bars are missing since.")
    horizons: tuple[HorizonAnswer, ...]


class Answer(Prediction):
    """A prediction, with the request that it answers."""

    latency_ms: float
    request_id: str


class Ask(_Schema):
    """Several symbols at once."""

    symbols: tuple[Symbol, ...] = Field(min_length=1, max_length=1024)
    allow_stale: bool = False


class Batch(_Schema):
    """Answers in the order of the question."""

    answers: tuple[Prediction, ...]
    latency_ms: float
    request_id: str


class Served(_Schema):
    """Who answers for a universe."""

    universe: str
    symbols: tuple[str, ...]
    shares: dict[str, float]


class Models(_Schema):
    """Who answers now."""

    universes: tuple[Served, ...]
    problems: tuple[str, ...] = Field(description="Universes whose newest version is not served.")


class Promote(_Schema):
    """Let a version answer from now on, by hand: no gate judges it."""

    universe: Name
    version: Version
    reason: str = Field(min_length=1, max_length=500)


class Rollback(_Schema):
    """Let the version before the present one answer again."""

    universe: Name
    reason: str = Field(min_length=1, max_length=500)


class Champion(_Schema):
    """Who is promoted. The server serves it as soon as it is loaded."""

    universe: str
    version: str
    at: str
    request_id: str


class State(_Schema):
    """How the server is."""

    status: str
