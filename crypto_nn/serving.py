"""How versions are served: where, how much at once, and how often one caller may ask."""

from pydantic import BaseModel, ConfigDict, Field


class RateLimits(BaseModel):
    """How many requests are answered, for each token and for each address, in each worker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_per_second: float = Field(default=50.0, gt=0, description="requests a second for one token")
    key_burst: int = Field(
        default=100, ge=1, description="requests at once for one token after a rest"
    )
    ip_per_second: float = Field(
        default=100.0, gt=0, description="requests a second from one address"
    )
    ip_burst: int = Field(
        default=200, ge=1, description="requests at once from one address after a rest"
    )
    most_callers: int = Field(
        default=10_000, ge=1, description="how many tokens or addresses are counted"
    )


class ServeConfig(BaseModel):
    """Where the server listens, how much it takes on, and when it calls an answer stale."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port; 0 takes a free one.")
    max_batch: int = Field(default=32, ge=1, le=1024, description="Windows asked at once.")
    max_wait_ms: float = Field(
        default=2.0, ge=0, le=100, description="How long a batch waits for more windows."
    )
    queue: int = Field(
        default=256, ge=1, le=65536, description="Questions that wait; beyond it the answer is 503."
    )
    deadline_ms: float = Field(
        default=1000.0, gt=0, le=60_000, description="A question that waits longer gets 503."
    )
    stale_after_bars: int = Field(
        default=2, ge=1, le=1440, description="Bars that must be missing for an answer to be stale."
    )
    poll_seconds: float = Field(
        default=1.0, ge=0.05, le=60, description="Seconds between two looks at bars and champions."
    )
    drain_seconds: int = Field(
        default=10, ge=1, le=300, description="How long requests in flight may take at the end."
    )
    most_symbols: int = Field(
        default=64, ge=1, le=1024, description="Symbols that one request may ask for."
    )
    threads: int = Field(default=1, ge=1, le=64, description="Threads of one network.")
    precision: str = Field(
        default="fp32", pattern="^(fp32|int8)$", description="Of the exported weights."
    )
    limits: RateLimits = RateLimits()
