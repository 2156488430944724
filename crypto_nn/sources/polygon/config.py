"""The settings of the source `polygon`. No key stands here, only the name of its variable."""

from datetime import date
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crypto_nn.bars.symbol import check_symbol
from crypto_nn.sources.clock import Clock, SystemClock
from crypto_nn.sources.patience import Patience

if TYPE_CHECKING:
    from crypto_nn.sources.polygon.source import PolygonSource

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class PolygonConfig(BaseModel):
    """Crypto minute bars of Polygon.io (now Massive): history by REST, live ones by WebSocket."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["polygon"] = "polygon"
    symbols: tuple[str, ...] = Field(
        default=(), description="Which symbols there are, such as BTC-USD; any where empty."
    )
    base_url: str = Field(
        default="https://api.polygon.io", description="The REST service; https, or loopback."
    )
    websocket_feed: str = Field(
        default="socket.polygon.io",
        description="Host (and port) of the WebSocket, the one that your plan includes.",
    )
    secure: bool = Field(
        default=True, description="Whether the WebSocket uses TLS; false on loopback only."
    )
    key_variable: str = Field(
        default="POLYGON_API_KEY",
        pattern=r"^[A-Z][A-Z0-9_]*$",  # capitals, which a key itself hardly ever is
        max_length=64,
        description="The environment variable that holds the key. Never write the key itself.",
    )
    channel: Literal["XA", "XAS"] = Field(
        default="XA", description="Live: XA is minute bars; XAS seconds, made into minutes here."
    )
    since: date | None = Field(
        default=None,
        description="Where your plan's history begins (UTC). Null: asked for, from 2009 on.",
    )
    requests_per_minute: int = Field(
        default=5,
        ge=1,
        le=6_000,
        description="No minute ever sees more requests with this key from this home. 5 is what "
        "the free plan allows.",
    )
    patience: Patience = Field(
        default=Patience(), description="How often and how long a request is tried again."
    )
    connect_timeout_s: float = Field(default=10.0, gt=0, description="Until a connection stands.")
    read_timeout_s: float = Field(default=30.0, gt=0, description="Without a byte arriving.")
    request_timeout_s: float = Field(
        default=120.0, gt=0, le=120, description="From asking to the last byte of the answer."
    )
    login_timeout_s: float = Field(
        default=20.0, gt=0, description="Live: from connecting until the subscription stands."
    )
    stall_s: float = Field(
        default=150.0,
        gt=0,
        description="Live: so long without a bar of any symbol, and the connection is made anew.",
    )
    reconnect: Patience = Field(
        default=Patience(first_wait_s=1.0, max_wait_s=60.0),
        description="Live: how the waits between connections grow (first_wait_s, max_wait_s); "
        "connections are made for ever.",
    )
    grace_s: float = Field(
        default=3.0, ge=0, le=60, description="XAS: how long after its end a minute waits."
    )

    @field_validator("symbols")
    @classmethod
    def _are_symbols(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_symbol(symbol) for symbol in symbols)

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.username or parts.query or parts.fragment or not parts.hostname:
            raise ValueError(f"the address of {parts.hostname} must be scheme://host[:port][/path]")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(url)):
            raise ValueError(f"{url!r} is no https address; the key would be sent for all to read")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _keeps_the_key_secret(self) -> "PolygonConfig":
        if not self.secure and not _is_here(f"ws://{self.websocket_feed}"):
            raise ValueError(
                f"secure is false, but {self.websocket_feed!r} is not on this machine; the key "
                "would be sent for all to read"
            )
        return self

    def open(self, clock: Clock | None = None, seed: int | None = None) -> "PolygonSource":
        """The source that asks Polygon. Neither the key nor the network is touched before it is.

        Args:
            clock: tells the time and waits; the machine's own where it is not given.
            seed: of the jitter in waits; by chance where it is not given.
        """
        from crypto_nn.sources.polygon.source import PolygonSource

        return PolygonSource(self, clock or SystemClock(), seed)


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK
