"""The settings of the source `binance`."""

from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crypto_nn.bars.symbol import check_symbol
from crypto_nn.sources.clock import Clock
from crypto_nn.sources.patience import Patience

if TYPE_CHECKING:
    from crypto_nn.sources.binance.source import BinanceSource

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class BinanceConfig(BaseModel):
    """Binance spot, free and without a key: history from its archive, fresh bars by REST."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["binance"] = "binance"
    symbols: tuple[str, ...] = Field(
        default=(),
        description="Which symbols there are, such as BTC-USDT; any that Binance has where empty.",
    )
    archive_url: str | None = Field(
        default="https://data.binance.vision",
        description="The public archive; null: REST only.",
    )
    listing_url: str = Field(
        default="https://s3-ap-northeast-1.amazonaws.com/data.binance.vision",
        description="Where the archive's folders are listed; asked only where `api_url` is null.",
    )
    api_url: str | None = Field(
        default="https://data-api.binance.vision",
        description="REST klines; null: archive only, up to yesterday or the day before.",
    )
    requests_per_minute: int = Field(
        default=600,
        ge=1,
        le=3_000,
        description="No minute ever sees more requests from this home. Klines weigh 2; Binance "
        "grants an address 6,000 of weight a minute.",
    )
    patience: Patience = Field(
        default=Patience(), description="How often and how long a request is tried again."
    )
    connect_timeout_s: float = Field(default=10.0, gt=0, description="Until a connection stands.")
    read_timeout_s: float = Field(default=30.0, gt=0, description="Without a byte arriving.")
    request_timeout_s: float = Field(
        default=300.0, gt=0, description="From the first to the last byte of an answer."
    )
    poll_delay_s: float = Field(
        default=2.0, ge=0, le=30, description="Live: how long after a minute's end it is asked for."
    )
    poll_jitter_s: float = Field(
        default=1.0, ge=0, le=10, description="Live: at most so much later, by chance."
    )

    @field_validator("symbols")
    @classmethod
    def _are_symbols(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_symbol(symbol) for symbol in symbols)

    @field_validator("archive_url", "listing_url", "api_url")
    @classmethod
    def _is_safe(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            local = parts.scheme == "http" and parts.hostname in _LOOPBACK
            if parts.username is not None or parts.query or parts.fragment or not parts.hostname:
                raise ValueError("the address must be scheme://host[:port][/path], no login in it")
            if not (parts.scheme == "https" or local):
                raise ValueError(f"{url!r} is no https address")
        return url

    @model_validator(mode="after")
    def _has_a_way(self) -> "BinanceConfig":
        if self.archive_url is None and self.api_url is None:
            raise ValueError("archive_url and api_url are both null: give one of them")
        return self

    def open(self, clock: Clock | None = None, seed: int | None = None) -> "BinanceSource":
        """The source that asks Binance. The network is not touched before it is.

        Args:
            clock: tells the time and waits; the machine's own where it is not given.
            seed: of the jitter in waits; by chance where it is not given.
        """
        from crypto_nn.sources.binance.source import open_binance

        return open_binance(self, clock, seed)
