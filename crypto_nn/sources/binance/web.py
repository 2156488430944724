"""Asking Binance over HTTP: within the budget, with patience, nothing taken on trust."""

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from types import TracebackType
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import httpx
import numpy as np

from crypto_nn.errors import SourceError, SourceRefused
from crypto_nn.sources.binance.config import BinanceConfig
from crypto_nn.sources.clock import Clock
from crypto_nn.sources.exchange_time import ExchangeTime
from crypto_nn.sources.patience import (
    OutOfPatience,
    Patience,
    RateBudget,
    Transient,
    http_date,
    persist,
    retry_after,
)

T = TypeVar("T")

MAX_TEXT_BYTES = 4 << 20
"""A page of a thousand klines is about 200 kB."""
_REFUSED = (401, 403, 451)
_BUSY = (418, 429)


class Garbled(Exception):
    """An answer is not what was asked for: it may be whole when asked again."""


class Damaged(Exception):
    """A file of the archive is not what it should be, and stays so."""


class Malformed(SourceError):
    """Binance does not take the request as it is written.

    Attributes:
        code: Binance's own number of what is wrong with it, such as -1121: unknown symbol.
    """

    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What came back.

    Attributes:
        content: the body, as it was read.
        date: when it was sent, by the sender's clock; None where it did not say.
    """

    content: T
    date: np.datetime64 | None


class Web:
    """Connections to Binance, open as long as this context is.

    Args:
        config: time-outs and patience.
        budget: what every request is taken from.
        time: learns the exchange's time from the API's answers.
        clock: this machine's time.
        chance: for the length of waits.
        patience: in place of the configured one.
    """

    def __init__(
        self,
        config: BinanceConfig,
        budget: RateBudget,
        time: ExchangeTime,
        clock: Clock,
        chance: Random,
        patience: Patience | None = None,
    ) -> None:
        self._config, self._budget, self._time = config, budget, time
        self._clock, self._chance = clock, chance
        self._patience = patience or config.patience
        self._api = urlsplit(config.api_url or config.listing_url).netloc
        self._opened: httpx.Client | None = None
        self._opening = threading.Lock()

    def __enter__(self) -> "Web":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            self._opened.close()

    def now(self) -> np.datetime64:
        """The exchange's time, or this machine's where no answer has told it yet."""
        known = self._time.now()
        return self._clock.now() if known is None else known

    def get(
        self,
        url: str,
        read: Callable[[bytes], T],
        limit: int = MAX_TEXT_BYTES,
        fresh: bool = False,
    ) -> Answer[T] | None:
        """The answer of an address, read by `read`, which raises `Garbled`; None where it has none.

        Args:
            url: what to ask for.
            read: makes of the body what it should be.
            limit: how many bytes an answer has at most.
            fresh: whether caches on the way may not answer.

        Raises:
            OutOfPatience: no good answer came for long, or Binance asks to be left alone for long.
            SourceRefused: it does not serve where we are.
            Malformed: it does not take the request as it is written.
        """
        return persist(
            lambda: self._once(url, read, limit, fresh), self._patience, self._clock, self._chance
        )

    def _once(
        self, url: str, read: Callable[[bytes], T], limit: int, fresh: bool
    ) -> Answer[T] | None:
        headers = {"Cache-Control": "no-cache"} if fresh else {}
        began = self._clock.monotonic()
        try:
            with (
                self._budget.request(),
                self._client().stream("GET", url, headers=headers) as response,
            ):
                body = self._receive(response, limit, began)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Transient(f"{_host(url)}: {type(error).__name__} {error}".rstrip()) from error
        date = http_date(response.headers.get("Date"))
        if date is not None and urlsplit(url).netloc == self._api:
            self._time.learn(date)
        if response.status_code == 404:
            return None
        self._check(url, response.status_code, response.headers, body)
        try:
            return Answer(read(body), date)
        except Garbled as error:
            raise Transient(f"{_host(url)} answered with {error}") from error

    def _client(self) -> httpx.Client:
        with self._opening:
            if self._opened is None:
                config = self._config
                self._opened = httpx.Client(
                    timeout=httpx.Timeout(config.read_timeout_s, connect=config.connect_timeout_s),
                    follow_redirects=False,
                    verify=_trusted(),
                    headers={"Accept-Encoding": "identity", "User-Agent": "crypto_nn"},
                )
            return self._opened

    def _receive(self, response: httpx.Response, limit: int, began: float) -> bytes:
        """The body, as long as it is neither too long nor too slow."""
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > limit:
                raise Transient(f"{_host(str(response.url))} answered with over {limit:,} bytes")
            if self._clock.monotonic() - began > self._config.request_timeout_s:
                raise Transient(f"{_host(str(response.url))} took too long to answer")
        return bytes(body)

    def _check(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Return where the answer is good; else say whether trying again can help."""
        told = f"{_host(url)} answered {status}: {body[:120].decode(errors='replace')!r}"
        if status == 200:
            return
        if status in _BUSY:
            asked = retry_after(headers, self._clock)
            if asked is not None and asked > self._patience.max_asked_s:
                raise OutOfPatience(
                    f"{told}; it asks to be left alone for {asked:.0f} s. Ask again after that, "
                    "and lower `requests_per_minute`"
                ) from Transient(told, asked)
            raise Transient(told, asked)
        if status in _REFUSED:
            raise SourceRefused(
                f"{told}. Binance does not serve some countries and cloud regions, and blocks "
                "what looks like misuse. Set `api_url: https://data-api.binance.vision` (market "
                "data only, served more widely) or `api_url: null` (archive only)."
            )
        if 400 <= status < 500:
            raise Malformed(f"{told}. Check the symbol and the addresses.", _code(body))
        raise Transient(told, retry_after(headers, self._clock))


@cache
def _trusted() -> ssl.SSLContext:
    """Which certificates are trusted; reading them takes longer than a request."""
    return httpx.create_ssl_context()


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _code(body: bytes) -> int | None:
    try:
        told = json.loads(body)
    except ValueError:
        return None
    code = told.get("code") if isinstance(told, dict) else None
    return code if isinstance(code, int) else None
